/* See attention_ref.h. */
#include "model/kernels/attention_ref.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

static double element(precision p, const void *x, size_t i) {
    return p == PRECISION_BF16 ? (double)bf16_to_f32(((const bf16 *)x)[i]) : (double)((const float *)x)[i];
}

/* Sum of x[i + d] y[j + d]. */
static double dot(precision p, size_t D, const void *x, size_t i, const void *y, size_t j) {
    double s = 0;
    for (size_t d = 0; d < D; d++) s += element(p, x, i + d) * element(p, y, j + d);
    return s;
}

/* Where key j of the path is: its span, and the offset of head g's elements there. */
static size_t find_key(const attention_item *it, size_t j, size_t g, size_t *span) {
    *span = 0;
    while (j >= it->spans[*span].n) j -= it->spans[(*span)++].n;
    return j * it->spans[*span].token_stride + g * it->spans[*span].head_stride;
}

static double scale_of(const attention_args *a) { return a->scale > 0 ? (double)a->scale : 1 / sqrt((double)a->D); }

/* Score of query i, head h and key j. *slope (may be NULL): its derivative by the scaled product. */
static double score(const attention_args *a, precision kind, const attention_item *it, size_t i, size_t h, size_t j,
                    double *slope) {
    size_t span;
    const size_t at = find_key(it, j, h / (a->H / a->G), &span);
    const double s = scale_of(a) * dot(kind, a->D, it->q, i * a->q_stride + h * a->D, it->spans[span].k, at);
    const double cap = (double)a->softcap, t = cap > 0 ? tanh(s / cap) : 0;
    if (slope) *slope = 1 - t * t;
    return cap > 0 ? cap * t : s;
}

/* Of the keys 0 … seen-1 up to a query's own, the first of the last `window`. */
static size_t first_seen(const attention_args *a, size_t seen) {
    size_t j = 0;
    while (a->window && seen - j > a->window) j++;
    return j;
}

/* Probabilities p (seen) of query i, head h, 0 of what it does not see; returns log sum exp. */
static double probabilities(const attention_args *a, precision kind, const attention_item *it, size_t i, size_t h,
                            size_t seen, double *p) {
    double max = -INFINITY, sum = 0;
    const size_t low = first_seen(a, seen);
    for (size_t j = 0; j < low; j++) p[j] = 0;
    for (size_t j = low; j < seen; j++) {
        p[j] = score(a, kind, it, i, h, j, NULL);
        if (p[j] > max) max = p[j];
    }
    for (size_t j = low; j < seen; j++) sum += p[j] = exp(p[j] - max);
    for (size_t j = low; j < seen; j++) p[j] /= sum;
    return max + log(sum);
}

static size_t path_length(const attention_item *it) {
    size_t n = 0;
    for (size_t s = 0; s < it->n_spans; s++) n += it->spans[s].n;
    return n;
}

void ref_attention(const attention_args *a, precision kind, size_t item, double *o, double *lse) {
    const attention_item *it = &a->items[item];
    const size_t keys = path_length(it), first = keys - it->n_q, D = a->D;
    double *p = mem_calloc(keys, sizeof *p);
    size_t span;
    if (!p) return;
    for (size_t i = 0; i < it->n_q; i++)
        for (size_t h = 0; h < a->H; h++) {
            const size_t seen = first + i + 1;
            double *out = o + (i * a->H + h) * D;
            lse[i * a->H + h] = probabilities(a, kind, it, i, h, seen, p);
            for (size_t d = 0; d < D; d++) out[d] = 0;
            for (size_t j = first_seen(a, seen); j < seen; j++) {
                const size_t at = find_key(it, j, h / (a->H / a->G), &span);
                for (size_t d = 0; d < D; d++) out[d] += p[j] * element(kind, it->spans[span].v, at + d);
            }
        }
    free(p);
}

/* Query i, head h of item. P = softmax(S), S = cap(scale q K^T), o = P V:
 *   dv += P do,  dP = do V^T,  dS = P (dP - sum P dP) cap',  dq += scale dS K,  dk += scale dS q */
static void backward_row(const attention_args *a, precision kind, size_t item, size_t i, size_t h, const void *d_o,
                         const ref_attention_grad *out, double *p, double *dp) {
    const attention_item *it = &a->items[item];
    const size_t D = a->D, g = h / (a->H / a->G), seen = path_length(it) - it->n_q + i + 1;
    const size_t qo = i * a->q_stride + h * D, oo = i * a->o_stride + h * D;
    const double scale = scale_of(a);
    double delta = 0, slope;
    size_t span;
    probabilities(a, kind, it, i, h, seen, p);
    for (size_t j = 0; j < seen; j++) {
        const size_t at = find_key(it, j, g, &span);
        dp[j] = dot(kind, D, d_o, oo, it->spans[span].v, at);
        delta += p[j] * dp[j];
    }
    size_t owner = item, first = path_length(it) - it->n_q; /* of the segment that holds key j */
    for (size_t j = seen; j-- > 0;) {
        while (j < first) {
            owner = (size_t)a->parent[owner];
            first -= a->items[owner].n_q;
        }
        const size_t at = find_key(it, j, g, &span), own = ((j - first) * a->G + g) * D;
        score(a, kind, it, i, h, j, &slope);
        const double ds = scale * p[j] * (dp[j] - delta) * slope;
        for (size_t d = 0; d < D; d++) {
            out[item].dq[(i * a->H + h) * D + d] += ds * element(kind, it->spans[span].k, at + d);
            out[owner].dk[own + d] += ds * element(kind, it->q, qo + d);
            out[owner].dv[own + d] += p[j] * element(kind, d_o, oo + d);
        }
    }
}

void ref_attention_backward(const attention_args *a, precision kind, const attention_grad *g,
                            const ref_attention_grad *out) {
    for (size_t item = 0; item < a->n_items; item++) {
        const size_t keys = path_length(&a->items[item]);
        double *p = mem_calloc(2 * keys, sizeof *p);
        if (!p) return;
        for (size_t i = 0; i < a->items[item].n_q; i++)
            for (size_t h = 0; h < a->H; h++) backward_row(a, kind, item, i, h, g[item].do_, out, p, p + keys);
        free(p);
    }
}
