/* Added tokens of tokenizer.json: strings that are found in the text before pre-tokenization and become one id. LOCAL;
 * immutable once loaded. */
#ifndef WR_TEXT_TOKENIZER_ADDED_TOKENS_H
#define WR_TEXT_TOKENIZER_ADDED_TOKENS_H

#include "base/mem.h"
#include <stdbool.h>

typedef struct added_token {
    /* what is searched for: the content, normalised when `normalized`; lives in the tokenizer's arena */
    const char *text;
    size_t n;
    int32_t id;
    bool lstrip, rstrip, single_word;
    size_t shorter; /* index + 1 of the longest other token that this one begins with, 0 if none */
} added_token;

/* Tokens sorted by their bytes: of those that begin a text, the longest is the last that does not sort behind the text,
 * or one that it begins with. Hundreds share their first byte in published files. */
typedef struct added_set {
    added_token *tokens;
    size_t n, capacity;
    size_t first[257]; /* tokens of first byte b: first[b] … first[b+1]) */
} added_set;

wr_status added_set_push(added_set *s, added_token t);
void added_set_finish(added_set *s); /* sorts; call before finding */
void added_set_free(added_set *s);

/* Next piece of text at *at: a token (id >= 0) or the text before the next one (id = -1). `done` is where the previous
 * token ended, which an lstrip token may not reach behind. Returns false at the end. */
typedef struct added_span {
    size_t from, to;
    int32_t id;
} added_span;
typedef struct added_scan {
    const added_set *set;
    const char *text;
    size_t n, at, done;
    added_span waiting;
    bool has_waiting;
} added_scan;
bool added_next(added_scan *s, added_span *out);

#endif
