/* answer_logprobs and mean_pooled_states: the numbers of a plain double-precision model computed one sequence at a
 * time; in f32 the same bits whatever is packed together. */
#include "base/mem.h"
#include "base/rng.h"
#include "data/label/annotate/answers.h"
#include "tests/support/ref_double.h"
#include "tests/support/asserts.h"
#include "tests/support/tiny_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 21, PROMPTS = 14, ANSWERS = 4, VOCABULARY = 70, LONGEST = 90 };

typedef struct fixture {
    model *m;
    double *params;
    refd_model ref;
    model_workspace *work;
    prefix_batch packed;
    token_ids prompts[PROMPTS], single[ANSWERS], several[ANSWERS];
} fixture;

static void push(token_ids *t, size_t id) { assert_int_equal(token_ids_push(t, (int32_t)id), WR_OK); }

/* Most prompts begin with one instruction, some with that and a common story; one is the instruction alone and one has
 * nothing in common. */
static void make_prompts(fixture *f, rng *r) {
    int32_t begin[LONGEST];
    for (size_t k = 0; k < LONGEST; k++) begin[k] = (int32_t)rng_below(r, VOCABULARY);
    for (size_t i = 0; i < PROMPTS; i++) {
        const size_t shared = i == 3 ? 0 : i % 4 == 1 ? 80 : 40, own = i == 5 ? 0 : 1 + (size_t)rng_below(r, 60);
        for (size_t k = 0; k < shared; k++) push(&f->prompts[i], (size_t)begin[k]);
        for (size_t k = 0; k < own; k++) push(&f->prompts[i], (size_t)rng_below(r, VOCABULARY));
    }
}

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    rng r = rng_make(SEED, RNG_TEST, 0, 0, 0);
    model_config c = {.C = 48,
                      .H = 4,
                      .G = 2,
                      .D = 12,
                      .F = 80,
                      .V = VOCABULARY,
                      .L = 2,
                      .max_positions = 512,
                      .rope_theta = 10000,
                      .norm_eps = 1e-5,
                      .tied = true,
                      .head = HEAD_LM,
                      .init_std = 0.25,
                      .bos_id = -1,
                      .eos_id = -1,
                      .pad_id = -1};
    f->m = tiny_model(c, SEED);
    f->params = calloc(f->m->n_params, sizeof *f->params);
    for (size_t i = 0; i < f->m->n_params; i++) f->params[i] = (double)f->m->params[i];
    f->ref = (refd_model){.m = f->m, .params = f->params};
    assert_int_equal(model_workspace_create(f->m, &f->work), WR_OK);
    make_prompts(f, &r);
    for (size_t k = 0; k < ANSWERS; k++) {
        push(&f->single[k], 7 + 11 * k);
        /* 1 … 4 tokens that begin alike */
        for (size_t t = 0; t <= k; t++) push(&f->several[k], (5 + 3 * t + (t == 1 ? k : 0)) % VOCABULARY);
    }
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    for (size_t i = 0; i < PROMPTS; i++) token_ids_free(&f->prompts[i]);
    for (size_t k = 0; k < ANSWERS; k++) token_ids_free(&f->single[k]), token_ids_free(&f->several[k]);
    prefix_batch_free(&f->packed);
    model_workspace_free(f->work);
    model_free(f->m);
    free(f->params);
    free(f);
    return 0;
}

/* States (n, C) of one sequence alone. */
static void plain_states(const fixture *f, const token_ids *ids, double *hidden) {
    const size_t offsets[] = {0, ids->n};
    const token_batch b = {.B = 1, .offsets = offsets, .ids = ids->ids};
    refd_forward(&f->ref, &b, hidden);
}

static double plain_logprob(const fixture *f, const token_ids *prompt, const token_ids *answer) {
    token_ids all = {0};
    double sum = 0, *hidden = calloc((prompt->n + answer->n) * f->m->config.C, sizeof *hidden);
    for (size_t i = 0; i < prompt->n; i++) push(&all, (size_t)prompt->ids[i]);
    for (size_t i = 0; i < answer->n; i++) push(&all, (size_t)answer->ids[i]);
    plain_states(f, &all, hidden);
    for (size_t t = 0; t < answer->n; t++) sum += refd_logprob_at(&f->ref, hidden, prompt->n - 1 + t, answer->ids[t]);
    token_ids_free(&all);
    free(hidden);
    return sum;
}

static void check_answers(fixture *f, const token_ids *answers) {
    static const size_t budgets[] = {1, 100, 400, 1 << 20};
    double alone[PROMPTS * ANSWERS], got[PROMPTS * ANSWERS];
    size_t tokens = 0, least = SIZE_MAX;
    for (size_t i = 0; i < PROMPTS; i++) {
        assert_int_equal(answer_logprobs(f->m, f->work, &f->packed, 1, &f->prompts[i], ANSWERS, answers, 1,
                                         alone + i * ANSWERS, &tokens),
                         WR_OK);
        for (size_t k = 0; k < ANSWERS; k++) {
            const double want = plain_logprob(f, &f->prompts[i], &answers[k]), is = alone[i * ANSWERS + k];
            if (!(fabs(is - want) <= 1e-4 * (1 + fabs(want))))
                fail_msg("prompt %zu, answer %zu: %.9g, plain %.9g", i, k, is, want);
        }
    }
    for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++) {
        size_t used = 0;
        memset(got, 0, sizeof got);
        assert_int_equal(
            answer_logprobs(f->m, f->work, &f->packed, PROMPTS, f->prompts, ANSWERS, answers, budgets[b], got, &used),
            WR_OK);
        assert_memory_equal(got, alone, sizeof got);
        if (used < least) least = used;
    }
    assert_true(least < tokens); /* something is shared */
}

static void test_single_tokens(void **state) {
    fixture *f = *state;
    check_answers(f, f->single);
}

static void test_several_tokens(void **state) {
    fixture *f = *state;
    check_answers(f, f->several);
}

static void test_order(void **state) { /* of the prompts: each keeps its numbers */
    fixture *f = *state;
    token_ids reversed[PROMPTS];
    double a[PROMPTS * ANSWERS], b[PROMPTS * ANSWERS];
    for (size_t i = 0; i < PROMPTS; i++) reversed[i] = f->prompts[PROMPTS - 1 - i];
    assert_int_equal(answer_logprobs(f->m, f->work, &f->packed, PROMPTS, f->prompts, ANSWERS, f->several, 300, a, NULL),
                     WR_OK);
    assert_int_equal(answer_logprobs(f->m, f->work, &f->packed, PROMPTS, reversed, ANSWERS, f->several, 300, b, NULL),
                     WR_OK);
    for (size_t i = 0; i < PROMPTS; i++)
        assert_memory_equal(a + i * ANSWERS, b + (PROMPTS - 1 - i) * ANSWERS, ANSWERS * sizeof *a);
}

static void test_pooling(void **state) {
    fixture *f = *state;
    enum { C = 48 };
    float alone[PROMPTS * C], got[PROMPTS * C];
    assert_int_equal(f->m->config.C, C);
    for (size_t i = 0; i < PROMPTS; i++) {
        double *hidden = calloc(f->prompts[i].n * C, sizeof *hidden);
        assert_int_equal(mean_pooled_states(f->m, f->work, &f->packed, 1, &f->prompts[i], 1, alone + i * C, NULL),
                         WR_OK);
        plain_states(f, &f->prompts[i], hidden);
        for (size_t c = 0; c < C; c++) {
            double want = 0;
            for (size_t t = 0; t < f->prompts[i].n; t++) want += hidden[t * C + c] / (double)f->prompts[i].n;
            if (!(fabs((double)alone[i * C + c] - want) <= 1e-4))
                fail_msg("text %zu, channel %zu: %.9g, plain %.9g", i, c, (double)alone[i * C + c], want);
        }
        free(hidden);
    }
    for (size_t budget = 1; budget < 3000; budget *= 7) {
        memset(got, 0, sizeof got);
        assert_int_equal(mean_pooled_states(f->m, f->work, &f->packed, PROMPTS, f->prompts, budget, got, NULL), WR_OK);
        assert_memory_equal(got, alone, sizeof got);
    }
}

static void test_nothing(void **state) {
    fixture *f = *state;
    double x[ANSWERS];
    float pooled[48];
    const token_ids empty = {0};
    assert_int_equal(answer_logprobs(f->m, f->work, &f->packed, 0, NULL, ANSWERS, f->single, 10, NULL, NULL), WR_OK);
    assert_int_equal(mean_pooled_states(f->m, f->work, &f->packed, 0, NULL, 10, NULL, NULL), WR_OK);
    assert_int_equal(answer_logprobs(f->m, f->work, &f->packed, 1, &empty, ANSWERS, f->single, 10, x, NULL),
                     WR_E_FORMAT);
    assert_error_says("prompt 0");
    assert_int_equal(answer_logprobs(f->m, f->work, &f->packed, 1, f->prompts, 1, &empty, 10, x, NULL), WR_E_FORMAT);
    assert_int_equal(mean_pooled_states(f->m, f->work, &f->packed, 1, &empty, 10, pooled, NULL), WR_E_FORMAT);
}

int main(void) {
    printf("# seed %d\n", SEED);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_single_tokens), cmocka_unit_test(test_several_tokens),
                                       cmocka_unit_test(test_order), cmocka_unit_test(test_pooling),
                                       cmocka_unit_test(test_nothing)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
