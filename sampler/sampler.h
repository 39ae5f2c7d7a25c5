/* Batched generation with a KV cache. n replies to one prompt share the prompt's prefill. The random numbers of reply j
 * to prompt p at position t are a pure function of (seed, step, p, j, t), so a reply depends neither on batch
 * composition nor on the rank count. LOCAL.
 *
 * sampler_generate answers a batch; what it is made of is sampler/session.h: prompts that come while others run. */
#ifndef WR_SAMPLER_SAMPLER_H
#define WR_SAMPLER_SAMPLER_H

#include "sampler/sampling.h"
#include "sampler/stops.h"

typedef struct sample_prompt {
    const int32_t *ids;
    size_t n;
    uint64_t key;             /* prompt number for the randomness key */
    const stop_tokens *stops; /* a reply ends with, and includes, the first of these; NULL: none */
} sample_prompt;

typedef enum sample_finish { FINISH_STOP, FINISH_LENGTH } sample_finish;
typedef struct sample_reply {
    int32_t *ids;
    size_t n;       /* owned; with the stop token where there is one */
    double logprob; /* sum over ids of the log-softmax of the raw logits (temperature 1, no truncation) */
    sample_finish finish;
} sample_reply;

typedef struct sampler sampler;
/* keeps a pointer to policy: sees weight updates between calls */
wr_status sampler_create(const model *policy, sampler **out);
void sampler_free(sampler *s);
/* replies: (n_prompts * n), reply j of prompt i at [i*n + j]; filled here, released with sample_replies_free.
 * should_stop (may be NULL) is polled between decode steps; returning true ends with WR_E_INTERRUPTED. */
wr_status sampler_generate(sampler *s, size_t n_prompts, const sample_prompt *prompts, const sampling_options *o,
                           bool (*should_stop)(void *), void *context, sample_reply *replies);
void sample_replies_free(sample_reply *replies, size_t count);

#endif
