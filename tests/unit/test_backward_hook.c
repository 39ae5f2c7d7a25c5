/* model_backward_hooked: parts come from the last to the first, each once and all of them, with the gradients that are
 * there at the end; without a hook the bits are the same, and a hook that fails ends the call. */

#include "base/mem.h"
#include "base/rng.h"
#include "model/weights/lora.h"
#include "tests/support/tiny_model.h"
#include "tests/support/asserts.h"

#include <stdlib.h>
#include <string.h>

#define SHAPE "layers=3,hidden=16,heads=4,ffn=24"
enum { SEED = 5, LAYERS = 3, VOCABULARY = 30, TOKENS = 9, WIDTH = 16 };

typedef struct variant {
    model_head head;
    bool tied, recompute;
    const char *lora; /* targets, NULL: none */
} variant;

typedef struct run {
    const model *m;
    const float *grads;
    float *told;       /* (n): every part as it was when it was told */
    size_t *told_part; /* in the order of the calls */
    size_t n_told, covered, fail_at;
} run;

static model *make_model(const variant *v) {
    model_config c = tiny_config(v->tied ? SHAPE ",tied=1" : SHAPE ",tied=0", VOCABULARY);
    model_config_set_head(&c, v->head, 3);
    model *m = tiny_model(c, SEED);
    if (v->lora) {
        const lora_options o = {.rank = 2, .alpha = 3, .targets = v->lora, .seed = SEED};
        rng r = rng_make(SEED, RNG_TEST, 0, 0, 0);
        assert_int_equal(lora_attach(m, &o), WR_OK);
        for (size_t i = 0; i < m->lora->n; i++) m->lora->values[i] = (float)(0.2 * rng_normal(&r));
        model_round_weights(m);
    }
    return m;
}

/* Adds to grads the gradient of the summed log-probabilities of the next tokens, or of the first score. */
static wr_status backward(const model *m, bool recompute, float *grads, const backward_hook *hook) {
    static const int32_t ids[TOKENS] = {3, 1, 4, 1, 5, 9, 2, 6, 5};
    static const size_t offsets[] = {0, 5, TOKENS}, rows[] = {0, 1, 2, 3, 5, 6, 7};
    static const int32_t targets[] = {1, 4, 1, 5, 2, 6, 5};
    enum { N = sizeof rows / sizeof *rows };
    const token_batch b = {.B = 2, .offsets = offsets, .ids = ids};
    float dhidden[TOKENS * WIDTH] = {0}, out[N], ones[3 * N];
    const float *hidden = NULL;
    model_workspace *w = NULL;
    for (int i = 0; i < 3 * N; i++) ones[i] = 1;
    assert_int_equal(model_workspace_create(m, &w), WR_OK);
    model_workspace_recompute(w, recompute);
    assert_int_equal(model_forward(m, &b, w, true, &hidden), WR_OK);
    if (m->config.head == HEAD_SCORE) {
        assert_int_equal(score_backward(m, hidden, N, rows, ones, dhidden, grads), WR_OK);
    } else {
        assert_int_equal(lm_logprobs(m, w, hidden, N, rows, targets, out), WR_OK);
        assert_int_equal(lm_logprobs_backward(m, w, hidden, N, rows, targets, ones, dhidden, grads), WR_OK);
    }
    const wr_status status =
        hook ? model_backward_hooked(m, &b, w, dhidden, grads, hook) : model_backward(m, &b, w, dhidden, grads);
    model_workspace_free(w);
    return status;
}

static wr_status ready(void *context, size_t part, float_range r) {
    run *x = context;
    const float_range want = model_part(x->m, part);
    assert_true(want.begin == r.begin && want.end == r.end && r.begin < r.end);
    memcpy(x->told + r.begin, x->grads + r.begin, (r.end - r.begin) * sizeof *x->told);
    x->covered += r.end - r.begin;
    x->told_part[x->n_told++] = part;
    return x->n_told == x->fail_at ? wr_fail(WR_E_FAILED, "the hook's own") : WR_OK;
}

static void check(const variant *v, size_t parts) {
    model *m = make_model(v);
    const size_t n = model_trainables(m).n;
    float *plain = mem_calloc(n, sizeof *plain), *grads = mem_calloc(n, sizeof *grads);
    float *told = mem_calloc(n, sizeof *told);
    size_t told_part[LAYERS + 2];
    run x = {.m = m, .grads = grads, .told = told, .told_part = told_part};
    const backward_hook hook = {ready, &x};
    assert_int_equal(model_parts(m), LAYERS + 2);
    assert_int_equal(backward(m, v->recompute, plain, NULL), WR_OK);
    assert_int_equal(backward(m, v->recompute, grads, &hook), WR_OK);
    assert_memory_equal(grads, plain, n * sizeof *grads);
    assert_memory_equal(told, grads, n * sizeof *grads);
    assert_int_equal(x.covered, n);
    assert_int_equal(x.n_told, parts);
    for (size_t i = 1; i < x.n_told; i++) assert_true(told_part[i] < told_part[i - 1]);
    /* the second call ends it */
    x.n_told = x.covered = 0;
    x.fail_at = 2;
    memset(grads, 0, n * sizeof *grads);
    assert_int_equal(backward(m, v->recompute, grads, &hook), WR_E_FAILED);
    assert_string_equal(wr_error(), "the hook's own");
    assert_int_equal(x.n_told, 2);
    free(plain), free(grads), free(told);
    model_free(m);
}

static void test_parameters(void **state) {
    (void)state;
    for (int recompute = 0; recompute < 2; recompute++) {
        check(&(variant){.head = HEAD_LM, .tied = true, .recompute = recompute}, LAYERS + 2);
        check(&(variant){.head = HEAD_LM, .recompute = recompute}, LAYERS + 2);
        check(&(variant){.head = HEAD_SCORE, .tied = true, .recompute = recompute}, LAYERS + 2);
    }
}

/* No embedding is trained, and behind the layers a score head at most. */
static void test_adapters(void **state) {
    (void)state;
    for (int recompute = 0; recompute < 2; recompute++) {
        check(&(variant){.head = HEAD_LM, .tied = true, .lora = "all-linear", .recompute = recompute}, LAYERS);
        check(&(variant){.head = HEAD_SCORE, .lora = "q_proj,down_proj", .recompute = recompute}, LAYERS + 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parameters), cmocka_unit_test(test_adapters)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
