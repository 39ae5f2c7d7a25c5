/* Run directories and checkpoints: what is saved comes back bit for bit, damage and strangers are named, nothing
 * half-written counts. */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/weights/lora.h"
#include "trainer/checkpoint.h"
#include "tests/support/mpi_leaks.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static world *w;

static void fill_state(adamw *a, uint64_t seed) {
    rng r = rng_make(seed, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < a->n; i++) {
        a->m[i] = (float)rng_normal(&r);
        a->v[i] = (float)rng_uniform(&r);
    }
}

static wr_status same_text(const void *context, const char *path, const char *hash) {
    (void)hash;
    char *text;
    size_t n;
    assert_int_equal(file_read(path, 0, &text, &n), WR_OK);
    const bool same = strcmp(text, context) == 0;
    free(text);
    return same ? WR_OK : wr_fail(WR_E_MISMATCH, "other options");
}

static run_terms terms = {
    .config_yaml = "lr: 1\n", .arithmetic = "f32", .hash = "config", .same = same_text, .context = "lr: 1\n"};

static run_terms terms_of(const char *yaml) {
    run_terms t = terms;
    t.config_yaml = yaml;
    return t;
}

#define TERMS(yaml)                                                                                                    \
    &(run_terms) { .config_yaml = yaml, .arithmetic = "f32", .same = same_text, .context = yaml }

static checkpoint_state state_of(int64_t step) {
    checkpoint_state s = {
        .step = step, .terms = &terms, .data_hash = "data", .parent_hash = "", .seed = UINT64_MAX - 3};
    return s;
}

static void metrics(run_dir *r, const char *text) {
    strbuf line = {0};
    strbuf_puts(&line, text);
    assert_int_equal(run_metrics(r, &line), WR_OK);
    strbuf_free(&line);
}

static model *make_lora_model(uint64_t seed) {
    model *m = checkpoint_model(1);
    assert_int_equal(
        lora_attach(m, &(lora_options){.rank = 3, .alpha = 7.3, .targets = "q_proj,down_proj", .seed = seed}), WR_OK);
    return m;
}

/* What training changes gets other values. */
static void change(model *m, uint64_t seed) {
    trainables x = model_trainables(m);
    rng r = rng_make(seed, RNG_TEST, 1, 0, 0);
    for (size_t i = 0; i < x.n; i++) x.values[i] = (float)rng_normal(&r);
    model_round_weights(m);
}

/* A run of m with checkpoints of steps 1 … n, and a metrics line before each. */
static void make_run_of(model *m, const char *name, int n, int keep, adamw *a) {
    run_dir *r;
    const save_options how = {.keep = keep, .base = "a base"};
    assert_int_equal(adamw_create(model_trainables(m).n, a), WR_OK);
    assert_int_equal(run_open(w, in_folder(name), false, TERMS("lr: 1\n"), &r), WR_OK);
    for (int step = 1; step <= n; step++) {
        char line[64];
        snprintf(line, sizeof line, "{\"step\":%d}", step);
        metrics(r, line);
        change(m, (uint64_t)step);
        fill_state(a, (uint64_t)step);
        a->t = step;
        checkpoint_state s = state_of(step);
        strbuf_puts(&s.extra, "{\"own\":\"state\"}");
        assert_int_equal(checkpoint_save(w, r, m, a, &s, &how), WR_OK);
        strbuf_free(&s.extra);
    }
    metrics(r, "{\"step\":99}");
    run_close(r);
}

static void make_run(const char *name, int n, int keep, model **m, adamw *a) {
    *m = checkpoint_model(1);
    make_run_of(*m, name, n, keep, a);
}

static void test_round_trip(void **state) {
    (void)state;
    model *m, *back = checkpoint_model(77);
    adamw a, b;
    run_dir *r;
    bool found;
    char *text;
    size_t n;
    make_run("round", 3, 2, &m, &a);
    assert_false(dir_exists(in_folder("round/checkpoints/step-1")));
    assert_true(dir_exists(in_folder("round/checkpoints/step-2")));
    assert_int_equal(adamw_create(back->n_params, &b), WR_OK);
    /* A writer was killed: its folder has no checkpoint's name and goes away. */
    assert_int_equal(dir_make(in_folder("round/checkpoints/tmp-step-4/model")), WR_OK);
    assert_int_equal(run_open(w, in_folder("round"), true, TERMS("lr: 1\nkeep: 5\n"), &r), WR_OK);
    assert_false(dir_exists(in_folder("round/checkpoints/tmp-step-4")));
    checkpoint_state s = state_of(0);
    assert_int_equal(checkpoint_load(w, r, back, &b, &s, &found), WR_OK);
    assert_true(found);
    assert_int_equal(s.step, 3);
    assert_int_equal(b.t, 3);
    assert_true(s.seed == UINT64_MAX - 3);
    assert_string_equal(strbuf_str(&s.extra), "{\"own\":\"state\"}");
    assert_memory_equal(back->params, m->params, m->n_params * sizeof(float));
    assert_memory_equal(a.m, b.m, a.n * sizeof(float));
    assert_memory_equal(a.v, b.v, a.n * sizeof(float));
    run_close(r);
    /* What was measured after the checkpoint is cut off. */
    assert_int_equal(file_read(in_folder("round/metrics.jsonl"), 0, &text, &n), WR_OK);
    assert_string_equal(text, "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");
    free(text);
    assert_int_equal(file_read(in_folder("round/config.yaml"), 0, &text, &n), WR_OK);
    assert_string_equal(text, "lr: 1\nkeep: 5\n");
    free(text);
    strbuf_free(&s.extra);
    adamw_free(&a);
    adamw_free(&b);
    model_free(m);
    model_free(back);
}

static void same(const float *a, const float *b, size_t n) { assert_memory_equal(a, b, n * sizeof *a); }

/* With adapters a checkpoint holds them alone; moments have their size; at the end there is an adapter, and a merged
 * model if it is wanted. */
static void test_adapters(void **state) {
    (void)state;
    model *m = make_lora_model(1), *back = make_lora_model(2), *plain = checkpoint_model(1), *merged;
    adamw a, b;
    run_dir *r;
    bool found;
    make_run_of(m, "lora", 2, 2, &a);
    assert_true(a.n < m->n_params);
    assert_true(file_exists(in_folder("lora/checkpoints/step-2/adapter/adapter_model.safetensors")));
    assert_true(file_exists(in_folder("lora/checkpoints/step-2/adapter/adapter_config.json")));
    assert_false(dir_exists(in_folder("lora/checkpoints/step-2/model")));
    assert_int_equal(adamw_create(a.n, &b), WR_OK);
    assert_int_equal(run_open(w, in_folder("lora"), true, TERMS("lr: 1\n"), &r), WR_OK);
    checkpoint_state s = state_of(0);
    assert_int_equal(checkpoint_load(w, r, back, &b, &s, &found), WR_OK);
    assert_true(found);
    same(back->lora->values, m->lora->values, m->lora->n);
    same(a.m, b.m, a.n);
    same(a.v, b.v, a.n);
    /* A run without adapters does not take it for its own. */
    adamw c;
    assert_int_equal(adamw_create(plain->n_params, &c), WR_OK);
    assert_true(checkpoint_load(w, r, plain, &c, &s, &found) < 0);
    assert_error_says("model.safetensors");
    assert_int_equal(run_save_model(w, r, back, &s, &(save_options){.template_text = "{query}"}), WR_OK);
    assert_true(file_exists(in_folder("lora/adapter/adapter_model.safetensors")));
    assert_true(file_exists(in_folder("lora/adapter/template.txt")));
    assert_false(dir_exists(in_folder("lora/model")));
    assert_int_equal(run_save_model(w, r, back, &s, &(save_options){.merge = true}), WR_OK);
    assert_int_equal(model_load(in_folder("lora/model"), &(model_load_options){.quiet = true}, &merged), WR_OK);
    same(merged->params, back->params, back->n_params);
    assert_memory_not_equal(merged->params, plain->params, plain->n_params * sizeof(float));
    run_close(r);
    adamw_free(&a);
    adamw_free(&b);
    adamw_free(&c);
    strbuf_free(&s.extra);
    model_free(m);
    model_free(back);
    model_free(plain);
    model_free(merged);
}

static wr_status load(const char *run, const char *config, const char *data, bool *found) {
    run_dir *r;
    adamw a;
    model *m = checkpoint_model(5);
    checkpoint_state s = state_of(0);
    run_terms mine = terms_of("lr: 2\n"); /* what may change has changed */
    mine.context = config;
    s.terms = &mine;
    snprintf(s.data_hash, sizeof s.data_hash, "%s", data);
    assert_int_equal(adamw_create(m->n_params, &a), WR_OK);
    wr_status status = run_open(w, in_folder(run), true, &mine, &r);
    if (status >= 0) status = checkpoint_load(w, r, m, &a, &s, found);
    run_close(r);
    adamw_free(&a);
    model_free(m);
    strbuf_free(&s.extra);
    return status;
}

static void test_strangers(void **state) {
    (void)state;
    model *m;
    adamw a;
    bool found;
    char *text;
    size_t n;
    make_run("strange", 1, 1, &m, &a);
    assert_int_equal(load("strange", "other", "data", &found), WR_E_MISMATCH);
    assert_error_says("strange");
    assert_error_says("options");
    assert_int_equal(load("strange", "lr: 1\n", "other", &found), WR_E_MISMATCH);
    assert_error_says("data");
    /* A refused resume changes nothing. */
    assert_int_equal(file_read(in_folder("strange/config.yaml"), 0, &text, &n), WR_OK);
    assert_string_equal(text, "lr: 1\n");
    free(text);
    assert_int_equal(file_read(in_folder("strange/metrics.jsonl"), 0, &text, &n), WR_OK);
    assert_non_null(strstr(text, "99"));
    free(text);
    assert_int_equal(load("strange", "lr: 1\n", "data", &found), WR_OK);
    adamw_free(&a);
    model_free(m);
}

static void damage(const char *path, long where) {
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, where, where < 0 ? SEEK_END : SEEK_SET);
    int c = fgetc(f);
    fseek(f, where, where < 0 ? SEEK_END : SEEK_SET);
    fputc(c ^ 1, f);
    fclose(f);
}

static void test_damage(void **state) {
    (void)state;
    static const char *const files[] = {"model/model.safetensors", "optimizer.safetensors"};
    bool found;
    for (int i = 0; i < 4; i++) {
        model *m;
        adamw a;
        char run[32], path[128];
        snprintf(run, sizeof run, "damage%d", i);
        make_run(run, 2, 2, &m, &a);
        snprintf(path, sizeof path, "%s/checkpoints/step-2/%s", run, files[i / 2]);
        if (i % 2)
            assert_int_equal(truncate(in_folder(path), 100), 0);
        else
            damage(in_folder(path), -5);
        assert_int_equal(load(run, "lr: 1\n", "data", &found), WR_E_FORMAT);
        assert_non_null(strstr(wr_error(), files[i / 2]));
        /* As the message says: without the damaged one the checkpoint before it serves. */
        snprintf(path, sizeof path, "%s/checkpoints/step-2", run);
        assert_int_equal(dir_remove_tree(in_folder(path)), WR_OK);
        assert_int_equal(load(run, "lr: 1\n", "data", &found), WR_OK);
        assert_true(found);
        adamw_free(&a);
        model_free(m);
    }
    model *m;
    adamw a;
    make_run("damaged-state", 1, 2, &m, &a);
    for (long where = 0; where < 60; where += 7) {
        char *before, *path = mem_strdup(in_folder("damaged-state/checkpoints/step-1/state.json"));
        size_t n;
        assert_int_equal(file_read(path, 0, &before, &n), WR_OK);
        assert_int_equal(file_write_atomic(path, before, (size_t)where), WR_OK);
        assert_true(load("damaged-state", "lr: 1\n", "data", &found) < 0);
        assert_error_says("damaged-state");
        assert_int_equal(file_write_atomic(path, before, n), WR_OK);
        free(before);
        free(path);
    }
    adamw_free(&a);
    model_free(m);
}

static void test_lock(void **state) {
    (void)state;
    run_dir *r, *other;
    bool found = true;
    assert_int_equal(run_open(w, in_folder("lock"), false, TERMS("a: 1\n"), &r), WR_OK);
    assert_int_equal(run_open(w, in_folder("lock"), false, TERMS("a: 1\n"), &other), WR_E_USAGE);
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_error_says(pid);
    run_close(r);
    assert_int_equal(run_open(w, in_folder("lock"), false, TERMS("a: 1\n"), &r), WR_OK); /* nothing in it yet */
    metrics(r, "{}");
    run_close(r);
    assert_int_equal(run_open(w, in_folder("lock"), false, TERMS("a: 1\n"), &r), WR_E_USAGE);
    assert_error_says("--resume");
    assert_int_equal(load("lock", "lr: 1\n", "data", &found), WR_OK);
    assert_false(found);
    struct stat st;
    assert_int_equal(stat(in_folder("lock/metrics.jsonl"), &st), 0);
    assert_int_equal(st.st_size, 0); /* lines of steps that no checkpoint remembers */
}

static void test_config_hash(void **state) {
    (void)state;
    static const char *const skip[] = {"out", "keep", NULL};
    char a[33], b[33], c[33];
    run_config_hash("lr: 1\nout: x\nkeep: 2\n", skip, a);
    run_config_hash("lr: 1\nout: elsewhere\nkeep: 3\n", skip, b);
    run_config_hash("lr: 2\nout: x\nkeep: 2\n", skip, c);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    run_config_hash("lr: 1\nouter: 1\n", skip, b);
    assert_string_not_equal(a, b);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_adapters),
                                       cmocka_unit_test(test_strangers),  cmocka_unit_test(test_damage),
                                       cmocka_unit_test(test_lock),       cmocka_unit_test(test_config_hash)};
    if (world_create(&argc, &argv, &w) < 0) return 1;
    const int failed = cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
    world_free(w);
    return failed;
}
