/* What `status` tells of a run: the end of metrics.jsonl, however it was cut; the time left; the state; what Slurm's
 * lines say. */
#include "base/file.h"
#include "base/folder_lock.h"
#include "status/job_state.h"
#include "status/program_output.h"
#include "status/run_config.h"
#include "status/run_state.h"
#include "tests/support/temp_folder.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static metrics_tail tail_of(const char *text, bool whole) {
    metrics_tail t = {0};
    metrics_tail_of(text, strlen(text), whole, &t);
    return t;
}

static void test_tail(void **state) {
    (void)state;
    metrics_tail t = tail_of("{\"step\":1,\"loss\":3,\"tokens\":100,\"records\":8,\"step_time_s\":1}\n"
                             "{\"step\":2,\"loss\":2,\"tokens\":300,\"records\":8,\"step_time_s\":3}\n"
                             "{\"step\":2,\"eval_loss\":9,\"eval_time_s\":5}\n",
                             true);
    assert_true(t.step == 2 && t.loss == 2 && t.step_s == 2 && t.per_s == 100 && t.eval_s == 5 && !t.cut && !t.bad);
    assert_string_equal(t.unit, "tokens");
    /* of a step without a pair there is no loss, of one that was skipped no time */
    t = tail_of("{\"step\":1,\"loss\":0.5,\"replies\":8,\"step_time_s\":2}\n"
                "{\"step\":2,\"loss\":null,\"replies\":8,\"step_time_s\":2}\n{\"step\":3,\"skipped\":2}\n",
                true);
    assert_true(t.step == 3 && t.loss == 0.5 && t.step_s == 2 && t.per_s == 4 && t.skipped == 2);
    assert_string_equal(t.unit, "replies");
}

static void test_tail_damaged(void **state) {
    (void)state;
    static const char text[] = "{\"step\":1,\"loss\":1,\"tokens\":10,\"step_time_s\":1}\n"
                               "{\"step\":2,\"loss\":2,\"tokens\":10,\"step_time_s\":1}\n";
    const size_t line = strchr(text, '\n') - text + 1;
    for (size_t n = 0; n < sizeof text; n++) { /* cut anywhere: only whole lines are believed */
        metrics_tail t = {0};
        assert_true(metrics_tail_of(text, n, true, &t));
        assert_int_equal(t.step, n >= 2 * line ? 2 : n >= line ? 1 : -1);
        assert_int_equal(t.cut, n % line != 0);
        assert_int_equal(t.bad, 0);
        assert_true(n >= line ? t.per_s == 10 : isnan(t.per_s));
    }
    for (size_t from = 1; from < line; from++) { /* begun in the middle of a line: it is not looked at */
        metrics_tail t = {0};
        assert_false(metrics_tail_of(text + from, sizeof text - 1 - from, false, &t));
        assert_true(t.step == 2 && t.bad == 0 && t.step_s == 1);
    }
    const metrics_tail t =
        tail_of("{\"step\":1,\"loss\":1}\n\1nonsense\n[1]\n{\"step\":-4}\n\n{\"step\":\"x\"}\n", true);
    assert_true(t.step == 1 && t.bad == 4 && isnan(t.step_s));
}

/* The last steps alone count, and a long file is read from its end. */
static void test_tail_long(void **state) {
    (void)state;
    metrics_tail t;
    folder_empty();
    FILE *f = fopen(in_folder("metrics.jsonl"), "w");
    for (int i = 1; i <= 20000; i++)
        fprintf(f, "{\"step\":%d,\"loss\":%d,\"tokens\":50,\"step_time_s\":%d}\n", i, i,
                i <= 20000 - TAIL_STEPS ? 9 : 2);
    fclose(f);
    assert_ok(metrics_tail_read(in_folder("metrics.jsonl"), &t));
    assert_true(t.there && t.step == 20000 && t.step_s == 2 && t.per_s == 25 && t.bad == 0);
    assert_true(t.age_s > -1 && t.age_s < 100);
    /* an evaluation longer than what is read first */
    f = fopen(in_folder("metrics.jsonl"), "a");
    fprintf(f, "{\"step\":20000,\"eval_time_s\":7,\"x\":\"%*s\"}\n", 200000, "");
    fclose(f);
    assert_ok(metrics_tail_read(in_folder("metrics.jsonl"), &t));
    assert_true(t.step == 20000 && t.step_s == 2 && t.eval_s == 7 && t.loss == 20000);
    assert_ok(metrics_tail_read(in_folder("absent"), &t));
    assert_true(!t.there && t.step == -1 && isnan(t.age_s));
    assert_int_equal(metrics_tail_read(test_folder(), &t), WR_E_IO);
    assert_error_says("no file");
}

static void test_left(void **state) {
    (void)state;
    metrics_tail t = {.step = 10, .step_s = 2, .eval_s = NAN};
    assert_true(metrics_tail_left(&t, 100, 20) == 180);
    t.eval_s = 5; /* behind 20, 40, 60, 80, and at the end */
    assert_true(metrics_tail_left(&t, 100, 20) == 180 + 25);
    assert_true(metrics_tail_left(&t, 100, 0) == 180 + 5);
    assert_true(metrics_tail_left(&t, 10, 0) == 0);
    assert_true(isnan(metrics_tail_left(&t, 0, 0)));
    t.step_s = NAN;
    assert_true(isnan(metrics_tail_left(&t, 100, 0)));
}

static void test_state(void **state) {
    (void)state;
    static const struct {
        run_facts f;
        run_state want;
    } cases[] = {
        {{.holder = HOLDER_NONE}, RUN_EMPTY},
        {{.holder = HOLDER_LIVES}, RUN_RUNNING},
        {{.holder = HOLDER_LIVES, .begun = true, .model = true, .step = 9, .steps = 9}, RUN_RUNNING},
        {{.begun = true, .step = 3, .steps = 9}, RUN_STOPPED},
        {{.begun = true, .step = 9, .steps = 9}, RUN_STOPPED}, /* without a model */
        {{.begun = true, .model = true, .step = 9, .steps = 9}, RUN_FINISHED},
        {{.holder = HOLDER_DEAD, .begun = true, .model = true, .step = 9, .steps = 9}, RUN_FINISHED},
        {{.begun = true, .model = true, .model_is_last = true, .step = 5, .steps = 9},
         RUN_STOPPED}, /* goes on longer */
        {{.begun = true, .model = true, .model_is_last = true, .may_end_early = true, .step = 5, .steps = 9},
         RUN_FINISHED},
        {{.begun = true, .model = true, .may_end_early = true, .step = 5, .steps = 9}, RUN_STOPPED},
        {{.begun = true, .model = true, .model_is_last = true, .step = 5}, RUN_FINISHED},
        {{.begun = true, .model = true, .step = 5}, RUN_STOPPED},
        {{.holder = HOLDER_DEAD, .begun = true, .step = 3, .steps = 9}, RUN_TAKEN_FOR_DEAD},
        {{.holder = HOLDER_SILENT, .begun = true, .step = 3, .steps = 9}, RUN_TAKEN_FOR_DEAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (run_state_of(&cases[i].f) != cases[i].want)
            fail_msg("case %zu: %s, wanted %s", i, run_state_name(run_state_of(&cases[i].f)),
                     run_state_name(cases[i].want));
}

static void put_lock(double age, const char *machine) {
    char text[256];
    folder_holder h = {0};
    const double now = folder_holder_beat_age(&h);
    snprintf(text, sizeof text, "process 77 on far-away, job 9\nbeat %.2f every 5.0 s\nmachine %s\n", now - age,
             machine);
    const int fd = open(in_folder("run/lock"), O_WRONLY | O_CREAT, 0644), n = (int)strlen(text); /* the same file */
    assert_true(fd >= 0 && pwrite(fd, text, (size_t)n, 0) == n && ftruncate(fd, n) == 0);
    close(fd);
}

/* Who has a folder is told without taking it. */
static void test_holder(void **state) {
    (void)state;
    folder_holder h;
    folder_lock *l;
    char machine[HOLDER_MACHINE];
    int ready[2];
    char c = 0;
    folder_empty();
    assert_ok(dir_make(in_folder("run")));
    assert_int_equal(folder_holder_find(in_folder("run"), &h), HOLDER_NONE);
    assert_false(file_exists(in_folder("run/lock")));
    put_lock(3, "another/pid:[1]");
    assert_int_equal(folder_holder_find(in_folder("run"), &h), HOLDER_LIVES);
    assert_true(h.pid == 77 && h.named);
    assert_string_equal(h.host, "far-away");
    assert_string_equal(h.job, "9");
    put_lock(31, "another/pid:[1]");
    assert_int_equal(folder_holder_find(in_folder("run"), &h), HOLDER_SILENT);
    folder_machine_name(machine); /* of this host: what the kernel says counts, not the beat */
    put_lock(3, machine);
    assert_int_equal(folder_holder_find(in_folder("run"), &h), HOLDER_DEAD);
    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        c = folder_lock_take(in_folder("run"), false, &l) >= 0 ? 'y' : 'n';
        if (write(ready[1], &c, 1) == 1) pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    assert_int_equal(folder_holder_find(in_folder("run"), &h), HOLDER_LIVES);
    assert_int_equal(h.pid, child);
    assert_int_equal(h.job[0], 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(folder_holder_find(in_folder("run"), &h), HOLDER_DEAD);
    assert_ok(folder_lock_take(in_folder("run"), false, &l));
    put_lock(31, "another/pid:[1]"); /* whatever the beat: who takes it would be refused */
    assert_int_equal(folder_holder_find(in_folder("run"), &h), HOLDER_LIVES);
    folder_lock_free(l);
    assert_int_equal(folder_holder_find(in_folder("run"), &h), HOLDER_SILENT);
    put_text("run/lock", "");
    assert_ok(folder_lock_take(in_folder("run"), false, &l));
    folder_lock_free(l);
    assert_int_equal(folder_holder_find(in_folder("run"), &h), HOLDER_NONE);
    assert_true(h.ended);
    close(ready[0]);
    close(ready[1]);
}

static void test_config(void **state) {
    (void)state;
    run_config c;
    static const char dpo[] =
        "# a\nsteps: 40\nprompts_per_step: 8\nout: \"steps: 7\"\nlora_rank: 8\nlora_merge: false\n";
    run_config_of(dpo, strlen(dpo), &c);
    assert_true(c.readable && c.steps == 40 && c.lora_rank == 8 && !c.lora_merge);
    assert_string_equal(c.command, "dpo online");
    static const char lm[] = "# wildreward\n# steps in all: 14\nloss_on: assistant\neval_every: 5\npatience: 3\n";
    run_config_of(lm, strlen(lm), &c);
    assert_true(c.steps == 14 && c.eval_every == 5 && c.patience == 3 && c.lora_merge);
    assert_string_equal(c.command, "train lm");
    static const char *const damaged[] = {"",     "\n\n",     "[1, 2",        "\"",
                                          "a: [", "\x01\xff", "- steps: 4\n", "x: {steps: 4}\n"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        run_config_of(damaged[i], strlen(damaged[i]), &c);
        assert_true(c.steps == 0 && c.there);
    }
    run_config_of("", 0, &c);
    assert_false(c.readable);
}

static void test_job_words(void **state) {
    (void)state;
    static const char *const jobs[] = {"1", "812", "12_3"};
    static const char *const others[] = {"", "_1", "12_", "12_x", "12_3_4", "./12", "12a", "1234567890123456789"};
    char code[JOB_TEXT];
    for (size_t i = 0; i < 3; i++) assert_true(job_id_is(jobs[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_false(job_id_is(others[i]));
    job_exit_code("768                 \n", code);
    assert_string_equal(code, "3:0");
    job_exit_code("9", code);
    assert_string_equal(code, "0:9");
    job_exit_code("3:0\n", code);
    assert_string_equal(code, "3:0");
    job_exit_code("none", code);
    assert_string_equal(code, "");
}

/* sacct's: no accounting runs where this is tested otherwise. */
static void test_job_line(void **state) {
    (void)state;
    job_look j = {0};
    char path[PATH_CAP];
    assert_true(job_line_take("7\x1fwr-lm\x1f"
                              "FAILED\x1fNone\x1fn[1-2]\x1f"
                              "00:01:02\x1f"
                              "04:00:00\x1f/w\x1f\x1f"
                              "3:0\n"
                              "8\x1fmore\n",
                              false, &j));
    assert_string_equal(j.name, "wr-lm");
    assert_string_equal(j.reason, "");
    assert_string_equal(j.nodes, "n[1-2]");
    assert_string_equal(j.exit_code, "3:0");
    assert_true(job_run_candidate(&j, 4, path));
    assert_string_equal(path, "/w/lm");
    assert_false(job_line_take("", false, &j));
    assert_false(job_line_take("7\x1fwr-lm\x1f"
                               "FAILED\n",
                               false, &j));
    j = (job_look){.work_dir = "/w", .comment = "runs/a", .command = "/s/stage.sbatch train lm --out x y --seed 1"};
    static const char *const want[] = {"/w/runs/a", "/w/x y", "/w/x", "", "", "/w"};
    for (int i = 0; i < 6; i++) {
        assert_true(job_run_candidate(&j, i, path));
        assert_string_equal(path, want[i]);
    }
    assert_false(job_run_candidate(&j, 6, path));
}

static void test_program(void **state) {
    (void)state;
    strbuf out = {0}, err = {0};
    int code = -1;
    assert_int_equal(program_output((const char *const[]){"sh", "-c", "cat; echo a; echo b >&2; exit 3", NULL}, 30,
                                    &out, &err, &code),
                     WR_OK);
    assert_int_equal(code, 3);
    assert_string_equal(strbuf_str(&out), "a\n");
    assert_string_equal(strbuf_str(&err), "b\n");
    assert_int_equal(program_output((const char *const[]){"sh", "-c", "kill -9 $$", NULL}, 30, &out, &err, &code),
                     WR_OK);
    assert_int_equal(code, 128 + SIGKILL);
    assert_int_equal(program_output((const char *const[]){"sleep", "60", NULL}, 0.1, &out, &err, &code), WR_E_FAILED);
    assert_error_says("sleep has not answered");
    assert_int_equal(program_output((const char *const[]){"no-such-program", NULL}, 30, &out, &err, &code), WR_END);
    strbuf_free(&out);
    strbuf_free(&err);
}

static void test_times(void **state) {
    (void)state;
    char t[SHORT_TIME];
    assert_string_equal(age_text(99.9, t), "99s");
    assert_string_equal(age_text(100, t), "1m");
    assert_string_equal(age_text(3 * 3600, t), "3h");
    assert_string_equal(age_text(50 * 3600, t), "2d");
    assert_string_equal(age_text(-2, t), "0s");
    assert_string_equal(age_text(NAN, t), "-");
    assert_string_equal(age_text(INFINITY, t), "-");
    assert_string_equal(time_left_text(59.4, t), "59s");
    assert_string_equal(time_left_text(312, t), "5m12s");
    assert_string_equal(time_left_text(3 * 3600 + 301, t), "3h05m");
    assert_string_equal(time_left_text(52 * 3600, t), "2d04h");
    assert_string_equal(time_left_text(NAN, t), "-");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tail),    cmocka_unit_test(test_tail_damaged), cmocka_unit_test(test_tail_long),
        cmocka_unit_test(test_left),    cmocka_unit_test(test_state),        cmocka_unit_test(test_holder),
        cmocka_unit_test(test_config),  cmocka_unit_test(test_job_words),    cmocka_unit_test(test_job_line),
        cmocka_unit_test(test_program), cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
