/* Choosing the next token from raw logits. LOCAL. */
#ifndef WR_SAMPLER_SAMPLING_H
#define WR_SAMPLER_SAMPLING_H

#include "base/rng.h"
#include "sampler/sampler.h"

typedef struct token_candidate {
    float logit;
    int32_t id;
} token_candidate;
/* one per thread */
typedef struct pick_scratch {
    float *weights;
    token_candidate *candidates;
    size_t V;
} pick_scratch;
wr_status pick_scratch_alloc(size_t V, pick_scratch *out);
void pick_scratch_free(pick_scratch *s);

/* Temperature, then top-k, then top-p among what top-k left (the order of Hugging Face's warpers). temperature 0: arg
 * max. Ties go to the lowest id. One draw of r, none when greedy. *logprob: log-softmax of the raw logits at the chosen
 * id. WR_E_NUMERIC when a logit is NaN or +inf (or all are -inf). */
wr_status pick_token(const float *logits, size_t V, const sampling_options *o, rng *r, pick_scratch *s, int32_t *id,
                     double *logprob);

/* WR_E_USAGE names the option. The one place that says what can be sampled with. */
wr_status sampling_options_check(const sampling_options *o);

#endif
