/* BPE tokenizer of a Hugging Face tokenizer.json, byte-level (GPT-2, Llama 3, Qwen) or by characters with byte fallback
 * (Llama 2, Mistral): encode, decode, and a small trainer that writes such a file. A loaded tokenizer is immutable and
 * may be used by several threads. LOCAL. */
#ifndef WR_TEXT_TOKENIZER_TOKENIZER_H
#define WR_TEXT_TOKENIZER_TOKENIZER_H

#include "base/status.h"
#include "base/strbuf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tokenizer tokenizer;

/* path: a tokenizer.json, or a directory that holds one. Another model type than BPE, or a pre-tokenizer, normaliser,
 * decoder or member that is not supported and would change the ids or the text, is WR_E_FORMAT and names it.
 * "truncation" and "padding" are not looked at, and an added token has the id that Tokenizer.from_file gives it,
 * whatever its "id" says. */
wr_status tokenizer_load(const char *path, tokenizer **out);
void tokenizer_free(tokenizer *t);
size_t tokenizer_vocab(const tokenizer *t);     /* largest id + 1, added tokens included */
const char *tokenizer_hash(const tokenizer *t); /* 32 hex digits, of the file's bytes */
/* Directory the file was loaded from (for copying it beside models). */
const char *tokenizer_dir(const tokenizer *t);
int32_t tokenizer_id(const tokenizer *t, const char *token); /* id of an exact vocabulary or added token, -1 if none */

typedef struct token_ids {
    int32_t *ids;
    size_t n, capacity;
} token_ids;
void token_ids_free(token_ids *ids);
wr_status token_ids_push(token_ids *ids, int32_t id);

enum {
    /* added tokens in the text are matched, as Hugging Face does; without it everything is plain text */
    TOK_MATCH_SPECIAL = 1,
    TOK_POST = 2,   /* apply the post-processor (e.g. a BOS in front) */
    TOK_DEFAULT = 3 /* Tokenizer.encode(text).ids */
};
/* Appends the ids of text (UTF-8; invalid bytes are taken as U+FFFD) to out. Time O(n log n). Each call borrows scratch
 * memory and a cache of words that the tokenizer keeps, one set for each call at a time (1 MiB and what the longest
 * text needed). */
wr_status tokenizer_encode(const tokenizer *t, const char *text, size_t n, int flags, token_ids *out);
/* As tokenizer_encode without the post-processor, for a chat, a text of which a part was typed by others. Of a
 * Llama-2-style file whose tokenizer_config.json names the class LlamaTokenizer the mark of a space comes before the
 * chat's beginning alone, as in transformers 5 (tokenizer_class.c). text: valid UTF-8; origin: (n), added tokens are
 * matched only where all their bytes have origin 0. cuts: (n_cuts) byte positions, ascending, over which no token
 * reaches unless an added token does; at: (n_cuts) gets the number of ids in out that stand before each. */
wr_status tokenizer_encode_marked(const tokenizer *t, const char *text, size_t n, const uint16_t *origin,
                                  const size_t *cuts, size_t n_cuts, size_t *at, token_ids *out);
/* The added token that begins at text + from (its id, and its bytes in *length), matched where all its bytes have
 * origin 0; -1: none. */
int32_t tokenizer_added_at(const tokenizer *t, const char *text, size_t n, const uint16_t *origin, size_t from,
                           size_t *length);
/* Plain text may be encoded in pieces: no word reaches over a line break that an ASCII letter follows, nor over a colon
 * that a space follows, and what stands before such a place changes nothing behind it. What stands before the letter is
 * not independent of there being one. True of byte-level vocabularies with a pattern of regex_words.h and no normaliser
 * but Unicode's forms; of others it is not known. */
bool tokenizer_cuts_lines(const tokenizer *t);
/* The ids that TOK_POST puts around a text's. */
void tokenizer_post(const tokenizer *t, const int32_t **before, size_t *n_before, const int32_t **after,
                    size_t *n_after);
/* Appends the text of ids. Invalid UTF-8 becomes U+FFFD. An id without a token, in the vocabulary or beyond it, has no
 * text, as in Hugging Face: models have more rows than their tokenizer has ids, and may sample them. A negative id is
 * WR_E_FORMAT. skip_special leaves special tokens out. */
wr_status tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, bool skip_special, strbuf *out);

/* Decoding while ids arrive: the texts that the pushes and the flush append are, joined, what tokenizer_decode makes of
 * all the ids. Each is whole characters. Text comes as soon as no later id can change it: at once but for unfinished
 * characters, runs of byte tokens and the spaces a decoder may strip. One thread a stream; the tokenizer must outlive
 * it. */
typedef struct tokenizer_stream tokenizer_stream;
wr_status tokenizer_stream_create(const tokenizer *t, bool skip_special, tokenizer_stream **out);
/* errors as tokenizer_decode; the stream stays usable */
wr_status tokenizer_stream_push(tokenizer_stream *s, int32_t id, strbuf *out);
wr_status tokenizer_stream_flush(tokenizer_stream *s, strbuf *out); /* afterwards a new reply may begin */
void tokenizer_stream_free(tokenizer_stream *s);

/* --- trainer ------------------------------------------------------------------------------------------------------ */
typedef struct bpe_trainer bpe_trainer;
/* Special tokens get the first ids, then the 256 bytes, then merges up to vocab_size. Pre-tokenizer: GPT-2 regex with
 * individual digits. */
wr_status bpe_trainer_create(size_t vocab_size, const char *const *special_tokens /* NULL-terminated */,
                             bpe_trainer **out);
wr_status bpe_trainer_add(bpe_trainer *t, const char *text, size_t n);
/* Trains (ties broken by bytes: deterministic) and writes DIR/tokenizer.json and DIR/tokenizer_config.json with a
 * ChatML chat template and <|im_end|> as end token. */
wr_status bpe_trainer_finish(bpe_trainer *t, const char *dir);
void bpe_trainer_free(bpe_trainer *t);

#endif
