#include "sampler/sampling.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

wr_status pick_scratch_alloc(size_t V, pick_scratch *out) {
    *out = (pick_scratch){
        .weights = mem_calloc(V, sizeof(float)), .candidates = mem_calloc(V, sizeof(token_candidate)), .V = V};
    if (out->weights && out->candidates) return WR_OK;
    pick_scratch_free(out);
    return WR_E_NOMEM;
}

void pick_scratch_free(pick_scratch *s) {
    free(s->weights);
    free(s->candidates);
    *s = (pick_scratch){0};
}

wr_status sampling_options_check(const sampling_options *o) {
    if (o->n == 0) return wr_fail(WR_E_USAGE, "--n must be at least 1");
    if (o->max_tokens == 0) return wr_fail(WR_E_USAGE, "--max-tokens must be at least 1");
    if (!(o->temperature >= 0.0) || !isfinite(o->temperature))
        return wr_fail(WR_E_USAGE, "--temperature must be 0 (greedy) or above");
    if (!(o->top_p > 0.0 && o->top_p <= 1.0))
        return wr_fail(WR_E_USAGE, "--top-p %g: must be above 0 and at most 1", o->top_p);
    return WR_OK;
}

/* Most probable first; equal logits by id, so that the order is total. */
static int compare(const void *pa, const void *pb) {
    const token_candidate *a = pa, *b = pb;
    if (a->logit != b->logit) return a->logit > b->logit ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* Moves the k first of n candidates (by compare) to the front, in any order: Hoare's selection. */
static void select_first(token_candidate *c, size_t n, size_t k) {
    size_t low = 0, high = n - 1;
    while (low < high) {
        token_candidate pivot = c[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (compare(&c[i], &pivot) < 0) i++;
            while (compare(&c[j], &pivot) > 0) j--;
            if (i >= j) break;
            token_candidate swap = c[i];
            c[i++] = c[j];
            c[j--] = swap;
        }
        /* low … j are not behind the pivot, j+1 … high not before it. */
        if (k <= j + (compare(&c[j], &pivot) <= 0)) {
            if (j == high) break;
            high = j;
        } else {
            low = j + 1;
        }
    }
}

/* Candidates that top-k and top-p leave, most probable first; returns their number. weights: exp((logit - max) / T),
 * their sum is `total`. */
static size_t truncate(const float *logits, size_t V, const sampling_options *o, double total, pick_scratch *s) {
    size_t n = 0, k = o->top_k && o->top_k < V ? o->top_k : V;
    /* Without top-k: the tokens below (1-p)/V of the mass sum to less than 1-p together, so the others reach p and the
     * cut lies among them. */
    double least = k == V ? total * (1.0 - o->top_p) / (double)V : 0.0;
    for (size_t i = 0; i < V; i++)
        if ((double)s->weights[i] >= least) s->candidates[n++] = (token_candidate){logits[i], (int32_t)i};
    if (k < n) {
        select_first(s->candidates, n, k);
        n = k;
        total = 0.0;
    }
    qsort(s->candidates, n, sizeof *s->candidates, compare);
    if (o->top_p >= 1.0) return n;
    if (k < V) {
        total = 0.0;
        for (size_t i = 0; i < n; i++) total += (double)s->weights[s->candidates[i].id];
    }
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)s->weights[s->candidates[i].id];
        if (sum >= o->top_p * total) return i + 1;
    }
    return n;
}

static int32_t draw_truncated(const pick_scratch *s, size_t n, double u) {
    double total = 0.0, sum = 0.0;
    for (size_t i = 0; i < n; i++) total += (double)s->weights[s->candidates[i].id];
    for (size_t i = 0; i < n; i++) {
        sum += (double)s->weights[s->candidates[i].id];
        if (u * total < sum) return s->candidates[i].id;
    }
    return s->candidates[0].id; /* rounding at the far end only */
}

wr_status pick_token(const float *logits, size_t V, const sampling_options *o, rng *r, pick_scratch *s, int32_t *id,
                     double *logprob) {
    size_t best = 0;
    for (size_t i = 0; i < V; i++) {
        if (!(logits[i] < INFINITY))
            return wr_fail(WR_E_NUMERIC, "the logit of token %zu is not a number: the model's weights are bad", i);
        if (logits[i] > logits[best]) best = i;
    }
    float max = logits[best];
    if (!isfinite(max)) return wr_fail(WR_E_NUMERIC, "no token has a finite logit: the model's weights are bad");
    double raw = 0.0;
    for (size_t i = 0; i < V; i++) {
        s->weights[i] = expf(logits[i] - max);
        raw += (double)s->weights[i];
    }
    size_t chosen = best;
    if (o->temperature > 0.0) {
        double total = raw, u = rng_uniform(r);
        if (o->temperature != 1.0) {
            total = 0.0;
            for (size_t i = 0; i < V; i++) {
                s->weights[i] = (float)exp((double)(logits[i] - max) / o->temperature);
                total += (double)s->weights[i];
            }
        }
        if ((o->top_k && o->top_k < V) || o->top_p < 1.0) {
            chosen = (size_t)draw_truncated(s, truncate(logits, V, o, total, s), u);
        } else {
            double sum = 0.0;
            for (size_t i = 0; i < V; i++) {
                sum += (double)s->weights[i];
                if (u * total < sum) {
                    chosen = i;
                    break;
                }
            }
        }
    }
    *id = (int32_t)chosen;
    *logprob = (double)logits[chosen] - (double)max - log(raw);
    return WR_OK;
}
