#include "bench/engine_work.h"

#include "base/mem.h"
#include "base/rng.h"
#include "model/buffer.h"
#include "model/kernels/blas_library.h"
#include "model/kernels/kernels.h"
#include "model/kernels/matmul.h"
#include "model/weights/params.h"
#include "model/prefix.h"
#include "reward/objective.h"
#include "trainer/optimizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LABELS = 3, CLASSES = 4 };

struct engine {
    engine_options o;
    model *m;
    model_workspace *work;
    matmul *products;
    adamw opt;
    float *grads, *dhidden, *logits, *dlogits;
    buffer x, w, y; /* operands of the bare products */
    size_t n;       /* sequences */
    int32_t **ids;
    size_t *lengths, *group, *rows;
    int *labels;
    prefix_batch separate, shared;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static wr_status shape_config(const char *shape, model_config *c) {
    wr_status status = WR_OK;
    const bool large = strcmp(shape, "Q06") == 0;
    if (!large && strcmp(shape, "S135") != 0) return wr_fail(WR_E_USAGE, "shape \"%s\" is neither S135 nor Q06", shape);
    TRY(model_config_from_spec(
        large ? "type=qwen3,layers=28,hidden=1024,heads=16,kv-heads=8,head-dim=128,ffn=3072,max-positions=40960,tied=1"
              : "layers=30,hidden=576,heads=9,kv-heads=3,ffn=1536,max-positions=8192,tied=1",
        c));
    c->V = large ? 151936 : 49152;
    c->head = HEAD_SCORE;
    c->n_outputs = LABELS;
    snprintf(c->architecture, sizeof c->architecture, "%sForSequenceClassification", large ? "Qwen3" : "Llama");
cleanup:
    return status;
}

static wr_status make_sequences(engine *e) {
    wr_status status = WR_OK;
    const engine_options *o = &e->o;
    e->n = o->B * o->R;
    e->ids = mem_calloc(e->n, sizeof *e->ids);
    e->lengths = mem_calloc(e->n, sizeof *e->lengths);
    e->group = mem_calloc(e->n, sizeof *e->group);
    e->rows = mem_calloc(e->n, sizeof *e->rows);
    e->labels = mem_calloc(e->n, sizeof *e->labels);
    e->logits = mem_calloc(2 * e->n * LABELS, sizeof *e->logits);
    TRY_ALLOC(e->ids && e->lengths && e->group && e->rows && e->labels && e->logits);
    e->dlogits = e->logits + e->n * LABELS;
    for (size_t i = 0; i < e->n; i++) {
        rng prompt = rng_make(1, RNG_TEST, 0, i / o->R, 0), reply = rng_make(1, RNG_TEST, 1, i, 0);
        e->lengths[i] = o->P + o->T;
        e->group[i] = o->P ? i / o->R : i;
        e->labels[i] = 1 + (int)(i % CLASSES);
        TRY_ALLOC(e->ids[i] = mem_calloc(e->lengths[i], sizeof **e->ids));
        for (size_t t = 0; t < e->lengths[i]; t++)
            e->ids[i][t] = (int32_t)rng_below(t < o->P ? &prompt : &reply, (uint32_t)e->m->config.V);
    }
    const int32_t *const *ids = (const int32_t *const *)e->ids;
    TRY(prefix_batch_build(e->n, ids, e->lengths, NULL, (prefix_rule){1, SIZE_MAX}, &e->separate));
    TRY(prefix_batch_build(e->n, ids, e->lengths, e->group, (prefix_rule){1, SIZE_MAX}, &e->shared));
cleanup:
    return status;
}

wr_status engine_create(const engine_options *o, engine **out) {
    wr_status status = WR_OK;
    model_config c;
    engine *e = mem_calloc(1, sizeof *e);
    *out = NULL;
    TRY_ALLOC(e);
    e->o = *o;
    TRY(shape_config(o->shape, &c));
    TRY(model_create(&c, &e->m));
    TRY(model_alloc_params(e->m));
    model_init_params(e->m, 1);
    TRY(model_set_precision(e->m, o->p));
    TRY(make_sequences(e));
    TRY(model_workspace_create(e->m, &e->work));
    model_workspace_recompute(e->work, o->recompute);
    TRY(matmul_create(&e->products));
    if (o->train) {
        TRY(adamw_create(e->m->n_params, &e->opt));
        TRY_ALLOC(e->grads = buffer_pages(e->m->n_params * sizeof *e->grads));
        TRY_ALLOC(e->dhidden = mem_calloc(e->separate.batch.offsets[e->separate.batch.B] * c.C, sizeof *e->dhidden));
    }
    *out = e;
    e = NULL;
cleanup:
    engine_free(e);
    return status;
}

void engine_free(engine *e) {
    if (!e) return;
    for (size_t i = 0; e->ids && i < e->n; i++) free(e->ids[i]);
    free(e->ids), free(e->lengths), free(e->group), free(e->rows), free(e->labels), free(e->logits);
    free(e->grads), free(e->dhidden);
    buffer_free(&e->x), buffer_free(&e->w), buffer_free(&e->y);
    prefix_batch_free(&e->separate);
    prefix_batch_free(&e->shared);
    adamw_free(&e->opt);
    matmul_free(e->products);
    model_workspace_free(e->work);
    model_free(e->m);
    free(e);
}

static const prefix_batch *batch_of(engine *e, bool shared) {
    const prefix_batch *b = shared ? &e->shared : &e->separate;
    for (size_t i = 0; i < e->n; i++) e->rows[i] = prefix_batch_row(b, i, e->lengths[i] - 1);
    return b;
}

static void clear(float *x, size_t n) {
    enum { PIECE = 1 << 18 };
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += PIECE) memset(x + i, 0, (n - i < PIECE ? n - i : PIECE) * sizeof *x);
}

wr_status engine_train(engine *e, bool shared, double *seconds) {
    wr_status status = WR_OK;
    const float *hidden;
    const prefix_batch *b = batch_of(e, shared);
    const double start = now();
    TRY(model_forward(e->m, &b->batch, e->work, true, &hidden));
    TRY(score_logits(e->m, hidden, e->n, e->rows, e->logits));
    const objective_use u = objective_with_defaults(objective_find("ordinal"), LABELS + 1);
    (void)u.kind->loss(&u, e->n, e->logits, e->labels, 1.0f / (float)e->n, e->dlogits);
    clear(e->dhidden, b->batch.offsets[b->batch.B] * e->m->config.C);
    clear(e->grads, e->m->n_params);
    TRY(score_backward(e->m, hidden, e->n, e->rows, e->dlogits, e->dhidden, e->grads));
    TRY(model_backward(e->m, &b->batch, e->work, e->dhidden, e->grads));
    const double norm = global_norm(e->grads, e->m->n_params);
    adamw_step(&e->opt, &(adamw_options){1e-5, 0.9, 0.999, 1e-8, 0.01, 1}, 1e-5, clip_scale(norm, 1),
               model_trainables(e->m), e->grads);
    model_round_weights(e->m);
    *seconds = now() - start;
cleanup:
    return status;
}

wr_status engine_score(engine *e, bool shared, double *seconds) {
    wr_status status = WR_OK;
    const float *hidden;
    const prefix_batch *b = batch_of(e, shared);
    const double start = now();
    TRY(model_forward(e->m, &b->batch, e->work, false, &hidden));
    TRY(score_logits(e->m, hidden, e->n, e->rows, e->logits));
    *seconds = now() - start;
cleanup:
    return status;
}

/* --- parts alone -------------------------------------------------------------------------------------------------- */

static void fill(const engine *e, buffer *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float x = (float)(i % 31) / 31.0f - 0.5f;
        if (e->o.p == PRECISION_BF16)
            ((bf16 *)b->data)[i] = bf16_from_f32(x);
        else
            ((float *)b->data)[i] = x;
    }
}

/* Separate sequences; queries, keys and values of one layer, run through attention once for each layer. */
wr_status engine_attention(engine *e, bool backward, double *seconds) {
    wr_status status = WR_OK;
    const model_config *c = &e->m->config;
    const act_kernels *k = &kernels()->act[e->o.p];
    const size_t B = e->n, T = e->lengths[0], Q = (c->H + 2 * c->G) * c->D, HD = c->H * c->D,
                 act = precision_bytes(e->o.p);
    attention_item *items = mem_calloc(B, sizeof *items);
    attention_grad *grads = mem_calloc(B, sizeof *grads);
    kv_span *spans = mem_calloc(B, sizeof *spans);
    size_t *tasks = mem_calloc(B + 1, sizeof *tasks);
    buffer lse = {0}, scratch = {0};
    TRY_ALLOC(items && grads && spans && tasks);
    TRY(buffer_need(&e->x, B * T * Q * act));      /* q, k, v */
    TRY(buffer_need(&e->w, B * T * Q * act));      /* their gradients */
    TRY(buffer_need(&e->y, 2 * B * T * HD * act)); /* o and its gradient */
    TRY(buffer_need(&lse, B * T * c->H * sizeof(float)));
    fill(e, &e->x, B * T * Q);
    fill(e, &e->y, 2 * B * T * HD);
    char *qkv = e->x.data, *dqkv = e->w.data, *o = e->y.data;
    for (size_t i = 0; i < B; i++) {
        char *q = qkv + i * T * Q * act, *dq = dqkv + i * T * Q * act;
        spans[i] = (kv_span){
            .k = q + HD * act, .v = q + (HD + c->G * c->D) * act, .token_stride = Q, .head_stride = c->D, .n = T};
        items[i] = (attention_item){.q = q,
                                    .o = o + i * T * HD * act,
                                    .lse = (float *)lse.data + i * T * c->H,
                                    .n_q = T,
                                    .n_spans = 1,
                                    .spans = spans + i};
        grads[i] = (attention_grad){
            .do_ = o + (B + i) * T * HD * act, .dq = dq, .dk = dq + HD * act, .dv = dq + (HD + c->G * c->D) * act};
    }
    const attention_args a = {.H = c->H,
                              .G = c->G,
                              .D = c->D,
                              .q_stride = Q,
                              .o_stride = HD,
                              .n_items = B,
                              .items = items,
                              .first_task = tasks};
    TRY(buffer_need(&scratch, k->attention_backward_scratch(&a)));
    const double start = now();
    for (size_t l = 0; l < c->L; l++) {
        k->attention(&a);
        if (backward) k->attention_backward(&a, grads, scratch.data);
    }
    *seconds = now() - start;
cleanup:
    free(items), free(grads), free(spans), free(tasks);
    buffer_free(&lse);
    buffer_free(&scratch);
    return status;
}

/* Y = X W^T, dX = dY W, dW += dY^T X of one linear layer. */
static wr_status products_once(engine *e, size_t M, size_t N, size_t K, bool backward) {
    wr_status status = WR_OK;
    void *X = e->x.data, *W = e->w.data, *Y = e->y.data;
    if (e->o.p == PRECISION_BF16) {
        TRY(matmul_xwt(e->products, e->o.p, M, N, K, X, K, W, Y, N, false, false));
        if (backward) {
            TRY(matmul_dx(e->products, e->o.p, M, N, K, Y, N, W, X, false, false));
            TRY(matmul_dw_add(e->products, e->o.p, M, N, K, Y, N, X, e->grads));
        }
    } else {
        TRY(blas_library_load());
        const int m = (int)M, n = (int)N, k = (int)K;
        openblas.cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1.0f, X, k, W, k, 0.0f, Y, n);
        if (backward) {
            openblas.cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, k, n, 1.0f, Y, n, W, k, 0.0f, X, k);
            openblas.cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, k, m, 1.0f, Y, n, X, k, 1.0f, e->grads, k);
        }
    }
cleanup:
    return status;
}

wr_status engine_products(engine *e, bool backward, double *seconds, double *flops) {
    wr_status status = WR_OK;
    const model_config *c = &e->m->config;
    const size_t M = (size_t)engine_tokens(e), Q = (c->H + 2 * c->G) * c->D, HD = c->H * c->D,
                 act = precision_bytes(e->o.p);
    const size_t shapes[][2] = {{Q, c->C}, {c->C, HD}, {2 * c->F, c->C}, {c->C, c->F}};
    const size_t widest = 2 * c->F > Q ? 2 * c->F : Q;
    *seconds = *flops = 0;
    TRY(buffer_need(&e->x, M * widest * act));
    TRY(buffer_need(&e->w, widest * widest * act));
    TRY(buffer_need(&e->y, M * widest * act));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const size_t N = shapes[i][0], K = shapes[i][1];
        fill(e, &e->x, M * K); /* products feed each other: no infinities, no denormals */
        fill(e, &e->w, N * K);
        for (int warm = 1; warm >= 0; warm--) {
            const double start = now();
            TRY(products_once(e, M, N, K, backward));
            if (!warm) *seconds += now() - start;
        }
        *flops += (backward ? 3 : 1) * 2.0 * (double)M * (double)N * (double)K;
    }
cleanup:
    return status;
}

double engine_params(const engine *e) { return (double)e->m->n_params; }
double engine_block_params(const engine *e) {
    const model *m = e->m;
    return (double)(m->tensors[index_final_norm(m)].offset - m->tensors[index_layer(m, 0, LAYER_NORM1)].offset);
}
double engine_tokens(const engine *e) { return (double)e->n * (double)e->lengths[0]; }
size_t engine_workspace_bytes(const engine *e) { return model_workspace_bytes(e->work); }
