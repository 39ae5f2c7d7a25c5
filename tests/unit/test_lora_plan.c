/* Which modules an adapter_config.json adapts, with which rank and scale, against PEFT (tests/oracle/lora_targets.py);
 * what is refused; and adapters on the two ends of a model against the matrices that they stand for. */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/weights/lora_plan.h"
#include "model/weights/safetensors.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/lora/targets.jsonl"
enum { V = 20, C = 16, L = 2 };

static model *make(const char *type, model_head head, bool tied) {
    char spec[128];
    snprintf(spec, sizeof spec, "type=%s,layers=2,hidden=16,heads=2,kv-heads=2,ffn=24,max-positions=64", type);
    model_config c = tiny_config(spec, V);
    c.tied = tied;
    model_config_set_head(&c, head, head == HEAD_SCORE ? 3 : 0);
    return tiny_model(c, 1);
}

/* --- against PEFT --------------------------------------------------------------------------------------------------
 */

static void check_share(const json_value *modules, const char *name, const lora_share *share, const char *line,
                        size_t *found) {
    const json_value *v = json_get(modules, name);
    double scale = 0;
    int64_t rank = 0;
    if (!v) {
        if (share->rank) fail_msg("%.200s: %s has an adapter of rank %zu, PEFT none", line, name, share->rank);
        return;
    }
    assert_true(json_to_int(json_at(v, 0), &rank) && json_to_double(json_at(v, 1), &scale));
    if (share->rank != (size_t)rank || !(fabs(share->scale - scale) <= 1e-12 * scale))
        fail_msg("%.200s: %s: rank %zu, scale %g; PEFT: %lld, %g", line, name, share->rank, share->scale,
                 (long long)rank, scale);
    (*found)++;
}

static bool has(const json_value *list, const char *name) {
    for (const json_value *v = list->first; v; v = v->next)
        if (strcmp(v->text, name) == 0) return true;
    return false;
}

static void check_line(const char *line, size_t n) {
    const json_value *root = NULL, *error;
    lora_plan p;
    arena *a = arena_create();
    assert_int_equal(json_parse(a, line, n, &root), WR_OK);
    const bool score = strcmp(json_get(root, "head")->text, "score") == 0;
    const json_value *type = json_get(root, "type");
    model *m = make(type ? type->text : "llama", score ? HEAD_SCORE : HEAD_LM, json_get(root, "tied")->boolean);
    const wr_status status = lora_plan_read(m, json_get(root, "config"), &p);
    error = json_get(root, "error");
    if (error && status != WR_E_FORMAT) fail_msg("%.200s: taken, which PEFT does not", line);
    if (!error && status < 0) fail_msg("%.200s: %s", line, wr_error());
    if (!error) {
        const json_value *modules = json_get(root, "modules"), *saved = json_get(root, "saved");
        size_t found = 0;
        for (size_t l = 0; l < L; l++)
            for (size_t k = 0; k < LORA_MODULE_COUNT; k++) {
                char name[96];
                snprintf(name, sizeof name, "model.layers.%zu.%s", l, lora_modules[k].path);
                check_share(modules, name, &p.layers[l * LORA_MODULE_COUNT + k], line, &found);
            }
        check_share(modules, "lm_head", &p.head, line, &found);
        check_share(modules, "model.embed_tokens", &p.embedding, line, &found);
        assert_int_equal(found, modules->length);
        assert_int_equal(p.head_saved, has(saved, "lm_head"));
        assert_int_equal(p.embedding_saved, has(saved, "model.embed_tokens"));
        assert_int_equal(p.score_saved, has(saved, "score"));
    }
    lora_plan_free(&p);
    model_free(m);
    arena_free(a);
}

static void test_targets(void **state) {
    (void)state;
    char *bytes = NULL;
    size_t n = 0, lines = 0;
    assert_int_equal(file_read(GOLDEN, 0, &bytes, &n), WR_OK);
    for (char *line = bytes, *end; (end = strchr(line, '\n')) != NULL; line = end + 1, lines++)
        check_line(line, (size_t)(end - line));
    assert_true(lines > 40);
    free(bytes);
}

/* Patterns that Python and PCRE2 may read differently, and members that change what is computed. */
static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *members, *word;
    } cases[] = {
        {"\"target_modules\":\"(?i).*Q_PROJ\"", "(?i)"},
        {"\"target_modules\":\".*q_proj\\\\Z\"", "\\Z"},
        {"\"target_modules\":\"(a)\\\\1|.*q_proj\"", "\\1"},
        {"\"target_modules\":\".*[[:alpha:]]_proj\"", "[:alpha:"},
        {"\"target_modules\":\".{,9}q_proj\"", "{,9}"},
        {"\"target_modules\":\".*(?>q)_proj\"", "(?>"},
        {"\"target_modules\":\".*(*FAIL)\"", "(*FAIL"},
        {"\"target_modules\":\".*[]q]_proj\"", "[]q]"},
        {"\"target_modules\":\".*\xc3\xa9|.*q_proj\"", "regular expression"},
        {"\"target_modules\":\".*(q_proj\"", "regular expression"},
        {"\"target_modules\":\".*q_proj\",\"layers_to_transform\":[1]", "layers_to_transform"},
        {"\"target_modules\":[\"q_proj\"],\"rank_pattern\":{\"q_proj\":0}", "rank_pattern"},
        {"\"target_modules\":[\"q_proj\"],\"rank_pattern\":{\"q_proj\":1.5}", "rank_pattern"},
        {"\"target_modules\":[\"q_proj\"],\"rank_pattern\":[1]", "rank_pattern"},
        {"\"target_modules\":[\"q_proj\"],\"rank_pattern\":{\"(?i)q\":1}", "rank_pattern"},
        {"\"target_modules\":[\"q_proj\"],\"alpha_pattern\":{\"q_proj\":\"x\"}", "alpha_pattern"},
        {"\"target_modules\":[\"q_proj\"],\"exclude_modules\":[1]", "exclude_modules"},
        {"\"target_modules\":[\"q_proj\"],\"modules_to_save\":[\"norm\"]", "norm"},
        {"\"target_modules\":[\"q_proj\"],\"modules_to_save\":[\"v_proj\"]", "v_proj"},
        {"\"target_modules\":[\"lm_head\"],\"ensure_weight_tying\":true", "ensure_weight_tying"},
    };
    model *m = make("llama", HEAD_LM, true);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        strbuf text = {0};
        const json_value *root = NULL;
        lora_plan p;
        arena *a = arena_create();
        strbuf_printf(&text, "{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":4,%s}", cases[i].members);
        if (json_parse(a, text.data, text.len, &root) < 0) fail_msg("%s: %s", cases[i].members, wr_error());
        if (lora_plan_read(m, root, &p) != WR_E_FORMAT) fail_msg("%s: taken", cases[i].members);
        if (!strstr(wr_error(), cases[i].word)) fail_msg("\"%s\" does not say %s", wr_error(), cases[i].word);
        lora_plan_free(&p);
        arena_free(a);
        strbuf_free(&text);
    }
    model_free(m);
}

/* --- the ends ------------------------------------------------------------------------------------------------------
 */

typedef struct file_tensor {
    const char *name;
    size_t rows, cols;
    float values[V * C];
} file_tensor;

static void draw(file_tensor *t, uint64_t key) {
    rng r = rng_make(key, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < t->rows * t->cols; i++) t->values[i] = (float)rng_normal(&r);
}

static void write_adapter(const char *members, file_tensor *t, size_t n) {
    char path[PATH_CAP];
    strbuf text = {0};
    st_tensor st[8];
    for (size_t i = 0; i < n; i++)
        st[i] = (st_tensor){.name = t[i].name,
                            .dtype = ST_F32,
                            .n_dims = 2,
                            .dims = {t[i].rows, t[i].cols},
                            .data = t[i].values,
                            .bytes = t[i].rows * t[i].cols * 4};
    assert_int_equal(path_join(path, test_folder(), "adapter_model.safetensors"), WR_OK);
    assert_int_equal(safetensors_write(path, st, n, NULL), WR_OK);
    strbuf_printf(&text, "{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":4,%s}", members);
    assert_int_equal(path_join(path, test_folder(), "adapter_config.json"), WR_OK);
    assert_int_equal(file_write_atomic(path, text.data, text.len), WR_OK);
    strbuf_free(&text);
}

/* got (V, C) = want + scale * sum over r of left[v][r] right[r][c], to rounding. */
static void check_matrix(const model *m, size_t i, const float *want, const file_tensor *a, const file_tensor *b,
                         bool embedding) {
    const float *got = m->weights[i];
    for (size_t v = 0; v < V; v++)
        for (size_t c = 0; c < C; c++) {
            double x = (double)want[v * C + c];
            for (size_t r = 0; a && r < 2; r++)
                x += 2.0 * (embedding ? (double)a->values[r * V + v] * (double)b->values[c * 2 + r]
                                      : (double)b->values[v * 2 + r] * (double)a->values[r * C + c]);
            if (!(fabs((double)got[v * C + c] - x) <= 1e-5 * (1 + fabs(x))))
                fail_msg("%s[%zu][%zu] is %g, not %g", m->tensors[i].name, v, c, (double)got[v * C + c], x);
        }
}

static model *load_again(const char *base, bool frozen) {
    model *m = NULL;
    if (model_load(base, &(model_load_options){.quiet = true, .head = HEAD_LM, .frozen = frozen}, &m) < 0 ||
        lora_load(m, test_folder()) < 0)
        fail_msg("%s", wr_error());
    return m;
}

static void test_ends(void **state) {
    (void)state;
    static file_tensor t[6] = {{.name = "base_model.model.lm_head.lora_A.weight", .rows = 2, .cols = C},
                               {.name = "base_model.model.lm_head.lora_B.weight", .rows = V, .cols = 2},
                               {.name = "base_model.model.model.embed_tokens.lora_embedding_A", .rows = 2, .cols = V},
                               {.name = "base_model.model.model.embed_tokens.lora_embedding_B", .rows = C, .cols = 2},
                               {.name = "base_model.model.lm_head.base_layer.weight", .rows = V, .cols = C},
                               {.name = "base_model.model.model.embed_tokens.weight", .rows = V, .cols = C}};
    char base[PATH_CAP];
    assert_int_equal(path_join(base, test_folder(), "base"), WR_OK);
    assert_int_equal(dir_make(base), WR_OK);
    for (size_t i = 0; i < 6; i++) draw(&t[i], i);
    for (int tied = 0; tied < 2; tied++) {
        model *m = make("llama", HEAD_LM, tied);
        const float *embedding = m->params + offset_embedding(m), *head = m->params + offset_head(m);
        assert_int_equal(model_save(m, base, NULL, NULL, PRECISION_F32), WR_OK);
        for (int frozen = 0; frozen < 2; frozen++) {
            write_adapter("\"target_modules\":[\"lm_head\"]", t, 2);
            model *got = load_again(base, frozen);
            check_matrix(got, index_embedding(got), embedding, NULL, NULL, false);
            check_matrix(got, index_head(got), head, &t[0], &t[1], false);
            assert_int_equal(lora_save(got, test_folder(), "base", NULL),
                             WR_E_USAGE); /* it would lack what is in the weights now */
            assert_int_equal(lora_merge(got), frozen ? WR_E_USAGE : WR_OK);
            assert_false(got->config.tied);
            model_free(got);

            write_adapter("\"target_modules\":[\"embed_tokens\"]", t + 2, 2);
            got = load_again(base, frozen);
            check_matrix(got, index_embedding(got), embedding, &t[2], &t[3], true);
            check_matrix(got, index_head(got), head, NULL, NULL, false);
            model_free(got);

            write_adapter("\"target_modules\":[\"lm_head\",\"embed_tokens\"]", t,
                          5); /* of a tied model, base_layer is the matrix of both */
            got = load_again(base, frozen);
            check_matrix(got, index_embedding(got), tied ? t[4].values : embedding, &t[2], &t[3], true);
            check_matrix(got, index_head(got), t[4].values, &t[0], &t[1], false);
            model_free(got);

            file_tensor whole = t[5];
            write_adapter("\"target_modules\":[\"lm_head\"],\"modules_to_save\":[\"embed_tokens\"]",
                          (file_tensor[]){t[0], t[1], whole}, 3);
            got = load_again(base, frozen);
            check_matrix(got, index_embedding(got), whole.values, NULL, NULL, true);
            check_matrix(got, index_head(got), head, &t[0], &t[1], false);
            model_free(got);
        }
        model_free(m);
    }
}

static void refuse_ends(const char *members, file_tensor *t, size_t n, bool tied, const char *word) {
    model *m = make("llama", HEAD_LM, tied);
    write_adapter(members, t, n);
    assert_true(lora_load(m, test_folder()) < 0);
    if (!strstr(wr_error(), word)) fail_msg("\"%s\" does not say %s", wr_error(), word);
    assert_null(m->lora);
    model_free(m);
}

static void test_ends_refused(void **state) {
    (void)state;
    static file_tensor a = {.name = "base_model.model.lm_head.lora_A.weight", .rows = 2, .cols = C},
                       b = {.name = "base_model.model.lm_head.lora_B.weight", .rows = V, .cols = 2},
                       base = {.name = "base_model.model.lm_head.base_layer.weight", .rows = V, .cols = C},
                       whole = {.name = "base_model.model.lm_head.weight", .rows = V, .cols = C},
                       embedding = {.name = "base_model.model.model.embed_tokens.weight", .rows = V, .cols = C},
                       resized = {.name = "base_model.model.lm_head.base_layer.weight", .rows = V - 1, .cols = C};
    const char *const targets = "\"target_modules\":[\"lm_head\"]";
    draw(&whole, 1);
    draw(&embedding, 2);
    refuse_ends(targets, (file_tensor[]){a}, 1, false, "lora_B");
    refuse_ends(targets, (file_tensor[]){a, b, base, whole}, 4, false, "beside");
    refuse_ends(targets, (file_tensor[]){a, b, resized}, 3, false, "(19, 16)");
    refuse_ends(targets, (file_tensor[]){a, b, whole, embedding}, 4, true, "one matrix");
    refuse_ends("\"target_modules\":[\"lm_head\"],\"modules_to_save\":[\"embed_tokens\"]", (file_tensor[]){a, b}, 2,
                true, "embed_tokens.weight");
    b.values[7] = NAN;
    refuse_ends(targets, (file_tensor[]){a, b}, 2, false, "NaN");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_targets), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_ends), cmocka_unit_test(test_ends_refused)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
