/* Gradients of adapters (gradient_problem.h), adapters switched off and merged, and gradients of any number of
 * threads. */
#include "tests/support/gradient_problem.h"

#include "base/mem.h"
#include "model/weights/lora.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

static void test_lora(void **state) {
    (void)state;
    check_shape((shape){.C = 12, .L = 2, .H = 2, .G = 1, .F = 16, .tied = true, .lora = "all-linear", LENGTHS(6, 4)},
                check_elements);
    check_shape((shape){.C = 12,
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
    check_shape((shape){.C = 12,
                        .L = 2,
                        .H = 2,
                        .G = 1,
                        .F = 16,
                        .lora = "k_proj,o_proj,up_proj",
                        .kind = LOSS_ORDINAL,
                        LENGTHS(5, 1, 7)},
                check_elements);
    check_shape((shape){.C = 12, .L = 1, .H = 2, .G = 1, .F = 16, .lora = "gate_proj,down_proj", LENGTHS(5, 7)},
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lora), cmocka_unit_test(test_lora_off_and_merged),
                                       cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
