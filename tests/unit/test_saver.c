/* Checkpoints written beside training: what is saved is what was there when the save began, whatever the steps make of
 * it meanwhile; a write that fails is told and loses nothing; a job's end is not run into. */
#include "base/file.h"
#include "model/weights/lora.h"
#include "tests/support/mpi_leaks.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "trainer/saver.h"
#include "trainer/time_limit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static world *w;
static const run_terms terms = {.config_yaml = "lr: 1\n", .arithmetic = "f32"};
static const save_options how = {.keep = 2, .base = "a base"};

static void change(model *m, adamw *a, float by) {
    const trainables x = model_trainables(m);
    for (size_t i = 0; i < x.n; i++) x.values[i] = by + (float)i, a->m[i] = by - (float)i, a->v[i] = by * (float)i;
    a->t++;
    model_round_weights(m);
}

/* Each step changes all that the save before it is still writing. */
static void saved_beside(const char *name, model *m, model *back) {
    const size_t n = model_trainables(m).n;
    adamw a, b;
    run_dir *r;
    saver *s;
    bool found;
    assert_ok(adamw_create(n, &a));
    assert_ok(adamw_create(n, &b));
    assert_ok(run_open(w, in_folder(name), false, &terms, &r));
    assert_ok(saver_create(w, r, true, &s));
    for (int step = 1; step <= 4; step++) {
        checkpoint_state state = {.step = step, .terms = &terms};
        change(m, &a, (float)step);
        strbuf_puts(&state.extra, "{}");
        assert_ok(saver_save(s, m, &a, &state, &how));
        strbuf_free(&state.extra);
    }
    change(m, &a, 99);
    assert_ok(saver_wait(s));
    assert_ok(saver_wait(s));
    assert_int_equal(saver_spent(s).saves, 4);
    assert_true(saver_spent(s).longest > 0);
    saver_free(s);
    run_close(r);
    checkpoint_state state = {.terms = &terms};
    assert_ok(run_open(w, in_folder(name), true, &terms, &r));
    assert_ok(checkpoint_load(w, r, back, &b, &state, &found));
    assert_true(found && state.step == 4 && b.t == 4);
    assert_string_equal(strbuf_str(&state.extra), "{}");
    change(m, &a, 4);
    assert_memory_equal(model_trainables(back).values, model_trainables(m).values, n * sizeof(float));
    assert_memory_equal(a.m, b.m, n * sizeof(float));
    assert_memory_equal(a.v, b.v, n * sizeof(float));
    strbuf_free(&state.extra);
    run_close(r);
    adamw_free(&a);
    adamw_free(&b);
    model_free(m);
    model_free(back);
}

static model *with_adapters(void) {
    model *m = checkpoint_model(1);
    assert_ok(lora_attach(m, &(lora_options){.rank = 3, .alpha = 7.3, .targets = "q_proj,down_proj", .seed = 5}));
    return m;
}

/* What the objective has beside the score head is kept in config.json. */
static model *with_biases(void) {
    model_config c = tiny_config("layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=32", 20);
    model_config_set_head(&c, HEAD_SCORE, 1);
    c.own = (head_own){.kind = HEAD_OWN_BIASES, .n = 3};
    snprintf(c.objective, sizeof c.objective, "coral");
    return tiny_model(c, 1);
}

static void test_beside(void **state) {
    (void)state;
    saved_beside("all", checkpoint_model(1), checkpoint_model(2));
    saved_beside("adapters", with_adapters(), with_adapters());
    saved_beside("biases", with_biases(), with_biases());
}

static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A disk that takes no more: told by the next call, and nothing half-written is left. */
static void test_failed_write(void **state) {
    (void)state;
    model *m = checkpoint_model(1);
    adamw a;
    run_dir *r;
    saver *s;
    checkpoint_state at = {.step = 1, .terms = &terms};
    assert_ok(adamw_create(m->n_params, &a));
    assert_ok(run_open(w, in_folder("full"), false, &terms, &r));
    assert_ok(saver_create(w, r, true, &s));
    assert_ok(saver_save(s, m, &a, &at, &how));
    assert_ok(saver_wait(s));
    limit_files(600);
    at.step = 2;
    assert_ok(saver_save(s, m, &a, &at, &how));
    assert_int_equal(saver_wait(s), WR_E_IO);
    limit_files(0);
    assert_error_says("checkpoint of step 2: ");
    assert_true(dir_exists(in_folder("full/checkpoints/step-1")));
    assert_false(dir_exists(in_folder("full/checkpoints/step-2")));
    assert_false(dir_exists(in_folder("full/checkpoints/tmp-step-2")));
    at.step = 3;
    assert_ok(saver_save(s, m, &a, &at, &how));
    assert_ok(saver_wait(s));
    assert_true(dir_exists(in_folder("full/checkpoints/step-3")));
    /* another process has the folder by now */
    put_text("full/lock", "process 7 on elsewhere\nbeat 1.00 every 5.0 s\nmachine x\n");
    at.step = 4;
    assert_ok(saver_save(s, m, &a, &at, &how));
    assert_int_equal(saver_wait(s), WR_E_FAILED);
    assert_error_says("process 7 on elsewhere took it over");
    assert_false(dir_exists(in_folder("full/checkpoints/step-4")));
    saver_free(s);
    run_close(r);
    adamw_free(&a);
    model_free(m);
}

static void set_end(long long from_now) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)time(NULL) + from_now);
    setenv("SLURM_JOB_END_TIME", text, 1);
}

static void test_time_limit(void **state) {
    (void)state;
    time_limit t;
    double left;
    unsetenv("SLURM_JOB_END_TIME");
    unsetenv("SLURM_JOB_ID");
    assert_ok(time_limit_find(&t));
    t.longest = 1;
    assert_false(time_limit_near(&t, 1, 1, &left));
    setenv("SLURM_JOB_ID", "12", 1);
    assert_int_equal(time_limit_find(&t), WR_E_USAGE);
    assert_error_says("job 12");
    setenv("SLURM_JOB_END_TIME", "tomorrow", 1);
    assert_int_equal(time_limit_find(&t), WR_E_USAGE);
    set_end(100);
    assert_ok(time_limit_find(&t));
    assert_false(time_limit_near(&t, 1000, 1, &left)); /* no step yet */
    time_limit_step(&t);
    time_limit_step(&t);
    assert_true(t.longest > 0);
    t.longest = 30;
    assert_false(time_limit_near(&t, 15, 1, &left));
    assert_true(left > 95 && left < 101);
    assert_true(time_limit_near(&t, 25, 1, &left));
    assert_false(time_limit_near(&t, 0, (size_t)1500000000, &left)); /* not measured: at 100 MB/s */
    assert_true(time_limit_near(&t, 0, (size_t)2500000000, &left));
    t.longest = 80;
    assert_true(time_limit_near(&t, 0.1, 1, &left));
    unsetenv("SLURM_JOB_ID");
    unsetenv("SLURM_JOB_END_TIME");
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_beside), cmocka_unit_test(test_failed_write),
                                       cmocka_unit_test(test_time_limit)};
    if (world_create(&argc, &argv, &w) < 0) return 1;
    signal(SIGXFSZ, SIG_IGN);
    const int failed = cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
    world_free(w);
    return failed;
}
