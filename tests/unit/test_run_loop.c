/* The loop that train and dpo run in: which steps are taken, what is written and saved when, how it goes on after a
 * stop in the midst of a step, a failed evaluation, a failed step, and at its end. */
#include "base/file.h"
#include "tests/support/asserts.h"
#include "tests/support/mpi_leaks.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"
#include "trainer/run_loop.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static world *w;

static wr_status same_options(const void *context, const char *path, const char *hash) {
    (void)context, (void)path, (void)hash;
    return WR_OK;
}

static const run_terms terms = {.config_yaml = "lr: 1\n", .arithmetic = "f32", .hash = "config", .same = same_options};

static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A tokenizer's file that is a pipe: whoever copies it waits for what comes … */
static void make_slow(void) {
    unlink(in_folder("pipe/tokenizer.json"));
    assert_int_equal(mkfifo(in_folder("pipe/tokenizer.json"), 0600), 0);
}

/* … and then finds the disk full. When it has given up there is room again. */
static void fail_slow(void) {
    static const char bytes[4000];
    assert_true(dir_exists(in_folder("beside/checkpoints/tmp-step-4")));
    const int fd = open(in_folder("pipe/tokenizer.json"), O_WRONLY);
    limit_files(800);
    assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    while (dir_exists(in_folder("beside/checkpoints/tmp-step-4")))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    limit_files(0);
    close(fd);
    unlink(in_folder("pipe/tokenizer.json"));
}

/* A training whose only weight is counted up: what a run has done can be read from it. */
typedef struct counting {
    run_loop loop;
    run_options options;
    model *m;
    adamw opt;
    int evaluations;
    int64_t stop_at, fail_at, bad_evaluation_at;
    int64_t full_from; /* step from which no file can grow large */
    int64_t slow_from; /* step whose checkpoint is still being written in the next step, and fails there */
    wr_status evaluation_error;
} counting;

static wr_status count_step(void *context, int64_t step, strbuf *line, char note[RUN_NOTE]) {
    counting *c = context;
    if (step == c->stop_at) return wr_fail(WR_E_INTERRUPTED, "a signal");
    if (step == c->fail_at) return wr_fail(WR_E_NUMERIC, "the loss is nan");
    if (step == c->full_from) {
        while (!dir_exists(in_folder("full/checkpoints/step-2")))
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        limit_files(800);
    }
    if (step == c->slow_from) make_slow();
    if (step == c->slow_from + 1 && c->slow_from) fail_slow();
    c->m->params[0] += 1;
    c->opt.t++;
    strbuf_printf(line, "{\"step\":%lld}", (long long)step);
    snprintf(note, RUN_NOTE, "note");
    return WR_OK;
}

static wr_status count_evaluation(void *context, json_writer *line, bool *nothing) {
    counting *c = context;
    c->evaluations++;
    if (c->loop.state.step == c->bad_evaluation_at) return wr_fail(c->evaluation_error, "records cannot be read");
    *nothing = c->evaluation_error == WR_END;
    json_member_int(line, "eval_loss", 1);
    return WR_OK;
}

static void begin_as(counting *c, const char *name, int64_t steps, bool resume, bool beside) {
    static char out[PATH_CAP];
    snprintf(out, sizeof out, "%s", in_folder(name));
    c->m = tiny_model(tiny_config("layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=32", 20), 1);
    c->m->params[0] = 0;
    assert_ok(adamw_create(model_trainables(c->m).n, &c->opt));
    c->evaluations = 0;
    c->options = (run_options){
        .out = out, .resume = resume, .steps = steps, .checkpoint_every = 2, .keep = 2, .background_save = beside};
    c->loop = (run_loop){.w = w,
                         .m = c->m,
                         .opt = &c->opt,
                         .o = &c->options,
                         .eval_every = 3,
                         .state = {.terms = &terms, .data_options = "--data"},
                         .name = "count",
                         .context = c,
                         .step = count_step,
                         .evaluate = count_evaluation};
    assert_ok(run_loop_open(&c->loop));
}

static void begin(counting *c, const char *name, int64_t steps, bool resume) {
    begin_as(c, name, steps, resume, false);
}

static void begin_saving(counting *c, const char *name, int64_t steps) { begin_as(c, name, steps, false, true); }

static void end(counting *c) {
    run_loop_close(&c->loop);
    run_loop_close(&c->loop); /* once more does nothing */
    model_free(c->m);
    adamw_free(&c->opt);
}

static bool there(const char *run, const char *what) {
    char path[2 * PATH_CAP];
    snprintf(path, sizeof path, "%s/%s", in_folder(run), what);
    return dir_exists(path);
}

/* metrics.jsonl, the seconds of an evaluation left out. */
static void assert_lines(const char *run, const char *want) {
    char path[64], *text;
    strbuf got = {0};
    snprintf(path, sizeof path, "%s/metrics.jsonl", run);
    text = get_file(path, NULL);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *time = strstr(line, ",\"eval_time_s\"");
        if (time) *time = 0;
        strbuf_printf(&got, "%s%s ", line, time ? "}" : "");
    }
    assert_string_equal(strbuf_str(&got), want);
    strbuf_free(&got);
    free(text);
}

#define E(n) "{\"step\":" #n ",\"eval_loss\":1} "
#define S(n) "{\"step\":" #n "} "

static void test_whole(void **state) {
    (void)state;
    counting c = {0};
    begin(&c, "whole", 7, false);
    assert_ok(run_loop_go(&c.loop));
    assert_true(c.loop.finished);
    assert_int_equal(c.evaluations, 3);
    assert_int_equal((int)c.m->params[0], 7);
    end(&c);
    assert_lines("whole", S(1) S(2) S(3) E(3) S(4) S(5) S(6) E(6) S(7) E(7));
    assert_true(there("whole", "checkpoints/step-6") && there("whole", "checkpoints/step-7"));
    assert_false(there("whole", "checkpoints/step-4")); /* two are kept */
    assert_true(there("whole", "model"));
    /* resumed, it only evaluates again; the same lines */
    begin(&c, "whole", 7, true);
    assert_ok(run_loop_go(&c.loop));
    assert_int_equal(c.evaluations, 1);
    assert_int_equal((int)c.m->params[0], 7);
    end(&c);
    assert_lines("whole", S(1) S(2) S(3) E(3) S(4) S(5) S(6) E(6) S(7) E(7));
}

/* A stop signal that a step found saves what was done before it, and the rest follows on resuming. */
static void test_stop(void **state) {
    (void)state;
    counting c = {.stop_at = 4};
    begin(&c, "stop", 5, false);
    assert_int_equal(run_loop_go(&c.loop), WR_E_INTERRUPTED);
    assert_error_says("after step 3 of 5, all saved");
    assert_false(c.loop.finished);
    end(&c);
    assert_true(there("stop", "checkpoints/step-3"));
    assert_false(there("stop", "model"));
    c = (counting){0};
    begin(&c, "stop", 5, true);
    assert_int_equal(c.loop.state.step, 3);
    assert_int_equal((int)c.m->params[0], 3);
    assert_ok(run_loop_go(&c.loop));
    assert_int_equal((int)c.m->params[0], 5);
    end(&c);
    assert_lines("stop", S(1) S(2) S(3) E(3) S(4) S(5) E(5));
}

/* A step that failed leaves the checkpoint before it, and nothing newer. */
static void test_failed_step(void **state) {
    (void)state;
    counting c = {.fail_at = 4};
    begin(&c, "failed", 5, false);
    assert_int_equal(run_loop_go(&c.loop), WR_E_NUMERIC);
    assert_string_equal(wr_error(), "the loss is nan");
    end(&c);
    assert_true(there("failed", "checkpoints/step-2"));
    assert_false(there("failed", "checkpoints/step-3"));
}

/* Between steps: saved where its records cannot be read, not where the model's figures are no numbers. At the end: the
 * model is there. */
static void test_failed_evaluation(void **state) {
    (void)state;
    counting c = {.bad_evaluation_at = 3, .evaluation_error = WR_E_IO};
    begin(&c, "unread", 5, false);
    assert_int_equal(run_loop_go(&c.loop), WR_E_IO);
    assert_string_equal(wr_error(), "evaluation after step 3: records cannot be read (step 3 is saved)");
    end(&c);
    assert_true(there("unread", "checkpoints/step-3"));

    c = (counting){.bad_evaluation_at = 3, .evaluation_error = WR_E_NUMERIC};
    begin(&c, "nan", 5, false);
    assert_int_equal(run_loop_go(&c.loop), WR_E_NUMERIC);
    end(&c);
    assert_false(there("nan", "checkpoints/step-3"));

    c = (counting){.bad_evaluation_at = 5, .evaluation_error = WR_E_NUMERIC};
    begin(&c, "last", 5, false);
    assert_int_equal(run_loop_go(&c.loop), WR_E_NUMERIC);
    assert_string_equal(wr_error(), "evaluation after step 5: records cannot be read (the model is saved)");
    assert_true(c.loop.finished);
    end(&c);
    assert_true(there("last", "model"));
}

/* A checkpoint that cannot be written beside the steps ends the run; what was trained meanwhile is saved if that can
 * be. */
static void test_failed_save(void **state) {
    (void)state;
    counting c = {.slow_from = 4};
    char pipe[PATH_CAP];
    signal(SIGXFSZ, SIG_IGN);
    assert_ok(dir_make(in_folder("pipe")));
    begin_saving(&c, "beside", 9);
    snprintf(pipe, sizeof pipe, "%s", in_folder("pipe"));
    c.loop.how.tokenizer_dir = pipe;
    c.options.checkpoint_every = 4; /* one before would meet the pipe, too */
    assert_int_equal(run_loop_go(&c.loop), WR_E_IO);
    assert_error_says("checkpoint of step 4: ");
    assert_error_says("is saved)"); /* of step 5, or, where the writer was slow to say so, up to 8 */
    assert_null(strstr(wr_error(), "(step 4"));
    end(&c);
    assert_false(there("beside", "checkpoints/step-4") || there("beside", "model"));

    c = (counting){.full_from = 4};
    begin_saving(&c, "full", 9);
    assert_int_equal(run_loop_go(&c.loop), WR_E_IO);
    limit_files(0);
    end(&c);
    assert_true(there("full", "checkpoints/step-2"));
    assert_false(there("full", "model"));
}

static void test_nothing_to_measure(void **state) {
    (void)state;
    counting c = {.evaluation_error = WR_END};
    begin(&c, "nothing", 3, false);
    c.options.checkpoint_every = c.loop.eval_every = 0;
    assert_ok(run_loop_go(&c.loop));
    end(&c);
    assert_lines("nothing", S(1) S(2) S(3));
    assert_false(there("nothing", "checkpoints/step-2"));
    assert_true(there("nothing", "checkpoints/step-3") && there("nothing", "model"));
}

/* Half of the steps rise, and the rest falls to 0: of the steps that there are, where the options leave them open. */
static void test_rate(void **state) {
    (void)state;
    const run_options o = {.schedule = LR_LINEAR, .warmup_ratio = 0.5};
    const run_loop r = {.o = &o, .state = {.steps = 8}};
    const double want[] = {0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25};
    for (int step = 1; step <= 8; step++) assert_true(run_loop_rate(&r, 2, step) == 2 * want[step - 1]);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole),       cmocka_unit_test(test_stop),
                                       cmocka_unit_test(test_failed_step), cmocka_unit_test(test_failed_evaluation),
                                       cmocka_unit_test(test_failed_save), cmocka_unit_test(test_nothing_to_measure),
                                       cmocka_unit_test(test_rate)};
    if (world_create(&argc, &argv, &w) < 0) return 1;
    const int failed = cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
    world_free(w);
    return failed;
}
