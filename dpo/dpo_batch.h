/* The pairs of a DPO step as token batches: which pairs stay together, and one micro-batch of them packed as trees.
 * LOCAL. */
#ifndef WR_DPO_DPO_BATCH_H
#define WR_DPO_DPO_BATCH_H

#include "dpo/pairs.h"
#include "model/prefix_tree.h"

/* Neighbouring pairs of one prompt, trained in one micro-batch so that the prompt is computed once. */
typedef struct pair_unit {
    size_t first, count;
} pair_unit;

/* Sequences 2i and 2i+1 are prompt + chosen and prompt + rejected of pair i, each without its last token, which nothing
 * follows. */
typedef struct pair_texts {
    int32_t *store;
    const int32_t **ids; /* (2 n_pairs), into store */
    size_t *lengths;     /* (2 n_pairs) */
    pair_unit *units;
    size_t n_units;
    uint32_t *tokens; /* (n_units): what computing a unit costs */
} pair_texts;

/* Units cost at most unit_tokens (one pair may cost more). A rule that lets nothing be shared makes every
 * pair a unit. */
wr_status pair_texts_create(const dpo_pair *pairs, size_t n_pairs, size_t unit_tokens, prefix_rule rule,
                            pair_texts *out);
void pair_texts_free(pair_texts *t);

/* One micro-batch. Pair k of it is pairs[pair[k]]; its replies' tokens are entries first[2k] … first[2k+1] (chosen) and
 * first[2k+1] … first[2k+2] (rejected) of rows and targets: the hidden state in row rows[r] predicts targets[r]. */
typedef struct dpo_batch {
    prefix_tree packed;
    size_t n_pairs, N;
    size_t *pair, *first, *rows;                   /* (n_pairs), (2 n_pairs + 1), (N) */
    int32_t *targets;                              /* (N) */
    float *logprob, *reference_logprob, *dlogprob; /* (N) */
    float *dhidden;                                /* (T, C), zeros */
} dpo_batch;

/* Packs the given units. C: the model's channels. *out is to be freed, also after an error. */
wr_status dpo_batch_create(const pair_texts *t, const dpo_pair *pairs, const uint32_t *units, size_t n_units, size_t C,
                           prefix_rule rule, dpo_batch *out);
void dpo_batch_free(dpo_batch *b);

#endif
