/* T tokens of one path, C channels, H query and G key/value heads of D, F feed-forward width, V vocabulary; see
 * ref_double.h. */
#include "ref_double.h"

#include "model/weights/lora.h"
#include "model/weights/params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static double *doubles(size_t n) {
    double *p = calloc(n, sizeof *p);
    if (!p) abort();
    return p;
}

static double dot(size_t n, const double *x, const double *y) {
    double s = 0;
    for (size_t i = 0; i < n; i++) s += x[i] * y[i];
    return s;
}

/* y (N) = W (N, K) x, plus alpha / rank B (A x) where the layer has an adapter. A kind that the model does not have
 * gives nothing. */
static void linear(const refd_model *r, size_t l, int kind, const double *x, double *y) {
    const size_t index = index_layer(r->m, l, kind);
    if (index == SIZE_MAX) return;
    const tensor_info *t = &r->m->tensors[index];
    const size_t N = t->dims[0], K = t->dims[1];
    for (size_t n = 0; n < N; n++) y[n] = dot(K, r->params + t->offset + n * K, x);
    const struct lora *a = r->m->lora;
    if (!a || !r->adapters) return;
    const lora_pair pair = a->pairs[l * LAYER_KINDS + (size_t)kind];
    if (pair.a == SIZE_MAX) return;
    for (size_t i = 0; i < a->rank; i++) {
        const double low = a->alpha / (double)a->rank * dot(K, r->adapters + pair.a + i * K, x);
        for (size_t n = 0; n < N; n++) y[n] += r->adapters[pair.b + n * a->rank + i] * low;
    }
}

static void add_bias(const refd_model *r, size_t l, int kind, size_t n, double *y) {
    const size_t i = index_layer(r->m, l, kind);
    if (i == SIZE_MAX) return;
    for (size_t k = 0; k < n; k++) y[k] += r->params[r->m->tensors[i].offset + k];
}

/* y may be x */
static void rmsnorm(const refd_model *r, size_t n, const double *x, size_t tensor, double *y) {
    const double scale = 1 / sqrt(dot(n, x, x) / (double)n + r->m->config.norm_eps);
    const double *w = r->params + r->m->tensors[tensor].offset, one = r->m->config.norm_from_one ? 1 : 0;
    for (size_t i = 0; i < n; i++) y[i] = (one + w[i]) * x[i] * scale;
}

/* Elements of a head that are turned; the frequencies are those of this number, odd or not. */
static double turned(const model_config *c) {
    return c->rope_share > 0 ? floor(c->rope_share * (double)c->D) : (double)c->D;
}

/* Radians a position that pair i of a head's elements turns by, in a row of T tokens. */
static double frequency(const model_config *c, int table, size_t T, size_t i) {
    if (table == 1) return pow(c->rope_local_theta, -2.0 * (double)i / (double)c->D);
    const double f = pow(c->rope_theta, -2.0 * (double)i / turned(c));
    if (c->rope == ROPE_LONGROPE) return f / ((double)T > c->rope_original_positions ? c->rope_long : c->rope_short)[i];
    if (c->rope == ROPE_LINEAR) return f / c->rope_factor;
    if (c->rope != ROPE_LLAMA3) return f;
    const double turns = c->rope_original_positions * f / (2 * pi); /* of the trained context */
    if (turns < c->rope_low_freq_factor) return f / c->rope_factor;
    if (turns > c->rope_high_freq_factor) return f;
    const double share = (turns - c->rope_low_freq_factor) / (c->rope_high_freq_factor - c->rope_low_freq_factor);
    return share * f + (1 - share) * f / c->rope_factor;
}

/* n heads of D of layer l, one after another: their norms or the one of all, then RoPE. */
static void turn_heads(const refd_model *r, size_t l, size_t norm, size_t T, size_t position, size_t n, double *x) {
    const model_config *c = &r->m->config;
    const size_t half = c->layers[l].rope == LAYER_ROPE_NONE ? 0 : (size_t)ceil(turned(c) / 2);
    const double scale = c->rope == ROPE_LONGROPE ? c->rope_attention_factor : 1;
    const bool each = c->qk_norm == QK_NORM_HEAD;
    if (c->qk_norm == QK_NORM_ALL) rmsnorm(r, n * c->D, x, norm, x);
    for (size_t h = 0; h < n; h++, x += c->D) {
        if (each) rmsnorm(r, c->D, x, norm, x);
        for (size_t i = 0; i < half; i++) {
            const double angle = (double)position * frequency(c, c->layers[l].rope, T, i), a = x[i], b = x[i + half];
            x[i] = scale * (a * cos(angle) - b * sin(angle));
            x[i + half] = scale * (b * cos(angle) + a * sin(angle));
        }
    }
}

/* q (T, H, D), k and v (T, G, D) -> out (T, H, D), by the definition. window 0: none. */
static void attention(const model_config *c, size_t window, size_t T, const double *q, const double *k, const double *v,
                      double *out) {
    const size_t D = c->D;
    double *p = doubles(T);
    for (size_t t = 0; t < T; t++)
        for (size_t h = 0; h < c->H; h++) {
            const size_t g = h / (c->H / c->G);
            const size_t low = window && t + 1 > window ? t + 1 - window : 0;
            double *o = out + (t * c->H + h) * D, max = -INFINITY, sum = 0;
            for (size_t j = low; j <= t; j++) {
                p[j] = dot(D, q + (t * c->H + h) * D, k + (j * c->G + g) * D) /
                       sqrt(c->query_scale > 0 ? c->query_scale : (double)D);
                if (c->attention_cap > 0) p[j] = c->attention_cap * tanh(p[j] / c->attention_cap);
                max = fmax(max, p[j]);
            }
            for (size_t j = low; j <= t; j++) sum += p[j] = exp(p[j] - max);
            memset(o, 0, D * sizeof *o);
            for (size_t j = low; j <= t; j++)
                for (size_t d = 0; d < D; d++) o[d] += p[j] / sum * v[(j * c->G + g) * D + d];
        }
    free(p);
}

/* What a branch reads of the stream x (C), and how it is added to it: with its norm before or after. */
static void branch_in(const refd_model *r, size_t l, int norm, const double *x, double *in) {
    const model_config *c = &r->m->config;
    memcpy(in, x, c->C * sizeof *in);
    if (c->norm_place != NORM_AFTER) rmsnorm(r, c->C, x, index_layer(r->m, l, norm), in);
}
static void branch_add(const refd_model *r, size_t l, int norm, double *out, double *x) {
    const model_config *c = &r->m->config;
    if (c->norm_place == NORM_BOTH) norm = norm == LAYER_NORM1 ? LAYER_OUT_NORM1 : LAYER_OUT_NORM2;
    if (c->norm_place != NORM_BEFORE) rmsnorm(r, c->C, out, index_layer(r->m, l, norm), out);
    for (size_t i = 0; i < c->C; i++) x[i] += out[i];
}

static double gated(mlp_gate kind, double x) {
    if (kind == GATE_SILU) return x / (1 + exp(-x));
    return 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)));
}

/* The beginning, ids (T), of a sequence of `whole` tokens -> x (T, C). */
static void decode(const refd_model *r, size_t whole, size_t T, const int32_t *ids, double *x) {
    const model *m = r->m;
    const model_config *c = &m->config;
    const size_t C = c->C, F = c->F, HD = c->H * c->D, GD = c->G * c->D;
    double *norm = doubles(C), *q = doubles(T * HD), *k = doubles(T * GD), *v = doubles(T * GD),
           *mixed = doubles(T * HD), *gate = doubles(F), *up = doubles(F), *out = doubles(C),
           *all = doubles(HD + 2 * GD), *both = doubles(2 * F);
    for (size_t t = 0; t < T; t++)
        for (size_t i = 0; i < C; i++)
            x[t * C + i] = r->params[offset_embedding(m) + (size_t)ids[t] * C + i] *
                           (c->scaled_embedding ? (double)(float)sqrt((double)C) : 1);
    for (size_t l = 0; l < c->L; l++) {
        for (size_t t = 0; t < T; t++) {
            branch_in(r, l, LAYER_NORM1, x + t * C, norm);
            linear(r, l, LAYER_QKV, norm, all);
            memcpy(q + t * HD, all, HD * sizeof *q), memcpy(k + t * GD, all + HD, GD * sizeof *k);
            memcpy(v + t * GD, all + HD + GD, GD * sizeof *v);
            linear(r, l, LAYER_Q, norm, q + t * HD), linear(r, l, LAYER_K, norm, k + t * GD),
                linear(r, l, LAYER_V, norm, v + t * GD);
            add_bias(r, l, LAYER_Q_BIAS, HD, q + t * HD), add_bias(r, l, LAYER_K_BIAS, GD, k + t * GD),
                add_bias(r, l, LAYER_V_BIAS, GD, v + t * GD);
            turn_heads(r, l, index_layer(m, l, LAYER_Q_NORM), whole, t, c->H, q + t * HD);
            turn_heads(r, l, index_layer(m, l, LAYER_K_NORM), whole, t, c->G, k + t * GD);
        }
        attention(c, c->layers[l].windowed ? c->window : 0, T, q, k, v, mixed);
        for (size_t t = 0; t < T; t++) {
            double *xt = x + t * C;
            linear(r, l, LAYER_O, mixed + t * HD, out);
            branch_add(r, l, LAYER_NORM1, out, xt);
            branch_in(r, l, LAYER_NORM2, xt, norm);
            linear(r, l, LAYER_GATE_UP, norm, both);
            memcpy(gate, both, F * sizeof *gate), memcpy(up, both + F, F * sizeof *up);
            linear(r, l, LAYER_GATE, norm, gate), linear(r, l, LAYER_UP, norm, up);
            for (size_t i = 0; i < F; i++) gate[i] = gated(c->gate, gate[i]) * up[i];
            linear(r, l, LAYER_DOWN, gate, out);
            branch_add(r, l, LAYER_NORM2, out, xt);
        }
    }
    for (size_t t = 0; t < T; t++) rmsnorm(r, C, x + t * C, index_final_norm(m), x + t * C);
    free(norm), free(q), free(k), free(v), free(mixed), free(gate), free(up), free(out), free(all), free(both);
}

/* Appends the tokens of segment b's path to ids; returns their number. */
static size_t path(const token_batch *b, size_t segment, int32_t *ids) {
    const size_t n = b->offsets[segment + 1] - b->offsets[segment];
    const size_t before = b->parent && b->parent[segment] >= 0 ? path(b, (size_t)b->parent[segment], ids) : 0;
    memcpy(ids + before, b->ids + b->offsets[segment], n * sizeof *ids);
    return before + n;
}

/* Tokens of the longest sequence that the segment is part of. */
static size_t longest(const token_batch *b, size_t segment, size_t before) {
    const size_t end = before + b->offsets[segment + 1] - b->offsets[segment];
    size_t most = end;
    for (size_t i = segment + 1; b->parent && i < b->B; i++) {
        const size_t n = (size_t)b->parent[i] == segment ? longest(b, i, end) : 0;
        if (n > most) most = n;
    }
    return most;
}

void refd_forward(const refd_model *r, const token_batch *b, double *hidden) {
    const size_t T = b->offsets[b->B], C = r->m->config.C;
    double *x = doubles(T * C);
    int32_t *ids = calloc(T, sizeof *ids);
    if (!ids) abort();
    for (size_t i = 0; i < b->B; i++) {
        const size_t first = b->offsets[i], own = b->offsets[i + 1] - first, all = path(b, i, ids);
        decode(r, longest(b, i, all - own), all, ids, x);
        memcpy(hidden + first * C, x + (all - own) * C, own * C * sizeof *x);
    }
    free(x), free(ids);
}

double refd_logprob_at(const refd_model *r, const double *hidden, size_t row, int32_t target) {
    const size_t V = r->m->config.V, C = r->m->config.C;
    double *z = doubles(V), max = -INFINITY, sum = 0;
    const double cap = r->m->config.final_cap;
    for (size_t v = 0; v < V; v++) {
        z[v] = dot(C, hidden + row * C, r->params + offset_head(r->m) + v * C);
        if (cap > 0) z[v] = cap * tanh(z[v] / cap);
        max = fmax(max, z[v]);
    }
    for (size_t v = 0; v < V; v++) sum += exp(z[v] - max);
    const double result = z[target] - max - log(sum);
    free(z);
    return result;
}

double refd_ordinal(const refd_model *r, const double *hidden, size_t n, const size_t *rows, const int *labels) {
    const size_t K = r->m->config.n_outputs, C = r->m->config.C;
    const double *head = r->adapters ? r->adapters + r->m->lora->score : r->params + offset_head(r->m);
    double total = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < K; k++) {
            const double z = dot(C, hidden + rows[i] * C, head + k * C), t = labels[i] > (int)k + 1 ? 1 : 0;
            total += (log1p(exp(-fabs(z))) + (z > 0 ? z : 0) - t * z) / (double)K; /* softplus(z) - t z */
        }
    return total;
}

double refd_dpo(double beta, double h) {
    const double x = -beta * h;
    return log1p(exp(-fabs(x))) + (x > 0 ? x : 0);
}
