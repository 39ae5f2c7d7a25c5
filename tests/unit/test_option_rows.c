/* Rows put values where the struct has them: every kind in every type of member, a shared table at two places, what a
 * command has otherwise; and the rows of all commands each have a place of their own. */
#include "base/options.h"
#include "cli/model_options.h"
#include "trainer/run_options.h"
#include "trainer/update.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static options *parse(const option_group *groups, char **words) {
    int n = 0;
    bool help;
    options *o;
    while (words[n]) n++;
    if (options_parse(groups, n, words, &o, &help) < 0) fail_msg("%s", wr_error());
    return o;
}
#define PARSE(groups, ...) parse(groups, (char *[]){__VA_ARGS__, NULL})

typedef enum colour { RED, GREEN, BLUE } colour;
typedef struct thing {
    const char *text, *word;
    int small;
    unsigned count;
    int64_t big;
    uint64_t key;
    size_t size;
    double real;
    bool flag, second;
    colour colour;
} thing;
static const option_spec thing_rows[] = {
    OPTION_TEXT(thing, text, "text", NULL, "T", "any"),
    OPTION_CHOICE(thing, word, "word", "b", "a|b", "kept as a word"),
    OPTION_INT(thing, small, "small", "-3", "N", -10, 10, "int"),
    OPTION_INT(thing, count, "count", "3", "N", 0, 4e9, "unsigned"),
    OPTION_INT(thing, big, "big", NULL, "N", -9e15, 9e15, "int64_t"),
    OPTION_INT(thing, key, "key", "0", "N", 0, 9e15, "uint64_t"),
    OPTION_INT(thing, size, "size", "7", "N", 0, 9e15, "size_t"),
    OPTION_FLOAT(thing, real, "real", "0.5", "X", 0, 1, "double"),
    OPTION_FLAG(thing, flag, "flag", "true", "bool"),
    OPTION_CHOICE(thing, second, "second", "yes", "no|yes", "a bool by two words"),
    OPTION_CHOICE(thing, colour, "colour", "green", "red|green|blue", "an enum", .resume = RESUME_FREE),
    {0},
};

static void test_kinds(void **state) {
    (void)state;
    static const option_group groups[] = {{.rows = thing_rows}, {0}};
    thing t = {.big = -1};
    options *o = PARSE(groups, "--");
    assert_int_equal(options_fill(o, &t, sizeof t), WR_OK);
    assert_true(!t.text && t.big == -1); /* unset: as it was */
    assert_string_equal(t.word, "b");
    assert_true(t.small == -3 && t.count == 3 && t.key == 0 && t.size == 7 && t.real == 0.5);
    assert_true(t.flag && t.second && t.colour == GREEN);
    options_free(o);
    o = PARSE(groups, "--text=x y", "--word=a", "--small=10", "--count=4000000000", "--big=-9000000000000000",
              "--key=9000000000000000", "--size=5000000000", "--real=1e-3", "--no-flag", "--second=no",
              "--colour=blue");
    assert_int_equal(options_fill(o, &t, sizeof t), WR_OK);
    assert_string_equal(t.text, "x y");
    assert_string_equal(t.word, "a");
    assert_true(t.small == 10 && t.count == 4000000000u && t.big == -9000000000000000);
    assert_true(t.key == 9000000000000000u && t.size == 5000000000u && t.real == 1e-3);
    assert_true(!t.flag && !t.second && t.colour == BLUE);
    options_free(o);
}

typedef struct two_things {
    double before;
    thing first;
    size_t between;
} two_things;

/* One table, at the place that each command has its struct in. */
static void test_places(void **state) {
    (void)state;
    static const option_group groups[] = {OPTION_GROUP(thing_rows, two_things, first), {0}};
    two_things x = {.before = 2.5, .between = 77};
    options *o = PARSE(groups, "--small=9", "--real=0.25", "--colour=red");
    assert_int_equal(options_fill(o, &x, sizeof x), WR_OK);
    assert_true(x.first.small == 9 && x.first.real == 0.25 && x.first.colour == RED && x.first.size == 7);
    assert_true(x.before == 2.5 && x.between == 77);
    assert_int_equal(options_fill(o, &x, offsetof(two_things, first) + offsetof(thing, colour)), WR_E_FAILED);
    assert_non_null(strstr(wr_error(), "--colour"));
    options_free(o);
}

static wr_status rule_of(void *context, const option_spec *spec, const char *value) {
    (void)value;
    if (strcmp(spec->name, "colour") == 0) *(resume_rule *)context = spec->resume;
    return WR_OK;
}

/* What a command has otherwise is its own; a word means what it means in the table. */
static void test_varied(void **state) {
    (void)state;
    static const option_spec otherwise[] = {
        {.name = "colour", .default_value = "blue", .arg = "blue|red", .help = "of night", .resume = RESUME_CONTENT},
        {.name = "small", .min = -1, .max = 1, .default_value = "0"},
        {.name = "text", .required = true},
        {0},
    };
    static const option_group plain[] = {{.rows = thing_rows}, {0}},
                              varied[] = {{.rows = thing_rows, .varied = otherwise}, {0}};
    thing t = {0};
    strbuf help = {0};
    resume_rule rule;
    bool asked;
    options *o = PARSE(varied, "--text", "x");
    assert_int_equal(options_fill(o, &t, sizeof t), WR_OK);
    assert_true(t.colour == BLUE && t.small == 0);
    assert_int_equal(options_visit(o, rule_of, &rule), WR_OK);
    assert_int_equal(rule, RESUME_CONTENT);
    options_free(o);
    o = PARSE(varied, "--text", "x", "--colour", "red");
    assert_int_equal(options_fill(o, &t, sizeof t), WR_OK);
    assert_true(t.colour == RED);
    options_free(o);
    assert_int_equal(options_parse(varied, 3, (char *[]){"--text", "x", "--colour=green"}, &o, &asked), WR_E_USAGE);
    assert_int_equal(options_parse(varied, 3, (char *[]){"--text", "x", "--small=2"}, &o, &asked), WR_E_USAGE);
    assert_int_equal(options_parse(varied, 1, (char *[]){"--small=1"}, &o, &asked), WR_E_USAGE);
    options_help(varied, &help);
    assert_non_null(strstr(strbuf_str(&help), "--colour blue|red           of night (default blue)"));
    strbuf_clear(&help);
    options_help(plain, &help);
    assert_non_null(strstr(strbuf_str(&help), "--colour red|green|blue     an enum (default green)"));
    strbuf_free(&help);
    o = PARSE(plain, "--small=2");
    assert_int_equal(options_visit(o, rule_of, &rule), WR_OK);
    assert_int_equal(rule, RESUME_FREE);
    options_free(o);
}

static void test_defaults(void **state) {
    (void)state;
    static const option_group groups[] = {{.rows = thing_rows}, {0}};
    thing t = {0};
    options *o = PARSE(groups, "--small=9", "--text=x"), *d = NULL;
    assert_int_equal(options_defaults(o, &d), WR_OK);
    assert_int_equal(options_fill(d, &t, sizeof t), WR_OK);
    assert_true(t.small == -3 && !t.text && !options_given(d, "small"));
    options_free(d);
    options_free(o);
}

/* --- the rows of all commands ------------------------------------------------------------------------------------- */

enum { MOST_ROWS = 96, STRUCT_BYTES = 4096 };
static const size_t field_sizes[] = {[FIELD_NONE] = 0,
                                     [FIELD_TEXT] = sizeof(char *),
                                     [FIELD_BOOL] = sizeof(bool),
                                     [FIELD_INT] = sizeof(int),
                                     [FIELD_UNSIGNED] = sizeof(unsigned),
                                     [FIELD_LONG] = sizeof(int64_t),
                                     [FIELD_ULONG] = sizeof(uint64_t),
                                     [FIELD_DOUBLE] = sizeof(double)};
typedef struct all_rows {
    option_spec row[MOST_ROWS];
    size_t n;
} all_rows;

static wr_status keep_row(void *context, const option_spec *spec, const char *value) {
    all_rows *all = context;
    (void)value;
    assert_true(all->n < MOST_ROWS);
    all->row[all->n++] = *spec;
    return WR_OK;
}

/* Another value than the default. */
static void other_value(const option_spec *row, char out[64]) {
    const char *last = row->arg ? strrchr(row->arg, '|') : NULL;
    switch (row->kind) {
    case OPT_STRING:
        snprintf(out, 64, "something");
        break;
    case OPT_INT:
        snprintf(out, 64, "%.0f", row->max);
        break;
    case OPT_FLOAT:
        snprintf(out, 64, "%.17g", row->min + (row->max - row->min) * 0.3);
        break;
    case OPT_FLAG:
        snprintf(out, 64, "%s", row->default_value && strcmp(row->default_value, "true") == 0 ? "false" : "true");
        break;
    case OPT_CHOICE:
        snprintf(out, 64, "%s", last ? last + 1 : row->arg);
        if (row->default_value && strcmp(row->default_value, out) == 0)
            snprintf(out, 64, "%.*s", (int)strcspn(row->arg, "|"), row->arg);
        break;
    }
}

static void check_row(const char *told, const option_spec *row) {
    const double most = row->field == FIELD_INT ? INT_MAX : row->field == FIELD_UNSIGNED ? UINT_MAX : 9.1e18;
    const bool number = row->kind == OPT_INT || row->kind == OPT_FLOAT;
    if (!row->help || (row->kind != OPT_FLAG && !row->arg)) fail_msg("%s --%s lacks words", told, row->name);
    if (number && !(row->min < row->max)) fail_msg("%s --%s has no bounds", told, row->name);
    if (row->kind == OPT_INT && (row->max > most || row->min < -most ||
                                 ((row->field == FIELD_ULONG || row->field == FIELD_UNSIGNED) && row->min < 0)))
        fail_msg("%s --%s: its member cannot hold its bounds", told, row->name);
    for (const char *word = row->kind == OPT_CHOICE && row->field != FIELD_NONE ? row->arg : NULL; word;
         word = strchr(word, '|'), word = word ? word + 1 : NULL) {
        char with[80], all[160];
        snprintf(with, sizeof with, "|%.*s|", (int)strcspn(word, "|"), word);
        snprintf(all, sizeof all, "|%s|", row->values);
        if (!strstr(all, with)) fail_msg("%s --%s: '%s' has no value", told, row->name, word);
    }
}

/* An option changes its own member, all of it, and nothing else. */
static void check_effect(const command *c, const option_spec *row, const unsigned char *usual) {
    _Alignas(16) unsigned char now[STRUCT_BYTES] = {0};
    char value[64], word[160];
    other_value(row, value);
    snprintf(word, sizeof word, "--%s=%s", row->name, value);
    options *o = PARSE(c->groups, word, "--help"); /* nothing is required then */
    assert_int_equal(options_fill(o, now, sizeof now), WR_OK);
    const size_t size = field_sizes[row->field];
    const char *text = NULL;
    if (row->field == FIELD_TEXT) memcpy(&text, now + row->at, sizeof text);
    if (row->field == FIELD_TEXT ? strcmp(text, value) != 0 : memcmp(now + row->at, usual + row->at, size) == 0)
        fail_msg("%s %s does not arrive", c->name, word);
    memcpy(now + row->at, usual + row->at, size);
    /* texts of other options lie in other options then */
    all_rows all = {0};
    assert_int_equal(options_visit(o, keep_row, &all), WR_OK);
    for (size_t i = 0; i < all.n; i++)
        if (all.row[i].field == FIELD_TEXT) memcpy(now + all.row[i].at, usual + all.row[i].at, sizeof(char *));
    if (memcmp(now, usual, sizeof now) != 0) fail_msg("%s %s changes another member, too", c->name, word);
    options_free(o);
}

static void test_all_commands(void **state) {
    (void)state;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const command *c = commands[i];
        _Alignas(16) unsigned char usual[STRUCT_BYTES] = {0}, taken[STRUCT_BYTES] = {0};
        all_rows all = {0};
        options *o = PARSE(c->groups, "--help"); /* checks the defaults */
        assert_int_equal(options_visit(o, keep_row, &all), WR_OK);
        assert_int_equal(options_fill(o, usual, sizeof usual), WR_OK);
        for (size_t k = 0; k < all.n; k++) {
            const option_spec *row = &all.row[k];
            check_row(c->name, row);
            for (size_t b = 0; b < field_sizes[row->field]; b++)
                if (taken[row->at + b]++) fail_msg("%s --%s lies where another option does", c->name, row->name);
            for (size_t j = 0; j < k; j++)
                if (strcmp(all.row[j].name, row->name) == 0) fail_msg("%s has two --%s", c->name, row->name);
        }
        for (size_t k = 0; k < all.n; k++)
            if (all.row[k].field != FIELD_NONE) check_effect(c, &all.row[k], usual);
        options_free(o);
    }
}

/* --- shared groups ------------------------------------------------------------------------------------------------ */

static wr_status same_rule(void *context, const option_spec *spec, const char *value) {
    static const char *const shared[] = {
        "lr-schedule",    "warmup-ratio", "weight-decay", "beta1",      "beta2",          "eps",
        "grad-clip",      "reduce-slice", "keep",         "lora-rank",  "lora-targets",   "checkpoint-every",
        "lora-merge",     "recompute",    "precision",    "lora-alpha", "save-precision", "steps",
        "check-weights",  "reduce-depth", "reduce-dtype", "overlap",    "zero",           "same-bits-any-ranks",
        "same-bits-parts"};
    all_rows *all = context;
    (void)value;
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (strcmp(shared[i], spec->name) == 0) all->row[all->n++] = *spec;
    return WR_OK;
}

/* train and dpo are told the same of what they share: type, values, and what --resume asks. */
static void test_train_and_dpo(void **state) {
    (void)state;
    all_rows train = {0}, dpo = {0};
    options *t = PARSE(cmd_train_lm.groups, "--help"), *d = PARSE(cmd_dpo_online.groups, "--help");
    size_t found = 0;
    assert_int_equal(options_visit(t, same_rule, &train), WR_OK);
    assert_int_equal(options_visit(d, same_rule, &dpo), WR_OK);
    assert_int_equal(train.n, 25);
    assert_int_equal(dpo.n, 25);
    for (size_t i = 0; i < train.n; i++) {
        for (size_t k = 0; k < dpo.n; k++) {
            const option_spec *a = &train.row[i], *b = &dpo.row[k];
            if (strcmp(a->name, b->name) != 0) continue;
            found++;
            if (a->kind != b->kind || a->field != b->field || a->resume != b->resume || a->values != b->values)
                fail_msg("--%s is not the same for train and dpo", a->name);
        }
    }
    assert_int_equal(found, 25);
    options_free(t);
    options_free(d);
}

typedef struct tuned {
    run_options run;
    arithmetic_options arithmetic;
} tuned;

static void test_tuning(void **state) {
    (void)state;
    static const option_group groups[] = {
        OPTION_GROUP(arithmetic_rows, tuned, arithmetic), OPTION_GROUP(tuning_rows, tuned, run), {0}};
    precision automatic, p;
    tuned t = {0};
    assert_int_equal(precision_choose("auto", &automatic, NULL), WR_OK);
    options *o = PARSE(groups, "--");
    assert_int_equal(options_fill(o, &t, sizeof t), WR_OK);
    assert_int_equal(choose_precision(t.arithmetic.precision, NULL, NULL, &p), WR_OK);
    assert_int_equal(p, PRECISION_F32); /* not what auto would choose */
    assert_int_equal(run_options_check(o, &t.run), WR_OK);
    assert_int_equal(t.run.lora.rank, 0);
    assert_true(t.run.lora_merge && t.run.save_precision == PRECISION_F32);
    options_free(o);
    o = PARSE(groups, "--precision=auto", "--lora-rank=4", "--save-precision=bf16");
    assert_int_equal(options_fill(o, &t, sizeof t), WR_OK);
    assert_int_equal(choose_precision(t.arithmetic.precision, NULL, NULL, &p), WR_OK);
    assert_int_equal(p, automatic);
    assert_int_equal(run_options_check(o, &t.run), WR_OK);
    assert_true(t.run.lora.rank == 4 && t.run.lora.alpha == 16 && t.run.save_precision == PRECISION_BF16);
    assert_string_equal(t.run.lora.targets, "all-linear");
    options_free(o);
    o = PARSE(groups, "--lora-alpha=8");
    assert_int_equal(options_fill(o, &t, sizeof t), WR_OK);
    assert_int_equal(run_options_check(o, &t.run), WR_E_USAGE);
    assert_non_null(strstr(wr_error(), "--lora-rank"));
    options_free(o);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds),        cmocka_unit_test(test_places),
                                       cmocka_unit_test(test_varied),       cmocka_unit_test(test_defaults),
                                       cmocka_unit_test(test_all_commands), cmocka_unit_test(test_train_and_dpo),
                                       cmocka_unit_test(test_tuning)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
