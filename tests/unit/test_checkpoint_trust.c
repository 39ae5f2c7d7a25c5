/* Nothing of a run's state is taken on trust: no flipped bit of any file of a checkpoint, no edited number, no half of
 * a checkpoint. FLIPS bits (default 120). */
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "trainer/checkpoint.h"
#include "tests/support/mpi_leaks.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static world *w;

/* Of the run that was asked for last. */
static const run_terms *terms(const char *machine) {
    static run_terms t;
    t = (run_terms){.config_yaml = "lr: 1\n", .arithmetic = "f32", .hash = "config", .machine = machine};
    return &t;
}

static checkpoint_state state_of(int64_t step, const char *machine) {
    return (checkpoint_state){
        .step = step, .terms = terms(machine), .data_hash = "data", .parent_hash = "parent", .seed = 7};
}

/* Checkpoints of steps 1 and 2, each after a line of metrics. */
static void make_run(const char *name, const char *machine) {
    run_dir *r;
    adamw a;
    model *m = checkpoint_model(1);
    const save_options how = {.keep = 5, .tokenizer_dir = in_folder("tokenizer"), .template_text = "{query}"};
    assert_int_equal(dir_make(in_folder("tokenizer")), WR_OK);
    assert_int_equal(file_write_atomic(in_folder("tokenizer/tokenizer.json"), "{\"model\":{}}", 12), WR_OK);
    assert_int_equal(adamw_create(m->n_params, &a), WR_OK);
    assert_int_equal(run_open(w, in_folder(name), false, terms(NULL), &r), WR_OK);
    for (int step = 1; step <= 2; step++) {
        strbuf line = {0};
        strbuf_printf(&line, "{\"step\":%d,\"loss\":0.5}", step);
        assert_int_equal(run_metrics(r, &line), WR_OK);
        strbuf_free(&line);
        a.t = step;
        checkpoint_state s = state_of(step, machine);
        strbuf_puts(&s.extra, "{\"own\":1}");
        assert_int_equal(checkpoint_save(w, r, m, &a, &s, &how), WR_OK);
        strbuf_free(&s.extra);
    }
    run_close(r);
    adamw_free(&a);
    model_free(m);
}

/* The step that a resumed run would go on from, 0 for none, or an error. What it logs: said. */
static char said[4096];
static int64_t load(const char *run, const char *machine) {
    run_dir *r;
    adamw a;
    bool found = false;
    model *m = checkpoint_model(5);
    checkpoint_state s = state_of(0, machine);
    char *text;
    size_t n;
    int keep = dup(STDERR_FILENO), log = open(in_folder("log"), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    fflush(stderr);
    dup2(log, STDERR_FILENO);
    assert_int_equal(adamw_create(m->n_params, &a), WR_OK);
    wr_status status = run_open(w, in_folder(run), true, s.terms, &r);
    if (status >= 0) status = checkpoint_load(w, r, m, &a, &s, &found);
    fflush(stderr);
    dup2(keep, STDERR_FILENO);
    close(keep);
    close(log);
    run_close(r);
    adamw_free(&a);
    model_free(m);
    strbuf_free(&s.extra);
    assert_int_equal(file_read(in_folder("log"), 0, &text, &n), WR_OK);
    snprintf(said, sizeof said, "%s", text);
    free(text);
    return status < 0 ? status : found ? s.step : 0;
}

static void flip(const char *path, size_t byte, int bit) {
    int fd = open(path, O_RDWR);
    unsigned char c;
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &c, 1, (off_t)byte), 1);
    c ^= (unsigned char)(1u << bit);
    assert_int_equal(pwrite(fd, &c, 1, (off_t)byte), 1);
    close(fd);
}

static void test_flips(void **state) {
    (void)state;
    static const char *const files[] = {"state.json",        "optimizer.safetensors", "model/model.safetensors",
                                        "model/config.json", "model/tokenizer.json",  "model/template.txt",
                                        "config.yaml",       "../../metrics.jsonl"};
    enum { FILES = sizeof files / sizeof *files };
    const char *wanted = getenv("FLIPS");
    const int n = wanted ? atoi(wanted) : 120;
    int refused = 0;
    make_run("flips", "threads: 2\n");
    assert_int_equal(load("flips", "threads: 2\n"), 2);
    rng r = rng_make(11, RNG_TEST, 0, 0, 0);
    for (int i = 0; i < n; i++) {
        char path[PATH_CAP];
        struct stat info;
        snprintf(path, sizeof path, "%s/%s", in_folder("flips/checkpoints/step-2"), files[i % FILES]);
        assert_int_equal(stat(path, &info), 0);
        const size_t byte = (size_t)(rng_uniform(&r) * (double)info.st_size);
        const int bit = (int)(rng_uniform(&r) * 8);
        flip(path, byte, bit);
        const int64_t got = load("flips", "threads: 2\n");
        if (got >= 0 || !strstr(wr_error(), "flips"))
            print_message("%s: byte %zu, bit %d: %lld, %s\n", path, byte, bit, (long long)got, wr_error());
        refused += got < 0 && strstr(wr_error(), "flips");
        flip(path, byte, bit);
    }
    print_message("%d of %d flipped bits refused\n", refused, n);
    assert_int_equal(refused, n);
    assert_int_equal(load("flips", "threads: 2\n"), 2);
}

/* Replaces the first `from` of the file by `to`. */
static void edit(const char *path, const char *from, const char *to) {
    char *text;
    size_t n;
    strbuf out = {0};
    assert_int_equal(file_read(path, 0, &text, &n), WR_OK);
    char *where = strstr(text, from);
    assert_non_null(where);
    strbuf_append(&out, text, (size_t)(where - text));
    strbuf_puts(&out, to);
    strbuf_puts(&out, where + strlen(from));
    assert_int_equal(file_write_atomic(path, out.data, out.len), WR_OK);
    strbuf_free(&out);
    free(text);
}

static void test_edits(void **state) {
    (void)state;
    static const char *const edits[][2] = {{"\"step\":2", "\"step\":999"},
                                           {"\"optimizer_steps\":2", "\"optimizer_steps\":3"},
                                           {"\"seed\":\"7\"", "\"seed\":\"8\""},
                                           {"own", "our"},
                                           {"threads: 2", "threads: 3"}};
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        char run[32], path[64];
        snprintf(run, sizeof run, "edit%zu", i);
        snprintf(path, sizeof path, "%s/checkpoints/step-2/state.json", run);
        make_run(run, "threads: 2\n");
        edit(in_folder(path), edits[i][0], edits[i][1]);
        assert_int_equal(load(run, "threads: 2\n"), WR_E_FORMAT);
        assert_error_says("state.json");
        assert_error_says("checksum");
        /* Nor without the checksum, as a version before it wrote. */
        char *text, *end;
        size_t n;
        assert_int_equal(file_read(in_folder(path), 0, &text, &n), WR_OK);
        assert_non_null(end = strstr(text, ",\"checksum\""));
        memcpy(end, "}\n", 3);
        assert_int_equal(file_write_atomic(in_folder(path), text, strlen(text)), WR_OK);
        free(text);
        assert_int_equal(load(run, "threads: 2\n"), WR_E_FORMAT);
        assert_error_says("checksum");
    }
    /* A folder under another step's name. */
    make_run("renamed", "");
    assert_int_equal(rename(in_folder("renamed/checkpoints/step-2"), in_folder("renamed/checkpoints/step-20")), 0);
    assert_int_equal(load("renamed", ""), WR_E_FORMAT);
    assert_error_says("step 2");
}

static void test_not_whole(void **state) {
    (void)state;
    make_run("half", "");
    assert_int_equal(dir_make(in_folder("half/checkpoints/step-9")), WR_OK);
    assert_int_equal(load("half", ""), 2);
    assert_non_null(strstr(said, "step-9: not a whole checkpoint"));
    assert_int_equal(dir_make(in_folder("half/checkpoints/step-8/model")), WR_OK);
    assert_int_equal(file_write_atomic(in_folder("half/checkpoints/step-7"), "", 0),
                     WR_OK); /* a file is no checkpoint */
    assert_int_equal(load("half", ""), 2);
    assert_non_null(strstr(said, "step-8: not a whole checkpoint"));
    assert_int_equal(unlink(in_folder("half/checkpoints/step-2/model/config.json")), 0);
    assert_int_equal(load("half", ""), 1);
    assert_non_null(strstr(said, "config.json is not there"));
    assert_int_equal(truncate(in_folder("half/checkpoints/step-1/state.json"), 0), 0);
    assert_int_equal(load("half", ""), WR_E_FORMAT);
    assert_error_says("none of the checkpoints is whole");
    /* Where there is nothing but empty folders, nothing is lost by beginning anew. */
    assert_int_equal(dir_make(in_folder("anew/checkpoints/step-3")), WR_OK);
    assert_int_equal(load("anew", ""), 0);
    assert_non_null(strstr(said, "step-3: not a whole checkpoint"));
}

static void test_elsewhere(void **state) {
    (void)state;
    make_run("machine", "the program: 1\nthreads: 2\ninstruction set: avx2\n");
    assert_int_equal(load("machine", "the program: 1\nthreads: 2\ninstruction set: avx2\n"), 2);
    assert_null(strstr(said, "1e-5"));
    assert_int_equal(load("machine", "the program: 1\nthreads: 3\ninstruction set: avx512\n"), 2);
    assert_non_null(strstr(said, "threads: 3 (was 2), instruction set: avx512 (was avx2): the losses agree to 1e-5"));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1); /* one line */
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_flips), cmocka_unit_test(test_edits),
                                       cmocka_unit_test(test_not_whole), cmocka_unit_test(test_elsewhere)};
    if (world_create(&argc, &argv, &w) < 0) return 1;
    const int failed = cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
    world_free(w);
    return failed;
}
