/* A score head with parameters beside score.weight: its gradient by finite differences, thresholds in order whatever
 * the parameters are; saved, loaded, frozen and adapted without a bit lost, with no tensor in the weight file that
 * transformers does not expect; and what a damaged record is told. */
#include "base/mem.h"
#include "base/rng.h"
#include "model/weights/lora.h"
#include "model/weights/objective_record.h"
#include "model/weights/params.h"
#include "model/weights/safetensors.h"
#include "reward/objective.h"
#include "tests/support/near.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_lora.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 5, N = CLASSES - 1, ROWS = 3 };
static const objective *const beside[] = {&coral_objective, &thresholds_objective, &regression_objective};
enum { KINDS = sizeof beside / sizeof *beside };

static model *head_model(const objective *kind) {
    model_config c = tiny_config("layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=32", 20);
    model_config_set_head(&c, HEAD_SCORE, 1);
    c.own = objective_own(kind, CLASSES);
    strcpy(c.objective, kind->name);
    for (unsigned k = 0; k < c.own.n; k++) c.own.values[k] += 0.1f * (float)(k % 3) - 1.0f / 3;
    return tiny_model(c, 4);
}

/* sum of weights x logits, a loss whose derivatives are known */
static double sum_logits(const model *m, const float *hidden, const size_t *rows, const float *weights) {
    float z[ROWS * N];
    double sum = 0;
    assert_ok(score_logits(m, hidden, ROWS, rows, z));
    for (size_t i = 0; i < ROWS * config_logits(&m->config); i++) sum += (double)weights[i] * (double)z[i];
    return sum;
}

static void test_gradient(void **state) {
    (void)state;
    rng r = rng_make(5, RNG_TEST, 0, 0, 0);
    for (size_t o = 0; o < KINDS; o++) {
        model *m = head_model(beside[o]);
        const size_t first = offset_head(m), rows[ROWS] = {2, 0, 1};
        float hidden[ROWS * 16], dhidden[ROWS * 16] = {0}, weights[ROWS * N];
        float *grads = calloc(m->n_params, sizeof *grads);
        for (size_t i = 0; i < ROWS * 16; i++) hidden[i] = (float)rng_normal(&r);
        for (size_t i = 0; i < ROWS * N; i++) weights[i] = (float)rng_normal(&r);
        assert_int_equal(index_own(m), m->n_tensors - 1);
        assert_false(m->tensors[index_own(m)].decay);
        assert_ok(score_backward(m, hidden, ROWS, rows, weights, dhidden, grads));
        for (size_t i = first; i < m->n_params; i++) {
            const float kept = m->params[i], up = kept + 1e-2f, down = kept - 1e-2f;
            m->params[i] = up;
            const double above = sum_logits(m, hidden, rows, weights);
            m->params[i] = down;
            const double below = sum_logits(m, hidden, rows, weights);
            m->params[i] = kept;
            assert_near(grads[i], (above - below) / ((double)up - (double)down), 2e-4);
        }
        for (size_t i = 0; i < ROWS * 16; i++) {
            const float kept = hidden[i];
            hidden[i] = kept + 1e-2f;
            const double above = sum_logits(m, hidden, rows, weights);
            hidden[i] = kept - 1e-2f;
            const double below = sum_logits(m, hidden, rows, weights);
            hidden[i] = kept;
            assert_near(dhidden[i], (above - below) / 2e-2, 2e-4);
        }
        free(grads);
        model_free(m);
    }
}

static void test_order(void **state) {
    (void)state;
    double theta[HEAD_OWN_MAX];
    const head_own far = {HEAD_OWN_THRESHOLDS, 4, {3, -50, 40, -1e30f}};
    head_own_thresholds(&far, theta);
    for (int k = 1; k < 4; k++) assert_true(theta[k] >= theta[k - 1] && isfinite(theta[k]));
}

static void assert_own(const model *m, const head_own *want) {
    const head_own got = model_own(m);
    assert_memory_equal(&got, want, sizeof got);
    if (index_own(m) != SIZE_MAX) assert_memory_equal(m->weights[index_own(m)], want->values, want->n * sizeof(float));
}

static void test_files(void **state) {
    (void)state;
    for (size_t o = 0; o < KINDS; o++) {
        model *m = head_model(beside[o]), *back;
        safetensors *s;
        folder_empty();
        m->params[m->n_params - 1] = 0.1f + (float)o; /* trained since it was loaded */
        const head_own own = model_own(m);
        for (int how = 0; how < 4; how++) {
            const precision stored = how & 1 ? PRECISION_BF16 : PRECISION_F32,
                            p = how & 2 ? PRECISION_BF16 : PRECISION_F32;
            assert_ok(model_save(m, test_folder(), NULL, NULL, stored));
            assert_ok(safetensors_open(in_folder("model.safetensors"), &s));
            assert_int_equal(safetensors_count(s), m->n_tensors - 1);
            assert_null(safetensors_find(s, m->tensors[m->n_tensors - 1].name));
            safetensors_close(s);
            for (int frozen = 0; frozen < 2; frozen++) {
                const model_load_options l = {
                    .head = HEAD_NONE, .quiet = true, .frozen = frozen, .precision = frozen ? p : PRECISION_F32};
                assert_ok(model_load(test_folder(), &l, &back));
                assert_string_equal(back->config.objective, beside[o]->name);
                assert_int_equal(back->config.n_outputs, 1);
                assert_own(back, &own);
                model_free(back);
            }
        }
        model_free(m);
    }
}

/* An adapter brings its own to a base that has no head, and merging keeps it. */
static void test_adapter(void **state) {
    (void)state;
    size_t rows;
    head_own own;
    model *base = lora_model(HEAD_LM), *m;
    folder_empty();
    assert_ok(model_save(base, test_folder(), NULL, NULL, PRECISION_F32));
    model_load_options l = {
        .head = HEAD_SCORE, .n_outputs = 1, .own = objective_own(&coral_objective, CLASSES), .quiet = true};
    assert_ok(model_load(test_folder(), &l, &m));
    assert_own(m, &l.own);
    strcpy(m->config.objective, "coral");
    attach(m, 2, "all-linear");
    assert_true(m->lora->own == m->lora->n - N && !m->lora->tensors[m->lora->n_tensors - 1].decay);
    randomize(m);
    const head_own trained = model_own(m);
    assert_memory_equal(trained.values, m->lora->values + m->lora->own, N * sizeof(float));
    assert_ok(lora_save(m, test_folder(), "base", NULL));
    assert_ok(lora_score_rows(test_folder(), &rows));
    assert_ok(lora_score_own(test_folder(), &own));
    assert_int_equal(rows, 1);
    assert_memory_equal(&own, &trained, sizeof own);
    model_free(m);
    l.own = own;
    assert_ok(model_load(test_folder(), &l, &m));
    assert_ok(lora_load(m, test_folder()));
    const head_own loaded = model_own(m);
    assert_memory_equal(&loaded, &trained, sizeof loaded);
    assert_ok(lora_merge(m));
    assert_own(m, &trained);
    model_free(m);
    l.own = objective_own(&coral_objective, CLASSES + 1);
    assert_ok(model_load(test_folder(), &l, &m));
    assert_int_equal(lora_load(m, test_folder()), WR_E_MISMATCH);
    assert_error_says("record of the objective");
    model_free(m);
    model_free(base);
}

/* Options of the objective that are not the defaults come back, from config.json and from an adapter's folder; which
 * tensors have the head's rate. */
static void test_settings(void **state) {
    (void)state;
    model *m = head_model(&regression_objective), *back;
    objective_use u = objective_with_defaults(&regression_objective, CLASSES);
    objective_note(&u, &m->config);
    assert_string_equal(m->config.objective, "regression");
    assert_string_equal(m->config.settings[0].name, ""); /* the defaults go without saying */
    u.settings[0] = 0.375;
    objective_note(&u, &m->config);
    for (size_t i = 0; i < m->n_tensors; i++) assert_true(m->tensors[i].score == (i + 2 >= m->n_tensors));
    folder_empty();
    assert_ok(model_save(m, test_folder(), NULL, NULL, PRECISION_F32));
    assert_ok(model_load(test_folder(), &(model_load_options){.head = HEAD_NONE, .quiet = true}, &back));
    assert_ok(objective_of_model(&back->config, "m", &u));
    assert_true(u.settings[0] == 0.375);
    attach(m, 2, "all-linear");
    for (size_t i = 0; i < m->lora->n_tensors; i++)
        assert_true(m->lora->tensors[i].score == (i + 2 >= m->lora->n_tensors));
    assert_ok(lora_save(m, test_folder(), "base", NULL));
    memset(back->config.settings, 0, sizeof back->config.settings);
    assert_ok(lora_load(back, test_folder()));
    assert_ok(objective_of_model(&back->config, "m", &u));
    assert_true(u.settings[0] == 0.375);
    strcpy(back->config.settings[0].name, "slope");
    assert_int_equal(objective_of_model(&back->config, "m", &u), WR_E_MISMATCH);
    assert_error_says("\"slope\"");
    strcpy(back->config.settings[0].name, "huber-delta");
    back->config.settings[0].value = -1;
    assert_int_equal(objective_of_model(&back->config, "m", &u), WR_E_FORMAT);
    model_free(back);
    model_free(m);
}

/* What a config.json says instead of the right numbers, and what is told. */
static void test_damage(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } cases[] = {{"[", "[NaN,", "wildreward.biases"},
                 {"[", "[\"x\",", "wildreward.biases"},
                 {"[", "[1e99,", "wildreward.biases"},
                 {"\"biases\":[", "\"biases\":{\"a\":[", NULL},
                 {"\"biases\":", "\"settings\":[1],\"biases\":", "wildreward.settings"},
                 {"\"biases\":", "\"settings\":{\"x\":\"1\"},\"biases\":", "wildreward.settings"},
                 {"\"biases\":", "\"threshold_steps\":[1],\"biases\":", "the only list"},
                 {"\"biases\"", "\"prejudices\"", "lacks \"biases\""},
                 {"\"biases\"", "\"threshold_steps\"", "lacks \"biases\""}};
    model *m = head_model(&coral_objective);
    char *text;
    folder_empty();
    assert_ok(model_save(m, test_folder(), NULL, NULL, PRECISION_F32));
    text = get_file("config.json", NULL);
    char *record = strstr(text, "\"wildreward\"");
    assert_non_null(record);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_config c;
        objective_use u;
        const char *at = strstr(record, cases[i].from);
        char *changed = calloc(strlen(text) + 100, 1);
        assert_non_null(at);
        snprintf(changed, strlen(text) + 100, "%.*s%s%s", (int)(at - text), text, cases[i].to,
                 at + strlen(cases[i].from));
        put_text("config.json", changed);
        wr_status status = model_config_load(test_folder(), &c);
        if (status >= 0) status = objective_of_model(&c, "m", &u);
        assert_int_equal(status, WR_E_FORMAT);
        if (cases[i].says) assert_error_says(cases[i].says);
        free(changed);
    }
    free(text);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradient), cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_files),    cmocka_unit_test(test_adapter),
                                       cmocka_unit_test(test_damage),   cmocka_unit_test(test_settings)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
