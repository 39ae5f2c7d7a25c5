/* Adapters: layout, first values, files, refusals, merging, gradients by finite differences. */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/weights/lora.h"
#include "model/weights/params.h"
#include "model/weights/safetensors.h"
#include "tests/support/near.h"
#include "tests/support/temp_folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { T = 11 };
static const int32_t ids[T] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
static const size_t offsets[3] = {0, 7, T}; /* two sequences */
static const token_batch batch = {2, offsets, ids, NULL};

static model *make_model(model_head head) {
    model_config c;
    model *m;
    assert_int_equal(
        model_config_from_spec("layers=2,hidden=32,heads=4,kv-heads=2,ffn=48,max-positions=32,type=qwen2", &c), WR_OK);
    c.V = 24;
    c.bos_id = c.eos_id = c.pad_id = -1;
    c.head = head;
    c.n_outputs = head == HEAD_SCORE ? 3 : 0;
    c.init_std = 0.2;
    if (head == HEAD_SCORE) snprintf(c.architecture, sizeof c.architecture, "Qwen2ForSequenceClassification");
    assert_int_equal(model_create(&c, &m), WR_OK);
    assert_int_equal(model_alloc_params(m), WR_OK);
    model_init_params(m, 1);
    return m;
}

static void attach(model *m, size_t rank, const char *targets) {
    assert_int_equal(lora_attach(m, &(lora_options){.rank = rank, .alpha = 12.5, .targets = targets, .seed = 7}),
                     WR_OK);
}

static void randomize(model *m) {
    rng r = rng_make(5, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < m->lora->n; i++) m->lora->values[i] = 0.15f * (float)rng_normal(&r);
    model_round_weights(m);
}

/* The hidden states, (T, C); fresh. */
static float *hidden_of(const model *m) {
    model_workspace *w;
    const float *hidden;
    float *out = mem_calloc(T * m->config.C, sizeof *out);
    assert_int_equal(model_workspace_create(m, &w), WR_OK);
    assert_int_equal(model_forward(m, &batch, w, false, &hidden), WR_OK);
    memcpy(out, hidden, T * m->config.C * sizeof *out);
    model_workspace_free(w);
    return out;
}

static const tensor_info *tensor(const model *m, const char *name) {
    for (size_t i = 0; i < m->lora->n_tensors; i++)
        if (strcmp(m->lora->tensors[i].name, name) == 0) return &m->lora->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static void test_attach(void **state) {
    (void)state;
    model *m = make_model(HEAD_LM);
    attach(m, 4, "all-linear");
    const struct lora *a = m->lora;
    assert_int_equal(a->n_tensors, 2 * 7 * 2);
    assert_true(a->score == SIZE_MAX);
    size_t n = 0;
    for (size_t i = 0; i < a->n_tensors; i++) { /* one after another, without gaps */
        assert_int_equal(a->tensors[i].offset, n);
        assert_int_equal(a->tensors[i].count, a->tensors[i].dims[0] * a->tensors[i].dims[1]);
        n += a->tensors[i].count;
    }
    assert_int_equal(a->n, n);
    const tensor_info *down = tensor(m, "base_model.model.model.layers.1.mlp.down_proj.lora_A.weight");
    assert_int_equal(down->dims[0], 4);
    assert_int_equal(down->dims[1], 48);
    assert_int_equal(a->pairs[1 * LAYER_KINDS + LAYER_DOWN].a, down->offset);
    assert_int_equal(a->pairs[1 * LAYER_KINDS + LAYER_DOWN].b, down->offset + down->count);
    assert_true(a->pairs[LAYER_NORM1].a == SIZE_MAX);
    trainables x = model_trainables(m);
    assert_true(x.tensors == a->tensors && x.n == a->n && x.values == a->values);
    assert_int_equal(lora_attach(m, &(lora_options){.rank = 1, .alpha = 1}), WR_E_USAGE);
    model_free(m);

    m = make_model(HEAD_LM);
    attach(m, 2, "self_attn.v_proj,up_proj");
    assert_int_equal(m->lora->n_tensors, 2 * 2 * 2);
    assert_int_equal(m->lora->targets, 1u << LAYER_V | 1u << LAYER_UP);
    model_free(m);

    static const char *const wrong[] = {"q_proj,lm_head", "embed_tokens", "", "proj", "q_proj,"};
    m = make_model(HEAD_LM);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(lora_attach(m, &(lora_options){.rank = 2, .alpha = 1, .targets = wrong[i]}), WR_E_USAGE);
        assert_error_says("LoRA target");
    }
    assert_int_equal(lora_attach(m, &(lora_options){.rank = 0, .alpha = 1}), WR_E_USAGE);
    assert_int_equal(lora_attach(m, &(lora_options){.rank = 1, .alpha = NAN}), WR_E_USAGE);
    assert_null(m->lora);
    model_free(m);
}

/* A ~ U(-b, b) with b = 1/sqrt(K): variance b^2/3. Over the n values of an A, the mean's standard deviation is
 * b/sqrt(3n), and that of the mean square, b^2/3, is b^2 sqrt(4/45n). Five of each are allowed. */
static void test_first_values(void **state) {
    (void)state;
    model *m = make_model(HEAD_SCORE), *again = make_model(HEAD_SCORE);
    attach(m, 16, NULL);
    attach(again, 16, NULL);
    const struct lora *a = m->lora;
    assert_memory_equal(a->values, again->lora->values, a->n * sizeof *a->values);
    for (size_t i = 0; i < a->n_tensors; i++) {
        const tensor_info *t = &a->tensors[i];
        const float *p = a->values + t->offset;
        if (t->offset == a->score) {
            assert_string_equal(t->name, "base_model.model.score.weight");
            assert_memory_equal(p, m->params + offset_head(m), t->count * sizeof *p);
            continue;
        }
        double sum = 0, squares = 0, b = 1 / sqrt((double)t->dims[1]), n = (double)t->count;
        for (size_t k = 0; k < t->count; k++) {
            sum += (double)p[k];
            squares += (double)p[k] * (double)p[k];
            if (strstr(t->name, "lora_A") && !(fabs((double)p[k]) <= b))
                fail_msg("%s: %g is outside", t->name, (double)p[k]);
        }
        if (strstr(t->name, "lora_B")) {
            assert_true(squares == 0);
            continue;
        }
        if (!(fabs(sum / n) <= 5 * b / sqrt(3 * n))) fail_msg("%s: mean %g", t->name, sum / n);
        if (!(fabs(squares / n - b * b / 3) <= 5 * b * b * sqrt(4 / (45 * n))))
            fail_msg("%s: mean square %g, not %g", t->name, squares / n, b * b / 3);
    }
    /* Another layer and another kind have other numbers. */
    assert_memory_not_equal(a->values + a->pairs[LAYER_Q].a, a->values + a->pairs[LAYER_KINDS + LAYER_Q].a, 64);
    assert_memory_not_equal(a->values + a->pairs[LAYER_Q].a, a->values + a->pairs[LAYER_K].a, 64);
    model_free(m);
    model_free(again);
}

static void test_fresh_adapters_change_nothing(void **state) {
    (void)state;
    model *m = make_model(HEAD_LM);
    float *before = hidden_of(m);
    attach(m, 3, NULL);
    float *after = hidden_of(m);
    assert_memory_equal(before, after, T * m->config.C * sizeof *before); /* x + 0 = x */
    randomize(m);
    float *changed = hidden_of(m);
    assert_true(largest_difference(before, changed, T * m->config.C) > 0.01);
    m->lora->on = false;
    float *off = hidden_of(m);
    assert_memory_equal(before, off, T * m->config.C * sizeof *before);
    free(before);
    free(after);
    free(changed);
    free(off);
    model_free(m);
}

/* Merged weights give what adapters give, to f32 rounding: hidden states are of size 1, 2 layers of sums of up to 48
 * terms. */
static void test_merge(void **state) {
    (void)state;
    static const char *const targets[] = {"all-linear", "q_proj,o_proj", "k_proj,v_proj,gate_proj", "down_proj"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        model *m = make_model(HEAD_SCORE);
        float logits[2][2 * 3];
        const size_t rows[2] = {6, 10};
        attach(m, 5, targets[i]);
        randomize(m);
        float *adapted = hidden_of(m);
        assert_int_equal(score_logits(m, adapted, 2, rows, logits[0]), WR_OK);
        assert_int_equal(lora_merge(m), WR_OK);
        assert_null(m->lora);
        float *merged = hidden_of(m);
        assert_int_equal(score_logits(m, merged, 2, rows, logits[1]), WR_OK);
        double worst = largest_difference(adapted, merged, T * m->config.C);
        if (!(worst <= 2e-5)) fail_msg("%s: differs by %g", targets[i], worst);
        worst = largest_difference(logits[0], logits[1], 6);
        if (!(worst <= 2e-5)) fail_msg("%s: logits differ by %g", targets[i], worst);
        free(adapted);
        free(merged);
        model_free(m);
    }
}

/* --- gradients ---------------------------------------------------------------------------------------------------- */

/* sum of weight . hidden, in double. */
static double objective(const model *m, model_workspace *w, const float *weight, bool keep) {
    const float *hidden;
    double sum = 0;
    assert_int_equal(model_forward(m, &batch, w, keep, &hidden), WR_OK);
    for (size_t i = 0; i < T * m->config.C; i++) sum += (double)weight[i] * (double)hidden[i];
    return sum;
}

/* Along a random direction in each tensor, against central differences: relative error 2e-2, which f32 forward passes
 * allow (differences of 1e-2 of values that carry 1e-6). */
static void test_gradients(void **state) {
    (void)state;
    model *m = make_model(HEAD_LM);
    model_workspace *w;
    attach(m, 3, NULL);
    randomize(m);
    const struct lora *a = m->lora;
    size_t n = T * m->config.C;
    float *weight = mem_calloc(n, sizeof *weight), *dhidden = mem_calloc(n, sizeof *dhidden);
    float *grads = mem_calloc(a->n, sizeof *grads), *recomputed = mem_calloc(a->n, sizeof *grads),
          *direction = mem_calloc(a->n, sizeof *direction);
    rng r = rng_make(9, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < n; i++) weight[i] = (float)rng_normal(&r);
    assert_int_equal(model_workspace_create(m, &w), WR_OK);
    objective(m, w, weight, true);
    memcpy(dhidden, weight, n * sizeof *dhidden);
    assert_int_equal(model_backward(m, &batch, w, dhidden, grads), WR_OK);
    model_workspace_recompute(w, true);
    objective(m, w, weight, true);
    memcpy(dhidden, weight, n * sizeof *dhidden);
    assert_int_equal(model_backward(m, &batch, w, dhidden, recomputed), WR_OK);
    assert_memory_equal(grads, recomputed, a->n * sizeof *grads);
    model_workspace_recompute(w, false);
    for (size_t i = 0; i < a->n_tensors; i++) {
        const tensor_info *t = &a->tensors[i];
        float *p = a->values + t->offset, saved[5000];
        double want = 0, h = 2e-3;
        assert_true(t->count <= 5000);
        memcpy(saved, p, t->count * sizeof *p);
        for (size_t k = 0; k < t->count; k++) {
            direction[k] = rng_uniform(&r) < 0.5 ? -1 : 1;
            want += (double)direction[k] * (double)grads[t->offset + k];
        }
        double side[2];
        for (int s = 0; s < 2; s++) {
            for (size_t k = 0; k < t->count; k++) p[k] = saved[k] + (float)(s ? h : -h) * direction[k];
            side[s] = objective(m, w, weight, false);
        }
        memcpy(p, saved, t->count * sizeof *p);
        double got = (side[1] - side[0]) / (2 * h), scale = fabs(want) + 1;
        if (!(fabs(got - want) <= 2e-2 * scale)) fail_msg("%s: backward says %g, differences %g", t->name, want, got);
    }
    model_workspace_free(w);
    free(weight);
    free(dhidden);
    free(grads);
    free(recomputed);
    free(direction);
    model_free(m);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static void save(const model *m, const char *name) {
    assert_int_equal(dir_make(in_folder(name)), WR_OK);
    assert_int_equal(lora_save(m, in_folder(name), "some/base"), WR_OK);
}

static void test_round_trip(void **state) {
    (void)state;
    for (int score = 0; score < 2; score++) {
        model *m = make_model(score ? HEAD_SCORE : HEAD_LM), *back = make_model(score ? HEAD_SCORE : HEAD_LM);
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
        back = make_model(score ? HEAD_SCORE : HEAD_LM);
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
    model *m = make_model(head);
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
    model *m = make_model(HEAD_LM), *back = NULL;
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
    model *m = make_model(HEAD_LM), *one = NULL, *again = NULL;
    attach(m, 3, "q_proj");
    randomize(m);
    assert_int_equal(dir_make(in_folder("some")), WR_OK);
    char path[PATH_CAP + 32];
    static const char *const names[] = {"base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight",
                                        "base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight"};
    st_tensor t[2];
    for (int i = 0; i < 2; i++) {
        const tensor_info *info = tensor(m, names[i]);
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
    model *m = make_model(HEAD_SCORE);
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

static void test_bf16(void **state) {
    (void)state;
    precision p;
    if (precision_choose("bf16", &p, NULL) < 0) skip();
    model *m = make_model(HEAD_LM), *exact = make_model(HEAD_LM);
    attach(m, 3, NULL);
    attach(exact, 3, NULL);
    randomize(exact);
    assert_null(m->lora->values16);
    assert_int_equal(model_set_precision(m, PRECISION_BF16), WR_OK);
    assert_non_null(m->lora->values16);
    randomize(m); /* rounds */
    for (size_t i = 0; i < m->lora->n; i++) assert_int_equal(m->lora->values16[i], bf16_from_f32(m->lora->values[i]));
    /* bf16 keeps 8 bits: 2^-9 relative a rounding, a few dozen of them in two layers, on hidden states of size 1
     * (largest about 3). */
    float *rounded = hidden_of(m), *hidden = hidden_of(exact);
    double worst = largest_difference(rounded, hidden, T * m->config.C);
    assert_true(worst > 0);
    if (!(worst <= 0.15)) fail_msg("bf16 differs by %g", worst);
    free(rounded);
    free(hidden);
    assert_int_equal(model_set_precision(m, PRECISION_F32), WR_OK);
    assert_null(m->lora->values16);
    model_free(m);
    model_free(exact);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_attach),
                                       cmocka_unit_test(test_first_values),
                                       cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_configs),
                                       cmocka_unit_test(test_some_layers),
                                       cmocka_unit_test(test_damaged_files),
                                       cmocka_unit_test(test_fresh_adapters_change_nothing),
                                       cmocka_unit_test(test_merge),
                                       cmocka_unit_test(test_gradients),
                                       cmocka_unit_test(test_bf16)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
