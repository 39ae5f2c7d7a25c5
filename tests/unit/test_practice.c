/* The practice world: same seed, same bytes; its schema, and the statistics that the rest relies on. */
#include "base/file.h"
#include "base/hash.h"
#include "base/stream.h"
#include "data/practice/practice_world.h"
#include "tests/support/practice_replies.h"
#include "tests/support/temp_folder.h"
#include <math.h>
#include <string.h>

/* --- a whole world --- */
static char dir_a[PATH_CAP], dir_b[PATH_CAP];

static int make_worlds(void **state) {
    practice_options o = {
        .users = 200, .conversations = 3000, .seed = 7, .train_prompts = 4000, .heldout_prompts = 1200};
    if (folder_set_up(state) < 0) return -1;
    strcpy(dir_a, in_folder("a")), strcpy(dir_b, in_folder("b"));
    assert_ok(dir_make(dir_a)), assert_ok(dir_make(dir_b));
    assert_ok(practice_synth(&o, dir_a)), assert_ok(practice_synth(&o, dir_b));
    return 0;
}

static void same_seed_same_bytes(void **state) {
    (void)state;
    static const char *const names[] = {"chats.jsonl.zst", "truth.jsonl.zst", "prompts-train.jsonl",
                                        "prompts-heldout.jsonl", "summary.json"};
    for (size_t i = 0; i < 5; i++) {
        char a[PATH_CAP], b[PATH_CAP], ha[HASH_HEX], hb[HASH_HEX];
        assert_int_equal(path_join(a, dir_a, names[i]), WR_OK);
        assert_int_equal(path_join(b, dir_b, names[i]), WR_OK);
        assert_int_equal(hash_file_hex(a, ha), WR_OK);
        assert_int_equal(hash_file_hex(b, hb), WR_OK);
        assert_string_equal(ha, hb);
    }
}

typedef void (*row_function)(void *context, const json_value *row);

static void for_rows(const char *name, row_function f, void *context) {
    char path[PATH_CAP];
    instream *in;
    const char *line;
    size_t n;
    arena *a = arena_create();
    assert_int_equal(path_join(path, dir_a, name), WR_OK);
    assert_int_equal(instream_open(path, &in), WR_OK);
    while (instream_line(in, &line, &n) == WR_OK) {
        const json_value *row;
        arena_reset(a);
        assert_int_equal(json_parse(a, line, n, &row), WR_OK);
        f(context, row);
    }
    instream_close(in);
    arena_free(a);
}

static const char *string_of(const json_value *v, const char *key) {
    const char *s;
    size_t n;
    assert_true(json_get_string(v, key, &s, &n));
    return s;
}

typedef struct statistics {
    double levels[6], n, sum_q, sum_l, sum_qq, sum_ll, sum_ql, heard[3], of[3];
} statistics;

static void add_truth(void *context, const json_value *row) {
    statistics *s = context;
    double q;
    int64_t level, turn;
    practice_task *t;
    assert_true(json_get_double(row, "quality", &q));
    assert_true(json_get_int(row, "turn_identifier", &turn));
    assert_true(turn % 2 == 1);
    assert_int_equal(strlen(string_of(row, "user")), 64);
    assert_int_equal(practice_task_from_json(json_get(row, "task"), &t), WR_OK);
    assert_string_equal(practice_task_kind(t), string_of(row, "kind"));
    const char *response = string_of(row, "response");
    assert_true(quality_of(t, response, strlen(response)) == q);
    assert_true(json_get(row, "history")->length == (size_t)turn - 1);
    practice_task_free(t);
    if (!json_get_int(row, "followup_level", &level)) return;
    assert_in_range(level, 1, 5);
    s->n++;
    s->levels[level]++;
    double l = (double)level;
    s->sum_q += q, s->sum_l += l, s->sum_qq += q * q, s->sum_ll += l * l, s->sum_ql += q * l;
    int class = q > 0.9 ? 2 : q > 0.2 ? 1 : 0;
    s->of[class]++;
    s->heard[class] += level != 3;
}

static void levels_follow_quality(void **state) {
    (void)state;
    statistics s = {0};
    for_rows("truth.jsonl.zst", add_truth, &s);
    static const double wanted[6] = {0, 0.03, 0.14, 0.76, 0.06, 0.01}, within[6] = {0, 0.015, 0.03, 0.04, 0.02, 0.008};
    for (int l = 1; l <= 5; l++)
        if (!(fabs(s.levels[l] / s.n - wanted[l]) < within[l]))
            fail_msg("level %d has share %.4f (seed 7)", l, s.levels[l] / s.n);
    double covariance = s.sum_ql / s.n - s.sum_q / s.n * s.sum_l / s.n;
    double correlation =
        covariance / sqrt((s.sum_qq / s.n - pow(s.sum_q / s.n, 2)) * (s.sum_ll / s.n - pow(s.sum_l / s.n, 2)));
    if (!(correlation > 0.4)) fail_msg("quality and level correlate with %.3f only", correlation);
    for (int c = 0; c < 3; c++) assert_true(s.heard[c] / s.of[c] > 0.08); /* no class of quality is silent */
}

static void check_row(void *context, const json_value *row) {
    static const char *const strings[] = {"conversation_hash", "model", "timestamp", "language", "hashed_ip", NULL};
    int64_t turns;
    bool flag;
    *(size_t *)context += 1;
    for (const char *const *s = strings; *s; s++) string_of(row, *s);
    assert_int_equal(strlen(string_of(row, "conversation_hash")), 32);
    assert_true(json_get_int(row, "turn", &turns));
    assert_true(json_get_bool(row, "toxic", &flag) && json_get_bool(row, "redacted", &flag));
    assert_true(json_is(json_get(row, "openai_moderation"), JSON_ARRAY) &&
                json_is(json_get(row, "detoxify_moderation"), JSON_ARRAY));
    assert_non_null(json_get(row, "state"));
    assert_non_null(json_get(row, "country"));
    assert_true(json_is(json_get(row, "header"), JSON_OBJECT));
    const json_value *conversation = json_get(row, "conversation");
    assert_true(json_is(conversation, JSON_ARRAY));
    assert_true(conversation->length >= 4 && turns == (int64_t)(conversation->length + 1) / 2);
    int64_t i = 0, id;
    for (const json_value *m = conversation->first; m; m = m->next, i++) {
        assert_string_equal(string_of(m, "role"), i % 2 ? "assistant" : "user");
        assert_true(*string_of(m, "content"));
        assert_true(json_get_int(m, "turn_identifier", &id) && id == i);
        assert_true(json_get_bool(m, "toxic", &flag) && json_get_bool(m, "redacted", &flag));
        if (i % 2 == 0) assert_string_equal(string_of(m, "hashed_ip"), string_of(row, "hashed_ip"));
    }
}

static void rows_follow_the_schema(void **state) {
    (void)state;
    size_t n = 0;
    for_rows("chats.jsonl.zst", check_row, &n);
    assert_int_equal(n, 3000);
}

typedef struct prompt_count {
    practice_place place;
    size_t n;
} prompt_count;

static void check_prompt(void *context, const json_value *row) {
    prompt_count *c = context;
    practice_task *t;
    assert_int_equal(practice_task_from_json(json_get(row, "task"), &t), WR_OK);
    /* The place is a function of the text, so texts of different places cannot be equal. */
    assert_int_equal(practice_prompt_place(practice_task_prompt(t)), c->place);
    const json_value *messages = json_get(row, "messages"), *last = json_at(messages, messages->length - 1);
    assert_string_equal(string_of(last, "content"), practice_task_prompt(t));
    assert_string_equal(string_of(last, "role"), "user");
    c->n++;
    practice_task_free(t);
}

static void prompts_are_new(void **state) {
    (void)state;
    prompt_count train = {PLACE_TRAIN, 0}, heldout = {PLACE_HELDOUT, 0};
    for_rows("prompts-train.jsonl", check_prompt, &train);
    for_rows("prompts-heldout.jsonl", check_prompt, &heldout);
    assert_int_equal(train.n, 4000);
    assert_int_equal(heldout.n, 1200);
}

static void too_many_prompts(void **state) {
    (void)state;
    practice_options o = {.users = 0, .conversations = 1};
    assert_int_equal(practice_synth(&o, dir_b), WR_E_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_seed_same_bytes), cmocka_unit_test(levels_follow_quality),
                                       cmocka_unit_test(rows_follow_the_schema), cmocka_unit_test(prompts_are_new),
                                       cmocka_unit_test(too_many_prompts)};
    return cmocka_run_group_tests(tests, make_worlds, folder_tear_down);
}
