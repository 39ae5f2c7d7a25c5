/* Loading and saving of small random models of every family: masters, mapped, converted; shards; what is refused, by
 * name; damaged files. */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/weights/params.h"
#include "model/weights/safetensors.h"
#include "model/weights/weight_mapping.h"
#include "tests/support/asserts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/wr-model-load-XXXXXX";
static char path[PATH_CAP];
static const char *const types[] = {"llama", "qwen2", "qwen3", "mistral"};
enum { TYPES = 4 };

static int setup(void **state) {
    (void)state;
    if (!mkdtemp(directory)) return -1;
    return path_join(path, directory, "model.safetensors") < 0 ? -1 : 0;
}

static int teardown(void **state) {
    (void)state;
    return dir_remove_tree(directory) < 0 ? -1 : 0;
}

/* Every parameter a different number that bf16 does not hold. */
static model *make(const char *type, model_head head, bool tied) {
    char spec[128];
    model_config c;
    model *m = NULL;
    snprintf(spec, sizeof spec, "layers=2,hidden=16,heads=4,kv-heads=2,head-dim=6,ffn=20,type=%s,tied=%d", type, tied);
    assert_ok(model_config_from_spec(spec, &c));
    c.V = 23;
    c.bos_id = 1, c.eos_id = c.eos_ids[0] = 2, c.n_eos = 1;
    model_config_set_head(&c, head, 3);
    assert_int_equal(model_create(&c, &m), WR_OK);
    assert_int_equal(model_alloc_params(m), WR_OK);
    rng g = rng_make(1, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < m->n_params; i++) m->params[i] = (float)rng_normal(&g);
    return m;
}

static void save(const model *m, precision stored) { assert_ok(model_save(m, directory, NULL, NULL, stored)); }

static model *load(const model_load_options *o) {
    model *m = NULL;
    assert_ok(model_load(directory, o, &m));
    return m;
}

static void refuse(const model_load_options *o, wr_status code, const char *word) {
    model *m = NULL;
    assert_int_equal(model_load(directory, o, &m), code);
    assert_null(m);
    assert_error_says(word);
}

/* What computing reads element k of tensor i as. */
static float weight(const model *m, size_t i, size_t k) {
    return weight_precision(m, i) == PRECISION_BF16 ? bf16_to_f32(((const bf16 *)m->weights[i])[k])
                                                    : ((const float *)m->weights[i])[k];
}

/* got computes with want's masters, which a file of type `stored` kept and got reads in its precision. */
static void check_weights(const model *want, const model *got, precision stored) {
    assert_int_equal(got->n_tensors, want->n_tensors);
    for (size_t i = 0; i < got->n_tensors; i++)
        for (size_t k = 0; k < got->tensors[i].count; k++) {
            float x = want->params[want->tensors[i].offset + k];
            if (stored == PRECISION_BF16 || weight_precision(got, i) == PRECISION_BF16)
                x = bf16_to_f32(bf16_from_f32(x));
            if (weight(got, i, k) != x)
                fail_msg("%s: %s[%zu] is %g, not %g", want->config.model_type, got->tensors[i].name, k,
                         (double)weight(got, i, k), (double)x);
        }
}

/* --- round trips -------------------------------------------------------------------------------------------------- */

/* Of what model_save(m, stored) wrote, as masters or frozen, computing in p. */
static void check_loaded(const model *m, precision stored, precision p, bool frozen, bool save_again) {
    model *got = load(&(model_load_options){
        .quiet = true, .head = HEAD_NONE, .frozen = frozen, .precision = p, .check_weights = true});
    const bool mapped = frozen && stored == p;
    assert_memory_equal(&got->config, &m->config, sizeof m->config);
    check_weights(m, got, stored);
    assert_int_equal(got->mapping && got->mapping->n_files, mapped);
    assert_int_equal(got->params != NULL, !frozen || (!mapped && p == PRECISION_F32));
    assert_int_equal(got->params16 != NULL, p == PRECISION_BF16 && !mapped);
    assert_int_equal(model_set_precision(got, p), WR_OK);
    if (!got->params) {
        assert_int_equal(model_set_precision(got, p == PRECISION_F32 ? PRECISION_BF16 : PRECISION_F32), WR_E_USAGE);
        model_round_weights(got); /* nothing to renew */
        check_weights(m, got, stored);
    }
    if (save_again) { /* from what it holds, even over the files it is mapped from */
        assert_int_equal(write_weights(got, directory, stored, SIZE_MAX), WR_OK);
        model *again = load(&(model_load_options){.quiet = true, .head = HEAD_NONE});
        if (got->params) check_weights(m, again, stored);
        for (size_t i = 0; !got->params && i < got->n_tensors; i++)
            for (size_t k = 0; k < got->tensors[i].count; k++) assert_true(weight(got, i, k) == weight(again, i, k));
        model_free(again);
        assert_int_equal(write_weights(m, directory, stored, SIZE_MAX), WR_OK);
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
                model *m = make(types[t], head, how & 2);
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
    assert_int_equal(path_join(config, directory, "config.json"), WR_OK);
    for (int tied = 0; tied < 2; tied++) {
        model *m = make("qwen3", HEAD_LM, tied);
        save(m, PRECISION_F32);
        assert_true(stored_there("lm_head.weight") == !tied && stored_there("model.norm.weight") &&
                    !stored_there("score.weight"));
        model_free(m);
    }
    model *m = make("qwen3", HEAD_NONE, true), *got;
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
        check_weights(m, got, PRECISION_F32);
        model_free(got);
        model_config_set_head(&m->config, HEAD_LM, 0);
        assert_int_equal(write_weights(m, directory, PRECISION_F32, SIZE_MAX), WR_OK);
    }
    assert_true(stored_there("model.norm.weight"));
    model_free(m);
    strbuf_free(&text);
}

static void test_fresh_score(void **state) {
    (void)state;
    model *m = make("llama", HEAD_LM, false);
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
            assert_true(weight(frozen, i, k) == weight(masters, i, k) && weight(frozen, i, k) != 0);
        model_free(masters), model_free(frozen);
    }
    model_free(m);
}

/* --- files made by others ----------------------------------------------------------------------------------------- */

static void read_file(char **bytes, size_t *n) { assert_int_equal(file_read(path, 0, bytes, n), WR_OK); }

static void write_file(const char *bytes, size_t n) {
    unlink(path); /* writing over an old file makes some file systems flush it first */
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Data that starts at an odd byte cannot be computed from where it lies. */
static void test_unaligned(void **state) {
    (void)state;
    model *m = make("qwen2", HEAD_LM, false);
    for (precision p = PRECISION_F32; p < PRECISIONS; p++) {
        char *bytes = NULL;
        size_t n = 0;
        uint64_t header = 0;
        save(m, p);
        read_file(&bytes, &n);
        memcpy(&header, bytes, 8);
        char *moved = mem_calloc(n + 1, 1);
        memcpy(moved, bytes, 8 + header);
        memcpy(moved + 8 + header + 1, bytes + 8 + header, n - 8 - header);
        moved[8 + header] = ' ';
        header++;
        memcpy(moved, &header, 8);
        write_file(moved, n + 1);
        model *got = load(&(model_load_options){.quiet = true, .frozen = true, .precision = p});
        assert_false(got->mapping && got->mapping->n_files);
        check_weights(m, got, p);
        model_free(got);
        free(bytes), free(moved);
    }
    model_free(m);
}

static void test_f16(void **state) {
    (void)state;
    model *m = make("mistral", HEAD_SCORE, false);
    char *bytes = NULL;
    size_t n = 0;
    save(m, PRECISION_BF16);
    read_file(&bytes, &n);
    for (char *at = bytes + 8; (at = memmem(at, n - (size_t)(at - bytes), ":\"BF16\"", 7)) != NULL;)
        memcpy(at, ": \"F16\"", 7);
    write_file(bytes, n);
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
        check_weights(m, got, PRECISION_F32);
        model_free(got);
    }
    model_free(m);
}

static void test_shards(void **state) {
    (void)state;
    char index[PATH_CAP], **names = NULL;
    size_t n = 0;
    assert_int_equal(path_join(index, directory, "model.safetensors.index.json"), WR_OK);
    for (precision p = PRECISION_F32; p < PRECISIONS; p++) {
        model *m = make("qwen2", HEAD_LM, false);
        save(m, p);
        assert_int_equal(write_weights(m, directory, p, 3000), WR_OK);
        assert_false(file_exists(path));
        assert_true(file_exists(index));
        assert_int_equal(dir_list(directory, "model-", ".safetensors", &names, &n), WR_OK);
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
            check_weights(m, got, p);
            model_free(got);
        }
        /* one file again: the index would list shards of an older model */
        save(m, p);
        assert_true(file_exists(path) && !file_exists(index));
        char shard[PATH_CAP];
        for (size_t i = 1; i <= n; i++) {
            snprintf(last, sizeof last, "model-%05zu-of-%05zu.safetensors", i, n);
            assert_int_equal(path_join(shard, directory, last), WR_OK);
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
    model *m = make("llama", HEAD_LM, true), *got;
    save(m, PRECISION_F32);
    assert_int_equal(path_join(file, directory, "generation_config.json"), WR_OK);
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
        model *m = make("qwen3", HEAD_LM, false);
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
    char config[PATH_CAP], *text = NULL;
    size_t n = 0;
    model *m = make("qwen2", HEAD_LM, true);
    save(m, PRECISION_F32);
    assert_int_equal(path_join(config, directory, "config.json"), WR_OK);
    assert_int_equal(file_read(config, 0, &text, &n), WR_OK);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        strbuf changed = {0};
        char *at = strstr(text, lies[i].from);
        if (!at) fail_msg("no %s in %s", lies[i].from, text);
        strbuf_append(&changed, text, (size_t)(at - text));
        strbuf_puts(&changed, lies[i].to);
        strbuf_puts(&changed, at + strlen(lies[i].from));
        assert_int_equal(file_write_atomic(config, changed.data, changed.len), WR_OK);
        for (int frozen = 0; frozen < 2; frozen++)
            refuse(&(model_load_options){.quiet = true, .frozen = frozen}, WR_E_FORMAT, lies[i].names);
        strbuf_free(&changed);
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
    model *m = make("qwen3", HEAD_LM, true), *got = NULL;
    save(m, PRECISION_F32);
    read_file(&bytes, &n);
    memcpy(&header, bytes, 8);
    for (size_t k = 0; k < n; k += k < header + 16 ? 1 : 61) {
        write_file(bytes, k);
        if (model_load(directory, &o[k % 3], &got) >= 0) fail_msg("accepted when truncated to %zu of %zu bytes", k, n);
    }
    for (size_t k = 0; k < n; k += k < 8 + header ? 1 : 97) {
        const int bit = (int)(k * 7 % 8);
        bytes[k] = (char)(bytes[k] ^ (1 << bit));
        write_file(bytes, n);
        const wr_status s = model_load(directory, &o[k % 3], &got);
        refused += s < 0;
        if (s >= 0) {
            float sum = 0;
            for (size_t i = 0; i < got->n_tensors; i++)
                for (size_t e = 0; e < got->tensors[i].count; e++) sum += weight(got, i, e);
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

/* --- shared memory ------------------------------------------------------------------------------------------------ */

static void test_image(void **state) {
    (void)state;
    for (int how = 0; how < 8; how++) {
        const precision stored = how & 1 ? PRECISION_BF16 : PRECISION_F32, p = how & 2 ? PRECISION_BF16 : PRECISION_F32;
        model *m = make("qwen2", HEAD_SCORE, true), *twin = NULL;
        save(m, stored);
        model *got = load(&(model_load_options){
            .quiet = true, .head = HEAD_NONE, .frozen = how & 4, .precision = p, .hash = "given"});
        assert_string_equal(got->parent_hash, "given");
        void *image = mem_aligned(weight_image_bytes(got, p), 1);
        weight_image_fill(got, image);
        assert_int_equal(model_create(&got->config, &twin), WR_OK);
        weight_image_use(twin, p, image);
        check_weights(m, twin, stored);
        assert_int_equal(model_set_precision(twin, p), WR_OK); /* stays as it is */
        assert_int_equal(model_set_precision(twin, p == PRECISION_F32 ? PRECISION_BF16 : PRECISION_F32), WR_E_USAGE);
        model_round_weights(twin);
        check_weights(m, twin, stored);
        model_free(m), model_free(got), model_free(twin);
        free(image);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trips),
                                       cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_fresh_score),
                                       cmocka_unit_test(test_unaligned),
                                       cmocka_unit_test(test_f16),
                                       cmocka_unit_test(test_shards),
                                       cmocka_unit_test(test_generation_config),
                                       cmocka_unit_test(test_check_weights),
                                       cmocka_unit_test(test_shapes),
                                       cmocka_unit_test(test_damaged),
                                       cmocka_unit_test(test_image)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
