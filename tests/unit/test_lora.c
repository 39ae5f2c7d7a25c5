/* Adapters: layout, first values, merging, gradients by finite differences, bf16. */
#include "base/mem.h"
#include "base/rng.h"
#include "model/weights/lora.h"
#include "model/weights/params.h"
#include "tests/support/near.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_lora.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void test_attach(void **state) {
    (void)state;
    model *m = lora_model(HEAD_LM);
    attach(m, 4, "all-linear");
    const struct lora *a = m->lora;
    assert_int_equal(a->n_tensors, 2 * 7 * 2);
    assert_true(a->score == SIZE_MAX);
    size_t n = 0;
    for (size_t i = 0; i < a->n_tensors; i++) { /* one after another, without gaps */
        assert_int_equal(a->tensors[i].offset, n);
        assert_int_equal(a->tensors[i].count, a->tensors[i].dims[0] * a->tensors[i].dims[1]);
        n += a->tensors[i].count;
    }
    assert_int_equal(a->n, n);
    const tensor_info *down = adapter_tensor(m, "base_model.model.model.layers.1.mlp.down_proj.lora_A.weight");
    assert_int_equal(down->dims[0], 4);
    assert_int_equal(down->dims[1], 48);
    assert_int_equal(a->pairs[1 * LAYER_KINDS + LAYER_DOWN].a, down->offset);
    assert_int_equal(a->pairs[1 * LAYER_KINDS + LAYER_DOWN].b, down->offset + down->count);
    assert_true(a->pairs[LAYER_NORM1].a == SIZE_MAX);
    trainables x = model_trainables(m);
    assert_true(x.tensors == a->tensors && x.n == a->n && x.values == a->values);
    assert_int_equal(lora_attach(m, &(lora_options){.rank = 1, .alpha = 1}), WR_E_USAGE);
    model_free(m);

    m = lora_model(HEAD_LM);
    attach(m, 2, "self_attn.v_proj,up_proj");
    assert_int_equal(m->lora->n_tensors, 2 * 2 * 2);
    assert_int_equal(m->lora->targets, 1u << LAYER_V | 1u << LAYER_UP);
    model_free(m);

    static const char *const wrong[] = {"q_proj,lm_head", "embed_tokens", "", "proj", "q_proj,"};
    m = lora_model(HEAD_LM);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(lora_attach(m, &(lora_options){.rank = 2, .alpha = 1, .targets = wrong[i]}), WR_E_USAGE);
        assert_error_says("LoRA target");
    }
    assert_int_equal(lora_attach(m, &(lora_options){.rank = 0, .alpha = 1}), WR_E_USAGE);
    assert_int_equal(lora_attach(m, &(lora_options){.rank = 1, .alpha = NAN}), WR_E_USAGE);
    assert_null(m->lora);
    model_free(m);
}

/* A ~ U(-b, b) with b = 1/sqrt(K): variance b^2/3. Over the n values of an A, the mean's standard deviation is
 * b/sqrt(3n), and that of the mean square, b^2/3, is b^2 sqrt(4/45n). Five of each are allowed. */
static void test_first_values(void **state) {
    (void)state;
    model *m = lora_model(HEAD_SCORE), *again = lora_model(HEAD_SCORE);
    attach(m, 16, NULL);
    attach(again, 16, NULL);
    const struct lora *a = m->lora;
    assert_memory_equal(a->values, again->lora->values, a->n * sizeof *a->values);
    for (size_t i = 0; i < a->n_tensors; i++) {
        const tensor_info *t = &a->tensors[i];
        const float *p = a->values + t->offset;
        if (t->offset == a->score) {
            assert_string_equal(t->name, "base_model.model.score.weight");
            assert_memory_equal(p, m->params + offset_head(m), t->count * sizeof *p);
            continue;
        }
        double sum = 0, squares = 0, b = 1 / sqrt((double)t->dims[1]), n = (double)t->count;
        for (size_t k = 0; k < t->count; k++) {
            sum += (double)p[k];
            squares += (double)p[k] * (double)p[k];
            if (strstr(t->name, "lora_A") && !(fabs((double)p[k]) <= b))
                fail_msg("%s: %g is outside", t->name, (double)p[k]);
        }
        if (strstr(t->name, "lora_B")) {
            assert_true(squares == 0);
            continue;
        }
        if (!(fabs(sum / n) <= 5 * b / sqrt(3 * n))) fail_msg("%s: mean %g", t->name, sum / n);
        if (!(fabs(squares / n - b * b / 3) <= 5 * b * b * sqrt(4 / (45 * n))))
            fail_msg("%s: mean square %g, not %g", t->name, squares / n, b * b / 3);
    }
    /* Another layer and another kind have other numbers. */
    assert_memory_not_equal(a->values + a->pairs[LAYER_Q].a, a->values + a->pairs[LAYER_KINDS + LAYER_Q].a, 64);
    assert_memory_not_equal(a->values + a->pairs[LAYER_Q].a, a->values + a->pairs[LAYER_K].a, 64);
    model_free(m);
    model_free(again);
}

static void test_fresh_adapters_change_nothing(void **state) {
    (void)state;
    model *m = lora_model(HEAD_LM);
    float *before = hidden_of(m);
    attach(m, 3, NULL);
    float *after = hidden_of(m);
    assert_memory_equal(before, after, LORA_T * m->config.C * sizeof *before); /* x + 0 = x */
    randomize(m);
    float *changed = hidden_of(m);
    assert_true(largest_difference(before, changed, LORA_T * m->config.C) > 0.01);
    m->lora->on = false;
    float *off = hidden_of(m);
    assert_memory_equal(before, off, LORA_T * m->config.C * sizeof *before);
    free(before);
    free(after);
    free(changed);
    free(off);
    model_free(m);
}

/* Merged weights give what adapters give, to f32 rounding: hidden states are of size 1, 2 layers of sums of up to 48
 * terms. */
static void test_merge(void **state) {
    (void)state;
    static const char *const targets[] = {"all-linear", "q_proj,o_proj", "k_proj,v_proj,gate_proj", "down_proj"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        model *m = lora_model(HEAD_SCORE);
        float logits[2][2 * 3];
        const size_t rows[2] = {6, 10};
        attach(m, 5, targets[i]);
        randomize(m);
        float *adapted = hidden_of(m);
        assert_int_equal(score_logits(m, adapted, 2, rows, logits[0]), WR_OK);
        assert_int_equal(lora_merge(m), WR_OK);
        assert_null(m->lora);
        float *merged = hidden_of(m);
        assert_int_equal(score_logits(m, merged, 2, rows, logits[1]), WR_OK);
        double worst = largest_difference(adapted, merged, LORA_T * m->config.C);
        if (!(worst <= 2e-5)) fail_msg("%s: differs by %g", targets[i], worst);
        worst = largest_difference(logits[0], logits[1], 6);
        if (!(worst <= 2e-5)) fail_msg("%s: logits differ by %g", targets[i], worst);
        free(adapted);
        free(merged);
        model_free(m);
    }
}

/* --- gradients ---------------------------------------------------------------------------------------------------- */

/* sum of weight . hidden, in double. */
static double objective(const model *m, model_workspace *w, const float *weight, bool keep) {
    const float *hidden;
    double sum = 0;
    assert_int_equal(model_forward(m, &lora_batch, w, keep, &hidden), WR_OK);
    for (size_t i = 0; i < LORA_T * m->config.C; i++) sum += (double)weight[i] * (double)hidden[i];
    return sum;
}

/* Along a random direction in each tensor, against central differences: relative error 2e-2, which f32 forward passes
 * allow (differences of 1e-2 of values that carry 1e-6). */
static void test_gradients(void **state) {
    (void)state;
    model *m = lora_model(HEAD_LM);
    model_workspace *w;
    attach(m, 3, NULL);
    randomize(m);
    const struct lora *a = m->lora;
    size_t n = LORA_T * m->config.C;
    float *weight = mem_calloc(n, sizeof *weight), *dhidden = mem_calloc(n, sizeof *dhidden);
    float *grads = mem_calloc(a->n, sizeof *grads), *recomputed = mem_calloc(a->n, sizeof *grads),
          *direction = mem_calloc(a->n, sizeof *direction);
    rng r = rng_make(9, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < n; i++) weight[i] = (float)rng_normal(&r);
    assert_int_equal(model_workspace_create(m, &w), WR_OK);
    objective(m, w, weight, true);
    memcpy(dhidden, weight, n * sizeof *dhidden);
    assert_int_equal(model_backward(m, &lora_batch, w, dhidden, grads), WR_OK);
    model_workspace_recompute(w, true);
    objective(m, w, weight, true);
    memcpy(dhidden, weight, n * sizeof *dhidden);
    assert_int_equal(model_backward(m, &lora_batch, w, dhidden, recomputed), WR_OK);
    assert_memory_equal(grads, recomputed, a->n * sizeof *grads);
    model_workspace_recompute(w, false);
    for (size_t i = 0; i < a->n_tensors; i++) {
        const tensor_info *t = &a->tensors[i];
        float *p = a->values + t->offset, saved[5000];
        double want = 0, h = 2e-3;
        assert_true(t->count <= 5000);
        memcpy(saved, p, t->count * sizeof *p);
        for (size_t k = 0; k < t->count; k++) {
            direction[k] = rng_uniform(&r) < 0.5 ? -1 : 1;
            want += (double)direction[k] * (double)grads[t->offset + k];
        }
        double side[2];
        for (int s = 0; s < 2; s++) {
            for (size_t k = 0; k < t->count; k++) p[k] = saved[k] + (float)(s ? h : -h) * direction[k];
            side[s] = objective(m, w, weight, false);
        }
        memcpy(p, saved, t->count * sizeof *p);
        double got = (side[1] - side[0]) / (2 * h), scale = fabs(want) + 1;
        if (!(fabs(got - want) <= 2e-2 * scale)) fail_msg("%s: backward says %g, differences %g", t->name, want, got);
    }
    model_workspace_free(w);
    free(weight);
    free(dhidden);
    free(grads);
    free(recomputed);
    free(direction);
    model_free(m);
}

static void test_bf16(void **state) {
    (void)state;
    precision p;
    if (precision_choose("bf16", &p, NULL) < 0) skip();
    model *m = lora_model(HEAD_LM), *exact = lora_model(HEAD_LM);
    attach(m, 3, NULL);
    attach(exact, 3, NULL);
    randomize(exact);
    assert_null(m->lora->values16);
    assert_int_equal(model_set_precision(m, PRECISION_BF16), WR_OK);
    assert_non_null(m->lora->values16);
    randomize(m); /* rounds */
    for (size_t i = 0; i < m->lora->n; i++) assert_int_equal(m->lora->values16[i], bf16_from_f32(m->lora->values[i]));
    /* bf16 keeps 8 bits: 2^-9 relative a rounding, a few dozen of them in two layers, on hidden states of size 1
     * (largest about 3). */
    float *rounded = hidden_of(m), *hidden = hidden_of(exact);
    double worst = largest_difference(rounded, hidden, LORA_T * m->config.C);
    assert_true(worst > 0);
    if (!(worst <= 0.15)) fail_msg("bf16 differs by %g", worst);
    free(rounded);
    free(hidden);
    assert_int_equal(model_set_precision(m, PRECISION_F32), WR_OK);
    assert_null(m->lora->values16);
    model_free(m);
    model_free(exact);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_attach),
                                       cmocka_unit_test(test_first_values),
                                       cmocka_unit_test(test_fresh_adapters_change_nothing),
                                       cmocka_unit_test(test_merge),
                                       cmocka_unit_test(test_gradients),
                                       cmocka_unit_test(test_bf16)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
