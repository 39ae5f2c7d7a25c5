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

/* A model of four layers, its window and which layers have it ('w', and 'N', which has no rotary embedding either; 'n' has
 * neither), or the field that is refused. */
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
        {"smollm3", "\"x\":1", 0, "...n"},
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_windows), cmocka_unit_test(test_windows_refused)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
