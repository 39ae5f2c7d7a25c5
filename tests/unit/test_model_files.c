/* Model files made by others or damaged: data at odd bytes, F16, shards, generation_config.json; what is refused, by
 * name. */
#include "base/file.h"
#include "base/mem.h"
#include "model/weights/params.h"
#include "model/weights/safetensors.h"
#include "model/weights/weight_mapping.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[PATH_CAP];

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

static void refuse(const model_load_options *o, wr_status code, const char *word) {
    model *m = NULL;
    assert_int_equal(model_load(test_folder(), o, &m), code);
    assert_null(m);
    assert_error_says(word);
}

/* --- files made by others ----------------------------------------------------------------------------------------- */

/* Data that starts at an odd byte cannot be computed from where it lies. */
static void test_unaligned(void **state) {
    (void)state;
    model *m = tiny_family_model("qwen2", HEAD_LM, false);
    for (precision p = PRECISION_F32; p < PRECISIONS; p++) {
        char *bytes = NULL;
        size_t n = 0;
        uint64_t header = 0;
        save(m, p);
        bytes = get_file("model.safetensors", &n);
        memcpy(&header, bytes, 8);
        char *moved = mem_calloc(n + 1, 1);
        memcpy(moved, bytes, 8 + header);
        memcpy(moved + 8 + header + 1, bytes + 8 + header, n - 8 - header);
        moved[8 + header] = ' ';
        header++;
        memcpy(moved, &header, 8);
        put_file("model.safetensors", moved, n + 1);
        model *got = load(&(model_load_options){.quiet = true, .frozen = true, .precision = p});
        assert_false(got->mapping && got->mapping->n_files);
        assert_weights_of(m, got, p);
        model_free(got);
        free(bytes), free(moved);
    }
    model_free(m);
}

static void test_f16(void **state) {
    (void)state;
    model *m = tiny_family_model("mistral", HEAD_SCORE, false);
    char *bytes = NULL;
    size_t n = 0;
    save(m, PRECISION_BF16);
    bytes = get_file("model.safetensors", &n);
    for (char *at = bytes + 8; (at = memmem(at, n - (size_t)(at - bytes), ":\"BF16\"", 7)) != NULL;)
        memcpy(at, ": \"F16\"", 7);
    put_file("model.safetensors", bytes, n);
    free(bytes);
    safetensors *s = NULL;
    assert_int_equal(safetensors_open(path, &s), WR_OK);
    for (size_t i = 0; i < m->n_tensors; i++) {
        const st_tensor *t = safetensors_find(s, m->tensors[i].name);
        assert_int_equal(t->dtype, ST_F16);
        assert_int_equal(st_tensor_to_f32(t, m->params + m->tensors[i].offset), WR_OK);
    }
    safetensors_close(s);
    for (int how = 0; how < 4; how++) {
        model *got = load(&(model_load_options){.quiet = true,
                                                .head = HEAD_NONE,
                                                .frozen = how & 1,
                                                .precision = how & 2 ? PRECISION_BF16 : PRECISION_F32});
        assert_null(how & 1 && got->mapping ? got->mapping->files : NULL);
        assert_weights_of(m, got, PRECISION_F32);
        model_free(got);
    }
    model_free(m);
}

static void test_shards(void **state) {
    (void)state;
    char index[PATH_CAP], **names = NULL;
    size_t n = 0;
    assert_int_equal(path_join(index, test_folder(), "model.safetensors.index.json"), WR_OK);
    for (precision p = PRECISION_F32; p < PRECISIONS; p++) {
        model *m = tiny_family_model("qwen2", HEAD_LM, false);
        save(m, p);
        assert_int_equal(write_weights(m, test_folder(), p, 3000), WR_OK);
        assert_false(file_exists(path));
        assert_true(file_exists(index));
        assert_int_equal(dir_list(test_folder(), "model-", ".safetensors", &names, &n), WR_OK);
        assert_true(n > 2);
        char last[64], *text = NULL, total[64];
        size_t length = 0;
        snprintf(last, sizeof last, "model-%05zu-of-%05zu.safetensors", n, n);
        assert_string_equal(names[n - 1], last);
        names_free(names, n);
        assert_int_equal(file_read(index, 0, &text, &length), WR_OK);
        snprintf(total, sizeof total, "\"total_size\":%zu", m->n_params * precision_bytes(p));
        assert_non_null(strstr(text, total));
        free(text);
        for (int frozen = 0; frozen < 2; frozen++) {
            model *got = load(&(model_load_options){.quiet = true, .frozen = frozen, .precision = p});
            if (frozen) assert_int_equal(got->mapping->n_files, n);
            assert_weights_of(m, got, p);
            model_free(got);
        }
        /* one file again: the index would list shards of an older model */
        save(m, p);
        assert_true(file_exists(path) && !file_exists(index));
        char shard[PATH_CAP];
        for (size_t i = 1; i <= n; i++) {
            snprintf(last, sizeof last, "model-%05zu-of-%05zu.safetensors", i, n);
            assert_int_equal(path_join(shard, test_folder(), last), WR_OK);
            assert_int_equal(unlink(shard), 0);
        }
        model_free(m);
    }
}

static void test_generation_config(void **state) {
    (void)state;
    static const char text[] = "{\"temperature\":0.6,\"top_p\":0.90,\"do_sample\":true,\"eos_token_id\":[5,2],\"bos_"
                               "token_id\":7,\"pad_token_id\":4}";
    char file[PATH_CAP], *saved = NULL;
    size_t n = 0;
    model *m = tiny_family_model("llama", HEAD_LM, true), *got;
    save(m, PRECISION_F32);
    assert_int_equal(path_join(file, test_folder(), "generation_config.json"), WR_OK);
    assert_int_equal(file_write_atomic(file, text, strlen(text)), WR_OK);
    got = load(&(model_load_options){.quiet = true});
    assert_int_equal(got->config.n_eos, 2);
    save(got, PRECISION_F32);
    assert_int_equal(file_read(file, 0, &saved, &n), WR_OK);
    static const char *const parts[] = {"\"temperature\":0.6",    "\"top_p\":0.90",      "\"do_sample\":true",
                                        "\"eos_token_id\":[2,5]", "\"bos_token_id\":1,", "\"pad_token_id\":4"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!strstr(saved, parts[i])) fail_msg("%s has no %s", saved, parts[i]);
    assert_null(strstr(saved, "7"));
    free(saved);
    model_free(m), model_free(got);
    unlink(file);
}

/* --- refused ------------------------------------------------------------------------------------------------------ */

static void test_check_weights(void **state) {
    (void)state;
    const model_load_options look = {.quiet = true, .check_weights = true}, trust = {.quiet = true};
    for (precision stored = PRECISION_F32; stored < PRECISIONS; stored++) {
        model *m = tiny_family_model("qwen3", HEAD_LM, false);
        const tensor_info *t = &m->tensors[index_layer(m, 1, LAYER_K_NORM)];
        m->params[t->offset + 4] = NAN;
        save(m, stored);
        refuse(&look, WR_E_FORMAT, "\"model.layers.1.self_attn.k_norm.weight\": element 4");
        model_free(load(&trust));
        m->params[t->offset + 4] = INFINITY;
        save(m, stored);
        refuse(&look, WR_E_FORMAT, t->name);
        m->params[t->offset + 4] = 1;
        save(m, stored);
        model_free(load(&look));
        model_free(m);
    }
}

/* A config.json that says something else than the files. */
static void test_shapes(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *names;
    } lies[] = {
        {"\"hidden_size\":16", "\"hidden_size\":32", "embed_tokens"},
        {"\"vocab_size\":23", "\"vocab_size\":24", "embed_tokens"},
        {"\"head_dim\":6", "\"head_dim\":8", "q_proj"},
        {"\"num_attention_heads\":4", "\"num_attention_heads\":2", "q_proj"},
        {"\"num_key_value_heads\":2", "\"num_key_value_heads\":4", "k_proj"},
        {"\"intermediate_size\":20", "\"intermediate_size\":21", "gate_proj"},
        {"\"num_hidden_layers\":2", "\"num_hidden_layers\":3", "model.layers.2.input_layernorm.weight\" is missing"},
        {"\"num_hidden_layers\":2", "\"num_hidden_layers\":1", "unexpected tensor \"model.layers.1."},
        {"\"tie_word_embeddings\":true", "\"tie_word_embeddings\":false", "\"lm_head.weight\" is missing"},
        {"Qwen2ForCausalLM\"],\"model_type\":\"qwen2", "LlamaForCausalLM\"],\"model_type\":\"llama",
         "unexpected tensor"},
        {"Qwen2ForCausalLM\"],\"model_type\":\"qwen2", "Qwen3ForCausalLM\"],\"model_type\":\"qwen3",
         "q_norm.weight\" is missing"}};
    model *m = tiny_family_model("qwen2", HEAD_LM, true);
    save(m, PRECISION_F32);
    char *text = get_file("config.json", NULL);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        put_changed("config.json", text, lies[i].from, lies[i].to);
        for (int frozen = 0; frozen < 2; frozen++)
            refuse(&(model_load_options){.quiet = true, .frozen = frozen}, WR_E_FORMAT, lies[i].names);
    }
    free(text);
    model_free(m);
}

/* Truncated anywhere: refused. Any bit of the header changed, or a byte of the data: refused or loaded, and never
 * anything else. */
static void test_damaged(void **state) {
    (void)state;
    char *bytes = NULL;
    size_t n = 0, refused = 0;
    uint64_t header = 0;
    const model_load_options o[] = {{.quiet = true, .check_weights = true},
                                    {.quiet = true, .frozen = true, .hash = "x"},
                                    {.quiet = true, .frozen = true, .precision = PRECISION_BF16, .hash = "x"}};
    model *m = tiny_family_model("qwen3", HEAD_LM, true), *got = NULL;
    save(m, PRECISION_F32);
    bytes = get_file("model.safetensors", &n);
    memcpy(&header, bytes, 8);
    for (size_t k = 0; k < n; k += k < header + 16 ? 1 : 61) {
        put_file("model.safetensors", bytes, k);
        if (model_load(test_folder(), &o[k % 3], &got) >= 0)
            fail_msg("accepted when truncated to %zu of %zu bytes", k, n);
    }
    for (size_t k = 0; k < n; k += k < 8 + header ? 1 : 97) {
        const int bit = (int)(k * 7 % 8);
        bytes[k] = (char)(bytes[k] ^ (1 << bit));
        put_file("model.safetensors", bytes, n);
        const wr_status s = model_load(test_folder(), &o[k % 3], &got);
        refused += s < 0;
        if (s >= 0) {
            float sum = 0;
            for (size_t i = 0; i < got->n_tensors; i++)
                for (size_t e = 0; e < got->tensors[i].count; e++) sum += weight_at(got, i, e);
            (void)sum;
        }
        model_free(got);
        got = NULL;
        bytes[k] = (char)(bytes[k] ^ (1 << bit));
    }
    assert_true(refused > header / 2 && refused < n);
    free(bytes);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_unaligned),     cmocka_unit_test(test_f16),
                                       cmocka_unit_test(test_shards),        cmocka_unit_test(test_generation_config),
                                       cmocka_unit_test(test_check_weights), cmocka_unit_test(test_shapes),
                                       cmocka_unit_test(test_damaged)};
    return cmocka_run_group_tests(tests, set_up, folder_tear_down);
}
