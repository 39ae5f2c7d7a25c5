/* The steps of a decoder: text_decoder.c reads them, text_stream.c runs them; for these two only. */
#ifndef WR_TEXT_TOKENIZER_TEXT_DECODER_STEPS_H
#define WR_TEXT_TOKENIZER_TEXT_DECODER_STEPS_H

#include "text/tokenizer/text_decoder.h"

typedef enum decode_kind {
    DECODE_BYTE_LEVEL,
    DECODE_REPLACE,
    DECODE_BYTE_FALLBACK,
    DECODE_FUSE,
    DECODE_STRIP,
    DECODE_METASPACE,
    DECODE_JOIN
} decode_kind;

typedef struct decode_step {
    decode_kind kind;
    char *from, *to; /* REPLACE; from: STRIP's and METASPACE's character */
    size_t n_from, n_to;
    size_t start, stop; /* STRIP: how many at most at a token's begin and end */
    bool drop_first;    /* METASPACE: marks of the first token vanish */
} decode_step;

#define MAX_DECODE_STEPS 16
struct text_decoder {
    decode_step steps[MAX_DECODE_STEPS];
    size_t n;
    bool fused; /* while loading: from here on all is one token that comes in pieces */
};

#endif
