/* Saved and loaded again: the same parameters and the same configuration for every golden model; heads change as
 * documented. */
#include "base/file.h"
#include "model/model.h"
#include "tests/support/temp_folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOLDEN "tests/golden/model"

static model *load(const char *dir, model_head head) {
    model *m = NULL;
    const model_load_options o = {.head = head, .quiet = true};
    assert_ok(model_load(dir, &o, &m));
    return m;
}

static void check_same_config(const model_config *a, const model_config *b) {
    assert_true(a->C == b->C && a->H == b->H && a->G == b->G && a->D == b->D && a->F == b->F && a->V == b->V &&
                a->L == b->L);
    assert_true(a->max_positions == b->max_positions && a->rope_theta == b->rope_theta && a->rope == b->rope &&
                a->norm_eps == b->norm_eps);
    assert_true(a->rope_factor == b->rope_factor && a->rope_low_freq_factor == b->rope_low_freq_factor);
    assert_true(a->rope_high_freq_factor == b->rope_high_freq_factor &&
                a->rope_original_positions == b->rope_original_positions);
    assert_true(a->qkv_bias == b->qkv_bias && a->qk_norm == b->qk_norm && a->tied == b->tied && a->head == b->head &&
                a->n_outputs == b->n_outputs);
    assert_true(a->bos_id == b->bos_id && a->eos_id == b->eos_id && a->pad_id == b->pad_id);
    assert_string_equal(a->architecture, b->architecture);
    assert_string_equal(a->model_type, b->model_type);
}

static void test_round_trip(void **state) {
    (void)state;
    char **names = NULL, path[PATH_CAP];
    size_t n = 0;
    assert_int_equal(dir_list(GOLDEN, "", "", &names, &n), WR_OK);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++)
        for (int stored = 0; stored < PRECISIONS; stored++) {
            snprintf(path, sizeof path, GOLDEN "/%s", names[i]);
            model *m = load(path, HEAD_NONE);
            const bool score = m->config.head == HEAD_SCORE;
            const model_provenance p = {.config_hash = "c",
                                        .data_hash = "d",
                                        .parent_hash = m->parent_hash,
                                        .template_text = score ? "{reply}" : NULL};
            if (model_save(m, test_folder(), NULL, &p, (precision)stored) < 0) fail_msg("%s: %s", names[i], wr_error());
            model *again = load(test_folder(), HEAD_NONE);
            check_same_config(&m->config, &again->config);
            assert_int_equal(again->n_params, m->n_params);
            for (size_t k = 0; k < m->n_params; k++) {
                const float want = stored == PRECISION_BF16 ? bf16_to_f32(bf16_from_f32(m->params[k])) : m->params[k];
                if (again->params[k] != want)
                    fail_msg("%s: parameter %zu is %g, not %g", names[i], k, (double)again->params[k], (double)want);
            }
            if (score) assert_string_equal(again->template_text, "{reply}");
            model_free(m), model_free(again);
            folder_empty();
        }
    names_free(names, n);
}

static void test_heads(void **state) {
    (void)state;
    model *m = NULL;
    model_load_options o = {.head = HEAD_LM, .quiet = true};
    /* an untied score model has no lm head */
    assert_int_equal(model_load(GOLDEN "/llama-score", &o, &m), WR_E_MISMATCH);
    o = (model_load_options){.head = HEAD_SCORE, .n_outputs = 4, .quiet = true};
    assert_int_equal(model_load(GOLDEN "/llama-score", &o, &m), WR_E_MISMATCH); /* 3 outputs */
    o.n_outputs = 3, o.seed = 9;
    assert_int_equal(model_load(GOLDEN "/llama", &o, &m), WR_OK); /* a fresh head */
    const tensor_info *t = &m->tensors[m->n_tensors - 1];
    double spread = 0;
    assert_string_equal(t->name, "score.weight");
    for (size_t i = 0; i < t->count; i++) spread += (double)m->params[t->offset + i] * (double)m->params[t->offset + i];
    spread = sqrt(spread / (double)t->count);
    assert_true(spread > 0.5 * m->config.init_std && spread < 2 * m->config.init_std);
    model_free(m);
}

/* What a score head was trained by stays with it, also when nothing else is known of it. A language model has none. */
static void test_objective(void **state) {
    (void)state;
    char path[PATH_CAP], *text = NULL;
    static const struct {
        const char *member; /* of config.json's "wildreward" */
        wr_status status;
    } wrong[] = {{"1", WR_E_FORMAT},
                 {"\"\"", WR_E_FORMAT},
                 {"[\"ordinal\"]", WR_E_FORMAT},
                 {"\"ordinal\\u0000x\"", WR_E_FORMAT},
                 {"\"ordinal_of_a_name_that_is_too_long\"", WR_E_FORMAT},
                 {"null", WR_OK}};
    size_t n = 0;
    for (int provenance = 0; provenance < 2; provenance++)
        for (int score = 0; score < 2; score++) {
            model *m = load(score ? GOLDEN "/llama-score" : GOLDEN "/llama", HEAD_NONE);
            assert_string_equal(m->config.objective, "");
            strcpy(m->config.objective, "of the future");
            const model_provenance p = {.data_hash = "d"};
            assert_int_equal(model_save(m, test_folder(), NULL, provenance ? &p : NULL, PRECISION_F32), WR_OK);
            model_free(m);
            m = load(test_folder(), HEAD_NONE);
            assert_string_equal(m->config.objective, score ? "of the future" : "");
            model_free(m);
        }
    snprintf(path, sizeof path, "%s/config.json", test_folder());
    assert_int_equal(file_read(path, 0, &text, &n), WR_OK);
    char *at = strstr(text, "\"of the future\"");
    assert_non_null(at);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        model_config c;
        strbuf changed = {0};
        strbuf_append(&changed, text, (size_t)(at - text));
        strbuf_printf(&changed, "%s%s", wrong[i].member, at + strlen("\"of the future\""));
        assert_int_equal(file_write_atomic(path, changed.data, changed.len), WR_OK);
        assert_int_equal(model_config_load(test_folder(), &c), wrong[i].status);
        if (wrong[i].status < 0)
            assert_error_says("wildreward.objective");
        else
            assert_string_equal(c.objective, "");
        strbuf_free(&changed);
    }
    free(text);
}

/* Named chat templates go along with the tokenizer. */
static void test_templates(void **state) {
    (void)state;
    char path[PATH_CAP], to[PATH_CAP], *text = NULL;
    size_t n = 0;
    snprintf(path, sizeof path, "%s/from", test_folder());
    assert_int_equal(dir_make(path), WR_OK);
    snprintf(path, sizeof path, "%s/from/additional_chat_templates", test_folder());
    assert_int_equal(dir_make(path), WR_OK);
    snprintf(path, sizeof path, "%s/from/additional_chat_templates/tool_use.jinja", test_folder());
    assert_int_equal(file_write_atomic(path, "tools", 5), WR_OK);
    snprintf(path, sizeof path, "%s/from", test_folder());
    snprintf(to, sizeof to, "%s/to", test_folder());
    assert_int_equal(dir_make(to), WR_OK);
    model *m = load(GOLDEN "/llama", HEAD_NONE);
    const model_provenance p = {.config_hash = "c", .data_hash = "d", .parent_hash = m->parent_hash};
    assert_ok(model_save(m, to, path, &p, PRECISION_BF16));
    snprintf(path, sizeof path, "%s/to/additional_chat_templates/tool_use.jinja", test_folder());
    assert_int_equal(file_read(path, 0, &text, &n), WR_OK);
    assert_string_equal(text, "tools");
    free(text);
    model_free(m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_set_up, folder_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_round_trip), TEST(test_templates), TEST(test_heads),
                                       TEST(test_objective)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
