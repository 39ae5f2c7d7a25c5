/* config.json as it is written, and configurations of `--new SPEC`. */
#include "model/weights/config.h"
#include "tests/support/temp_folder.h"

#include <string.h>

static void check_written(const model_config *c, precision stored) {
    model_config again;
    strbuf text = {0}, second = {0};
    assert_int_equal(model_config_json(c, stored, NULL, &text), WR_OK);
    assert_non_null(strstr(strbuf_str(&text),
                           stored == PRECISION_BF16 ? "\"torch_dtype\":\"bfloat16\"" : "\"torch_dtype\":\"float32\""));
    assert_non_null(
        strstr(strbuf_str(&text), stored == PRECISION_BF16 ? "\"dtype\":\"bfloat16\"" : "\"dtype\":\"float32\""));
    put_text("config.json", strbuf_str(&text));
    if (model_config_load(test_folder(), &again) < 0) fail_msg("%s: %s", wr_error(), strbuf_str(&text));
    if (memcmp(c, &again, sizeof again) != 0) fail_msg("changed by %s", strbuf_str(&text));
    assert_int_equal(model_config_json(&again, stored, NULL, &second), WR_OK);
    assert_string_equal(strbuf_str(&text), strbuf_str(&second));
    strbuf_free(&text);
    strbuf_free(&second);
}

static void test_written(void **state) {
    (void)state;
    static const char *const types[] = {"llama", "qwen2",   "qwen3",  "mistral",    "olmo2",
                                        "phi3",  "smollm3", "gemma2", "gemma3_text"};
    model_config c;
    put_text("config.json", "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\":576,"
                            "\"intermediate_size\":1536,\"num_hidden_layers\":30,\"num_attention_heads\":9,"
                            "\"num_key_value_heads\":3,\"vocab_size\":49152,\"rope_theta\":123456.5,"
                            "\"rms_norm_eps\":9.999999747378752e-06,\"head_dim\":32,\"eos_token_id\":[2,5],"
                            "\"tie_word_embeddings\":true,\"bos_token_id\":1}");
    assert_ok(model_config_load(test_folder(), &c));
    assert_int_equal(c.n_eos, 2);
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
        for (model_head head = HEAD_LM; head <= HEAD_NONE; head++)
            for (rope_type rope = ROPE_DEFAULT; rope <= ROPE_LONGROPE; rope++) {
                const bool phi = strcmp(types[t], "phi3") == 0;
                if (rope != ROPE_DEFAULT && phi != (rope == ROPE_LONGROPE)) continue;
                model_config d = c;
                memset(d.model_type, 0, sizeof d.model_type);
                memset(d.architecture, 0, sizeof d.architecture);
                assert_int_equal(model_config_set_type(&d, types[t]), WR_OK);
                model_config_set_head(&d, head, 5);
                d.rope = rope;
                d.rope_factor = rope == ROPE_DEFAULT ? 0 : 1.75;
                if (rope == ROPE_LLAMA3)
                    d.rope_low_freq_factor = 1, d.rope_high_freq_factor = 4.25, d.rope_original_positions = 512;
                if (strcmp(types[t], "smollm3") == 0) d.layers[2].rope = LAYER_ROPE_NONE;
                if (phi) d.rope_share = 0.7; /* of 32 elements 22 */
                for (size_t i = 0; rope == ROPE_LONGROPE && i < 11; i++)
                    d.rope_short[i] = 1 + (double)i / 7, d.rope_long[i] = 1.1 * (double)(i + 1);
                if (rope == ROPE_LONGROPE) d.rope_original_positions = 512, d.rope_attention_factor = 1.19;
                check_written(&d, (precision)(t % PRECISIONS));
            }
    assert_int_equal(model_config_set_type(&c, "gemma"), WR_E_FORMAT);
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
    assert_true(strcmp(c.model_type, "llama") == 0 && strcmp(c.architecture, "LlamaForCausalLM") == 0 &&
                c.rope_theta == 10000 && c.D == 32);
    assert_int_equal(model_config_from_spec("type=qwen3,head-dim=48,rope-theta=1e6", &c), WR_OK);
    assert_true(strcmp(c.architecture, "Qwen3ForCausalLM") == 0 && c.qk_norm && !c.qkv_bias && c.D == 48 &&
                c.rope_theta == 1e6);
    assert_int_equal(model_config_from_spec("type=smollm3,layers=8", &c), WR_OK);
    for (size_t l = 0; l < 8; l++) assert_true((c.layers[l].rope == LAYER_ROPE_NONE) == (l == 3 || l == 7));
    assert_int_equal(model_config_from_spec("type=phi3", &c), WR_OK);
    assert_true(c.fused && c.rope == ROPE_DEFAULT && strcmp(c.architecture, "Phi3ForCausalLM") == 0);
    assert_int_equal(model_config_from_spec("type=qwen2", &c), WR_OK);
    assert_true(c.qkv_bias && c.D == 32);
    assert_int_equal(model_config_from_spec("type=qwen3,window=9", &c), WR_OK);
    assert_true(c.window == 9 && c.layers[0].windowed && c.layers[3].windowed && !c.layers[4].windowed);
    assert_int_equal(model_config_from_spec("type=gemma3_text,layers=6,window=9", &c), WR_OK);
    assert_true(c.window == 9 && c.layers[0].windowed && !c.layers[5].windowed && c.rope_theta == 1e6 &&
                c.final_cap == 0);
    c.V = 9;
    check_written(&c, PRECISION_F32);
    assert_int_equal(model_config_from_spec("type=gemma2", &c), WR_OK);
    assert_true(c.window == 4096 && c.final_cap == 30 && c.query_scale == 32 && !c.layers[1].windowed);
    static const char *const bad[] = {"type=gpt2",
                                      "type",
                                      "head-dim=7",
                                      "head-dim=1000",
                                      "rope-theta=x",
                                      "rope-theta=0",
                                      "rope-theta=nan",
                                      "layer=2",
                                      "layers",
                                      "layers=x",
                                      "layers=0",
                                      "hidden=130,heads=4",
                                      "heads=0",
                                      "kv-heads=3",
                                      "hidden=-8",
                                      "hidden=99999999999",
                                      "max-positions=0",
                                      "hidden=4,heads=4",
                                      "layers=04",
                                      "layers=0x4",
                                      "layers=4.0",
                                      "layers=1_0",
                                      "layers= 4",
                                      "rope-theta=0x10",
                                      "rope-theta=010000",
                                      "layers=2,layers=3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (model_config_from_spec(bad[i], &c) != WR_E_USAGE) fail_msg("not refused: %s", bad[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_written), cmocka_unit_test(test_spec)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
