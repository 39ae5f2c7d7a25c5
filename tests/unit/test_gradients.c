/* Gradients: central differences through the scalar kernels in double against the f32 backward pass, per tensor
 * |difference| / |gradient| < 1e-3, for language modelling, the ordinal loss and the sigmoid DPO loss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/model.h"
#include "tests/support/ref_double.h"
#include "trainer/loss.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define SEED 7u
#define TOLERANCE 1e-3
#define BETA 0.1

typedef enum loss_kind { LOSS_LM, LOSS_ORDINAL, LOSS_DPO } loss_kind;

typedef struct problem {
    model *m;
    token_batch batch;
    size_t offsets[5];
    size_t T, n; /* n rows with a target */
    size_t *rows;
    int32_t *ids, *targets;
    float *weight; /* LM: dloss/dlogprob; DPO: +1 chosen, -1 rejected */
    int labels[4];
    double reference; /* DPO: rho_w - rho_l */
    loss_kind kind;
    double *params;
} problem;

static model_config tiny(size_t C, size_t L, size_t H, size_t G, size_t F, bool tied, model_head head) {
    return (model_config){.C = C,
                          .H = H,
                          .G = G,
                          .D = C / H,
                          .F = F,
                          .V = 40,
                          .L = L,
                          .max_positions = 512,
                          .rope_theta = 10000,
                          .norm_eps = 1e-5,
                          .tied = tied,
                          .head = head,
                          .n_labels = head == HEAD_SCORE ? 3 : 0,
                          .init_std = 0.3,
                          .bos_id = -1,
                          .eos_id = -1,
                          .pad_id = -1};
}

static void problem_make(problem *p, model_config c, loss_kind kind, size_t B, const size_t *lengths) {
    rng r = rng_make(SEED, RNG_TEST, c.C, kind, 0);
    *p = (problem){.kind = kind, .reference = 0.7};
    assert_int_equal(model_create(&c, &p->m), WR_OK);
    assert_int_equal(model_alloc_params(p->m), WR_OK);
    model_init_params(p->m, SEED);
    p->params = mem_calloc(p->m->n_params, sizeof *p->params);
    for (size_t i = 0; i < p->m->n_tensors; i++) {
        const tensor_info *t = &p->m->tensors[i];
        for (size_t k = t->offset; k < t->offset + t->count; k++) {
            if (t->n_dims == 1)
                p->m->params[k] += (float)(0.3 * rng_normal(&r)); /* norms off 1 */
            else if (c.C > 16)
                p->m->params[k] *= 0.5f;
            p->params[k] = p->m->params[k];
        }
    }
    for (size_t b = 0; b < B; b++) p->offsets[b + 1] = p->offsets[b] + lengths[b];
    p->T = p->offsets[B];
    p->ids = mem_calloc(p->T, sizeof *p->ids);
    p->rows = mem_calloc(p->T, sizeof *p->rows);
    p->targets = mem_calloc(p->T, sizeof *p->targets);
    p->weight = mem_calloc(p->T, sizeof *p->weight);
    for (size_t t = 0; t < p->T; t++) p->ids[t] = (int32_t)rng_below(&r, c.V);
    for (size_t b = 0; b < B; b++) {
        if (kind == LOSS_ORDINAL) {
            p->labels[b] = 1 + (int)(b % 4);
            p->rows[p->n++] = p->offsets[b + 1] - 1;
            continue;
        }
        for (size_t t = p->offsets[b]; t + 1 < p->offsets[b + 1]; t++) {
            p->targets[p->n] = p->ids[t + 1];
            p->weight[p->n] = kind == LOSS_DPO ? (b == 0 ? 1.0f : -1.0f) : (float)rng_normal(&r);
            p->rows[p->n++] = t;
        }
    }
    p->batch = (token_batch){.B = B, .offsets = p->offsets, .ids = p->ids};
}

static void problem_free(problem *p) {
    model_free(p->m);
    free(p->params), free(p->ids), free(p->rows), free(p->targets), free(p->weight);
}

static double loss_double(const problem *p) {
    double *hidden = mem_calloc(p->T * p->m->config.C, sizeof *hidden), total = 0;
    refd_forward(p->m, p->params, &p->batch, hidden);
    if (p->kind == LOSS_ORDINAL) {
        total = refd_ordinal(p->m, p->params, hidden, p->n, p->rows, p->labels);
    } else {
        for (size_t i = 0; i < p->n; i++)
            total += (double)p->weight[i] * refd_logprob_at(p->m, p->params, hidden, p->rows[i], p->targets[i]);
        if (p->kind == LOSS_DPO) total = refd_dpo(BETA, total - p->reference);
    }
    free(hidden);
    return total;
}

/* The program's own forward and backward; returns its loss, fills grads. */
static double loss_f32(const problem *p, float *grads) {
    const size_t C = p->m->config.C;
    model_workspace *w = NULL;
    const float *hidden = NULL;
    float *dhidden = mem_calloc(p->T * C, sizeof *dhidden), *out = mem_calloc(4 * p->T, sizeof *out),
          *dout = out + 2 * p->T;
    double loss = 0;
    assert_int_equal(model_workspace_create(p->m, &w), WR_OK);
    assert_int_equal(model_forward(p->m, &p->batch, w, true, &hidden), WR_OK);
    if (p->kind == LOSS_ORDINAL) {
        float logits[16], dlogits[16];
        assert_int_equal(score_logits(p->m, hidden, p->n, p->rows, logits), WR_OK);
        loss = ordinal_loss(p->n, p->m->config.n_labels, logits, p->labels, 1.0f, dlogits);
        assert_int_equal(score_backward(p->m, hidden, p->n, p->rows, dlogits, dhidden, grads), WR_OK);
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
        assert_int_equal(lm_logprobs_backward(p->m, w, hidden, p->n, p->rows, p->targets, dout, dhidden, grads), WR_OK);
    }
    assert_int_equal(model_backward(p->m, &p->batch, w, dhidden, grads), WR_OK);
    model_workspace_free(w);
    free(dhidden), free(out);
    return loss;
}

static double slope_at(problem *p, size_t i) {
    const double h = 1e-5, keep = p->params[i];
    p->params[i] = keep + h;
    const double up = loss_double(p);
    p->params[i] = keep - h;
    const double down = loss_double(p);
    p->params[i] = keep;
    return (up - down) / (2 * h);
}

/* Element by element: up to 64 of each tensor. */
static void check_elements(problem *p) {
    float *grads = mem_calloc(p->m->n_params, sizeof *grads);
    const double want = loss_double(p), got = loss_f32(p, grads);
    assert_true(fabs(want - got) < 1e-4 * (1 + fabs(want)));
    for (size_t i = 0; i < p->m->n_tensors; i++) {
        const tensor_info *t = &p->m->tensors[i];
        const size_t step = t->count > 64 ? t->count / 64 : 1;
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
    float *grads = mem_calloc(p->m->n_params, sizeof *grads);
    double *keep = mem_calloc(p->m->n_params, sizeof *keep);
    memcpy(keep, p->params, p->m->n_params * sizeof *keep);
    loss_f32(p, grads);
    for (size_t i = 0; i < p->m->n_tensors; i++) {
        const tensor_info *t = &p->m->tensors[i];
        double side[2], norm = 0, along = 0;
        for (int s = 0; s < 2; s++) {
            rng r = rng_make(SEED, RNG_TEST, i, 99, 0);
            norm = along = 0;
            for (size_t k = t->offset; k < t->offset + t->count; k++) {
                const double v = rng_normal(&r), g = (double)grads[k];
                p->params[k] = keep[k] + (s ? -1e-6 : 1e-6) * v;
                norm += g * g;
                along += g * v;
            }
            side[s] = loss_double(p);
        }
        memcpy(p->params, keep, p->m->n_params * sizeof *keep);
        const double difference = fabs((side[0] - side[1]) / 2e-6 - along);
        if (!(norm > 0) || !(difference < TOLERANCE * sqrt(norm)))
            fail_msg("%s: directional derivative off by %g, |gradient| %g", t->name, difference, sqrt(norm));
    }
    free(grads), free(keep);
}

static void test_lm_tied(void **state) {
    (void)state;
    problem p;
    problem_make(&p, tiny(16, 2, 4, 2, 24, true, HEAD_LM), LOSS_LM, 3, (size_t[]){5, 9, 2});
    check_elements(&p);
    problem_free(&p);
}

static void test_lm_untied(void **state) {
    (void)state;
    problem p;
    problem_make(&p, tiny(12, 1, 2, 1, 20, false, HEAD_LM), LOSS_LM, 2, (size_t[]){7, 4});
    check_elements(&p);
    problem_free(&p);
}

static void test_ordinal(void **state) {
    (void)state;
    problem p;
    problem_make(&p, tiny(16, 2, 4, 2, 24, true, HEAD_SCORE), LOSS_ORDINAL, 4, (size_t[]){5, 1, 8, 3});
    check_elements(&p);
    problem_free(&p);
}

static void test_dpo(void **state) {
    (void)state;
    problem p;
    problem_make(&p, tiny(16, 2, 4, 2, 24, true, HEAD_LM), LOSS_DPO, 2, (size_t[]){9, 7});
    check_elements(&p);
    problem_free(&p);
}

/* Several key tiles, several lane blocks, head_dim 32, 3 heads to a key/value head. */
static void test_long_sequences(void **state) {
    (void)state;
    problem p;
    problem_make(&p, tiny(96, 1, 3, 1, 72, true, HEAD_LM), LOSS_LM, 2, (size_t[]){133, 40});
    check_directions(&p);
    problem_free(&p);
}

/* The loss has the same bits for any number of threads; a gradient has them again for the same number. */
static void test_threads(void **state) {
    (void)state;
    const int threads = omp_get_max_threads();
    problem p;
    problem_make(&p, tiny(128, 2, 4, 2, 96, true, HEAD_LM), LOSS_LM, 3, (size_t[]){130, 64, 200});
    float *first = mem_calloc(p.m->n_params, sizeof *first), *other = mem_calloc(p.m->n_params, sizeof *other);
    omp_set_num_threads(1);
    const double loss = loss_f32(&p, first);
    for (int n = 1; n <= 4; n++) {
        omp_set_num_threads(n);
        memset(first, 0, p.m->n_params * sizeof *first);
        memset(other, 0, p.m->n_params * sizeof *other);
        assert_true(loss == loss_f32(&p, first));
        assert_true(loss == loss_f32(&p, other));
        assert_memory_equal(first, other, p.m->n_params * sizeof *other);
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
        cmocka_unit_test(test_long_sequences), cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
