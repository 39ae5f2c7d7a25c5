/* Rotary frequencies: config.json of transformers 4 and 5, and what is computed from it. */
#include "model/weights/config.h"
#include "tests/support/temp_folder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A small Llama with `extra` members (each ending in a comma). */
static wr_status load(const char *extra, model_config *c) {
    char text[1024];
    snprintf(text, sizeof text,
             "{\"model_type\":\"llama\",%s\"hidden_size\":64,\"intermediate_size\":96,\"num_hidden_layers\":2,"
             "\"num_attention_heads\":2,\"vocab_size\":99}",
             extra);
    put_text("config.json", text);
    return model_config_load(test_folder(), c);
}

#define LLAMA3                                                                                                         \
    "\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192"

static void test_rope(void **state) {
    (void)state;
    static const struct {
        const char *text;
        rope_type type;
        double theta, factor, original;
    } good[] = {
        {"\"rope_scaling\":{\"rope_type\":\"llama3\"," LLAMA3 "},\"rope_theta\":5e5,", ROPE_LLAMA3, 5e5, 8, 8192},
        {"\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_theta\":5e5," LLAMA3 "},", ROPE_LLAMA3, 5e5, 8, 8192},
        {"\"rope_scaling\":{\"type\":\"llama3\"," LLAMA3
         "},\"rope_theta\":5e5,\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_theta\":5e5," LLAMA3 "},",
         ROPE_LLAMA3, 5e5, 8, 8192},
        {"\"max_position_embeddings\":99,\"rope_parameters\":{\"rope_type\":\"llama3\",\"factor\":4,\"low_freq_"
         "factor\":1,\"high_freq_factor\":2},",
         ROPE_LLAMA3, 1e4, 4, 99},
        {"\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.5},", ROPE_LINEAR, 1e4, 2.5, 0},
        {"\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":2.5,\"rope_theta\":77.5},", ROPE_LINEAR, 77.5, 2.5,
         0},
        {"\"rope_scaling\":{\"rope_type\":\"default\",\"type\":\"default\"},", ROPE_DEFAULT, 1e4, 0, 0},
        {"\"rope_scaling\":{},\"rope_parameters\":{\"rope_theta\":3.0},", ROPE_DEFAULT, 3, 0, 0},
    };
    model_config c;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (load(good[i].text, &c) < 0) fail_msg("%s: %s", good[i].text, wr_error());
        if (c.rope != good[i].type || c.rope_theta != good[i].theta || c.rope_factor != good[i].factor ||
            c.rope_original_positions != good[i].original)
            fail_msg("%s: read as %d %g %g %g", good[i].text, (int)c.rope, c.rope_theta, c.rope_factor,
                     c.rope_original_positions);
    }
}

#define PHI3                                                                                                           \
    "{\"model_type\":\"phi3\",\"hidden_size\":32,\"intermediate_size\":64,\"num_hidden_layers\":1,"                    \
    "\"num_attention_heads\":4,\"vocab_size\":50,\"max_position_embeddings\":8192,"
#define LISTS "\"short_factor\":[1,1.25,2],\"long_factor\":[1.5,3,4]"

/* Phi-3's: a share of a head, longrope and its old names. Where the original length, the share and the factors come
 * from is transformers' order. */
static void test_longrope(void **state) {
    (void)state;
    static const struct {
        const char *text;
        rope_type type;
        double share, original, factor, attention;
    } good[] = {
        {"\"partial_rotary_factor\":0.75", ROPE_DEFAULT, 0.75, 0, 0, 0},
        {"\"partial_rotary_factor\":1.0", ROPE_DEFAULT, 0, 0, 0, 0},
        {"\"partial_rotary_factor\":0.5,\"rope_parameters\":{\"partial_rotary_factor\":0.25}", ROPE_DEFAULT, 0.25, 0, 0,
         0},
        {"\"partial_rotary_factor\":0.75,\"rope_scaling\":{\"type\":\"longrope\"," LISTS "}", ROPE_LONGROPE, 0.75, 4096,
         0, 0},
        {"\"rope_scaling\":{\"type\":\"su\",\"partial_rotary_factor\":0.75," LISTS
         "},\"original_max_position_embeddings\":512",
         ROPE_LONGROPE, 0.75, 512, 0, 0},
        {"\"rope_parameters\":{\"rope_type\":\"longrope\",\"original_max_position_embeddings\":9,\"factor\":2,"
         "\"attention_factor\":1.5,\"partial_rotary_factor\":0.75," LISTS "},\"original_max_position_embeddings\":512",
         ROPE_LONGROPE, 0.75, 512, 2, 1.5},
        {"\"partial_rotary_factor\":0.75,\"rope_scaling\":{\"type\":\"longrope\"," LISTS
         "},\"rope_parameters\":{\"rope_type\":\"longrope\",\"partial_rotary_factor\":0.75," LISTS "}",
         ROPE_LONGROPE, 0.75, 4096, 0, 0},
    };
    static const char *const refused[][2] = {
        {"\"partial_rotary_factor\":0", "partial_rotary_factor"},
        {"\"partial_rotary_factor\":1.5", "partial_rotary_factor"},
        {"\"partial_rotary_factor\":0.1", "partial_rotary_factor"},
        {"\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}", "linear"},
        {"\"rope_scaling\":{\"type\":\"longrope\"," LISTS "}", "short_factor"}, /* 3 pairs of 4 */
        {"\"partial_rotary_factor\":0.9,\"rope_scaling\":{\"type\":\"longrope\"," LISTS "}", "partial_rotary_factor"},
        {"\"partial_rotary_factor\":0.25,\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[1]}", "long_factor"},
        {"\"partial_rotary_factor\":0.25,\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[0],\"long_factor\":"
         "[1]}",
         "short_factor"},
        {"\"partial_rotary_factor\":0.25,\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[1],\"long_factor\":"
         "[\"x\"]}",
         "long_factor"},
        {"\"partial_rotary_factor\":0.75,\"rope_scaling\":{\"type\":\"longrope\",\"attention_factor\":-1," LISTS "}",
         "attention_factor"},
        {"\"partial_rotary_factor\":0.75,\"original_max_position_embeddings\":1,\"rope_scaling\":{\"type\":"
         "\"longrope\","
         "" LISTS "}",
         "original_max_position_embeddings"},
        {"\"resid_pdrop\":0.1", "resid_pdrop"},
        {"\"embd_pdrop\":0.1", "embd_pdrop"},
    };
    model_config c;
    char text[1024];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text, PHI3 "%s}", good[i].text);
        put_text("config.json", text);
        if (model_config_load(test_folder(), &c) < 0) fail_msg("%s: %s", good[i].text, wr_error());
        if (c.rope != good[i].type || c.rope_share != good[i].share || c.rope_original_positions != good[i].original ||
            c.rope_factor != good[i].factor || c.rope_attention_factor != good[i].attention)
            fail_msg("%s: read as %d %g %g %g %g", good[i].text, (int)c.rope, c.rope_share, c.rope_original_positions,
                     c.rope_factor, c.rope_attention_factor);
        if (c.rope == ROPE_LONGROPE)
            assert_true(c.rope_short[1] == 1.25 && c.rope_long[2] == 4 && c.rope_short[3] == 0);
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        snprintf(text, sizeof text, PHI3 "%s}", refused[i][0]);
        put_text("config.json", text);
        if (model_config_load(test_folder(), &c) >= 0) fail_msg("accepted: %s", refused[i][0]);
        if (!strstr(wr_error(), refused[i][1])) fail_msg("\"%s\" does not name %s", wr_error(), refused[i][1]);
    }
    /* sqrt(1 + ln 2 / ln 4096); of 6 turned elements the second pair has theta^(-2/6) / its factor */
    put_text("config.json", PHI3 "\"partial_rotary_factor\":0.75,\"rope_scaling\":{\"type\":\"longrope\"," LISTS "}}");
    assert_ok(model_config_load(test_folder(), &c));
    float f[4] = {0}, far[4] = {0};
    model_config_rope(&c, f), model_config_rope_long(&c, far);
    assert_int_equal(model_config_rotary(&c), 6);
    assert_int_equal(model_config_rope_switch(&c), 4096);
    assert_true(fabs((double)model_config_rope_scale(&c) - sqrt(1 + log(2) / log(4096))) < 1e-6);
    assert_true(fabs((double)f[1] * 1.25 / pow(1e4, -2.0 / 6) - 1) < 1e-6 && f[3] == 0);
    assert_true(fabs((double)far[1] * 3 / pow(1e4, -2.0 / 6) - 1) < 1e-6);
}

/* In double, from the text of the Llama 3.1 formula; f32 keeps 24 bits through about ten operations. */
static double frequency(const model_config *c, size_t i) {
    const double f = pow(c->rope_theta, -2.0 * (double)i / (double)c->D), wave = 2 * acos(-1.0) / f;
    if (c->rope == ROPE_DEFAULT) return f;
    if (c->rope == ROPE_LINEAR || wave > c->rope_original_positions / c->rope_low_freq_factor)
        return f / c->rope_factor;
    if (wave < c->rope_original_positions / c->rope_high_freq_factor) return f;
    const double smooth = (c->rope_original_positions / wave - c->rope_low_freq_factor) /
                          (c->rope_high_freq_factor - c->rope_low_freq_factor);
    return (1 - smooth) * f / c->rope_factor + smooth * f;
}

static void test_frequencies(void **state) {
    (void)state;
    model_config c = {.D = 128,
                      .rope_theta = 5e5,
                      .rope_factor = 8,
                      .rope_low_freq_factor = 1,
                      .rope_high_freq_factor = 4,
                      .rope_original_positions = 8192};
    float f[64];
    for (c.rope = ROPE_DEFAULT; c.rope <= ROPE_LLAMA3; c.rope++) {
        size_t kept = 0, divided = 0;
        model_config_rope(&c, f);
        for (size_t i = 0; i < 64; i++) {
            const double want = frequency(&c, i), plain = pow(c.rope_theta, -2.0 * (double)i / 128);
            if (!(fabs((double)f[i] - want) <= 2e-6 * want))
                fail_msg("type %d, frequency %zu is %.9g, not %.9g", (int)c.rope, i, (double)f[i], want);
            kept += fabs(want / plain - 1) < 1e-9;
            divided += fabs(want / plain - 0.125) < 1e-9;
        }
        /* all three cases are there */
        if (c.rope == ROPE_LLAMA3) assert_true(kept > 0 && divided > 0 && kept + divided < 64);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rope), cmocka_unit_test(test_longrope),
                                       cmocka_unit_test(test_frequencies)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
