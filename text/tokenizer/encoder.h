/* The scratch of one call that encodes: tokenizer_encode.c has it, tokenizer_encode_marked.c uses it for chats.
 * LOCAL. */
#ifndef WR_TEXT_TOKENIZER_ENCODER_H
#define WR_TEXT_TOKENIZER_ENCODER_H

#include "text/tokenizer/tokenizer_parts.h"
#include "text/tokenizer/word_cache.h"

typedef struct encoder encoder;
struct encoder {
    const tokenizer *t;
    token_ids *out;
    const char *begin; /* of the whole text */
    bool chat;
    pretokenize_scratch words;
    normalize_scratch normal;
    merge_scratch merge;
    strbuf clean, key;
    word_entry *cache;
    encoder *next; /* in the pool */
};

/* One of the tokenizer's, made when none is idle; the ids go to out. */
wr_status encoder_borrow(const tokenizer *t, token_ids *out, encoder **found);
/* Gives it back (NULL is fine), or after an error cuts out back to `before` ids. */
void encoder_end(encoder *e, wr_status status, size_t before);
/* Text without special tokens. match: added tokens of the normalised text are looked for. */
wr_status encoder_encode(encoder *e, const char *text, size_t n, bool match);

#endif
