#include "sampler/sampler.h"

#include "base/mem.h"
#include "sampler/sampler_internal.h"

#include <omp.h>
#include <stdlib.h>

wr_status sampler_create(const model *policy, sampler **out) {
    wr_status status = WR_OK;
    sampler *s = mem_calloc(1, sizeof *s);
    TRY_ALLOC(s);
    s->policy = policy;
    s->n_picks = (size_t)omp_get_max_threads();
    TRY(decode_scratch_create(policy, &s->scratch));
    TRY_ALLOC(s->picks = mem_calloc(s->n_picks, sizeof *s->picks));
    for (size_t i = 0; i < s->n_picks; i++) TRY(pick_scratch_alloc(policy->config.V, &s->picks[i]));
    TRY_ALLOC(s->logits = mem_aligned(LOGIT_ROWS * policy->config.V, sizeof *s->logits));
    *out = s;
    s = NULL;
cleanup:
    sampler_free(s);
    return status;
}

void sampler_free(sampler *s) {
    if (!s) return;
    decode_scratch_free(s->scratch);
    for (size_t i = 0; s->picks && i < s->n_picks; i++) pick_scratch_free(&s->picks[i]);
    free(s->picks);
    free(s->logits);
    free(s);
}

void sample_replies_free(sample_reply *replies, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(replies[i].ids);
        replies[i] = (sample_reply){0};
    }
}
