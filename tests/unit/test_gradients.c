/* Gradients: central differences through the model in double (tests/support/ref_double.h) against the f32 backward
 * pass, per tensor |difference| / |gradient| < 1e-3: language modelling, the ordinal loss and the sigmoid DPO loss;
 * biases, norms of heads, scaled RoPE, trees of segments, adapters; with and without recomputation. */

#include "base/mem.h"
#include "base/rng.h"
#include "model/weights/lora.h"
#include "tests/support/ref_double.h"
#include "base/logistic.h"
#include "reward/objective.h"
#include "tests/support/asserts.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define SEED 7u
#define TOLERANCE 1e-3
#define BETA 0.1

typedef enum loss_kind { LOSS_LM, LOSS_ORDINAL, LOSS_DPO } loss_kind;

/* What a test chooses; zero is the plain case. */
typedef struct shape {
    size_t C, L, H, G, D, F; /* D 0: C / H */
    bool tied, bias, recompute;
    qk_norm norms;
    norm_place place;
    rope_type rope;
    const char *lora; /* targets of adapters, NULL: none */
    loss_kind kind;
    size_t B;
    const size_t *lengths;
    const int32_t *parent; /* NULL: no segment continues another */
} shape;

enum { LABELS = 3, SEGMENTS_MAX = 8, V = 40 };

typedef struct problem {
    model *m;
    trainables train;
    token_batch batch;
    size_t offsets[SEGMENTS_MAX + 1];
    size_t T, n; /* n rows with a target */
    size_t *rows;
    int32_t *ids, *targets;
    float *weight; /* LM: dloss/dlogprob; DPO: +1 chosen, -1 rejected */
    int labels[SEGMENTS_MAX];
    double reference; /* DPO: rho_w - rho_l */
    loss_kind kind;
    bool recompute;
    double *params, *adapters; /* what the reference computes with */
} problem;

static model_config tiny(const shape *s) {
    return (model_config){.C = s->C,
                          .H = s->H,
                          .G = s->G,
                          .D = s->D ? s->D : s->C / s->H,
                          .F = s->F,
                          .V = V,
                          .L = s->L,
                          .max_positions = 512,
                          .rope_theta = 10000,
                          .rope = s->rope,
                          .rope_factor = 4,
                          .rope_low_freq_factor = 1,
                          .rope_high_freq_factor = 4,
                          .rope_original_positions = 32,
                          .qkv_bias = s->bias,
                          .qk_norm = s->norms,
                          .norm_place = s->place,
                          .norm_eps = 1e-5,
                          .tied = s->tied,
                          .head = s->kind == LOSS_ORDINAL ? HEAD_SCORE : HEAD_LM,
                          .n_outputs = s->kind == LOSS_ORDINAL ? LABELS : 0,
                          .init_std = 0.3,
                          .bos_id = -1,
                          .eos_id = -1,
                          .pad_id = -1};
}

static double *to_double(size_t n, const float *x) {
    double *y = mem_calloc(n + 1, sizeof *y);
    for (size_t i = 0; i < n; i++) y[i] = x[i];
    return y;
}

static void add_row(problem *p, size_t row, size_t target_at, float weight) {
    p->rows[p->n] = row;
    p->targets[p->n] = p->ids[target_at];
    p->weight[p->n++] = weight;
}

static void problem_make(problem *p, const shape *s) {
    const model_config c = tiny(s);
    rng r = rng_make(SEED, RNG_TEST, c.C, s->kind, 0);
    *p = (problem){.kind = s->kind, .reference = 0.7, .recompute = s->recompute};
    assert_int_equal(model_create(&c, &p->m), WR_OK);
    assert_int_equal(model_alloc_params(p->m), WR_OK);
    model_init_params(p->m, SEED);
    for (size_t i = 0; i < p->m->n_tensors; i++) {
        const tensor_info *t = &p->m->tensors[i];
        for (size_t k = t->offset; k < t->offset + t->count; k++) {
            if (t->n_dims == 1)
                p->m->params[k] += (float)(0.3 * rng_normal(&r)); /* norms off 1, biases off 0 */
            else if (c.C > 16)
                p->m->params[k] *= 0.5f;
        }
    }
    if (s->lora) {
        const lora_options o = {.rank = 2, .alpha = 3, .targets = s->lora, .seed = SEED};
        assert_ok(lora_attach(p->m, &o));
        for (size_t i = 0; i < p->m->lora->n; i++) p->m->lora->values[i] = (float)(0.2 * rng_normal(&r)); /* B off 0 */
        p->adapters = to_double(p->m->lora->n, p->m->lora->values);
    }
    model_round_weights(p->m);
    p->params = to_double(p->m->n_params, p->m->params);
    p->train = model_trainables(p->m);
    for (size_t b = 0; b < s->B; b++) p->offsets[b + 1] = p->offsets[b] + s->lengths[b];
    p->T = p->offsets[s->B];
    p->ids = mem_calloc(p->T, sizeof *p->ids);
    p->rows = mem_calloc(2 * p->T, sizeof *p->rows);
    p->targets = mem_calloc(2 * p->T, sizeof *p->targets);
    p->weight = mem_calloc(2 * p->T, sizeof *p->weight);
    for (size_t t = 0; t < p->T; t++) p->ids[t] = (int32_t)rng_below(&r, V);
    for (size_t b = 0; b < s->B; b++) {
        const float side = b % 2 ? -1.0f : 1.0f;
        if (s->kind == LOSS_ORDINAL) {
            p->labels[b] = 1 + (int)(b % (LABELS + 1));
            p->rows[p->n++] = p->offsets[b + 1] - 1;
            continue;
        }
        /* A row of the parent's end predicts the first token of each of its children. */
        if (s->parent && s->parent[b] >= 0) add_row(p, p->offsets[s->parent[b] + 1] - 1, p->offsets[b], side);
        for (size_t t = p->offsets[b]; t + 1 < p->offsets[b + 1]; t++)
            add_row(p, t, t + 1, s->kind == LOSS_DPO ? side : (float)rng_normal(&r));
    }
    p->batch = (token_batch){.B = s->B, .offsets = p->offsets, .ids = p->ids, .parent = s->parent};
}

static void problem_free(problem *p) {
    model_free(p->m);
    free(p->params), free(p->adapters), free(p->ids), free(p->rows), free(p->targets), free(p->weight);
}

static double loss_double(const problem *p) {
    const refd_model r = {p->m, p->params, p->adapters};
    double *hidden = mem_calloc(p->T * p->m->config.C, sizeof *hidden), total = 0;
    refd_forward(&r, &p->batch, hidden);
    if (p->kind == LOSS_ORDINAL) {
        total = refd_ordinal(&r, hidden, p->n, p->rows, p->labels);
    } else {
        for (size_t i = 0; i < p->n; i++)
            total += (double)p->weight[i] * refd_logprob_at(&r, hidden, p->rows[i], p->targets[i]);
        if (p->kind == LOSS_DPO) total = refd_dpo(BETA, total - p->reference);
    }
    free(hidden);
    return total;
}

/* The program's own forward and backward; returns its loss, adds to grads (NULL: forward alone). */
static double loss_f32(const problem *p, float *grads) {
    const size_t C = p->m->config.C;
    model_workspace *w = NULL;
    const float *hidden = NULL;
    float *dhidden = mem_calloc(p->T * C, sizeof *dhidden), *out = mem_calloc(4 * p->T, sizeof *out),
          *dout = out + 2 * p->T;
    double loss = 0;
    assert_int_equal(model_workspace_create(p->m, &w), WR_OK);
    model_workspace_recompute(w, p->recompute);
    assert_ok(model_forward(p->m, &p->batch, w, grads != NULL, &hidden));
    if (p->kind == LOSS_ORDINAL) {
        float logits[LABELS * SEGMENTS_MAX], dlogits[LABELS * SEGMENTS_MAX];
        assert_int_equal(score_logits(p->m, hidden, p->n, p->rows, logits), WR_OK);
        const objective_use u = objective_with_defaults(&ordinal_objective, LABELS + 1);
        loss = u.kind->loss(&u, p->n, logits, p->labels, 1.0f, dlogits);
        if (grads) assert_int_equal(score_backward(p->m, hidden, p->n, p->rows, dlogits, dhidden, grads), WR_OK);
    } else {
        assert_int_equal(lm_logprobs(p->m, w, hidden, p->n, p->rows, p->targets, out), WR_OK);
        double sum = 0, slope = 1;
        for (size_t i = 0; i < p->n; i++) sum += (double)p->weight[i] * (double)out[i];
        loss = sum;
        if (p->kind == LOSS_DPO) {
            /* loss = softplus(-beta h): dloss/dh = -beta sigmoid(-beta h) */
            const double h = sum - p->reference;
            loss = refd_dpo(BETA, h);
            slope = -BETA / (1 + exp(BETA * h));
        }
        for (size_t i = 0; i < p->n; i++) dout[i] = (float)(slope * (double)p->weight[i]);
        if (grads)
            assert_int_equal(lm_logprobs_backward(p->m, w, hidden, p->n, p->rows, p->targets, dout, dhidden, grads),
                             WR_OK);
    }
    if (grads) assert_ok(model_backward(p->m, &p->batch, w, dhidden, grads));
    model_workspace_free(w);
    free(dhidden), free(out);
    return loss;
}

static double *trained(const problem *p) { return p->adapters ? p->adapters : p->params; }

static double slope_at(problem *p, size_t i) {
    double *x = trained(p);
    const double h = 1e-5, keep = x[i];
    x[i] = keep + h;
    const double up = loss_double(p);
    x[i] = keep - h;
    const double down = loss_double(p);
    x[i] = keep;
    return (up - down) / (2 * h);
}

/* Element by element: up to 32 of each tensor. */
static void check_elements(problem *p) {
    float *grads = mem_calloc(p->train.n, sizeof *grads);
    const double want = loss_double(p), got = loss_f32(p, grads);
    assert_true(fabs(want - got) < 1e-4 * (1 + fabs(want)));
    for (size_t i = 0; i < p->train.n_tensors; i++) {
        const tensor_info *t = &p->train.tensors[i];
        const size_t step = t->count > 32 ? t->count / 32 : 1;
        double difference = 0, norm = 0;
        for (size_t k = t->offset; k < t->offset + t->count; k += step) {
            const double g = slope_at(p, k);
            difference += (g - (double)grads[k]) * (g - (double)grads[k]);
            norm += g * g;
        }
        if (!(norm > 0) || !(sqrt(difference / norm) < TOLERANCE))
            fail_msg("%s: |difference| %g, |gradient| %g", t->name, sqrt(difference), sqrt(norm));
    }
    free(grads);
}

/* Along random directions v of each tensor: <g, v> has the spread |g|. Cheaper, for larger shapes. */
static void check_directions(problem *p) {
    float *grads = mem_calloc(p->train.n, sizeof *grads);
    double *x = trained(p), *keep = mem_calloc(p->train.n, sizeof *keep);
    memcpy(keep, x, p->train.n * sizeof *keep);
    loss_f32(p, grads);
    for (size_t i = 0; i < p->train.n_tensors; i++) {
        const tensor_info *t = &p->train.tensors[i];
        double side[2], norm = 0, along = 0;
        for (int s = 0; s < 2; s++) {
            rng r = rng_make(SEED, RNG_TEST, i, 99, 0);
            norm = along = 0;
            for (size_t k = t->offset; k < t->offset + t->count; k++) {
                const double v = rng_normal(&r), g = (double)grads[k];
                x[k] = keep[k] + (s ? -1e-6 : 1e-6) * v;
                norm += g * g;
                along += g * v;
            }
            side[s] = loss_double(p);
        }
        memcpy(x, keep, p->train.n * sizeof *keep);
        const double difference = fabs((side[0] - side[1]) / 2e-6 - along);
        if (!(norm > 0) || !(difference < TOLERANCE * sqrt(norm)))
            fail_msg("%s: directional derivative off by %g, |gradient| %g", t->name, difference, sqrt(norm));
    }
    free(grads), free(keep);
}

#define LENGTHS(...)                                                                                                   \
    .B = sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t), .lengths = (size_t[]) { __VA_ARGS__ }
#define PARENTS(...)                                                                                                   \
    .parent = (int32_t[]) { __VA_ARGS__ }

/* Every shape as it is and with each layer computed twice. */
static void check(shape s, void (*how)(problem *)) {
    for (int recompute = 0; recompute < 2; recompute++) {
        problem p;
        s.recompute = recompute;
        problem_make(&p, &s);
        how(&p);
        problem_free(&p);
    }
}

static void test_lm_tied(void **state) {
    (void)state;
    check((shape){.C = 16, .L = 2, .H = 4, .G = 2, .F = 24, .tied = true, LENGTHS(5, 9, 2)}, check_elements);
}

static void test_lm_untied(void **state) {
    (void)state;
    check((shape){.C = 12, .L = 1, .H = 2, .G = 1, .F = 20, LENGTHS(7, 4)}, check_elements);
}

static void test_ordinal(void **state) {
    (void)state;
    check((shape){.C = 16, .L = 2, .H = 4, .G = 2, .F = 24, .tied = true, .kind = LOSS_ORDINAL, LENGTHS(5, 1, 8, 3)},
          check_elements);
}

static void test_dpo(void **state) {
    (void)state;
    check((shape){.C = 16, .L = 2, .H = 4, .G = 2, .F = 24, .tied = true, .kind = LOSS_DPO, LENGTHS(9, 7)},
          check_elements);
}

static void test_qkv_bias(void **state) {
    (void)state;
    check((shape){.C = 12, .L = 2, .H = 3, .G = 1, .F = 18, .bias = true, LENGTHS(6, 1, 9)}, check_elements);
}

static void test_qk_norm(void **state) {
    (void)state;
    check((shape){.C = 10, .L = 2, .H = 4, .G = 2, .D = 6, .F = 18, .norms = QK_NORM_HEAD, LENGTHS(6, 1, 9)},
          check_elements);
    check((shape){.C = 8, .L = 1, .H = 2, .G = 2, .D = 4, .F = 10, .norms = QK_NORM_HEAD, .bias = true, LENGTHS(7, 3)},
          check_elements);
}

/* x + norm(f(x)), and norms over all heads together: several blocks of rows, trees, adapters. */
static void test_norms_after(void **state) {
    (void)state;
    const shape s = {.C = 10, .L = 2, .H = 4, .G = 2, .D = 6, .F = 18, .place = NORM_AFTER, LENGTHS(6, 1, 9)};
    shape all = s, biased = s, lora = s;
    all.norms = biased.norms = lora.norms = QK_NORM_ALL;
    biased.bias = true, biased.place = NORM_BEFORE;
    lora.lora = "all-linear", lora.kind = LOSS_ORDINAL;
    check(s, check_elements);
    check(all, check_elements);
    check(biased, check_elements);
    check(lora, check_elements);
    check((shape){.C = 16,
                  .L = 2,
                  .H = 4,
                  .G = 1,
                  .F = 24,
                  .norms = QK_NORM_ALL,
                  .place = NORM_AFTER,
                  .kind = LOSS_DPO,
                  LENGTHS(6, 4, 5),
                  PARENTS(-1, 0, 0)},
          check_elements);
}

static void test_rope_scaling(void **state) {
    (void)state;
    const shape s = {.C = 12, .L = 1, .H = 2, .G = 1, .D = 16, .F = 16, .tied = true, LENGTHS(40, 3)};
    shape linear = s, llama3 = s;
    linear.rope = ROPE_LINEAR, llama3.rope = ROPE_LLAMA3;
    check(linear, check_elements);
    check(llama3, check_elements);
}

/* A prompt, two replies to it, and another sequence with a reply of one token. */
static void test_tree(void **state) {
    (void)state;
    check((shape){.C = 12,
                  .L = 2,
                  .H = 4,
                  .G = 2,
                  .D = 4,
                  .F = 20,
                  .norms = QK_NORM_HEAD,
                  .bias = true,
                  LENGTHS(6, 4, 5, 3, 1),
                  PARENTS(-1, 0, 0, -1, 3)},
          check_elements);
    check((shape){.C = 16, .L = 2, .H = 4, .G = 1, .F = 24, .kind = LOSS_DPO, LENGTHS(6, 4, 5), PARENTS(-1, 0, 0)},
          check_elements);
    check((shape){.C = 16, .L = 1, .H = 2, .G = 2, .F = 24, .kind = LOSS_ORDINAL, LENGTHS(6, 4, 5), PARENTS(-1, 0, 0)},
          check_elements);
}

/* Three levels; children not beside their parents. */
static void test_deep_tree(void **state) {
    (void)state;
    check(
        (shape){.C = 12, .L = 2, .H = 2, .G = 1, .F = 20, LENGTHS(5, 2, 3, 4, 1, 2, 3), PARENTS(-1, -1, 0, 0, 2, 1, 2)},
        check_elements);
}

/* Several key tiles, several lane blocks, head_dim 32, 3 heads to a key/value head. */
static void test_long_sequences(void **state) {
    (void)state;
    const shape s = {.C = 96, .L = 1, .H = 3, .G = 1, .F = 72, .tied = true, LENGTHS(133, 40)};
    check(s, check_directions);
    check((shape){.C = 24, .L = 1, .H = 3, .G = 1, .D = 32, .F = 40, LENGTHS(133, 70, 1, 66), PARENTS(-1, 0, 0, 1)},
          check_directions);
}

static void test_lora(void **state) {
    (void)state;
    check((shape){.C = 12, .L = 2, .H = 2, .G = 1, .F = 16, .tied = true, .lora = "all-linear", LENGTHS(6, 4)},
          check_elements);
    check((shape){.C = 12,
                  .L = 2,
                  .H = 4,
                  .G = 2,
                  .D = 6,
                  .F = 16,
                  .bias = true,
                  .norms = QK_NORM_HEAD,
                  .lora = "q_proj,v_proj",
                  .kind = LOSS_DPO,
                  LENGTHS(6, 4, 3),
                  PARENTS(-1, 0, 0)},
          check_elements);
    check((shape){.C = 12,
                  .L = 2,
                  .H = 2,
                  .G = 1,
                  .F = 16,
                  .lora = "k_proj,o_proj,up_proj",
                  .kind = LOSS_ORDINAL,
                  LENGTHS(5, 1, 7)},
          check_elements);
    check((shape){.C = 12, .L = 1, .H = 2, .G = 1, .F = 16, .lora = "gate_proj,down_proj", LENGTHS(5, 7)},
          check_elements);
}

/* Switched off, adapters leave the base model's loss, to the last bit; merged, they give what they gave. */
static void test_lora_off_and_merged(void **state) {
    (void)state;
    const shape s = {.C = 12, .L = 2, .H = 2, .G = 1, .F = 16, .lora = "all-linear", LENGTHS(6, 4)};
    shape plain = s;
    problem p, base;
    plain.lora = NULL;
    problem_make(&p, &s), problem_make(&base, &plain);
    /* The tokens come from the same stream, behind the adapters' values. */
    memcpy(p.m->params, base.m->params, p.m->n_params * sizeof *p.m->params);
    memcpy(base.ids, p.ids, p.T * sizeof *p.ids), memcpy(base.targets, p.targets, p.n * sizeof *p.targets);
    memcpy(base.weight, p.weight, p.n * sizeof *p.weight);
    model_round_weights(p.m);
    const double with = loss_f32(&p, NULL);
    p.m->lora->on = false;
    const double without = loss_f32(&p, NULL);
    assert_true(without == loss_f32(&base, NULL));
    assert_true(fabs(with - without) > 1e-2);
    p.m->lora->on = true;
    assert_ok(lora_merge(p.m));
    assert_null(p.m->lora);
    assert_true(fabs(loss_f32(&p, NULL) - with) < 1e-4 * (1 + fabs(with)));
    problem_free(&p), problem_free(&base);
}

/* The loss has the same bits for any number of threads; a gradient has them again for the same number. */
static void test_threads(void **state) {
    (void)state;
    const int threads = omp_get_max_threads();
    const shape s = {.C = 128,
                     .L = 2,
                     .H = 4,
                     .G = 2,
                     .F = 96,
                     .tied = true,
                     .norms = QK_NORM_HEAD,
                     LENGTHS(130, 64, 200),
                     PARENTS(-1, 0, -1)};
    problem p;
    problem_make(&p, &s);
    float *first = mem_calloc(p.train.n, sizeof *first), *other = mem_calloc(p.train.n, sizeof *other);
    omp_set_num_threads(1);
    const double loss = loss_f32(&p, first);
    for (int n = 1; n <= 4; n++) {
        omp_set_num_threads(n);
        memset(first, 0, p.train.n * sizeof *first);
        memset(other, 0, p.train.n * sizeof *other);
        assert_true(loss == loss_f32(&p, first));
        assert_true(loss == loss_f32(&p, other));
        assert_memory_equal(first, other, p.train.n * sizeof *other);
    }
    omp_set_num_threads(threads);
    free(first), free(other);
    problem_free(&p);
}

int main(void) {
    print_message("# seed %u\n", SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lm_tied),        cmocka_unit_test(test_lm_untied),
        cmocka_unit_test(test_ordinal),        cmocka_unit_test(test_dpo),
        cmocka_unit_test(test_qkv_bias),       cmocka_unit_test(test_qk_norm),
        cmocka_unit_test(test_norms_after),    cmocka_unit_test(test_rope_scaling),
        cmocka_unit_test(test_tree),           cmocka_unit_test(test_deep_tree),
        cmocka_unit_test(test_lora),           cmocka_unit_test(test_lora_off_and_merged),
        cmocka_unit_test(test_long_sequences), cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
