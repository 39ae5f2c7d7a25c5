/* A token is picked by the inverse of the cumulative distribution: with u uniform in [0, 1), the first token at which
 * the running sum of weights exceeds u times their total. */
#include "sampler/pick.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

wr_status pick_scratch_alloc(size_t V, pick_scratch *out) {
    *out =
        (pick_scratch){.weights = mem_calloc(V, sizeof(float)), .candidates = mem_calloc(V, sizeof(token_candidate))};
    if (out->weights && out->candidates) return WR_OK;
    pick_scratch_free(out);
    return WR_E_NOMEM;
}

void pick_scratch_free(pick_scratch *s) {
    free(s->weights);
    free(s->candidates);
    *s = (pick_scratch){0};
}

/* most: what rounding at the far end leaves us with. */
static size_t sample_token(const next_token *t, double u, size_t most) {
    double sum = 0.0;
    for (size_t i = 0; t->all && i < t->V; i++) {
        sum += (double)t->weights[i];
        if (u * t->total < sum) return i;
    }
    for (size_t i = 0; !t->all && i < t->n_left; i++) {
        sum += (double)t->weights[t->left[i].id];
        if (u * t->total < sum) return (size_t)t->left[i].id;
    }
    return most;
}

wr_status pick_token(const float *logits, size_t V, const sampling_options *o, rng *r, pick_scratch *s, int32_t *id,
                     double *logprob) {
    size_t best = 0;
    for (size_t i = 0; i < V; i++) {
        if (!(logits[i] < INFINITY))
            return wr_fail(WR_E_NUMERIC, "the logit of token %zu is not a number: the model's weights are bad", i);
        if (logits[i] > logits[best]) best = i;
    }
    const float max = logits[best];
    if (!isfinite(max)) return wr_fail(WR_E_NUMERIC, "no token has a finite logit: the model's weights are bad");
    double raw = 0.0;
    for (size_t i = 0; i < V; i++) {
        s->weights[i] = expf(logits[i] - max);
        raw += (double)s->weights[i];
    }
    size_t chosen = best;
    if (o->temperature > 0.0) {
        next_token t = {.logits = logits,
                        .V = V,
                        .max = max,
                        .weights = s->weights,
                        .total = raw,
                        .all = true,
                        .left = s->candidates};
        for (const sampling_step *step = sampling_steps; step->option; step++)
            if (step->active(o, V)) step->apply(o, &t);
        chosen = sample_token(&t, rng_uniform(r), best);
    }
    *id = (int32_t)chosen;
    *logprob = (double)logits[chosen] - (double)max - log(raw);
    return WR_OK;
}
