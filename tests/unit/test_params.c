/* The tensor table of every family, seeded initialisation, the rounded copy, and numbers that are none. */
#include "base/rng.h"
#include "model/weights/params.h"
#include "model/weights/weight_mapping.h"
#include "tests/support/tiny_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const types[] = {"llama", "qwen2",   "qwen3",  "mistral",    "olmo2",
                                    "phi3",  "smollm3", "gemma2", "gemma3_text"};
enum { TYPES = sizeof types / sizeof *types };

/* What m computes from is its masters, rounded where it computes in bf16. */
static void check_bound(const model *m) {
    for (size_t i = 0; i < m->n_tensors; i++)
        for (size_t k = 0; k < m->tensors[i].count; k++) {
            const float x = m->params[m->tensors[i].offset + k];
            assert_true(weight_at(m, i, k) ==
                        (weight_precision(m, i) == PRECISION_BF16 ? bf16_to_f32(bf16_from_f32(x)) : x));
        }
}

static void test_table(void **state) {
    (void)state;
    for (int t = 0; t < TYPES; t++)
        for (int tied = 0; tied < 2; tied++)
            for (model_head head = HEAD_LM; head <= HEAD_NONE; head++) {
                model *m = tiny_family_model(types[t], head, tied);
                const model_config *c = &m->config;
                const bool own = head == HEAD_SCORE || (head == HEAD_LM && !tied);
                const bool biases = strcmp(types[t], "qwen2") == 0;
                const bool norms = strcmp(types[t], "qwen3") == 0 || strcmp(types[t], "olmo2") == 0 ||
                                   strcmp(types[t], "gemma3_text") == 0;
                const bool both = strncmp(types[t], "gemma", 5) == 0;
                const bool fused = strcmp(types[t], "phi3") == 0;
                const size_t kinds = fused ? 6 : 9 + (biases ? 3 : 0) + (norms ? 2 : 0) + (both ? 2 : 0);
                assert_int_equal(m->n_tensors, 2 + 2 * kinds + own);
                size_t at = 0;
                for (size_t i = 0; i < m->n_tensors; i++) {
                    assert_int_equal(m->tensors[i].offset, at);
                    at += m->tensors[i].count;
                }
                assert_int_equal(at, m->n_params);
                assert_string_equal(m->tensors[index_embedding(m)].name, "model.embed_tokens.weight");
                assert_string_equal(m->tensors[index_final_norm(m)].name, "model.norm.weight");
                assert_string_equal(m->tensors[index_layer(m, 1, LAYER_DOWN)].name,
                                    "model.layers.1.mlp.down_proj.weight");
                assert_string_equal(m->tensors[index_head(m)].name, head == HEAD_SCORE ? "score.weight"
                                                                    : own              ? "lm_head.weight"
                                                                                       : "model.embed_tokens.weight");
                /* one matrix to the products */
                if (!fused) {
                    assert_int_equal(offset_layer(m, 1, LAYER_K), offset_layer(m, 1, LAYER_Q) + c->H * c->D * c->C);
                    assert_int_equal(offset_layer(m, 1, LAYER_UP), offset_layer(m, 1, LAYER_GATE) + c->F * c->C);
                } else {
                    assert_int_equal(m->tensors[index_layer(m, 1, LAYER_QKV)].dims[0], (c->H + 2 * c->G) * c->D);
                    assert_string_equal(m->tensors[index_layer(m, 1, LAYER_GATE_UP)].name,
                                        "model.layers.1.mlp.gate_up_proj.weight");
                    assert_true(index_layer(m, 1, LAYER_Q) == SIZE_MAX && index_layer(m, 1, LAYER_UP) == SIZE_MAX);
                }
                assert_int_equal(index_layer(m, 1, LAYER_Q_BIAS) != SIZE_MAX, biases);
                assert_int_equal(index_layer(m, 0, LAYER_K_NORM) != SIZE_MAX, norms);
                if (t == 0)
                    assert_true(offset_layer(m, 0, LAYER_Q_BIAS) == SIZE_MAX &&
                                offset_layer(m, 0, LAYER_Q_NORM) == SIZE_MAX);
                if (t == 1) {
                    assert_string_equal(m->tensors[index_layer(m, 1, LAYER_V_BIAS)].name,
                                        "model.layers.1.self_attn.v_proj.bias");
                    assert_int_equal(offset_layer(m, 1, LAYER_V_BIAS),
                                     offset_layer(m, 1, LAYER_Q_BIAS) + (c->H + c->G) * c->D);
                    assert_false(m->tensors[index_layer(m, 1, LAYER_V_BIAS)].decay);
                }
                model_free(m);
            }
}

/* Matrices: rng keyed by (seed, tensor, row), so that no order of drawing matters; norms 1, those that count from 1 and
 * biases 0. */
static void test_init(void **state) {
    (void)state;
    for (int t = 0; t < TYPES; t++) {
        model *m = tiny_family_model(types[t], HEAD_LM, false);
        model_init_params(m, 99);
        for (size_t i = 0; i < m->n_tensors; i++) {
            const tensor_info *info = &m->tensors[i];
            const float *p = m->params + info->offset;
            double std = m->config.init_std;
            if (strstr(info->name, "o_proj") || strstr(info->name, "down_proj")) std /= 2; /* sqrt(2 L), L = 2 */
            for (size_t r = 0; r < info->dims[0]; r++) {
                rng g = rng_make(99, RNG_INIT, i, r, 0);
                for (size_t k = 0; k < info->dims[1]; k++) {
                    const bool zero = strstr(info->name, "bias") || strncmp(types[t], "gemma", 5) == 0;
                    const float want = info->n_dims == 2 ? (float)(std * rng_normal(&g)) : zero ? 0.0f : 1.0f;
                    if (p[r * info->dims[1] + k] != want) fail_msg("%s[%zu, %zu]", info->name, r, k);
                }
            }
        }
        model_free(m);
    }
}

static void test_precision(void **state) {
    (void)state;
    model *m = tiny_family_model("qwen2", HEAD_SCORE, false);
    const trainables before = model_trainables(m);
    assert_true(before.tensors == m->tensors && before.n_tensors == m->n_tensors && before.n == m->n_params &&
                before.values == m->params);
    check_bound(m);
    assert_int_equal(model_set_precision(m, PRECISION_BF16), WR_OK);
    check_bound(m);
    const size_t score = index_head(m), q = index_layer(m, 1, LAYER_Q);
    assert_true(weight_precision(m, score) == PRECISION_F32 &&
                weight_precision(m, index_layer(m, 1, LAYER_Q_BIAS)) == PRECISION_F32);
    assert_true(weight_precision(m, q) == PRECISION_BF16 && m->params16 != NULL);
    m->params[m->tensors[q].offset] = 1234.5f;
    model_round_weights(m);
    check_bound(m);
    assert_int_equal(model_set_precision(m, PRECISION_F32), WR_OK);
    assert_null(m->params16);
    check_bound(m);
    model_free(m);
    precision p;
    const char *why = NULL;
    assert_int_equal(precision_choose("f32", &p, NULL), WR_OK);
    assert_int_equal(p, PRECISION_F32);
    assert_int_equal(precision_choose("auto", &p, &why), WR_OK);
    assert_non_null(why);
    assert_int_equal(precision_choose("f16", &p, &why), WR_E_USAGE);
}

static void test_first_nonfinite(void **state) {
    (void)state;
    model *m = tiny_family_model("llama", HEAD_LM, true);
    size_t at = 0;
    assert_null(first_nonfinite(m->tensors, m->n_tensors, m->params, &at));
    const tensor_info *norm = &m->tensors[index_final_norm(m)], *up = &m->tensors[index_layer(m, 1, LAYER_UP)];
    m->params[norm->offset + 3] = -INFINITY;
    m->params[norm->offset + 5] = NAN;
    assert_true(first_nonfinite(m->tensors, m->n_tensors, m->params, &at) == norm && at == 3);
    m->params[up->offset + up->count - 1] = NAN;
    assert_true(first_nonfinite(m->tensors, m->n_tensors, m->params, &at) == up && at == up->count - 1);
    assert_ptr_equal(first_nonfinite(m->tensors, m->n_tensors, m->params, NULL), up);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_init),
                                       cmocka_unit_test(test_precision), cmocka_unit_test(test_first_nonfinite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
