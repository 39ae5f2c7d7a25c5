/* Files of adapters: round trips, what adapter_config.json may say, layers without, damage. */
#include "base/file.h"
#include "model/weights/lora.h"
#include "model/weights/params.h"
#include "model/weights/safetensors.h"
#include "tests/support/near.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_lora.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- files -------------------------------------------------------------------------------------------------------- */

static void save(const model *m, const char *name) {
    assert_int_equal(dir_make(in_folder(name)), WR_OK);
    assert_int_equal(lora_save(m, in_folder(name), "some/base", NULL), WR_OK);
}

static void test_round_trip(void **state) {
    (void)state;
    for (int score = 0; score < 2; score++) {
        model *m = lora_model(score ? HEAD_SCORE : HEAD_LM), *back = lora_model(score ? HEAD_SCORE : HEAD_LM);
        size_t rows;
        attach(m, 3, score ? "all-linear" : "q_proj,down_proj");
        randomize(m);
        if (score) strcpy(m->config.objective, "by something");
        strcpy(back->config.objective, "of the model below");
        save(m, "round");
        assert_int_equal(lora_load(back, in_folder("round")), WR_OK);
        assert_string_equal(back->config.objective, score ? "by something" : "of the model below");
        assert_int_equal(back->lora->n, m->lora->n);
        assert_int_equal(back->lora->rank, 3);
        assert_true(back->lora->alpha == m->lora->alpha);
        assert_true(back->lora->on);
        assert_int_equal(back->lora->targets, m->lora->targets);
        assert_memory_equal(back->lora->values, m->lora->values, m->lora->n * sizeof(float));
        assert_int_equal(lora_score_rows(in_folder("round"), &rows), WR_OK);
        assert_int_equal(rows, score ? 3 : 0);
        assert_int_equal(lora_load(back, in_folder("round")), WR_E_USAGE); /* has some */
        model_free(m);
        model_free(back);
        /* a score head that records nothing is not what the model below says of its own */
        char record[PATH_CAP + 32];
        snprintf(record, sizeof record, "%s/wildreward.json", in_folder("round"));
        assert_true(file_exists(record) == (bool)score);
        unlink(record);
        back = lora_model(score ? HEAD_SCORE : HEAD_LM);
        strcpy(back->config.objective, "of the model below");
        assert_int_equal(lora_load(back, in_folder("round")), WR_OK);
        assert_string_equal(back->config.objective, score ? "" : "of the model below");
        model_free(back);
        assert_int_equal(dir_remove_tree(in_folder("round")), WR_OK);
    }
}

static void write_config(const char *name, const char *members) {
    char path[PATH_CAP + 32];
    strbuf text = {0};
    snprintf(path, sizeof path, "%s/adapter_config.json", in_folder(name));
    strbuf_printf(&text, "{%s}", members);
    assert_int_equal(file_write_atomic(path, text.data, text.len), WR_OK);
    strbuf_free(&text);
}

static wr_status load(const char *name, model_head head, model **out) {
    model *m = lora_model(head);
    wr_status status = lora_load(m, in_folder(name));
    if (status < 0) assert_null(m->lora);
    if (status < 0 || !out)
        model_free(m);
    else
        *out = m;
    return status;
}

#define PLAIN "\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6,\"target_modules\":[\"q_proj\"]"

static void test_configs(void **state) {
    (void)state;
    model *m = lora_model(HEAD_LM), *back = NULL;
    attach(m, 3, "q_proj");
    randomize(m);
    save(m, "config");
    static const struct {
        const char *members, *names;
    } refused[] = {
        {"\"peft_type\":\"IA3\"", "peft_type"},
        {"\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6", "target_modules"},
        {"\"peft_type\":\"LORA\",\"lora_alpha\":6,\"target_modules\":[\"q_proj\"]", "r "},
        {"\"peft_type\":\"LORA\",\"r\":3,\"target_modules\":[\"q_proj\"]", "lora_alpha"},
        {"\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6,\"target_modules\":[\"lm_head\"]", "lm_head"},
        {"\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6,\"target_modules\":[\"q_proj\",7]", "target_modules"},
        {"\"peft_type\":\"LORA\",\"r\":-3,\"lora_alpha\":6,\"target_modules\":[\"q_proj\"]", "r "},
        {"\"peft_type\":\"LORA\",\"r\":3000000,\"lora_alpha\":6,\"target_modules\":[\"q_proj\"]", "lora_A"},
        {PLAIN ",\"bias\":\"lora_only\"", "bias"},
        {PLAIN ",\"use_dora\":true", "use_dora"},
        {PLAIN ",\"use_rslora\":\"yes\"", "use_rslora"},
        {PLAIN ",\"rank_pattern\":{\"q_proj\":8}", "must be (8,"},
        {PLAIN ",\"alpha_pattern\":{\"q_proj\":\"8\"}", "alpha_pattern"},
        {PLAIN ",\"lora_bias\":true", "lora_bias"},
        {PLAIN ",\"trainable_token_indices\":[1]", "trainable_token_indices"},
        {PLAIN ",\"something_new\":1", "something_new"},
        {PLAIN ",\"modules_to_save\":[\"lm_head\"]", "lm_head"},
        {PLAIN ",\"init_lora_weights\":\"pissa\"", "init_lora_weights"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        write_config("config", refused[i].members);
        wr_status status = load("config", HEAD_LM, NULL);
        if (status != WR_E_FORMAT && status != WR_E_MISMATCH) fail_msg("%s: status %d", refused[i].members, status);
        if (!strstr(wr_error(), refused[i].names) || !strstr(wr_error(), "config/adapter_"))
            fail_msg("%s: %s", refused[i].members, wr_error());
    }
    /* What PEFT writes where nothing is changed is fine. */
    write_config("config", PLAIN ",\"bias\":\"none\",\"use_dora\":false,\"rank_pattern\":{},\"loftq_config\":{},"
                                 "\"layers_to_transform\":null,\"lora_dropout\":0.1,"
                                 "\"init_lora_weights\":true,\"megatron_core\":\"megatron.core\",\"qalora_group_size\":"
                                 "16,\"peft_version\":\"0.21.2\"");
    assert_int_equal(load("config", HEAD_LM, &back), WR_OK);
    assert_true(back->lora->alpha == 6);
    model_free(back);
    /* The scale of rank-stabilised LoRA is alpha / sqrt(r). */
    write_config("config", PLAIN ",\"use_rslora\":true");
    assert_int_equal(load("config", HEAD_LM, &back), WR_OK);
    assert_near(back->lora->alpha / 3, 6 / sqrt(3), 1e-12);
    model_free(back);
    model_free(m);
}

/* PEFT names each module in full where "all-linear" was asked for; some layers may have none. */
static void test_some_layers(void **state) {
    (void)state;
    model *m = lora_model(HEAD_LM), *one = NULL, *again = NULL;
    attach(m, 3, "q_proj");
    randomize(m);
    assert_int_equal(dir_make(in_folder("some")), WR_OK);
    char path[PATH_CAP + 32];
    static const char *const names[] = {"base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight",
                                        "base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight"};
    st_tensor t[2];
    for (int i = 0; i < 2; i++) {
        const tensor_info *info = adapter_tensor(m, names[i]);
        t[i] = (st_tensor){.name = names[i],
                           .dtype = ST_F32,
                           .n_dims = 2,
                           .dims = {info->dims[0], info->dims[1]},
                           .data = m->lora->values + info->offset,
                           .bytes = info->count * sizeof(float)};
    }
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", in_folder("some"));
    assert_int_equal(safetensors_write(path, t, 2, NULL), WR_OK);
    write_config(
        "some",
        "\"peft_type\":\"LORA\",\"r\":3,\"lora_alpha\":6,\"target_modules\":[\"model.layers.1.self_attn.q_proj\"]");
    assert_int_equal(load("some", HEAD_LM, &one), WR_OK);
    assert_true(one->lora->pairs[LAYER_Q].a == SIZE_MAX);
    assert_int_equal(one->lora->pairs[LAYER_KINDS + LAYER_Q].a, 0);
    save(one, "some-again");
    assert_int_equal(load("some-again", HEAD_LM, &again), WR_OK);
    assert_int_equal(again->lora->n, one->lora->n);
    assert_memory_equal(again->lora->values, one->lora->values, one->lora->n * sizeof(float));
    float *hidden = hidden_of(again);
    free(hidden);
    model_free(m);
    model_free(one);
    model_free(again);
}

static void test_damaged_files(void **state) {
    (void)state;
    model *m = lora_model(HEAD_SCORE);
    char path[PATH_CAP + 32], *bytes;
    size_t n;
    attach(m, 2, "q_proj");
    save(m, "damage");
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", in_folder("damage"));
    assert_int_equal(file_read(path, 0, &bytes, &n), WR_OK);
    for (size_t k = 0; k < n; k += n / 60 + 1) {
        assert_int_equal(file_write_atomic(path, bytes, k), WR_OK);
        assert_true(load("damage", HEAD_SCORE, NULL) < 0);
        assert_error_says("damage/adapter_model.safetensors");
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(load("damage", HEAD_SCORE, NULL), WR_E_IO);
    assert_int_equal(file_write_atomic(path, bytes, n), WR_OK);
    assert_int_equal(load("damage", HEAD_SCORE, NULL), WR_OK);
    free(bytes);

    /* A reward adapter on a language model. */
    assert_int_equal(load("damage", HEAD_LM, NULL), WR_E_FORMAT);
    assert_error_says("score.weight");
    /* Another rank than the config says; fewer and more targets. */
    write_config("damage", "\"peft_type\":\"LORA\",\"r\":4,\"lora_alpha\":6,\"target_modules\":[\"q_proj\"],\"modules_"
                           "to_save\":[\"classifier\",\"score\"]");
    assert_int_equal(load("damage", HEAD_SCORE, NULL), WR_E_MISMATCH);
    assert_error_says("shape (2, 32)");
    write_config("damage", "\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":6,\"target_modules\":[\"q_proj\",\"k_proj\"],"
                           "\"modules_to_save\":[\"score\"]");
    assert_int_equal(load("damage", HEAD_SCORE, NULL), WR_E_FORMAT);
    assert_error_says("k_proj");
    /* The score head is in the file but not announced. */
    write_config("damage", "\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":6,\"target_modules\":[\"q_proj\"]");
    assert_int_equal(load("damage", HEAD_SCORE, NULL), WR_E_FORMAT);
    assert_error_says("score.weight");
    m->lora->values[5] = NAN;
    save(m, "damage");
    assert_int_equal(load("damage", HEAD_SCORE, NULL), WR_E_FORMAT);
    assert_error_says("NaN");
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_configs),
                                       cmocka_unit_test(test_some_layers), cmocka_unit_test(test_damaged_files)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
