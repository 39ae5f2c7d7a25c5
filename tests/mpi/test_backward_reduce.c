/* A backward pass whose gradients are summed over ranks part by part while it goes on: the bits of a backward pass with
 * one blocking sum behind it. */
#include "base/rng.h"
#include "model/model.h"
#include "mpi/reduce.h"
#include "tests/support/tiny_model.h"

static world *the_world;
#include "mpi_check.h"

enum { WIDTH = 16, LAYERS = 3, TOKENS = 40, VOCABULARY = 50, PARTS = LAYERS + 2 };

typedef struct overlap {
    reducer *r;
    reduce_task task[PARTS];
    float *grads;
    size_t started, fail_at; /* parts; SIZE_MAX: none fails */
} overlap;

static wr_status start(void *context, size_t part, float_range range) {
    overlap *o = context;
    if (part == o->fail_at) return wr_fail(WR_E_FAILED, "part %zu cannot be had", part);
    reduce_start(o->r, &o->task[part], o->grads + range.begin, range.end - range.begin);
    for (size_t p = part; p < PARTS; p++) reduce_test(o->r, &o->task[p]);
    o->started++;
    return WR_OK;
}

/* Every rank has tokens of its own. hook NULL: the plain backward pass. */
static wr_status backward(const model *m, float *grads, const backward_hook *hook) {
    const size_t offsets[] = {0, TOKENS};
    int32_t ids[TOKENS], targets[TOKENS];
    size_t rows[TOKENS];
    float dhidden[TOKENS * WIDTH] = {0}, out[TOKENS], ones[TOKENS];
    const float *hidden = NULL;
    model_workspace *w = NULL;
    rng r = rng_make(2, RNG_TEST, 0, (uint64_t)world_rank(the_world), 0);
    for (size_t t = 0; t < TOKENS; t++) {
        ids[t] = (int32_t)rng_below(&r, VOCABULARY), targets[t] = (int32_t)rng_below(&r, VOCABULARY);
        rows[t] = t, ones[t] = 1;
    }
    const token_batch b = {.B = 1, .offsets = offsets, .ids = ids};
    CHECK(model_workspace_create(m, &w) == WR_OK);
    CHECK(model_forward(m, &b, w, true, &hidden) == WR_OK);
    CHECK(lm_logprobs(m, w, hidden, TOKENS, rows, targets, out) == WR_OK);
    CHECK(lm_logprobs_backward(m, w, hidden, TOKENS, rows, targets, ones, dhidden, grads) == WR_OK);
    const wr_status status =
        hook ? model_backward_hooked(m, &b, w, dhidden, grads, hook) : model_backward(m, &b, w, dhidden, grads);
    model_workspace_free(w);
    return status;
}

static void test_overlap(void **state) {
    (void)state;
    model *m = tiny_model(tiny_config("layers=3,hidden=16,heads=4,ffn=24", VOCABULARY), 3);
    const size_t n = model_trainables(m).n;
    float *whole = calloc(n, sizeof *whole), *parts = calloc(n, sizeof *parts);
    overlap o = {.grads = parts, .fail_at = SIZE_MAX};
    const backward_hook hook = {start, &o};
    CHECK(backward(m, whole, NULL) == WR_OK);
    CHECK(reduce_sum(the_world, whole, n, 0) == WR_OK);
    CHECK(reducer_create(the_world, &(reduce_options){.slice = 500}, &o.r) == WR_OK);
    CHECK(reducer_finish(o.r, backward(m, parts, &hook)) == WR_OK);
    CHECK(o.started == PARTS && memcmp(whole, parts, n * sizeof *parts) == 0);
    reducer_free(o.r);
    free(whole), free(parts);
    model_free(m);
}

/* The last rank fails in the middle of its backward pass: everybody is told, nobody waits, and the next step is
 * whole. */
static void test_failure(void **state) {
    (void)state;
    model *m = tiny_model(tiny_config("layers=3,hidden=16,heads=4,ffn=24", VOCABULARY), 3);
    const size_t n = model_trainables(m).n;
    const bool bad = world_rank(the_world) == world_size(the_world) - 1;
    float *whole = calloc(n, sizeof *whole), *parts = calloc(n, sizeof *parts);
    overlap o = {.grads = parts, .fail_at = bad ? 2 : SIZE_MAX};
    const backward_hook hook = {start, &o};
    CHECK(reducer_create(the_world, &(reduce_options){.slice = 500}, &o.r) == WR_OK);
    CHECK(reducer_finish(o.r, backward(m, parts, &hook)) == (bad ? WR_E_FAILED : WR_E_PEER));
    CHECK(strstr(wr_error(), "part 2 cannot be had") != NULL);
    o.fail_at = SIZE_MAX;
    memset(parts, 0, n * sizeof *parts);
    CHECK(backward(m, whole, NULL) == WR_OK && reduce_sum(the_world, whole, n, 0) == WR_OK);
    CHECK(reducer_finish(o.r, backward(m, parts, &hook)) == WR_OK);
    CHECK(memcmp(whole, parts, n * sizeof *parts) == 0);
    reducer_free(o.r);
    free(whole), free(parts);
    model_free(m);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_overlap), cmocka_unit_test(test_failure)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
