/* Values, gradients and three AdamW steps against Hugging Face transformers and torch
 * (tests/oracle/make_model_goldens.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/model.h"
#include "model/safetensors.h"
#include "trainer/loss.h"
#include "trainer/optimizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOLDEN "tests/golden/model"
#define MAX_T 64

typedef struct golden {
    safetensors *file;
    model *m;
    size_t offsets[8], B, T, n;
    int32_t ids[MAX_T], targets[MAX_T];
    size_t rows[MAX_T];
    int labels[8];
} golden;

static const st_tensor *need(const golden *g, const char *name) {
    const st_tensor *t = safetensors_find(g->file, name);
    if (!t) fail_msg("golden file lacks %s", name);
    return t;
}

static void read_ints(const golden *g, const char *name, int64_t *out, size_t capacity, size_t *n) {
    const st_tensor *t = need(g, name);
    *n = t->bytes / sizeof *out;
    assert_true(t->dtype == ST_I64 && *n <= capacity);
    memcpy(out, t->data, t->bytes);
}

static float *read_floats(const golden *g, const char *name, size_t *n) {
    const st_tensor *t = need(g, name);
    float *x = mem_calloc(t->bytes / 4 + 1, sizeof *x);
    assert_int_equal(st_tensor_to_f32(t, x), WR_OK);
    *n = t->bytes / 4;
    return x;
}

static void open_golden(golden *g, const char *dir, model_head head) {
    char path[PATH_CAP];
    int64_t ints[MAX_T];
    size_t n = 0;
    *g = (golden){0};
    snprintf(path, sizeof path, GOLDEN "/%s/golden.safetensors", dir);
    if (safetensors_open(path, &g->file) < 0) fail_msg("%s", wr_error());
    snprintf(path, sizeof path, GOLDEN "/%s", dir);
    const model_load_options o = {.head = HEAD_NONE, .quiet = true};
    if (model_load(path, &o, &g->m) < 0) fail_msg("%s", wr_error());
    assert_int_equal(g->m->config.head, head);
    read_ints(g, "ids", ints, MAX_T, &g->T);
    for (size_t t = 0; t < g->T; t++) g->ids[t] = (int32_t)ints[t];
    read_ints(g, "offsets", ints, 8, &n);
    for (size_t b = 0; b < n; b++) g->offsets[b] = (size_t)ints[b];
    g->B = n - 1;
    if (head == HEAD_SCORE) {
        read_ints(g, "labels", ints, 8, &n);
        for (size_t b = 0; b < n; b++) g->labels[b] = (int)ints[b];
    }
    for (size_t b = 0; b < g->B; b++) {
        if (head == HEAD_SCORE) {
            g->rows[g->n++] = g->offsets[b + 1] - 1;
            continue;
        }
        for (size_t t = g->offsets[b]; t + 1 < g->offsets[b + 1]; t++) {
            g->targets[g->n] = g->ids[t + 1];
            g->rows[g->n++] = t;
        }
    }
}

static void close_golden(golden *g) {
    safetensors_close(g->file);
    model_free(g->m);
}

/* max |got - want| <= tolerance * max |want| */
static void check_max(const char *what, size_t n, const float *want, const float *got, double tolerance) {
    double scale = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(got[i]));
        scale = fmax(scale, fabs((double)want[i]));
        worst = fmax(worst, fabs((double)want[i] - (double)got[i]));
    }
    if (!(worst <= tolerance * scale)) fail_msg("%s: off by %g of %g", what, worst, scale);
}

static void check_norm(const char *what, size_t n, const float *want, const float *got, double tolerance) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)want[i] - (double)got[i]) * ((double)want[i] - (double)got[i]);
        norm += (double)want[i] * (double)want[i];
    }
    if (!(sqrt(difference) <= tolerance * sqrt(norm)))
        fail_msg("%s: |difference| %g, |value| %g", what, sqrt(difference), sqrt(norm));
}

/* One forward and backward pass; logits (n, V) or (B, labels) into `logits` when given. */
static double step(const golden *g, model_workspace *w, float *grads, float *logits, float *logprobs) {
    const token_batch b = {.B = g->B, .offsets = g->offsets, .ids = g->ids};
    const float *hidden = NULL;
    float dhidden[MAX_T * 16] = {0}, out[MAX_T], slope[MAX_T];
    double loss = 0;
    assert_int_equal(model_forward(g->m, &b, w, true, &hidden), WR_OK);
    if (g->m->config.head == HEAD_SCORE) {
        assert_int_equal(score_logits(g->m, hidden, g->n, g->rows, out), WR_OK);
        memcpy(logits, out, g->n * g->m->config.n_labels * sizeof *out);
        loss = ordinal_loss(g->n, g->m->config.n_labels, out, g->labels, 1.0f / (float)g->n, slope) / (double)g->n;
        assert_int_equal(score_backward(g->m, hidden, g->n, g->rows, slope, dhidden, grads), WR_OK);
    } else {
        assert_int_equal(lm_logits(g->m, g->T, hidden, logits), WR_OK);
        assert_int_equal(lm_logprobs(g->m, w, hidden, g->n, g->rows, g->targets, logprobs), WR_OK);
        for (size_t i = 0; i < g->n; i++) {
            loss -= (double)logprobs[i] / (double)g->n;
            slope[i] = -1.0f / (float)g->n;
        }
        assert_int_equal(lm_logprobs_backward(g->m, w, hidden, g->n, g->rows, g->targets, slope, dhidden, grads),
                         WR_OK);
    }
    assert_int_equal(model_backward(g->m, &b, w, dhidden, grads), WR_OK);
    return loss;
}

static void check_tensors(const golden *g, const char *kind, const float *values, double tolerance) {
    for (size_t i = 0; i < g->m->n_tensors; i++) {
        const tensor_info *t = &g->m->tensors[i];
        char name[128];
        size_t n = 0;
        snprintf(name, sizeof name, "%s.%s", kind, t->name);
        float *want = read_floats(g, name, &n);
        assert_int_equal(n, t->count);
        check_norm(name, n, want, values + t->offset, tolerance);
        free(want);
    }
}

static void check_golden(const char *dir, model_head head) {
    golden g;
    model_workspace *w = NULL;
    adamw a;
    const adamw_options o = {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01};
    float logits[MAX_T * 40], logprobs[MAX_T];
    size_t n = 0;
    open_golden(&g, dir, head);
    float *grads = mem_calloc(g.m->n_params, sizeof *grads);
    assert_int_equal(model_workspace_create(g.m, &w), WR_OK);
    assert_int_equal(adamw_create(g.m->n_params, &a), WR_OK);
    for (int s = 0; s < 3; s++) {
        memset(grads, 0, g.m->n_params * sizeof *grads);
        const double loss = step(&g, w, grads, logits, logprobs);
        if (s == 0) {
            float *want = read_floats(&g, "loss", &n);
            assert_true(fabs(loss - (double)want[0]) <= 1e-5 * fabs((double)want[0]));
            free(want);
            want = read_floats(&g, "logits", &n);
            check_max("logits", n, want, logits, 1e-4);
            free(want);
            if (head == HEAD_LM) {
                want = read_floats(&g, "logprobs", &n);
                assert_int_equal(n, g.n);
                check_max("logprobs", n, want, logprobs, 1e-4);
                free(want);
            }
            check_tensors(&g, "grad", grads, 1e-3);
        }
        adamw_step(&a, &o, o.lr, 1.0, g.m, g.m->params, grads);
    }
    check_tensors(&g, "adamw", g.m->params, 1e-3);
    adamw_free(&a);
    model_workspace_free(w);
    free(grads);
    close_golden(&g);
}

static void test_lm(void **state) {
    (void)state;
    check_golden("lm", HEAD_LM);
}

static void test_score(void **state) {
    (void)state;
    check_golden("score", HEAD_SCORE);
}

/* Saved and loaded again: same parameters, same configuration; heads change as documented. */
static void test_save_load(void **state) {
    (void)state;
    char dir[] = "/tmp/wr-golden-XXXXXX";
    golden g;
    model *again = NULL;
    assert_non_null(mkdtemp(dir));
    for (int s = 0; s < 2; s++) {
        open_golden(&g, s ? "score" : "lm", s ? HEAD_SCORE : HEAD_LM);
        const model_provenance p = {.config_hash = "c",
                                    .data_hash = "d",
                                    .parent_hash = g.m->parent_hash,
                                    .template_text = s ? "{reply}" : NULL};
        assert_int_equal(model_save(g.m, dir, NULL, &p), WR_OK);
        model_load_options o = {.head = s ? HEAD_SCORE : HEAD_LM, .quiet = true};
        if (model_load(dir, &o, &again) < 0) fail_msg("%s", wr_error());
        assert_int_equal(again->n_params, g.m->n_params);
        assert_memory_equal(again->params, g.m->params, g.m->n_params * sizeof(float));
        assert_true(again->config.rope_theta == g.m->config.rope_theta &&
                    again->config.norm_eps == g.m->config.norm_eps);
        assert_int_equal(again->config.pad_id, 0);
        if (s) assert_string_equal(again->template_text, "{reply}");
        model_free(again);
        close_golden(&g);
    }
    model_load_options o = {.head = HEAD_LM, .quiet = true};
    assert_int_equal(model_load(dir, &o, &again), WR_E_MISMATCH); /* an untied score model has no lm head */
    o = (model_load_options){.head = HEAD_SCORE, .n_labels = 4, .quiet = true};
    assert_int_equal(model_load(dir, &o, &again), WR_E_MISMATCH); /* 3 outputs */
    o.n_labels = 3;
    o.seed = 9;
    assert_int_equal(model_load(GOLDEN "/lm", &o, &again), WR_OK); /* a fresh head */
    const tensor_info *t = &again->tensors[again->n_tensors - 1];
    double spread = 0;
    assert_string_equal(t->name, "score.weight");
    for (size_t i = 0; i < t->count; i++)
        spread += (double)again->params[t->offset + i] * (double)again->params[t->offset + i];
    spread = sqrt(spread / (double)t->count);
    assert_true(spread > 0.5 * again->config.init_std && spread < 2 * again->config.init_std);
    model_free(again);
    assert_int_equal(dir_remove_tree(dir), WR_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lm), cmocka_unit_test(test_score),
                                       cmocka_unit_test(test_save_load)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
