#include "base/file.h"
#include "base/options.h"
#include "tests/support/temp_folder.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const option_spec own[] = {
    {.name = "data", .kind = OPT_STRING, .arg = "DIR", .help = "the shards", .required = true},
    {.name = "steps", .kind = OPT_INT, .default_value = "10", .arg = "N", .help = "how many", .min = 1, .max = 1000},
    {.name = "global-batch", .kind = OPT_INT, .arg = "N", .help = "records a step"},
    {.name = "lr",
     .section = "optim",
     .kind = OPT_FLOAT,
     .default_value = "1e-3",
     .arg = "X",
     .help = "rate",
     .min = 0,
     .max = 1},
    {.name = "grad-clip", .section = "optim", .kind = OPT_FLOAT, .default_value = "1.0", .arg = "X", .help = "norm"},
    {.name = "resume", .kind = OPT_FLAG, .help = "go on"},
    {.name = "no-tokens", .kind = OPT_FLAG, .help = "text only"},
    {.name = "probe", .kind = OPT_FLAG, .default_value = "true", .help = "measure"},
    {0},
};
static const option_spec shared[] = {
    {.name = "precision", .kind = OPT_CHOICE, .default_value = "auto", .arg = "f32|bf16|auto", .help = "arithmetic"},
    {.name = "note", .kind = OPT_STRING, .arg = "TEXT", .help = "any text"},
    {0},
};
static const option_group groups[] = {{.rows = own}, {.rows = shared}, {0}};

#define PARSE(o, help, ...) parse_words((char *[]){__VA_ARGS__, NULL}, o, help)
static wr_status parse_words(char **words, options **o, bool *help) {
    int n = 0;
    while (words[n]) {
        n++;
    }
    return options_parse(groups, n, words, o, help);
}

static void expect_usage(wr_status status, options *o, const char *part, int line) {
    if (status != WR_E_USAGE || o || !strstr(wr_error(), part)) {
        fail_msg("line %d: status %d, '%s' has no '%s'", line, status, wr_error(), part);
    }
}
#define USAGE(part, ...)                                                                                               \
    do {                                                                                                               \
        options *bad_ = NULL;                                                                                          \
        bool help_;                                                                                                    \
        wr_status status_ = PARSE(&bad_, &help_, __VA_ARGS__);                                                         \
        expect_usage(status_, bad_, part, __LINE__);                                                                   \
    } while (0)

static const char *config(const char *text) {
    static char path[PATH_CAP];
    assert_int_equal(path_join(path, test_folder(), "run.yaml"), WR_OK);
    assert_int_equal(file_write_atomic(path, text, strlen(text)), WR_OK);
    return path;
}

static void test_command_line(void **state) {
    (void)state;
    options *o = NULL;
    bool help = true;
    assert_int_equal(PARSE(&o, &help, "--data=d2", "a.jsonl", "--steps=20", "--resume", "--no-probe", "--resume", "-",
                           "--lr", "0.5", "--note", "-1", "--no-tokens", "--", "--steps"),
                     WR_OK);
    assert_false(help);
    assert_string_equal(options_str(o, "data"), "d2");
    assert_int_equal(options_int(o, "steps"), 20);
    assert_true(options_float(o, "lr") == 0.5);
    assert_true(options_flag(o, "resume") && options_flag(o, "no-tokens") && !options_flag(o, "probe"));
    assert_string_equal(options_str(o, "precision"), "auto");
    assert_string_equal(options_str(o, "note"), "-1");
    assert_int_equal(options_count(o), 3);
    assert_string_equal(options_positional(o, 0), "a.jsonl");
    assert_string_equal(options_positional(o, 1), "-");
    assert_string_equal(options_positional(o, 2), "--steps");
    assert_null(options_positional(o, 3));
    assert_true(options_given(o, "steps") && !options_given(o, "precision") && !options_given(o, "global-batch"));
    assert_true(options_set(o, "precision") && !options_set(o, "global-batch"));
    assert_int_equal(options_int(o, "global-batch"), 0);
    assert_int_equal(options_override(o, "global-batch", "64"), WR_OK);
    assert_int_equal(options_int(o, "global-batch"), 64);
    assert_int_equal(options_override(o, "nonsense", "64"), WR_E_USAGE);
    options_free(o);
    options_free(NULL);
    assert_int_equal(PARSE(&o, &help, "--steps", "5", "--help"), WR_OK); /* nothing is required then */
    assert_true(help);
    options_free(o);
}

static void test_errors(void **state) {
    (void)state;
    USAGE("'--global-batch'", "--data", "d", "--globl-batch", "3");
    USAGE("did you mean '--data'", "--dta", "d");
    USAGE("did you mean '--global-batch'", "--global=3", "--data", "d");
    USAGE("unknown option '--zzzzzz'", "--zzzzzz");
    USAGE("unknown option '-x'", "-x");
    USAGE("--data DIR is required", "--steps", "3");
    USAGE("--steps: 'abc' is not a whole number", "--data", "d", "--steps", "abc");
    USAGE("--steps: '1.5'", "--data", "d", "--steps", "1.5");
    USAGE("--steps: ''", "--data", "d", "--steps=");
    USAGE("64 bits", "--data", "d", "--global-batch", "99999999999999999999");
    USAGE("--steps: 0 is not between 1 and 1000", "--data", "d", "--steps", "0");
    USAGE("--lr: 'nan'", "--data", "d", "--lr", "nan");
    USAGE("--lr: 2 is not between", "--data", "d", "--lr", "2");
    USAGE("--precision: 'fp8' is not one of f32|bf16|auto", "--data", "d", "--precision", "fp8");
    USAGE("'f32|bf16'", "--data", "d", "--precision", "f32|bf16");
    USAGE("--resume: 'maybe'", "--data", "d", "--resume=maybe");
    USAGE("--data needs a value", "--data");
    USAGE("--data needs a value", "--data", "--resume");
    USAGE("unknown option '--no-steps'", "--data", "d", "--no-steps");
    USAGE("key=value", "--data", "d", "--set", "steps");
    USAGE("unknown key 'stps'; did you mean 'steps'", "--data", "d", "--set", "stps=3");
    USAGE("did you mean 'optim.lr'", "--data", "d", "--set", "lr=3");
    USAGE("did you mean 'optim.grad_clip'", "--data", "d", "--set", "optim.grad_clp=3");
    USAGE("--set optim.lr: 'x'", "--data", "d", "--set", "optim.lr=x");
    USAGE("cannot open", "--data", "d", "--config", "/nonexistent.yaml");
}

/* The later value must not win in silence. */
static void test_given_twice(void **state) {
    (void)state;
    USAGE("--data is given twice, as 'd' and as 'e'", "--data", "d", "--data", "e");
    USAGE("--data is given twice", "--data", "d", "--data=d");
    USAGE("--steps is given twice", "--data", "d", "--steps", "3", "--steps", "4");
    USAGE("--no-resume is given twice", "--data", "d", "--resume", "--no-resume");
    USAGE("--set optim.lr is given twice", "--data", "d", "--set", "optim.lr=0.1", "--set", "optim.lr=0.2");
    USAGE("--config is given twice", "--data", "d", "--config", "a.yaml", "--config", "b.yaml");
}

/* A number has one reading, everywhere that it may stand. */
static void test_numbers(void **state) {
    (void)state;
    static const char *const whole_bad[] = {"017",
                                            "-017",
                                            "+007",
                                            "00",
                                            "0x10",
                                            "0o17",
                                            "0b1",
                                            "1_000",
                                            "1,000",
                                            "1.0",
                                            "1e2",
                                            "1.",
                                            " 7",
                                            "7 ",
                                            "",
                                            "-",
                                            "+",
                                            "--1",
                                            "7a",
                                            "\xEF\xBC\x97",
                                            "1:30",
                                            "9223372036854775808",
                                            "99999999999999999999",
                                            "nan",
                                            "true"};
    static const char *const real_bad[] = {
        "01.5", "-00.5", "0x1p-3", "0x10", "1_0.0", "1,5", " 0.5", "0.5 ", "",         ".",    "-",     "e5", "1e",
        "1e+",  "1e400", "1e-400", "inf",  "-inf",  "nan", ".nan", ".inf", "infinity", "0.5f", "1e5.0", "1d3"};
    static const struct {
        const char *text;
        double value;
    } real_good[] = {{"0.5", 0.5},    {".5", 0.5},    {"1.", 1},      {"1", 1},         {"0", 0},   {"-0", 0},
                     {"+0.25", 0.25}, {"1e-4", 1e-4}, {"1E-4", 1e-4}, {"2.5e-1", 0.25}, {"0e5", 0}, {"0.007", 0.007}};
    char text[128];
    for (size_t i = 0; i < sizeof whole_bad / sizeof *whole_bad; i++) {
        options *o = NULL;
        bool help;
        snprintf(text, sizeof text, "--global-batch=%s", whole_bad[i]);
        expect_usage(PARSE(&o, &help, "--data", "d", text), o, "is not a whole number", (int)i);
        snprintf(text, sizeof text, "global_batch=%s", whole_bad[i]);
        expect_usage(PARSE(&o, &help, "--data", "d", "--set", text), o, "is not a whole number", (int)i);
        snprintf(text, sizeof text, "data: d\nglobal_batch: \"%s\"\n", whole_bad[i]);
        expect_usage(PARSE(&o, &help, "--config", (char *)(uintptr_t)config(text)), o, "is not a whole number", (int)i);
    }
    for (size_t i = 0; i < sizeof real_bad / sizeof *real_bad; i++) {
        options *o = NULL;
        bool help;
        snprintf(text, sizeof text, "--grad-clip=%s", real_bad[i]);
        expect_usage(PARSE(&o, &help, "--data", "d", text), o, "is not a finite number", (int)i);
        snprintf(text, sizeof text, "data: d\noptim: {grad_clip: '%s'}\n", real_bad[i]);
        expect_usage(PARSE(&o, &help, "--config", (char *)(uintptr_t)config(text)), o, "is not a finite number",
                     (int)i);
    }
    for (size_t i = 0; i < sizeof real_good / sizeof *real_good; i++) {
        options *o = NULL;
        bool help;
        snprintf(text, sizeof text, "--grad-clip=%s", real_good[i].text);
        assert_int_equal(PARSE(&o, &help, "--data", "d", text), WR_OK);
        assert_true(options_float(o, "grad-clip") == real_good[i].value);
        options_free(o);
    }
    USAGE("without the leading 0", "--data", "d", "--steps", "017");
    USAGE("without _", "--data", "d", "--steps", "1_0");
}

static void test_words_of_yaml(void **state) {
    (void)state;
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "1"};
    static const char *const no[] = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "0"};
    static const char *const neither[] = {"tRUE", "y", "n", "t", "2", "truthy", "", "01"};
    char text[64];
    for (size_t i = 0; i < 20; i++) {
        options *o = NULL;
        bool help;
        snprintf(text, sizeof text, "data: d\nprobe: %s\n", i < 10 ? yes[i] : no[i - 10]);
        assert_int_equal(PARSE(&o, &help, "--config", (char *)(uintptr_t)config(text)), WR_OK);
        assert_int_equal(options_flag(o, "probe"), i < 10);
        options_free(o);
    }
    for (size_t i = 0; i < sizeof neither / sizeof *neither; i++) {
        options *o = NULL;
        bool help;
        snprintf(text, sizeof text, "data: d\nprobe: '%s'\n", neither[i]);
        expect_usage(PARSE(&o, &help, "--config", (char *)(uintptr_t)config(text)), o, "is not true or false", (int)i);
    }
    options *o = NULL;
    bool help;
    assert_int_equal(PARSE(&o, &help, "--config", (char *)(uintptr_t)config("data: d\nnote: NULL\n")), WR_OK);
    assert_null(options_str(o, "note"));
    options_free(o);
}

/* What other trainers call it. */
static void test_other_names(void **state) {
    (void)state;
    USAGE("unknown option '--epochs'; did you mean '--steps'", "--epochs", "3");
    USAGE("did you mean '--steps'", "--num_train_epochs=3");
    USAGE("did you mean '--global-batch'", "--batch-size", "8");
    USAGE("did you mean '--global-batch'", "--per_device_train_batch_size", "8");
    USAGE("did you mean '--lr'", "--learning-rate", "1e-4");
    USAGE("did you mean '--lr'", "--actor.learning_rate", "1e-4");
    USAGE("did you mean '--lr'", "--optim.lr", "1e-4");
    USAGE("did you mean '--data'", "--dataset", "x");
    USAGE("did you mean '--precision'", "--bf16");
    USAGE("did you mean '--grad-clip'", "--max_grad_norm", "1");
    USAGE("unknown key 'learning_rate'; did you mean 'optim.lr'", "--data", "d", "--set", "learning_rate=1");
    USAGE("unknown key 'num_train_epochs'; did you mean 'steps'", "--data", "d", "--set", "num_train_epochs=1");
}

static void test_precedence(void **state) {
    (void)state;
    options *o = NULL;
    bool help;
    char *path = (char *)(uintptr_t)config("# a run\ndata: from file\nsteps: 3\nglobal-batch: 7\nresume: yes\noptim:\n "
                                           " lr: 0.25\n  grad_clip: 2\nnote: null\n");
    assert_int_equal(PARSE(&o, &help, "--set", "steps=4", "--set=optim.lr=0.125", "--steps", "5", "--config", path),
                     WR_OK);
    assert_string_equal(options_str(o, "data"), "from file");
    assert_int_equal(options_int(o, "steps"), 5);
    assert_int_equal(options_int(o, "global-batch"), 7);
    assert_true(options_float(o, "lr") == 0.125);
    assert_true(options_float(o, "grad-clip") == 2);
    assert_true(options_flag(o, "resume") && options_given(o, "resume"));
    assert_null(options_str(o, "note"));
    options_free(o);
    assert_int_equal(PARSE(&o, &help, "--config", path, "--set", "optim.grad-clip=8", "--no-resume"), WR_OK);
    assert_true(options_float(o, "grad-clip") == 8);
    assert_false(options_flag(o, "resume"));
    options_free(o);
}

static void test_bad_files(void **state) {
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"data: d\nstps: 3\n", "run.yaml:2: unknown key 'stps'; did you mean 'steps'"},
        {"data: d\nsteps: x\n", "run.yaml:2: steps: 'x' is not a whole number"},
        {"data: d\noptim:\n  lr: 0.1\n  lrr: 2\n", "run.yaml:4: unknown key 'optim.lrr'"},
        {"data: d\noptm:\n  lr: 0.1\n", "run.yaml:2: 'optm' is no section; did you mean 'optim'"},
        {"data: [1, 2]\n", "run.yaml:1: 'data' must be a single value"},
        {"data: d\noptim:\n  lr: {a: 1}\n", "must be a single value"},
        {"- data\n", "run.yaml:1: a run file is a list of 'key: value' lines"},
        {"just text\n", "run.yaml:1: a run file"},
        {"data: d\ndata: e\n", "run.yaml:2: key 'data' is given twice"},
        {"data: d\n---\nsteps: 3\n", "second document"},
        {"data: 'd\nsteps: 3\n", "not valid YAML"},
        {"data: d\n\tsteps: 3\n", "run.yaml:2"},
        {"data: &a d\nnote: *a\n", "run.yaml:1: the anchor &a"},
        {"note: *a\n", "run.yaml:1: the alias *a"},
        {"data: d\nsteps: !!int 3\n", "run.yaml:2: the tag tag:yaml.org,2002:int"},
        {"data: !x d\n", "the tag !x"},
        {"? &k data\n: d\n", "the anchor &k"},
        {"--- &m\ndata: d\n", "the anchor &m"},
        {"data: d\noptim: &o\n  lr: 0.1\n", "the anchor &o"},
        {"%TAG !e! tag:e.org,1:\n---\ndata: d\n", "%TAG"},
        {"data: d\n<<: {steps: 3}\n", "run.yaml:2: merge keys"},
        {"data: d\n\"steps\\0x\": 3\n", "a key must be"},
        {"data: d\noptim:\n  lr: 0.1\noptim:\n  grad_clip: 2\n", "run.yaml:4: section 'optim' is given twice"},
        {"data: d\noptim: {lr: 0.1}\noptim:\n", "section 'optim' is given twice"},
        {"data: d\n...\n---\nsteps: 3\n", "second document"},
        {"data: d\nsteps: 017\n", "run.yaml:2: steps: '017' is not a whole number; write it without the leading 0"},
        {"? [a]\n: b\n", "a key must be"},
        {"data: \xff\n", "not valid YAML"},
        {"data: \"a\\0b\"\n", "NUL"},
        {"", "--data DIR is required"},
        {"# nothing\n", "--data DIR is required"},
        {"~\n", "--data DIR is required"},
        {"steps: 5\noptim:\n", "--data DIR is required"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options *o = NULL;
        bool help;
        wr_status status = PARSE(&o, &help, "--config", (char *)(uintptr_t)config(cases[i].text));
        expect_usage(status, o, cases[i].part, (int)i);
    }
}

/* What options_yaml writes, --config reads back to the same values. */
static void test_round_trip(void **state) {
    (void)state;
    static char *const notes[] = {"plain",
                                  "",
                                  "null",
                                  "~",
                                  "true",
                                  "3",
                                  "-",
                                  "a: b",
                                  "# no comment",
                                  "quote\" back\\slash",
                                  "two\nlines\ttab",
                                  " spaces ",
                                  "\xE4\xBD\xA0\xE5\xA5\xBD",
                                  "{x}",
                                  "*a",
                                  "/path/to-a_file.jsonl.zst",
                                  "é|>%@`'"};
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        options *o = NULL, *again = NULL;
        bool help;
        strbuf yaml = {0}, second = {0};
        char note[128];
        snprintf(note, sizeof note, "--note=%s", notes[i]);
        assert_int_equal(PARSE(&o, &help, "--data", "d", "--lr", "1e-4", "--resume", note), WR_OK);
        assert_int_equal(options_yaml(o, &yaml), WR_OK);
        if (PARSE(&again, &help, "--config", (char *)(uintptr_t)config(strbuf_str(&yaml))) < 0) {
            fail_msg("%s\n%s", wr_error(), strbuf_str(&yaml));
        }
        assert_string_equal(options_str(again, "note"), notes[i]);
        assert_string_equal(options_str(again, "lr"), "1e-4");
        assert_true(options_flag(again, "resume"));
        assert_int_equal(options_yaml(again, &second), WR_OK);
        assert_string_equal(strbuf_str(&second), strbuf_str(&yaml));
        assert_non_null(strstr(strbuf_str(&yaml), "\noptim:\n  lr: 1e-4\n  grad_clip: 1.0\n"));
        options_free(o);
        options_free(again);
        strbuf_free(&yaml);
        strbuf_free(&second);
    }
}

static void test_help_and_names(void **state) {
    (void)state;
    strbuf text = {0};
    options_help(groups, &text);
    assert_non_null(strstr(strbuf_str(&text), "--data DIR"));
    assert_non_null(strstr(strbuf_str(&text), "(required)"));
    assert_non_null(strstr(strbuf_str(&text), "(default 10)"));
    assert_non_null(strstr(strbuf_str(&text), "--[no-]probe"));
    assert_non_null(strstr(strbuf_str(&text), "--precision f32|bf16|auto"));
    strbuf_free(&text);
    static const char *const names[] = {"train", "evaluate", "score", "sample", NULL};
    assert_string_equal(nearest_name("trian", names), "train");
    assert_string_equal(nearest_name("eval", names), "evaluate");
    assert_string_equal(nearest_name("scor", names), "score");
    assert_string_equal(nearest_name("smaple", names), "sample");
    assert_null(nearest_name("zebra", names));
    assert_null(nearest_name("", names));
    char longer[1000];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_null(nearest_name(longer, names));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_line),   cmocka_unit_test(test_errors),        cmocka_unit_test(test_given_twice),
        cmocka_unit_test(test_numbers),        cmocka_unit_test(test_words_of_yaml), cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_precedence),     cmocka_unit_test(test_bad_files),     cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_help_and_names),
    };
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
