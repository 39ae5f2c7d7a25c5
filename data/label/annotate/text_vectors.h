/* Topic similarity by a language model: the cosine of the mean-pooled states of "query\nfollow-up" of two turns. LOCAL;
 * one thread. */
#ifndef WR_DATA_LABEL_ANNOTATE_TEXT_VECTORS_H
#define WR_DATA_LABEL_ANNOTATE_TEXT_VECTORS_H

#include "data/label/mine/mining.h"
#include "data/label/annotate/answers.h"

typedef struct text_vectors {
    const model *m;
    const tokenizer *tok;
    model_workspace *work;
    prefix_batch *packed;
    size_t max_length; /* tokens of a text (>= 2): of a longer one the beginnings of query and follow-up, half of the
                          room each unless one needs less */
    size_t max_tokens; /* of a forward pass */
    /* counted */
    size_t texts, shortened, tokens;
} text_vectors;

/* cosine (n): of x[i] and y[i]; NaN where a turn has no text or its vector has no direction. A text that occurs several
 * times in a call is computed once (within TEXT_VECTOR_PAIRS pairs). */
enum { TEXT_VECTOR_PAIRS = 256 };
wr_status text_vector_cosines(text_vectors *v, const turn_text *x, const turn_text *y, size_t n, double *cosine);

#endif
