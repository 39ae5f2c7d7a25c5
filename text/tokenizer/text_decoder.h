/* Decoders of tokenizer.json: a chain of steps from token strings to text. Supported: Sequence, ByteLevel, Replace of a
 * string, ByteFallback, Fuse, Strip, Metaspace. The chain is run token by token, so that a reply can be shown while it
 * grows; what it gives in all is what decoding the whole at once gives. LOCAL; a decoder is immutable once loaded, a
 * stream belongs to one thread. */
#ifndef WR_TEXT_TOKENIZER_TEXT_DECODER_H
#define WR_TEXT_TOKENIZER_TEXT_DECODER_H

#include "base/json.h"

typedef struct text_decoder text_decoder;
/* config: the file's "decoder" member; where it is absent or null, tokens are joined by a space. WR_E_FORMAT names what
 * is not supported. */
wr_status text_decoder_load(const json_value *config, text_decoder **out);
void text_decoder_free(text_decoder *d);

typedef struct text_stream text_stream;
wr_status text_stream_create(const text_decoder *d, text_stream **out);
void text_stream_free(text_stream *s);
/* Appends to out what is certain after this token: whole characters only, and nothing that a later token could change.
 * A run of byte tokens (ByteFallback) is therefore held until it ends, as one bad byte makes U+FFFD of each of its
 * bytes. */
wr_status text_stream_push(text_stream *s, const char *token, size_t n, strbuf *out);
/* Appends what was held; the stream is then as new. */
wr_status text_stream_flush(text_stream *s, strbuf *out);

#endif
