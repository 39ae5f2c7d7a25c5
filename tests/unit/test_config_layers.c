/* Of config.json, what differs between layers: windows, in every spelling, as read and as written. */
#include "model/weights/config.h"
#include "tests/support/temp_folder.h"

#include <stdio.h>
#include <string.h>

#define SHAPES                                                                                                         \
    "\"hidden_size\":576,\"intermediate_size\":1536,\"num_hidden_layers\":30,\"num_attention_heads\":9,\"vocab_"       \
    "size\":49152,"

/* Fields of Qwen models without a window, as published, and what is refused. */
static void test_windows_refused(void **state) {
    (void)state;
    static const struct {
        const char *extra, *refused; /* NULL: accepted, without a window */
    } cases[] = {{"\"use_sliding_window\":false,\"sliding_window\":131072,\"max_window_layers\":28", NULL},
                 {"\"use_sliding_window\":true,\"sliding_window\":null", NULL},
                 {"\"layer_types\":[\"full_attention\",\"full_attention\"]", NULL},
                 {"\"use_sliding_window\":true,\"max_window_layers\":30", NULL},
                 {"\"use_sliding_window\":true,\"sliding_window\":0", "sliding_window"},
                 {"\"use_sliding_window\":true,\"sliding_window\":4.5", "sliding_window"},
                 {"\"use_sliding_window\":true,\"max_window_layers\":-1", "max_window_layers"},
                 {"\"use_sliding_window\":true,\"max_window_layers\":null", "max_window_layers"},
                 {"\"use_sliding_window\":1", "use_sliding_window"},
                 {"\"layer_types\":[\"full_attention\",\"sliding_attention\"]", "layer_types"},
                 {"\"layer_types\":\"full_attention\"", "layer_types"},
                 {"\"layer_types\":[1]", "layer_types"}};
    char text[1024];
    model_config c;
    for (int version = 2; version <= 3; version++)
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            snprintf(
                text, sizeof text,
                "{\"architectures\":[\"Qwen%dForCausalLM\"],\"model_type\":\"qwen%d\",\"num_key_value_heads\":3," SHAPES
                "%s}",
                version, version, cases[i].extra);
            put_text("config.json", text);
            const wr_status s = model_config_load(test_folder(), &c);
            if (!cases[i].refused && s < 0) fail_msg("%s: %s", cases[i].extra, wr_error());
            if (!cases[i].refused) assert_true(c.window == 0 && !c.layers[29].windowed);
            if (cases[i].refused && (s != WR_E_FORMAT || !strstr(wr_error(), cases[i].refused)))
                fail_msg("%s: status %d, \"%s\"", cases[i].extra, s, wr_error());
        }
    put_text("config.json", "{\"model_type\":\"qwen3\",\"num_key_value_heads\":3," SHAPES "\"attention_bias\":true}");
    assert_int_equal(model_config_load(test_folder(), &c), WR_E_FORMAT);
    assert_error_says("attention_bias");
}

/* A model of four layers, its window and which layers have it ('w', and 'N', which has no rotary embedding either; 'n'
 * has neither), or the field that is refused. */
static void test_windows(void **state) {
    (void)state;
#define TYPES(...) "\"layer_types\":[" __VA_ARGS__ "]"
#define FULL "\"full_attention\""
#define SLIDING "\"sliding_attention\""
#define ON "\"use_sliding_window\":true,\"sliding_window\":7,"
    static const struct {
        const char *type, *extra;
        size_t window;
        const char *layers; /* NULL: extra's field is refused */
    } cases[] = {
        {"mistral", "\"sliding_window\":4096", 4096, "wwww"},
        {"mistral", "\"x\":1", 4096, "wwww"},
        {"mistral", "\"sliding_window\":null", 0, "...."},
        {"mistral", "\"sliding_window\":0", 0, NULL},
        {"mistral", "\"sliding_window\":null," TYPES(FULL "," FULL "," FULL "," FULL), 0, "...."},
        {"mistral", "\"sliding_window\":5," TYPES(SLIDING "," SLIDING "," SLIDING "," SLIDING), 5, "wwww"},
        {"mistral", TYPES(FULL "," FULL "," FULL "," FULL), 0, NULL},
        {"mistral", "\"sliding_window\":5," TYPES(SLIDING "," FULL "," SLIDING "," FULL), 0, NULL},
        {"mistral", "\"sliding_window\":null," TYPES(SLIDING "," SLIDING "," SLIDING "," SLIDING), 0, NULL},
        {"qwen2", ON "\"max_window_layers\":1", 7, ".www"},
        {"qwen3", ON "\"max_window_layers\":0", 7, "wwww"},
        {"qwen3", ON "\"max_window_layers\":3", 7, "...w"},
        {"qwen2", ON "\"max_window_layers\":4", 0, "...."},
        {"qwen2", ON "\"x\":1", 0, "...."},
        {"qwen2", "\"use_sliding_window\":true,\"max_window_layers\":2", 4096, "..ww"},
        {"qwen2", ON "\"max_window_layers\":1," TYPES(SLIDING "," FULL "," SLIDING "," FULL), 7, "w.w."},
        {"qwen3", ON TYPES(FULL "," FULL "," FULL "," FULL), 0, "...."},
        {"qwen3", TYPES(SLIDING "," FULL "," FULL "," FULL), 0, NULL},
        {"qwen3", "\"use_sliding_window\":true,\"sliding_window\":null," TYPES(SLIDING "," FULL "," FULL "," FULL), 0,
         NULL},
        {"qwen3", ON TYPES(SLIDING "," FULL), 0, NULL},
        {"qwen3", ON TYPES(SLIDING "," FULL "," FULL "," FULL "," FULL), 0, NULL},
        {"qwen3", ON TYPES(SLIDING ",\"chunked_attention\"," FULL "," FULL), 0, NULL},
        {"smollm3", "\"pretraining_tp\":2", 0, "...n"}, /* not read by its class */
        {"smollm3", "\"no_rope_layer_interval\":2", 0, ".n.n"},
        {"smollm3", "\"no_rope_layer_interval\":2,\"no_rope_layers\":[0,1,1,0,7]", 0, "n..n"},
        {"smollm3", "\"sliding_window\":7,\"use_sliding_window\":false", 0, "...n"},
        {"smollm3", "\"use_sliding_window\":true", 0, "...n"},
        {"smollm3", ON "\"no_rope_layers\":[0,1,1,0]", 7, "N..N"},
        {"smollm3", ON "\"no_rope_layers\":[1,1,1,1]", 0, "...."},
        {"smollm3", "\"sliding_window\":7," TYPES(SLIDING "," FULL "," FULL "," SLIDING), 7, "w..N"},
        {"smollm3", ON TYPES(FULL "," FULL "," FULL "," FULL), 0, "...n"},
        {"smollm3", TYPES(SLIDING "," FULL "," FULL "," FULL), 0, NULL},
        {"smollm3", "\"no_rope_layers\":[0,1,1]", 0, NULL},
        {"smollm3", "\"no_rope_layers\":[0,1,1,2]", 0, NULL},
        {"smollm3", "\"no_rope_layers\":4", 0, NULL},
        {"smollm3", "\"no_rope_layer_interval\":0", 0, NULL},
        {"phi3", "\"sliding_window\":2047", 2047, "wwww"},
        {"phi3", "\"x\":1", 0, "...."},
    };
    char text[1024];
    model_config c;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text,
                 "{\"model_type\":\"%s\",\"num_key_value_heads\":2,\"hidden_size\":16,\"intermediate_size\":20,"
                 "\"num_hidden_layers\":4,\"num_attention_heads\":2,\"vocab_size\":9,%s}",
                 cases[i].type, cases[i].extra);
        put_text("config.json", text);
        const wr_status s = model_config_load(test_folder(), &c);
        if (!cases[i].layers &&
            (s != WR_E_FORMAT || (!strstr(wr_error(), "\"sliding_window\"") && !strstr(wr_error(), "\"layer_types\"") &&
                                  !strstr(wr_error(), "\"no_rope_layer"))))
            fail_msg("%s: status %d, %s", text, s, wr_error());
        if (!cases[i].layers) continue;
        if (s < 0) fail_msg("%s: %s", text, wr_error());
        for (int again = 0; again < 2; again++) { /* as read, and as written and read again */
            if (c.window != cases[i].window) fail_msg("%s: a window of %zu", text, c.window);
            for (size_t l = 0; l < 4; l++)
                if (c.layers[l].windowed != (strchr("wN", cases[i].layers[l]) != NULL) ||
                    (c.layers[l].rope == LAYER_ROPE_NONE) != (strchr("nN", cases[i].layers[l]) != NULL))
                    fail_msg("%s: layer %zu", text, l);
            strbuf written = {0};
            assert_ok(model_config_json(&c, PRECISION_F32, NULL, &written));
            put_text("config.json", strbuf_str(&written));
            strbuf_free(&written);
            assert_ok(model_config_load(test_folder(), &c));
        }
    }
}

/* What the classes of Gemma 2 and 3 have where a config.json says nothing, what it may say, and what is refused. */
#define GEMMA(type, extra)                                                                                             \
    "{\"model_type\":\"" type "\",\"hidden_size\":16,\"intermediate_size\":20,\"num_hidden_layers\":7,"                \
    "\"num_attention_heads\":4,\"vocab_size\":9" extra "}"

static void read_text(const char *text, model_config *c) {
    put_text("config.json", text);
    if (model_config_load(test_folder(), c) < 0) fail_msg("%s: %s", text, wr_error());
}

static void check_layers(const model_config *c, const char *layers) {
    for (size_t l = 0; l < c->L; l++)
        if (c->layers[l].windowed != (layers[l] == 'w')) fail_msg("layer %zu is not %c", l, layers[l]);
}

static void test_gemma(void **state) {
    (void)state;
    model_config c;
    read_text(GEMMA("gemma2", ""), &c);
    assert_true(c.G == 4 && c.D == 256 && c.max_positions == 8192 && c.norm_eps == 1e-6 && c.tied);
    assert_true(c.bos_id == 2 && c.eos_id == 1 && c.pad_id == 0 && c.norm_place == NORM_BOTH &&
                c.qk_norm == QK_NORM_NONE);
    assert_true(c.norm_from_one && c.scaled_embedding && c.gate == GATE_GELU && c.query_scale == 256);
    assert_true(c.attention_cap == 50 && c.final_cap == 30 && c.window == 4096 && c.rope_theta == 1e4);
    check_layers(&c, "w.w.w.w");
    assert_true(c.layers[0].rope == 0 && c.rope_local_theta == 0);
    assert_string_equal(c.architecture, "Gemma2ForCausalLM");
    read_text(GEMMA("gemma2", ",\"attn_logit_softcapping\":null,\"final_logit_softcapping\":null,\"pad_token_id\":null,"
                              "\"sliding_window_pattern\":3,\"hidden_act\":\"relu\",\"query_pre_attn_scalar\":224,"
                              "\"use_bidirectional_attention\":null,\"tie_word_embeddings\":false"),
              &c);
    assert_true(c.attention_cap == 0 && c.final_cap == 0 && c.pad_id == -1 && c.query_scale == 224 && !c.tied);
    check_layers(&c, "w.w.w.w");

    read_text(GEMMA("gemma3_text", ""), &c);
    assert_true(c.D == 256 && c.max_positions == 131072 && c.pad_id == 0 && c.qk_norm == QK_NORM_HEAD && c.tied);
    assert_true(c.attention_cap == 0 && c.final_cap == 0 && c.rope_theta == 1e6 && c.rope_local_theta == 1e4);
    check_layers(&c, "wwwww.w");
    assert_true(c.layers[0].rope == 1 && c.layers[5].rope == 0);
    assert_string_equal(c.architecture, "Gemma3ForCausalLM");
    read_text(GEMMA("gemma3_text", ",\"sliding_window_pattern\":2,\"sliding_window\":512,\"rope_local_base_freq\":77,"
                                   "\"rope_theta\":5e5,\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":8},"
                                   "\"architectures\":[\"Gemma3TextForSequenceClassification\"]"),
              &c);
    assert_true(c.window == 512 && c.rope_local_theta == 77 && c.rope_theta == 5e5 && c.rope == ROPE_LINEAR &&
                c.rope_factor == 8 && c.head == HEAD_SCORE);
    check_layers(&c, "w.w.w.w");
    read_text(GEMMA("gemma3_text",
                    ",\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"linear\",\"factor\":4,\"rope_theta\":9},"
                    "\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":7}},\"sliding_window_pattern\":2,"
                    "\"layer_types\":[" FULL "," FULL "," SLIDING "," SLIDING "," FULL "," FULL "," SLIDING "]"),
              &c);
    assert_true(c.rope_theta == 9 && c.rope_local_theta == 7 && c.rope_factor == 4);
    check_layers(&c, "..ww..w");
    for (size_t l = 0; l < 7; l++) assert_int_equal(c.layers[l].rope, c.layers[l].windowed);
    read_text(GEMMA("gemma3_text", ",\"sliding_window\":9,\"layer_types\":[" FULL "," FULL "," FULL "," FULL "," FULL
                                   "," FULL "," FULL "]"),
              &c);
    assert_int_equal(c.window, 9); /* which the class asks for, all the same */
}

static void test_gemma_refused(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {GEMMA("gemma2", ",\"hidden_activation\":\"gelu\""), "hidden_activation"},
        {GEMMA("gemma2", ",\"use_bidirectional_attention\":true"), "use_bidirectional_attention"},
        {GEMMA("gemma2", ",\"attn_logit_softcapping\":0"), "attn_logit_softcapping"},
        {GEMMA("gemma2", ",\"final_logit_softcapping\":-1"), "final_logit_softcapping"},
        {GEMMA("gemma2", ",\"query_pre_attn_scalar\":0"), "query_pre_attn_scalar"},
        {GEMMA("gemma2", ",\"sliding_window\":null"), "sliding_window"},
        {GEMMA("gemma3_text", ",\"sliding_window\":null,\"layer_types\":[" FULL "," FULL "," FULL "," FULL "," FULL
                              "," FULL "," FULL "]"),
         "sliding_window"},
        {GEMMA("gemma2", ",\"attention_bias\":true"), "attention_bias"},
        {GEMMA("gemma2", ",\"rope_parameters\":{\"full_attention\":{\"rope_theta\":1e4}}"), "full_attention"},
        {GEMMA("gemma3_text", ",\"attn_logit_softcapping\":50.0"), "attn_logit_softcapping"},
        {GEMMA("gemma3_text", ",\"use_bidirectional_attention\":true"), "use_bidirectional_attention"},
        {GEMMA("gemma3_text", ",\"sliding_window_pattern\":0"), "sliding_window_pattern"},
        {GEMMA("gemma3_text", ",\"sliding_window_pattern\":null"), "sliding_window_pattern"},
        {GEMMA("gemma3_text", ",\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":8}"), "rope_parameters"},
        {GEMMA("gemma3_text", ",\"rope_parameters\":{\"sliding_attention\":{\"rope_type\":\"linear\",\"factor\":8}}"),
         "sliding_attention"},
        {GEMMA("gemma3_text", ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":8}"), "rope_type"},
        {GEMMA("gemma3_text", ",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":8}"), "yarn"},
        {GEMMA("gemma3_text", ",\"rope_theta\":5,\"rope_parameters\":{\"full_attention\":{\"rope_theta\":6}}"),
         "rope_theta"},
        {GEMMA("gemma3_text", ",\"architectures\":[\"Gemma3ForConditionalGeneration\"]"), "architectures"},
    };
    model_config c;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_text("config.json", cases[i][0]);
        if (model_config_load(test_folder(), &c) != WR_E_FORMAT || !strstr(wr_error(), cases[i][1]))
            fail_msg("%s: %s", cases[i][0], wr_error());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_windows), cmocka_unit_test(test_windows_refused),
                                       cmocka_unit_test(test_gemma), cmocka_unit_test(test_gemma_refused)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
