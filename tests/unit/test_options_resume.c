/* --resume: what is not given comes from the run; what must stay is compared by value; an option that the run did not
 * know has its default. */
#include "base/file.h"
#include "base/options.h"
#include "tests/support/temp_folder.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const option_spec table[] = {
    {.name = "data", .kind = OPT_STRING, .arg = "DIR", .help = "", .required = true, .resume = RESUME_CONTENT},
    {.name = "out", .kind = OPT_STRING, .arg = "RUN", .help = "", .required = true, .resume = RESUME_FREE},
    {.name = "resume", .kind = OPT_FLAG, .help = "", .resume = RESUME_FREE},
    {.name = "steps", .kind = OPT_INT, .help = "", .resume = RESUME_LENGTH},
    {.name = "lr", .kind = OPT_FLOAT, .default_value = "1e-3", .help = ""},
    {.name = "keep", .kind = OPT_INT, .default_value = "2", .help = "", .resume = RESUME_FREE},
    {.name = "seed", .kind = OPT_INT, .default_value = "0", .help = ""},
    {.name = "merge", .kind = OPT_FLAG, .default_value = "true", .help = ""},
    {0},
};
static const option_group groups[] = {{.rows = table}, {0}};
static char run[PATH_CAP];

static void write_config(const char *yaml) {
    char path[PATH_CAP];
    assert_int_equal(path_join(path, run, "config.yaml"), WR_OK);
    assert_int_equal(file_write_atomic(path, yaml, strlen(yaml)), WR_OK);
}

static wr_status parse(options **o, char **words) {
    int n = 0;
    bool help;
    while (words[n]) n++;
    return options_parse(groups, n, words, o, &help);
}
#define PARSE(o, ...) parse(o, (char *[]){__VA_ARGS__, NULL})

static void test_the_rest_comes_from_the_run(void **state) {
    (void)state;
    options *o;
    write_config(
        "# wildreward, two ranks\ndata: shards\nout: elsewhere\nresume: false\nsteps: 7\nlr: 0.5\nmerge: false\n");
    assert_int_equal(PARSE(&o, "--resume", "--out", run), WR_OK);
    assert_string_equal(options_str(o, "data"), "shards");
    assert_string_equal(options_str(o, "out"), run);
    assert_true(options_flag(o, "resume") && !options_flag(o, "merge"));
    assert_int_equal(options_int(o, "steps"), 7);
    assert_true(options_float(o, "lr") == 0.5 && options_given(o, "lr") && !options_given(o, "seed"));
    options_free(o);
    assert_int_equal(PARSE(&o, "--resume", "--out", run, "--lr", "0.25"), WR_OK); /* what is given is what is meant */
    assert_true(options_float(o, "lr") == 0.25);
    options_free(o);
    assert_int_equal(PARSE(&o, "--out", run), WR_E_USAGE); /* without --resume a run lends nothing */
    write_config("data: shards\nstepz: 7\n");
    assert_int_equal(PARSE(&o, "--resume", "--out", run), WR_E_USAGE);
    assert_error_says("config.yaml:2: unknown key 'stepz'");
    assert_int_equal(PARSE(&o, "--resume", "--out", "/nowhere", "--data", "d"),
                     WR_OK); /* no run there: whoever opens it says so */
    options_free(o);
}

/* The changes of a run that began with `yaml`. */
static void changes(const char *yaml, bool longer, const char *want, char **words) {
    options *o, *was;
    strbuf said = {0};
    assert_int_equal(parse(&o, words), WR_OK);
    put_file("was.yaml", yaml, strlen(yaml));
    assert_int_equal(options_like(o, in_folder("was.yaml"), &was), WR_OK);
    assert_int_equal(options_changed(was, o, longer, &said), WR_OK);
    assert_string_equal(strbuf_str(&said), want);
    options_free(was);
    options_free(o);
    strbuf_free(&said);
}
#define CHANGES(yaml, longer, want, ...)                                                                               \
    changes(yaml, longer, want, (char *[]){"--data", "d", "--out", "o", __VA_ARGS__ NULL})

static void test_values_are_compared(void **state) {
    (void)state;
    CHANGES("data: elsewhere\nout: p\nkeep: 9\n", false, "", );
    CHANGES("lr: 0.001\nseed: 0\nmerge: yes\n", false, "", "--lr", "1e-3", );
    CHANGES("lr: 0.002\nseed: 4\n", false, "--lr 0.002, now 0.001; --seed 4, now 0", );
    CHANGES("lr: 0.001\n", false, "--seed 0, now 3; --merge true, now false", "--seed", "3",
            "--no-merge", ); /* an older run, which knew neither */
    CHANGES("steps: 5\n", true, "", "--steps", "9", );
    CHANGES("steps: 5\n", false,
            "--steps 5, now 9 (the rate of every step depends on it; only a constant rate without a warm-up lets a run "
            "grow)",
            "--steps", "9", );
    CHANGES("", false,
            "--steps not given, now 9 (the rate of every step depends on it; only a constant rate without a warm-up "
            "lets a run grow)",
            "--steps", "9", );
}

static int set_up(void **state) {
    if (folder_set_up(state) != 0) return -1;
    strcpy(run, in_folder("run"));
    return dir_make(run) < 0 ? -1 : 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_rest_comes_from_the_run),
                                       cmocka_unit_test(test_values_are_compared)};
    return cmocka_run_group_tests(tests, set_up, folder_tear_down);
}
