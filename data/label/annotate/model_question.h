/* The annotator "model" between its files: model_question.c writes prompts and asks, model_annotator.c is the
 * annotator. LOCAL. */
#ifndef WR_DATA_LABEL_ANNOTATE_MODEL_QUESTION_H
#define WR_DATA_LABEL_ANNOTATE_MODEL_QUESTION_H

#include "data/label/annotate/answer_cache.h"
#include "data/label/annotate/model_annotator.h"
#include "data/label/annotate/model_prompts.h"
#include "data/label/annotate/text_vectors.h"

enum { MOST_ANSWERS = 5, SLICE = 256, WAYS = 3, LIKED_BATCH = 64, SIMILARITY_TOKENS = 512 };

/* A question is answered by one of n numbers, from `first` on. */
typedef struct model_scale {
    int first, n;
} model_scale;
extern const model_scale model_scales[MODEL_QUESTIONS];

typedef struct question {
    model_prompt *prompt;
    token_ids lead; /* tokens that all answers begin with: part of every prompt */
    token_ids answers[MOST_ANSWERS];
    size_t n, longest;
    bool calibrated;
    double bias[MOST_ANSWERS];
} question;

typedef struct model_annotator {
    annotator base;
    const model *m;
    const tokenizer *tok;
    const chat_template *chat;
    model *own_model; /* what model_annotator_open loaded */
    tokenizer *own_tokenizer;
    chat_template *own_chat;
    model_workspace *work;
    prefix_batch packed;
    question questions[MODEL_QUESTIONS];
    text_vectors vectors;
    size_t max_length, history, clip, batch_tokens;
    bool calibrate;
    strbuf text;
    token_ids prompts[SLICE + WAYS]; /* of a slice, and those that calibrate */
    answer_cache *cache;             /* NULL: none */
    arena *record;                   /* of the cache, while it is read */
    /* model, tokenizer, prompts, arithmetic: with a prompt's ids, all that its answer depends on */
    uint64_t identity;
    /* counted */
    size_t cached, asked[MODEL_QUESTIONS], too_long, not_finite, ties, history_dropped, clipped, tokens;
} model_annotator;

/* Prompt and what all answers begin with, as ids, without the oldest `skip` messages. */
wr_status model_question_encode(model_annotator *a, const question *q, const annotated_turn *t, size_t skip,
                                token_ids *out, size_t *clipped);
/* The answers' tokens. WR_E_MISMATCH: the tokenizer cannot tell two of them apart. */
wr_status model_question_answers(model_annotator *a, question *q, model_question which);
/* answer[i]: the number of the answer for turn i < n <= SLICE, -1: none. */
wr_status model_question_ask(model_annotator *a, model_question which, const annotated_turn *turns, size_t n,
                             int *answer);

#endif
