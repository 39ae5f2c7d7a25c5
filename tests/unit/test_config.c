/* config.json of transformers 4 and 5, and what is refused of it. */
#include "base/file.h"
#include "model/weights/config.h"
#include "tests/support/temp_folder.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SHAPES                                                                                                         \
    "\"hidden_size\":576,\"intermediate_size\":1536,\"num_hidden_layers\":30,\"num_attention_heads\":9,\"vocab_"       \
    "size\":49152,"

/* A Llama config with `extra` members (each ending in a comma). */
static wr_status load(const char *extra, model_config *c) {
    char text[2048];
    snprintf(text, sizeof text,
             "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\"," SHAPES "%s\"x\":0}", extra);
    put_text("config.json", text);
    return model_config_load(test_folder(), c);
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
    put_text("generation_config.json", "{\"eos_token_id\":[8,9]}");
    assert_int_equal(load("\"eos_token_id\":7,", &c), WR_OK);
    assert_true(c.n_eos == 3 && c.eos_ids[0] == 7 && c.eos_ids[1] == 8 && c.eos_ids[2] == 9);
    assert_true(c.rope_theta == 10000 && c.max_positions == 2048);
    char path[PATH_CAP];
    assert_int_equal(path_join(path, test_folder(), "generation_config.json"), WR_OK);
    unlink(path);
    put_text("config.json", "{\"architectures\":[\"LlamaForSequenceClassification\"],\"model_type\":\"llama\"," SHAPES
                            "\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"}}");
    assert_int_equal(model_config_load(test_folder(), &c), WR_OK);
    assert_true(c.head == HEAD_SCORE && c.n_outputs == 3);
    put_text("config.json",
             "{\"architectures\":[\"LlamaForSequenceClassification\"],\"model_type\":\"llama\"," SHAPES "\"a\":1}");
    assert_int_equal(model_config_load(test_folder(), &c), WR_OK);
    assert_int_equal(c.n_outputs, 2); /* transformers leaves the default out */
    put_text("config.json", "{\"architectures\":[\"MistralForCausalLM\"],\"model_type\":\"mistral\"," SHAPES
                            "\"num_key_value_heads\":3,\"sliding_window\":null}");
    assert_int_equal(model_config_load(test_folder(), &c), WR_OK);
}

/* What each family's class in transformers has for fields that are not there. */
static void test_families(void **state) {
    (void)state;
    static const struct {
        const char *type, *prefix;
        size_t G, D, max_positions;
        double eps, theta;
        int32_t bos, eos, pad;
        bool qkv_bias;
        qk_norm qk_norm;
        norm_place place;
    } families[] = {
        {"llama", "Llama", 16, 16, 2048, 1e-6, 1e4, 1, 2, -1, false, QK_NORM_NONE, NORM_BEFORE},
        {"qwen2", "Qwen2", 32, 16, 32768, 1e-6, 1e4, -1, -1, -1, true, QK_NORM_NONE, NORM_BEFORE},
        {"qwen3", "Qwen3", 32, 128, 32768, 1e-6, 1e4, -1, -1, -1, false, QK_NORM_HEAD, NORM_BEFORE},
        {"mistral", "Mistral", 8, 16, 131072, 1e-6, 1e4, 1, 2, -1, false, QK_NORM_NONE, NORM_BEFORE},
        {"olmo2", "Olmo2", 16, 16, 2048, 1e-5, 1e4, -1, 50279, 1, false, QK_NORM_ALL, NORM_AFTER},
        {"smollm3", "SmolLM3", 4, 16, 32768, 1e-6, 2e6, 128000, 128001, 128004, false, QK_NORM_NONE, NORM_BEFORE},
        {"phi3", "Phi3", 16, 16, 4096, 1e-5, 1e4, 1, 32000, 32000, false, QK_NORM_NONE, NORM_BEFORE}};
    static const struct {
        const char *suffix;
        model_head head;
    } heads[] = {{"ForCausalLM", HEAD_LM}, {"ForSequenceClassification", HEAD_SCORE}, {"Model", HEAD_NONE}};
    char text[1024], name[64];
    model_config c;
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++)
        for (size_t h = 0; h < sizeof heads / sizeof heads[0]; h++) {
            const size_t H = families[f].G == 32 ? 32 : 16;
            snprintf(name, sizeof name, "%s%s", families[f].prefix, heads[h].suffix);
            snprintf(text, sizeof text,
                     "{\"architectures\":[\"%s\"],\"model_type\":\"%s\",\"hidden_size\":%zu,\"intermediate_size\":64,"
                     "\"num_hidden_layers\":2,"
                     "\"num_attention_heads\":%zu,\"vocab_size\":100,\"sliding_window\":null}",
                     name, families[f].type, 16 * H, H);
            put_text("config.json", text);
            if (model_config_load(test_folder(), &c) < 0) fail_msg("%s: %s", name, wr_error());
            assert_string_equal(c.architecture, name);
            assert_string_equal(c.model_type, families[f].type);
            assert_true(c.head == heads[h].head && c.n_outputs == (heads[h].head == HEAD_SCORE ? 2 : 0));
            assert_true(c.G == families[f].G && c.D == families[f].D && c.max_positions == families[f].max_positions);
            assert_true(c.bos_id == families[f].bos && c.eos_id == families[f].eos && c.pad_id == families[f].pad);
            assert_true(c.qkv_bias == families[f].qkv_bias && c.qk_norm == families[f].qk_norm &&
                        c.norm_place == families[f].place);
            assert_true(c.rope == ROPE_DEFAULT && c.rope_theta == families[f].theta && c.norm_eps == families[f].eps &&
                        c.init_std == 0.02 && c.tied == (strcmp(c.model_type, "smollm3") == 0));
            /* null is none, whatever the class has */
            snprintf(strrchr(text, '}'), 64, ",\"pad_token_id\":null,\"bos_token_id\":null,\"eos_token_id\":null}");
            put_text("config.json", text);
            assert_ok(model_config_load(test_folder(), &c));
            assert_true(c.bos_id == -1 && c.eos_id == -1 && c.pad_id == -1);
        }
}

#define LLAMA3                                                                                                         \
    "\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192"

static void test_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"\"hidden_act\":\"gelu\",", "hidden_act"},
        {"\"hidden_act\":7,", "\"hidden_act\" is not a name"},
        {"\"attention_bias\":true,", "attention_bias"},
        {"\"mlp_bias\":true,", "mlp_bias"},
        {"\"sliding_window\":4096,", "sliding_window"},
        {"\"layer_types\":[\"sliding_attention\"],", "layer_types"},
        {"\"quantization_config\":{},", "quantization_config"},
        {"\"per_layer_config\":{\"0\":{\"hidden_act\":\"gelu\"}},", "per_layer_config"},
        {"\"pretraining_tp\":2,", "pretraining_tp"},
        {"\"attention_dropout\":0.1,", "attention_dropout"},
        {"\"is_causal\":false,", "is_causal"},
        {"\"use_mrope\":true,", "use_mrope"},
        {"\"is_encoder_decoder\":true,", "is_encoder_decoder"},
        {"\"add_cross_attention\":true,", "add_cross_attention"},
        {"\"rope_theta\":\"x\",", "rope_theta"},
        {"\"rope_scaling\":3,", "rope_scaling"},
        {"\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8},", "low_freq_factor"},
        {"\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1},", "high_freq_factor"},
        {"\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":4},",
         "high_freq_factor"},
        {"\"rope_scaling\":{\"rope_type\":\"llama3\"," LLAMA3 "},\"original_max_position_embeddings\":4096,",
         "original_max_position_embeddings"},
        {"\"rope_scaling\":{\"rope_type\":\"llama3\",\"low_freq_factor\":1,\"high_freq_factor\":4},", "\"factor\""},
        {"\"rope_scaling\":{\"type\":\"linear\"},", "\"factor\""},
        {"\"rope_scaling\":{\"type\":\"linear\",\"factor\":-1},", "\"factor\""},
        {"\"rope_scaling\":{\"factor\":2},", "rope_type"},
        {"\"rope_scaling\":{\"rope_type\":7},", "rope_type"},
        {"\"rope_scaling\":{\"rope_type\":\"linear\",\"type\":\"dynamic\",\"factor\":2},", "differ"},
        {"\"rope_scaling\":{\"type\":\"linear\",\"factor\":2},\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":"
         "3},",
         "rope_parameters"},
        /* rope_scaling counts alone in transformers, with the class's base where the config has none */
        {"\"rope_scaling\":{\"rope_type\":\"default\"},\"rope_parameters\":{\"rope_theta\":5e5},", "rope_parameters"},
        {"\"rope_theta\":5e5,\"rope_parameters\":{\"rope_theta\":1e4},", "rope_theta"},
        {"\"rope_parameters\":{\"rope_theta\":1e4,\"rope_type\":\"yarn\"},", "yarn"},
        {"\"rope_parameters\":{\"full_attention\":{\"rope_theta\":1e4}},", "full_attention"},
        {"\"rope_parameters\":{\"partial_rotary_factor\":0.5},", "partial_rotary_factor"},
        {"\"partial_rotary_factor\":0.5,", "partial_rotary_factor"},
        {"\"num_key_value_heads\":2,", "num_key_value_heads"},
        {"\"num_key_value_heads\":0,", "num_key_value_heads"},
        {"\"head_dim\":63,", "head_dim"},
        {"\"head_dim\":1024,", "head_dim"},
        {"\"hidden_size\":-3,", "hidden_size"},
        {"\"intermediate_size\":1.5,", "intermediate_size"},
        {"\"max_position_embeddings\":0,", "max_position_embeddings"},
        {"\"vocab_size\":\"many\",", "vocab_size"},
        {"\"vocab_size\":1e30,", "vocab_size"},
        {"\"vocab_size\":16777217,", "vocab_size"},
        {"\"num_hidden_layers\":99999,", "num_hidden_layers"},
        {"\"num_hidden_layers\":4000,\"vocab_size\":16777216,\"intermediate_size\":16777216,", "parameters"},
        {"\"rms_norm_eps\":-1,", "rms_norm_eps"},
        {"\"eos_token_id\":\"x\",", "eos_token_id"},
        {"\"eos_token_id\":[[1]],", "eos_token_id"},
        {"\"eos_token_id\":[1,2,3,4,5,6,7,8,9],", "eos_token_id"},
        {"\"bos_token_id\":1.5,", "bos_token_id"},
        {"\"pad_token_id\":\"x\",", "pad_token_id"},
        {"\"tie_word_embeddings\":1,", "tie_word_embeddings"},
        {"\"model_type\":\"gpt2\",", "gpt2"},
        {"\"architectures\":[\"LlamaForTokenClassification\"],", "architectures"},
        {"\"architectures\":[\"Qwen2ForCausalLM\"],", "architectures"},
        {"\"architectures\":7,", "architectures"},
        {"\"architectures\":[\"LlamaForSequenceClassification\"],\"id2label\":{},", "id2label"},
        {"\"architectures\":[\"LlamaForSequenceClassification\"],\"num_labels\":5000,", "num_labels"},
    };
    model_config c;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (load(cases[i][0], &c) >= 0) fail_msg("accepted: %s", cases[i][0]);
        if (!strstr(wr_error(), cases[i][1]) || !strstr(wr_error(), "config.json"))
            fail_msg("\"%s\" does not name %s and the file", wr_error(), cases[i][1]);
    }
}

static void test_no_config(void **state) {
    (void)state;
    model_config c;
    static const char *const texts[] = {"", "[]", "{", "{}", "{\"model_type\":\"llama\"}", "null"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put_text("config.json", texts[i]);
        assert_int_equal(model_config_load(test_folder(), &c), WR_E_FORMAT);
    }
    assert_true(model_config_load("/nonexistent", &c) < 0);
}

/* Members that say nothing, and labels that are given twice: as transformers 5.24 reads them. */
static void test_optional(void **state) {
    (void)state;
    static const struct {
        const char *members;
        size_t labels;
    } cases[] = {{"\"num_labels\":1,\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"}", 1},
                 {"\"num_labels\":3,\"id2label\":{\"0\":\"a\",\"1\":\"b\"},\"label2id\":{\"a\":0,\"b\":1}", 3},
                 {"\"num_labels\":3,\"id2label\":null", 3},
                 {"\"num_labels\":3,\"id2label\":{}", 3},
                 {"\"num_labels\":null,\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"}", 3},
                 {"\"num_labels\":null,\"id2label\":null", 2},
                 {"\"label2id\":{\"a\":0,\"b\":1,\"c\":2}", 2}};
    model_config c;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        strbuf text = {0};
        strbuf_printf(&text,
                      "{\"architectures\":[\"LlamaForSequenceClassification\"],\"model_type\":\"llama\"," SHAPES "%s}",
                      cases[i].members);
        put_text("config.json", strbuf_str(&text));
        strbuf_free(&text);
        if (model_config_load(test_folder(), &c) < 0) fail_msg("%s: %s", cases[i].members, wr_error());
        if (c.n_outputs != cases[i].labels) fail_msg("%s: %zu labels", cases[i].members, c.n_outputs);
    }
    static const char *const harmless[] = {"\"per_layer_config\":{},",      "\"per_layer_config\":null,",
                                           "\"rope_scaling\":{},",          "\"rope_parameters\":{},",
                                           "\"quantization_config\":null,", "\"attention_dropout\":null,",
                                           "\"pretraining_tp\":1,",         "\"problem_type\":null,",
                                           "\"architectures\":null,",       "\"eos_token_id\":[],"};
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (load(harmless[i], &c) < 0) fail_msg("%s: %s", harmless[i], wr_error());
    put_text("config.json", "{\"architectures\":[],\"model_type\":\"llama\"," SHAPES "\"a\":1}");
    assert_int_equal(model_config_load(test_folder(), &c), WR_OK);
    assert_true(c.head == HEAD_LM);
    /* A missing pad_token_id is the family's default, which Llama does not have; null is none in every family. */
    assert_int_equal(load("", &c), WR_OK);
    assert_int_equal(c.pad_id, -1);
    assert_int_equal(load("\"pad_token_id\":null,", &c), WR_OK);
    assert_int_equal(c.pad_id, -1);
    assert_int_equal(load("\"pad_token_id\":0,", &c), WR_OK);
    assert_int_equal(c.pad_id, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_versions), cmocka_unit_test(test_families),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_no_config),
                                       cmocka_unit_test(test_optional)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
