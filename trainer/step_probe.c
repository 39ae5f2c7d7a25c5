/* A whole model need not fit: one layer and two layers of it are run, forward and backward, on a part of the largest
 * micro-batch. What the second layer adds is a layer's time, what the first run has beside it is that of the ends:
 *
 *     t(L) = rest + L layer      layer = t(2) - t(1)      rest = t(1) - layer
 *
 * Layers of more than MOST weights are halved in every width until they have no more, and their time counts by the
 * multiply-adds of the layer that they stand for: w weights, and s H D a token for attention in texts of s tokens. The
 * vocabulary's head likewise. */
#include "trainer/step_probe.h"

#include "base/log.h"
#include "base/mem.h"
#include "model/weights/lora.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8 << 20, VOCABULARY = 4096, ROUNDS = 32, LEAST_TOKENS = 64 };
static const double PASS_FLOPS = 2e10; /* of one layer's pass */

typedef struct probe {
    model *m;
    model_workspace *work;
    adamw opt;
    float *grads, *dhidden, *logprob;
    size_t T, n_rows, *offsets, *rows;
    int32_t *ids;
} probe;

static double layer_weights(const model_config *c) {
    return (double)c->C * (double)((2 * c->H + 2 * c->G) * c->D) + 3 * (double)c->C * (double)c->F;
}

/* Multiply-adds of a token. */
static double layer_work(const model_config *c, size_t longest) {
    return layer_weights(c) + (double)longest * (double)(c->H * c->D);
}

static void halve(model_config *c) {
    c->C /= 2;
    c->F = c->F > 1 ? c->F / 2 : 1;
    c->H = c->H > 1 ? c->H / 2 : 1;
    while (c->G > c->H || c->H % c->G) c->G--;
}

static model_config config_of(const model *m, size_t L) {
    model_config c = m->config;
    while (layer_weights(&c) > MOST && c.C >= 128) halve(&c);
    c.L = L;
    if (c.V > VOCABULARY) c.V = VOCABULARY;
    c.bos_id = c.eos_id = c.pad_id = -1;
    c.n_eos = 0;
    return c;
}

static void probe_free(probe *p) {
    model_workspace_free(p->work);
    model_free(p->m);
    adamw_free(&p->opt);
    free(p->grads);
    free(p->dhidden);
    free(p->logprob);
    free(p->offsets);
    free(p->rows);
    free(p->ids);
    *p = (probe){0};
}

static void fill(float *x, size_t n) {
#pragma omp parallel for simd schedule(static)
    for (size_t i = 0; i < n; i++) x[i] = (float)(i % 31) * 2e-3f - 0.03f;
}

static wr_status make_model(const train_case *c, size_t L, probe *p) {
    wr_status status = WR_OK;
    const model_config config = config_of(c->m, L);
    TRY(model_config_check(&config));
    TRY(model_create(&config, &p->m));
    TRY(model_alloc_params(p->m));
    fill(p->m->params, p->m->n_params);
    TRY(model_set_precision(p->m, c->m->precision));
    const struct lora *a = c->m->lora;
    if (a) TRY(lora_attach(p->m, &(lora_options){.rank = a->rank, .alpha = a->alpha}));
    TRY(model_workspace_create(p->m, &p->work));
    model_workspace_recompute(p->work, c->recompute);
    model_workspace_fix_tiles(p->work, c->update->same_bits);
cleanup:
    return status;
}

static wr_status make_batch(const train_case *c, size_t T, probe *p) {
    wr_status status = WR_OK;
    size_t longest;
    const size_t B = train_load_texts(&c->load, T, &longest);
    p->T = T;
    p->n_rows = c->load.head_rows * T / c->load.tokens;
    if (c->load.head_rows && !p->n_rows) p->n_rows = 1;
    TRY_ALLOC(p->offsets = mem_calloc(B + 1, sizeof *p->offsets));
    TRY_ALLOC(p->ids = mem_calloc(T, sizeof *p->ids));
    TRY_ALLOC(p->rows = mem_calloc(T + 1, sizeof *p->rows));
    TRY_ALLOC(p->logprob = mem_calloc(T + 1, sizeof *p->logprob));
    TRY_ALLOC(p->dhidden = mem_aligned(T * p->m->config.C, sizeof *p->dhidden));
    TRY_ALLOC(p->grads = mem_aligned(model_trainables(p->m).n, sizeof *p->grads));
    for (size_t i = 1; i <= B; i++) p->offsets[i] = i * longest < T ? i * longest : T;
    for (size_t i = 0; i < T; i++) p->ids[i] = (int32_t)(i * 7 % p->m->config.V), p->rows[i] = i;
cleanup:
    return status;
}

static wr_status pass(const train_case *c, probe *p, double *seconds) {
    wr_status status = WR_OK;
    size_t longest;
    const token_batch b = {.B = train_load_texts(&c->load, p->T, &longest), .offsets = p->offsets, .ids = p->ids};
    const float *hidden;
    const double began = clock_seconds();
    TRY(model_forward(p->m, &b, p->work, true, &hidden));
    fill(p->dhidden, p->T * p->m->config.C);
    if (p->n_rows) {
        TRY(lm_logprobs(p->m, p->work, hidden, p->n_rows, p->rows, p->ids, p->logprob));
        for (size_t i = 0; i < p->n_rows; i++) p->logprob[i] = -1e-3f;
        TRY(lm_logprobs_backward(p->m, p->work, hidden, p->n_rows, p->rows, p->ids, p->logprob, p->dhidden, p->grads));
    }
    TRY(model_backward(p->m, &b, p->work, p->dhidden, p->grads));
    *seconds = clock_seconds() - began;
cleanup:
    return status;
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *x, size_t n) {
    qsort(x, n, sizeof *x, by_size);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/* Seconds of a pass with one layer and with two, which take turns. */
static wr_status time_passes(const train_case *c, probe p[2], double seconds, double out[2]) {
    wr_status status = WR_OK;
    double taken[2][ROUNDS];
    size_t rounds = 0;
    for (int i = 0; i < 2; i++) TRY(pass(c, &p[i], &taken[i][0])); /* memory is touched, threads start */
    for (const double end = clock_seconds() + seconds; rounds < ROUNDS && (!rounds || clock_seconds() < end); rounds++)
        for (int i = 0; i < 2; i++) TRY(pass(c, &p[i], &taken[i][rounds]));
    for (int i = 0; i < 2; i++) out[i] = median(taken[i], rounds);
cleanup:
    return status;
}

static wr_status time_update(const train_case *c, probe *p, double *value) {
    wr_status status = WR_OK;
    const trainables x = model_trainables(p->m);
    double began = 0;
    TRY(adamw_create(x.n, &p->opt));
    for (int i = 0; i < 3; i++) {
        if (i == 1) began = clock_seconds();
        adamw_step(&p->opt, &c->update->adam, 0, 1, x, p->grads);
        model_round_weights(p->m);
    }
    *value = (clock_seconds() - began) / 2 / (double)x.n;
cleanup:
    return status;
}

wr_status step_probe(const train_case *c, double seconds, step_speed *out) {
    wr_status status = WR_OK;
    probe p[2] = {{0}};
    double t[2] = {0};
    const model_config *whole = &c->m->config, small = config_of(c->m, 1);
    const double most = PASS_FLOPS / (6 * layer_work(&small, c->load.longest));
    size_t T = most > LEAST_TOKENS ? (size_t)most : LEAST_TOKENS;
    if (T > c->load.tokens) T = c->load.tokens;
    for (size_t i = 0; i < 2; i++) {
        TRY(make_model(c, i + 1, &p[i]));
        TRY(make_batch(c, T, &p[i]));
    }
    TRY(time_passes(c, p, seconds, t));
    TRY(time_update(c, &p[0], &out->value));
    size_t probed;
    (void)train_load_texts(&c->load, T, &probed);
    const double layer = fmax(t[1] - t[0], t[1] / 4), rest = fmax(t[0] - layer, 0),
                 head = (double)whole->C * (double)(c->load.head_rows ? whole->V : 1) /
                        ((double)small.C * (double)(c->load.head_rows ? small.V : 1));
    out->token =
        (layer * (double)whole->L * layer_work(whole, c->load.longest) / layer_work(&small, probed) + rest * head) /
        (double)T;
cleanup:
    for (size_t i = 0; i < 2; i++) probe_free(&p[i]);
    return status;
}
