/* config.json of transformers 4 and 5, what is refused, and what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "model/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/wr-config-XXXXXX";

static int setup(void **state) {
    (void)state;
    return mkdtemp(directory) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    return dir_remove_tree(directory) < 0 ? -1 : 0;
}

static void put(const char *name, const char *text) {
    char path[PATH_CAP];
    assert_int_equal(path_join(path, directory, name), WR_OK);
    assert_int_equal(file_write_atomic(path, text, strlen(text)), WR_OK);
}

#define SHAPES                                                                                                         \
    "\"hidden_size\":576,\"intermediate_size\":1536,\"num_hidden_layers\":30,\"num_attention_heads\":9,\"vocab_"       \
    "size\":49152,"

/* A Llama config with `extra` members (each ending in a comma). */
static wr_status load(const char *extra, model_config *c) {
    char text[2048];
    snprintf(text, sizeof text,
             "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\"," SHAPES "%s\"x\":0}", extra);
    put("config.json", text);
    return model_config_load(directory, c);
}

static void test_versions(void **state) {
    (void)state;
    model_config c;
    assert_int_equal(
        load("\"num_key_value_heads\":3,\"rope_theta\":100000,\"rope_scaling\":null,\"torch_dtype\":\"bfloat16\","
             "\"rms_norm_eps\":1e-5,\"tie_word_embeddings\":true,\"eos_token_id\":2,\"bos_token_id\":1,\"pad_token_"
             "id\":null,",
             &c),
        WR_OK);
    assert_true(c.C == 576 && c.H == 9 && c.G == 3 && c.D == 64 && c.F == 1536 && c.L == 30 && c.V == 49152);
    assert_true(c.rope_theta == 100000 && c.norm_eps == 1e-5 && c.tied && c.head == HEAD_LM);
    assert_true(c.eos_id == 2 && c.n_eos == 1 && c.bos_id == 1 && c.pad_id == -1);
    assert_int_equal(
        load("\"rope_parameters\":{\"rope_theta\":5e5,\"rope_type\":\"default\"},\"dtype\":\"float32\",\"head_dim\":32,"
             "\"eos_token_id\":[7,8],",
             &c),
        WR_OK);
    assert_true(c.rope_theta == 5e5 && c.G == 9 && c.D == 32 && !c.tied && c.n_eos == 2 && c.eos_id == 7);
    put("generation_config.json", "{\"eos_token_id\":[8,9]}");
    assert_int_equal(load("\"eos_token_id\":7,", &c), WR_OK);
    assert_true(c.n_eos == 3 && c.eos_ids[0] == 7 && c.eos_ids[1] == 8 && c.eos_ids[2] == 9);
    assert_true(c.rope_theta == 10000 && c.max_positions == 2048);
    char path[PATH_CAP];
    assert_int_equal(path_join(path, directory, "generation_config.json"), WR_OK);
    unlink(path);
    put("config.json", "{\"architectures\":[\"LlamaForSequenceClassification\"],\"model_type\":\"llama\"," SHAPES
                       "\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"}}");
    assert_int_equal(model_config_load(directory, &c), WR_OK);
    assert_true(c.head == HEAD_SCORE && c.n_labels == 3);
    put("config.json",
        "{\"architectures\":[\"LlamaForSequenceClassification\"],\"model_type\":\"llama\"," SHAPES "\"a\":1}");
    assert_int_equal(model_config_load(directory, &c), WR_OK);
    assert_int_equal(c.n_labels, 2); /* transformers leaves the default out */
    put("config.json",
        "{\"architectures\":[\"MistralForCausalLM\"],\"model_type\":\"mistral\"," SHAPES "\"sliding_window\":null}");
    assert_int_equal(model_config_load(directory, &c), WR_OK);
}

static void test_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"\"hidden_act\":\"gelu\",", "hidden_act"},
        {"\"attention_bias\":true,", "attention_bias"},
        {"\"mlp_bias\":true,", "mlp_bias"},
        {"\"sliding_window\":4096,", "sliding_window"},
        {"\"quantization_config\":{},", "quantization_config"},
        {"\"pretraining_tp\":2,", "pretraining_tp"},
        {"\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8},", "llama3"},
        {"\"rope_scaling\":{\"type\":\"linear\",\"factor\":2},", "linear"},
        {"\"rope_parameters\":{\"rope_theta\":1e4,\"rope_type\":\"yarn\"},", "yarn"},
        {"\"partial_rotary_factor\":0.5,", "partial_rotary_factor"},
        {"\"num_key_value_heads\":2,", "num_key_value_heads"},
        {"\"num_key_value_heads\":0,", "num_key_value_heads"},
        {"\"head_dim\":63,", "head_dim"},
        {"\"head_dim\":2048,", "head_dim"},
        {"\"vocab_size\":\"many\",", "vocab_size"},
        {"\"vocab_size\":1e30,", "vocab_size"},
        {"\"vocab_size\":16777217,", "vocab_size"},
        {"\"num_hidden_layers\":99999,", "num_hidden_layers"},
        {"\"rms_norm_eps\":-1,", "rms_norm_eps"},
        {"\"eos_token_id\":\"x\",", "eos_token_id"},
        {"\"eos_token_id\":[[1]],", "eos_token_id"},
        {"\"eos_token_id\":[1,2,3,4,5,6,7,8,9],", "eos_token_id"},
        {"\"tie_word_embeddings\":1,", "tie_word_embeddings"},
        {"\"model_type\":\"gpt2\",", "gpt2"},
        {"\"architectures\":[\"LlamaForTokenClassification\"],", "architectures"},
        {"\"architectures\":7,", "architectures"},
    };
    model_config c;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (load(cases[i][0], &c) >= 0) fail_msg("accepted: %s", cases[i][0]);
        if (!strstr(wr_error(), cases[i][1]) || !strstr(wr_error(), "config.json"))
            fail_msg("\"%s\" does not name %s and the file", wr_error(), cases[i][1]);
    }
    static const char *const texts[] = {"",
                                        "[]",
                                        "{",
                                        "{}",
                                        "{\"model_type\":\"llama\"}",
                                        "null",
                                        "{\"architectures\":[\"MistralForCausalLM\"],\"model_type\":\"mistral\"," SHAPES
                                        "\"a\":1}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put("config.json", texts[i]);
        assert_int_equal(model_config_load(directory, &c), WR_E_FORMAT);
    }
    assert_true(model_config_load("/nonexistent", &c) < 0);
}

static void test_written(void **state) {
    (void)state;
    model_config c, again;
    strbuf text = {0}, second = {0};
    assert_int_equal(load("\"num_key_value_heads\":3,\"rope_theta\":123456.5,\"rms_norm_eps\":9.999999747378752e-06,"
                          "\"eos_token_id\":[2,5],"
                          "\"tie_word_embeddings\":true,\"bos_token_id\":1,",
                          &c),
                     WR_OK);
    for (int head = 0; head < 2; head++) {
        c.head = head ? HEAD_SCORE : HEAD_LM;
        c.n_labels = head ? 5 : 0;
        snprintf(c.architecture, sizeof c.architecture, "Llama%s", head ? "ForSequenceClassification" : "ForCausalLM");
        strbuf_clear(&text);
        assert_int_equal(model_config_json(&c, NULL, &text), WR_OK);
        put("config.json", strbuf_str(&text));
        assert_int_equal(model_config_load(directory, &again), WR_OK);
        assert_true(again.norm_eps == c.norm_eps && again.rope_theta == c.rope_theta && again.n_eos == 2 &&
                    again.n_labels == c.n_labels);
        strbuf_clear(&second);
        assert_int_equal(model_config_json(&again, NULL, &second), WR_OK);
        assert_string_equal(strbuf_str(&text), strbuf_str(&second));
    }
    strbuf_free(&text);
    strbuf_free(&second);
}

static void test_spec(void **state) {
    (void)state;
    model_config c;
    assert_int_equal(
        model_config_from_spec("layers=2,hidden=64,heads=4,kv-heads=1,ffn=100,max-positions=77,tied=0", &c), WR_OK);
    assert_true(c.L == 2 && c.C == 64 && c.H == 4 && c.G == 1 && c.D == 16 && c.F == 100 && c.max_positions == 77 &&
                !c.tied);
    assert_int_equal(model_config_from_spec("", &c), WR_OK);
    assert_true(c.L == 4 && c.C == 128 && c.H == 4 && c.G == 2 && c.F == 384 && c.max_positions == 1024 && c.tied);
    static const char *const bad[] = {
        "layer=2",    "layers",    "layers=x",           "layers=0",        "hidden=130,heads=4", "heads=0",
        "kv-heads=3", "hidden=-8", "hidden=99999999999", "max-positions=0", "hidden=4,heads=4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (model_config_from_spec(bad[i], &c) != WR_E_USAGE) fail_msg("not refused: %s", bad[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_versions), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_written), cmocka_unit_test(test_spec)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
