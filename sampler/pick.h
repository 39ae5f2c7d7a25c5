/* Choosing the next token from raw logits. LOCAL. */
#ifndef WR_SAMPLER_PICK_H
#define WR_SAMPLER_PICK_H

#include "base/rng.h"
#include "sampler/sampling.h"

/* one per thread */
typedef struct pick_scratch {
    float *weights;
    token_candidate *candidates;
} pick_scratch;
wr_status pick_scratch_alloc(size_t V, pick_scratch *out);
void pick_scratch_free(pick_scratch *s);

/* One token from what sampling_steps leave. temperature 0: arg max. Ties go to the lowest id. One number of r, none
 * when greedy. *logprob: log-softmax of the raw logits at the chosen id. WR_E_NUMERIC when a logit is NaN or +inf (or
 * all are -inf). */
wr_status pick_token(const float *logits, size_t V, const sampling_options *o, rng *r, pick_scratch *s, int32_t *id,
                     double *logprob);

#endif
