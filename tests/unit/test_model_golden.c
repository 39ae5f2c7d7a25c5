/* Values, gradients and three AdamW steps against Hugging Face transformers and torch
 * (tests/oracle/make_model_goldens.py), for every model directory in tests/golden/model, or in the folder that the
 * environment variable WILDREWARD_GOLDENS names.
 *
 * f32: logits and log-probabilities within 1e-4 of the largest, gradients and updated parameters within 1e-3 of each
 * tensor's norm. bf16: RMS distance of logits from transformers' f32 at most 1.5 times that of transformers' own bf16.
 * Gradients likewise, but each is one draw of rounding errors that all layers below share, so that 1.5 is asked of the
 * geometric mean over the models and 4 of each. */
#include "base/file.h"
#include "base/mem.h"
#include "model/decode.h"
#include "model/weights/safetensors.h"
#include "reward/objective.h"
#include "trainer/optimizer.h"
#include "reward/score.h"
#include "tests/support/asserts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOLDEN "tests/golden/model"
#define LOGITS_TOLERANCE 1e-4
#define NORM_TOLERANCE 1e-3
#define BF16_RATIO 1.5
#define BF16_RATIO_EACH 4.0

static const char *golden_root(void) {
    const char *given = getenv("WILDREWARD_GOLDENS");
    return given && given[0] ? given : GOLDEN;
}

/* A model, its sequences, and what it gives for them. */
typedef struct golden {
    const char *name;
    safetensors *file;
    model *m;
    size_t *offsets, B, T;
    int32_t *ids, *targets;
    size_t *rows, n; /* hidden rows of the head: one a next token, or one a sequence */
    int *labels;
    /* results of the latest step */
    float *logits;   /* (T, V or labels) */
    float *logprobs; /* (n) */
    float *grads;
    double loss;
} golden;

static const st_tensor *need(const golden *g, const char *name) {
    const st_tensor *t = safetensors_find(g->file, name);
    if (!t) fail_msg("%s: golden file lacks %s", g->name, name);
    return t;
}

static int64_t *read_ints(const golden *g, const char *name, size_t *n) {
    const st_tensor *t = need(g, name);
    int64_t *x = mem_calloc(t->bytes / sizeof *x + 1, sizeof *x);
    assert_true(t->dtype == ST_I64);
    memcpy(x, t->data, t->bytes);
    *n = t->bytes / sizeof *x;
    return x;
}

static float *read_floats(const golden *g, const char *name, size_t *n) {
    const st_tensor *t = need(g, name);
    float *x = mem_calloc(t->bytes / sizeof *x + 1, sizeof *x);
    assert_int_equal(st_tensor_to_f32(t, x), WR_OK);
    *n = t->bytes / sizeof *x;
    return x;
}

static size_t outputs(const golden *g) {
    return g->m->config.head == HEAD_SCORE ? g->m->config.n_outputs : g->m->config.V;
}

static void open_golden(golden *g, const char *root, const char *name, precision p, bool frozen) {
    char path[PATH_CAP];
    size_t n = 0;
    *g = (golden){.name = name};
    snprintf(path, sizeof path, "%s/%s/golden.safetensors", root, name);
    assert_ok(safetensors_open(path, &g->file));
    snprintf(path, sizeof path, "%s/%s", root, name);
    const model_load_options o = {
        .head = HEAD_NONE, .quiet = true, .precision = p, .frozen = frozen, .check_weights = true};
    assert_ok(model_load(path, &o, &g->m));
    int64_t *ids = read_ints(g, "ids", &g->T), *offsets = read_ints(g, "offsets", &n);
    g->B = n - 1;
    g->ids = mem_calloc(g->T, sizeof *g->ids), g->targets = mem_calloc(g->T, sizeof *g->targets);
    g->rows = mem_calloc(g->T, sizeof *g->rows), g->offsets = mem_calloc(n, sizeof *g->offsets);
    for (size_t t = 0; t < g->T; t++) g->ids[t] = (int32_t)ids[t];
    for (size_t b = 0; b < n; b++) g->offsets[b] = (size_t)offsets[b];
    free(ids), free(offsets);
    if (g->m->config.head == HEAD_SCORE) {
        int64_t *labels = read_ints(g, "labels", &n);
        g->labels = mem_calloc(n, sizeof *g->labels);
        for (size_t b = 0; b < n; b++) g->labels[b] = (int)labels[b];
        free(labels);
    }
    for (size_t b = 0; b < g->B; b++) {
        const size_t first = g->offsets[b], length = g->offsets[b + 1] - first;
        if (g->labels) g->rows[g->n++] = first + score_pool_row(g->ids + first, length, g->m->config.pad_id);
        for (size_t t = 0; !g->labels && t + 1 < length; t++) {
            g->targets[g->n] = g->ids[first + t + 1];
            g->rows[g->n++] = first + t;
        }
    }
    g->logits = mem_calloc(g->T * outputs(g), sizeof *g->logits), g->logprobs = mem_calloc(g->T, sizeof *g->logprobs);
    g->grads = mem_calloc(g->m->n_params, sizeof *g->grads);
}

static void close_golden(golden *g) {
    safetensors_close(g->file);
    model_free(g->m);
    free(g->offsets), free(g->ids), free(g->targets), free(g->rows), free(g->labels), free(g->logits),
        free(g->logprobs), free(g->grads);
}

/* Forward, and backward where `train`; fills the results. */
static void step(golden *g, model_workspace *w, bool train) {
    const size_t C = g->m->config.C, K = outputs(g);
    const token_batch b = {.B = g->B, .offsets = g->offsets, .ids = g->ids};
    const float *hidden = NULL;
    float *dhidden = mem_calloc(g->T * C, sizeof *dhidden), *slope = mem_calloc(g->T * K, sizeof *slope);
    if (model_forward(g->m, &b, w, train, &hidden) < 0) fail_msg("%s: %s", g->name, wr_error());
    memset(g->grads, 0, g->m->n_params * sizeof *g->grads);
    g->loss = 0;
    if (g->labels) {
        size_t *all = mem_calloc(g->T, sizeof *all);
        float *pooled = mem_calloc(g->n * K, sizeof *pooled);
        for (size_t t = 0; t < g->T; t++) all[t] = t;
        assert_int_equal(score_logits(g->m, hidden, g->T, all, g->logits), WR_OK);
        assert_int_equal(score_logits(g->m, hidden, g->n, g->rows, pooled), WR_OK);
        const objective_use u = objective_with_defaults(&ordinal_objective, (int)K + 1);
        g->loss = u.kind->loss(&u, g->n, pooled, g->labels, 1.0f / (float)g->n, slope) / (double)g->n;
        if (train) assert_int_equal(score_backward(g->m, hidden, g->n, g->rows, slope, dhidden, g->grads), WR_OK);
        free(all), free(pooled);
    } else {
        decode_scratch *s = NULL;
        assert_int_equal(decode_scratch_create(g->m, &s), WR_OK);
        assert_int_equal(decode_pack(g->m, s), WR_OK);
        if (decode_logits(g->m, s, g->T, hidden, g->logits) < 0) fail_msg("%s: %s", g->name, wr_error());
        decode_scratch_free(s);
        assert_int_equal(lm_logprobs(g->m, w, hidden, g->n, g->rows, g->targets, g->logprobs), WR_OK);
        for (size_t i = 0; i < g->n; i++) {
            g->loss -= (double)g->logprobs[i] / (double)g->n;
            slope[i] = -1.0f / (float)g->n;
        }
        if (train)
            assert_int_equal(lm_logprobs_backward(g->m, w, hidden, g->n, g->rows, g->targets, slope, dhidden, g->grads),
                             WR_OK);
    }
    if (train && model_backward(g->m, &b, w, dhidden, g->grads) < 0) fail_msg("%s: %s", g->name, wr_error());
    free(dhidden), free(slope);
}

/* |got - want|, and |want|, as root mean squares and as largest values. */
typedef struct distance {
    double rms, size, largest, largest_size;
} distance;

static distance compare(const golden *g, const char *what, size_t n, const float *want, const float *got) {
    distance d = {0};
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(got[i])) fail_msg("%s: %s[%zu] is not finite", g->name, what, i);
        const double off = (double)got[i] - (double)want[i];
        d.rms += off * off, d.size += (double)want[i] * (double)want[i];
        d.largest = fmax(d.largest, fabs(off)), d.largest_size = fmax(d.largest_size, fabs((double)want[i]));
    }
    d.rms = sqrt(d.rms / (double)n), d.size = sqrt(d.size / (double)n);
    return d;
}

/* Logits at the golden's rows. */
static distance compare_logits(const golden *g) {
    size_t n_rows, n;
    const size_t K = outputs(g);
    int64_t *rows = read_ints(g, "logit_rows", &n_rows);
    float *want = read_floats(g, "logits", &n), *got = mem_calloc(n, sizeof *got);
    assert_int_equal(n, n_rows * K);
    for (size_t i = 0; i < n_rows; i++) memcpy(got + i * K, g->logits + (size_t)rows[i] * K, K * sizeof *got);
    const distance d = compare(g, "logits", n, want, got);
    free(rows), free(want), free(got);
    return d;
}

static void check_max(const golden *g, const char *what, distance d) {
    if (!(d.largest <= LOGITS_TOLERANCE * d.largest_size))
        fail_msg("%s: %s off by %g of %g", g->name, what, d.largest, d.largest_size);
}

/* `kind`.NAME of every tensor. Checked where `check` is set; returns |difference| / |value| over all of them. */
static double compare_tensors(const golden *g, const char *kind, const float *values, bool check) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < g->m->n_tensors; i++) {
        const tensor_info *t = &g->m->tensors[i];
        char name[128];
        size_t n = 0;
        snprintf(name, sizeof name, "%s.%s", kind, t->name);
        float *want = read_floats(g, name, &n);
        assert_int_equal(n, t->count);
        const distance d = compare(g, name, n, want, values + t->offset);
        if (check && !(d.rms <= NORM_TOLERANCE * d.size))
            fail_msg("%s: %s: |difference| %g, |value| %g (RMS)", g->name, name, d.rms, d.size);
        difference += d.rms * d.rms * (double)n, size += d.size * d.size * (double)n;
        free(want);
    }
    return sqrt(difference / size);
}

static void check_f32(golden *g, model_workspace *w) {
    const adamw_options o = {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-4, .weight_decay = 0.01};
    adamw a;
    size_t n = 0;
    assert_int_equal(adamw_create(g->m->n_params, &a), WR_OK);
    for (int s = 0; s < 3; s++) {
        step(g, w, true);
        if (s == 0) {
            float *want = read_floats(g, "loss", &n);
            if (!(fabs(g->loss - (double)want[0]) <= 1e-5 * fabs((double)want[0])))
                fail_msg("%s: loss %.9g, not %.9g", g->name, g->loss, (double)want[0]);
            free(want);
            check_max(g, "logits", compare_logits(g));
            if (!g->labels) {
                want = read_floats(g, "logprobs", &n);
                assert_int_equal(n, g->n);
                check_max(g, "logprobs", compare(g, "logprobs", n, want, g->logprobs));
                free(want);
            } else {
                want = read_floats(g, "pooled", &n);
                float *got = mem_calloc(n, sizeof *got);
                for (size_t i = 0; i < n; i++)
                    got[i] = g->logits[g->rows[i / outputs(g)] * outputs(g) + i % outputs(g)];
                check_max(g, "pooled", compare(g, "pooled", n, want, got));
                free(want), free(got);
            }
            compare_tensors(g, "grad", g->grads, true);
        }
        adamw_step(&a, &o, o.lr, 1.0, model_trainables(g->m), g->grads);
        model_round_weights(g->m);
    }
    compare_tensors(g, "adamw", g->m->params, true);
    adamw_free(&a);
}

/* Returns the ratio of the gradients' distances. */
static double check_bf16(golden *g, model_workspace *w) {
    size_t n = 0;
    float *theirs = read_floats(g, "bf16", &n);
    step(g, w, true);
    const double logits = compare_logits(g).rms / (double)theirs[0],
                 grads = compare_tensors(g, "grad", g->grads, false) / (double)theirs[1];
    free(theirs);
    print_message("# %s: bf16 over transformers' bf16: logits %.2f, gradients %.2f\n", g->name, logits, grads);
    if (!(logits <= BF16_RATIO))
        fail_msg("%s: logits are %.2f times as far from f32 as transformers' bf16", g->name, logits);
    if (!(grads <= BF16_RATIO_EACH))
        fail_msg("%s: gradients are %.2f times as far from f32 as transformers' bf16", g->name, grads);
    return grads;
}

/* In f32 to the bit. In bf16 up to the last digit of the largest: q, k, v lie together in one model and apart in the
 * other, and oneDNN may cut the sums of a product by its width. */
static void same_logits(const golden *a, const golden *b, precision p) {
    double most = 0, apart = 0;
    for (size_t i = 0; i < a->T * outputs(a); i++) {
        most = fmax(most, fabs((double)a->logits[i]));
        const double d = fabs((double)a->logits[i] - (double)b->logits[i]);
        if (!(d <= apart)) apart = d; /* also a NaN */
    }
    if (!(apart <= (p == PRECISION_F32 ? 0 : most / 128)))
        fail_msg("%s: a frozen model gives logits %.3g apart, of up to %.3g", a->name, apart, most);
}

static void run_all(precision p, bool recompute, bool frozen) {
    char **names = NULL;
    size_t n = 0;
    precision chosen;
    double log_ratios = 0;
    if (precision_choose(precision_name(p), &chosen, NULL) < 0) {
        print_message("# skipped: %s\n", wr_error());
        skip();
    }
    assert_int_equal(dir_list(golden_root(), "", "", &names, &n), WR_OK);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        golden g, still;
        model_workspace *w = NULL, *v = NULL;
        open_golden(&g, golden_root(), names[i], p, false);
        assert_int_equal(model_workspace_create(g.m, &w), WR_OK);
        model_workspace_recompute(w, recompute);
        if (frozen) { /* weights used where they lie in the file: same_logits */
            open_golden(&still, golden_root(), names[i], p, true);
            assert_int_equal(model_workspace_create(still.m, &v), WR_OK);
            step(&g, w, false), step(&still, v, false);
            same_logits(&g, &still, p);
            model_workspace_free(v);
            close_golden(&still);
        } else if (p == PRECISION_F32) {
            check_f32(&g, w);
        } else {
            log_ratios += log(check_bf16(&g, w));
        }
        model_workspace_free(w);
        close_golden(&g);
    }
    if (!(exp(log_ratios / (double)n) <= BF16_RATIO))
        fail_msg("gradients are %.2f times as far from f32 as transformers' bf16", exp(log_ratios / (double)n));
    names_free(names, n);
}

static void test_f32(void **state) {
    (void)state;
    run_all(PRECISION_F32, false, false);
}

static void test_f32_recompute(void **state) {
    (void)state;
    run_all(PRECISION_F32, true, false);
}

static void test_f32_frozen(void **state) {
    (void)state;
    run_all(PRECISION_F32, false, true);
}

static void test_bf16(void **state) {
    (void)state;
    run_all(PRECISION_BF16, false, false);
}

static void test_bf16_recompute(void **state) {
    (void)state;
    run_all(PRECISION_BF16, true, false);
}

static void test_bf16_frozen(void **state) {
    (void)state;
    run_all(PRECISION_BF16, false, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32),  cmocka_unit_test(test_f32_recompute),  cmocka_unit_test(test_f32_frozen),
        cmocka_unit_test(test_bf16), cmocka_unit_test(test_bf16_recompute), cmocka_unit_test(test_bf16_frozen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
