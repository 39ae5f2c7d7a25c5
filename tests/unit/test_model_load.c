/* Loading and saving of small random models of every family: masters, mapped, converted; names; shared memory. */
#include "base/file.h"
#include "base/mem.h"
#include "model/weights/params.h"
#include "model/weights/safetensors.h"
#include "model/weights/weight_mapping.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

#include <stdlib.h>
#include <string.h>

static char path[PATH_CAP];

static const char *const types[] = {"llama", "qwen2",   "qwen3",  "mistral",    "olmo2",
                                    "phi3",  "smollm3", "gemma2", "gemma3_text"};

enum { TYPES = sizeof types / sizeof *types };

static int set_up(void **state) {
    if (folder_set_up(state) < 0) return -1;
    return path_join(path, test_folder(), "model.safetensors");
}

static void save(const model *m, precision stored) { assert_ok(model_save(m, test_folder(), NULL, NULL, stored)); }

static model *load(const model_load_options *o) {
    model *m = NULL;
    assert_ok(model_load(test_folder(), o, &m));
    return m;
}

/* --- round trips -------------------------------------------------------------------------------------------------- */

/* Of what model_save(m, stored) wrote, as masters or frozen, computing in p. */
static void check_loaded(const model *m, precision stored, precision p, bool frozen, bool save_again) {
    model *got = load(&(model_load_options){
        .quiet = true, .head = HEAD_NONE, .frozen = frozen, .precision = p, .check_weights = true});
    const bool mapped = frozen && stored == p;
    assert_memory_equal(&got->config, &m->config, sizeof m->config);
    assert_weights_of(m, got, stored);
    assert_int_equal(got->mapping && got->mapping->n_files, mapped);
    assert_int_equal(got->params != NULL, !frozen || (!mapped && p == PRECISION_F32));
    assert_int_equal(got->params16 != NULL, p == PRECISION_BF16 && !mapped);
    assert_int_equal(model_set_precision(got, p), WR_OK);
    if (!got->params) {
        assert_int_equal(model_set_precision(got, p == PRECISION_F32 ? PRECISION_BF16 : PRECISION_F32), WR_E_USAGE);
        model_round_weights(got); /* nothing to renew */
        assert_weights_of(m, got, stored);
    }
    if (save_again) { /* from what it holds, even over the files it is mapped from */
        assert_int_equal(write_weights(got, test_folder(), stored, SIZE_MAX), WR_OK);
        model *again = load(&(model_load_options){.quiet = true, .head = HEAD_NONE});
        if (got->params) assert_weights_of(m, again, stored);
        for (size_t i = 0; !got->params && i < got->n_tensors; i++)
            for (size_t k = 0; k < got->tensors[i].count; k++)
                assert_true(weight_at(got, i, k) == weight_at(again, i, k));
        model_free(again);
        assert_int_equal(write_weights(m, test_folder(), stored, SIZE_MAX), WR_OK);
    }
    model_free(got);
}

/* Each family and head, stored in either type. */
static void test_round_trips(void **state) {
    (void)state;
    for (int t = 0; t < TYPES; t++)
        for (model_head head = HEAD_LM; head <= HEAD_NONE; head++)
            for (int how = 0; how < 4; how++) {
                const precision stored = how & 1 ? PRECISION_BF16 : PRECISION_F32;
                model *m = tiny_family_model(types[t], head, how & 2);
                save(m, stored);
                for (int use = 0; use < 4; use++)
                    check_loaded(m, stored, use & 1 ? PRECISION_BF16 : PRECISION_F32, use & 2,
                                 strcmp(types[t], "qwen2") == 0 && head == HEAD_SCORE && how < 2);
                model_free(m);
            }
}

static bool stored_there(const char *name) {
    safetensors *s = NULL;
    assert_int_equal(safetensors_open(path, &s), WR_OK);
    const bool there = safetensors_find(s, name) != NULL;
    safetensors_close(s);
    return there;
}

/* As transformers names them: no lm_head beside tied embeddings, no "model." in a ...Model; read with or without it. */
static void test_names(void **state) {
    (void)state;
    char config[PATH_CAP];
    strbuf text = {0};
    assert_int_equal(path_join(config, test_folder(), "config.json"), WR_OK);
    for (int tied = 0; tied < 2; tied++) {
        model *m = tiny_family_model("qwen3", HEAD_LM, tied);
        save(m, PRECISION_F32);
        assert_true(stored_there("lm_head.weight") == !tied && stored_there("model.norm.weight") &&
                    !stored_there("score.weight"));
        model_free(m);
    }
    model *m = tiny_family_model("qwen3", HEAD_NONE, true), *got;
    save(m, PRECISION_F32);
    assert_true(stored_there("embed_tokens.weight") && stored_there("layers.1.self_attn.q_norm.weight") &&
                !stored_there("model.norm.weight"));
    /* a base model's weights under a language model's config, and the other way round */
    model_config c = m->config;
    for (model_head head = HEAD_LM; head <= HEAD_NONE; head += HEAD_NONE - HEAD_LM) {
        strbuf_clear(&text);
        model_config_set_head(&c, head, 0);
        assert_int_equal(model_config_json(&c, PRECISION_F32, NULL, &text), WR_OK);
        assert_int_equal(file_write_atomic(config, text.data, text.len), WR_OK);
        got = load(&(model_load_options){.quiet = true, .head = HEAD_NONE});
        assert_weights_of(m, got, PRECISION_F32);
        model_free(got);
        model_config_set_head(&m->config, HEAD_LM, 0);
        assert_int_equal(write_weights(m, test_folder(), PRECISION_F32, SIZE_MAX), WR_OK);
    }
    assert_true(stored_there("model.norm.weight"));
    model_free(m);
    strbuf_free(&text);
}

static void test_fresh_score(void **state) {
    (void)state;
    model *m = tiny_family_model("llama", HEAD_LM, false);
    for (int how = 0; how < 4; how++) {
        const precision p = how & 1 ? PRECISION_BF16 : PRECISION_F32, stored = how & 2 ? PRECISION_BF16 : PRECISION_F32;
        save(m, stored);
        model_load_options o = {.head = HEAD_SCORE, .n_outputs = 4, .seed = 5, .quiet = true, .precision = p};
        model *masters = load(&o);
        o.frozen = true;
        model *frozen = load(&o);
        assert_string_equal(frozen->config.architecture, "LlamaForSequenceClassification");
        const size_t i = index_head(frozen);
        assert_string_equal(frozen->tensors[i].name, "score.weight");
        for (size_t k = 0; k < frozen->tensors[i].count; k++)
            assert_true(weight_at(frozen, i, k) == weight_at(masters, i, k) && weight_at(frozen, i, k) != 0);
        model_free(masters), model_free(frozen);
    }
    model_free(m);
}

/* --- shared memory ------------------------------------------------------------------------------------------------ */

static void test_image(void **state) {
    (void)state;
    for (int how = 0; how < 8; how++) {
        const precision stored = how & 1 ? PRECISION_BF16 : PRECISION_F32, p = how & 2 ? PRECISION_BF16 : PRECISION_F32;
        model *m = tiny_family_model("qwen2", HEAD_SCORE, true), *twin = NULL;
        save(m, stored);
        model *got = load(&(model_load_options){
            .quiet = true, .head = HEAD_NONE, .frozen = how & 4, .precision = p, .hash = "given"});
        assert_string_equal(got->parent_hash, "given");
        void *image = mem_aligned(weight_image_bytes(got, p), 1);
        weight_image_fill(got, image);
        assert_int_equal(model_create(&got->config, &twin), WR_OK);
        weight_image_use(twin, p, image);
        assert_weights_of(m, twin, stored);
        assert_int_equal(model_set_precision(twin, p), WR_OK); /* stays as it is */
        assert_int_equal(model_set_precision(twin, p == PRECISION_F32 ? PRECISION_BF16 : PRECISION_F32), WR_E_USAGE);
        model_round_weights(twin);
        assert_weights_of(m, twin, stored);
        model_free(m), model_free(got), model_free(twin);
        free(image);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trips), cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_fresh_score), cmocka_unit_test(test_image)};
    return cmocka_run_group_tests(tests, set_up, folder_tear_down);
}
