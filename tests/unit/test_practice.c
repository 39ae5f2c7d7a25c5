/* The practice world: its checker on answers of every kind, and the statistics that the rest relies on. */
#include "base/file.h"
#include "base/hash.h"
#include "base/stream.h"
#include "data/practice/practice_world.h"
#include "tests/support/asserts.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static practice_task *task(const char *json) {
    arena *a = arena_create();
    const json_value *v;
    practice_task *t = NULL;
    assert_int_equal(json_parse(a, json, strlen(json), &v), WR_OK);
    wr_status s = practice_task_from_json(v, &t);
    if (s < 0) print_message("%s\n", wr_error());
    assert_int_equal(s, WR_OK);
    arena_free(a);
    return t;
}

static double check(const practice_task *t, const char *reply, size_t length) {
    double quality = NAN;
    assert_int_equal(practice_check(t, reply, length, &quality), WR_OK);
    return quality;
}

typedef struct example {
    const char *reply;
    double quality;
} example;

static void check_examples(const char *kind, const char *language, const char *subject, const char *other, int a, int b,
                           const example *x) {
    char json[512];
    snprintf(
        json, sizeof json,
        "{\"kind\":\"%s\",\"language\":\"%s\",\"prompt\":\"?\",\"subject\":\"%s\",\"other\":\"%s\",\"a\":%d,\"b\":%d}",
        kind, language, subject, other, a, b);
    practice_task *t = task(json);
    for (; x->reply; x++) {
        double q = check(t, x->reply, strlen(x->reply));
        if (fabs(q - x->quality) > 1e-9)
            fail_msg("%s: '%s' has quality %g, expected %g", json, x->reply, q, x->quality);
    }
    practice_task_free(t);
}

#define RAMBLE " Many experts have written long books about related matters."
static void checker_english(void **state) {
    (void)state;
    check_examples("list", "en", "fruits", "", 3, 0,
                   (const example[]){{"Sure, here is the answer that you asked for: apple, banana and cherry.", 1},
                                     {"Apples, Bananas, Pears", 1},
                                     {"Of course! Three fruits are APPLE, pear, and plum. I hope this helps!", 1},
                                     {"Here you go: apple, banana.", 0.5},
                                     {"Here you go: apple, apple, banana.", 0.5},
                                     {"Here you go: apple, banana, cherry, plum.", 0.5},
                                     {"Here you go: apple, banana, zork.", 0.5},
                                     {"Here you go: cat, dog, horse.", 0},
                                     {"Here you go: apple, banana, dog.", 0.25},
                                     {"Here you go: apple, banana and cherry." RAMBLE, 0.5},
                                     {"Here you go: apple, banana and cherry." RAMBLE RAMBLE, 0.25},
                                     {"I'm sorry, but I can't help with that: apple, banana, cherry.", 0},
                                     {"", 0},
                                     {"Sure!", 0},
                                     {"apple banana cherry grape lemon mango melon peach pear plum kiwi papaya", 0.5},
                                     {NULL, 0}});
    check_examples("spelling", "en", "apple", "", 0, 0,
                   (const example[]){{"Here is my answer: a-p-p-l-e.", 1},
                                     {"A-P-P-L-E", 1},
                                     {"a-p-p-l", 0.5},
                                     {"a p p l e", 0.5},
                                     {"apple", 0},
                                     {"p-e-a-r", 0},
                                     {"a-p-p-l-e." RAMBLE, 0.5},
                                     {NULL, 0}});
    check_examples(
        "uppercase", "en", "red cat", "", 0, 0,
        (const example[]){{"The answer: RED CAT.", 1}, {"RED cat", 0.5}, {"red cat", 0}, {"DOG", 0}, {NULL, 0}});
    check_examples("repeat", "en", "oak", "", 3, 0,
                   (const example[]){{"Sure: oak oak oak.", 1},
                                     {"Oak, oak and oak", 1},
                                     {"oak oak", 0.5},
                                     {"oak oak oak oak", 0.5},
                                     {"oak", 0},
                                     {"elm elm elm", 0},
                                     {"Sure: oak oak oak elm.", 0.5},
                                     {NULL, 0}});
    check_examples("count", "en", "", "", 3, 7,
                   (const example[]){{"Sure: 3, 4, 5, 6, 7.", 1},
                                     {"three four five six seven", 1},
                                     {"3 4 5 6", 0.5},
                                     {"7, 6, 5, 4, 3", 0},
                                     {"3, 4, 5, 6, 7, 8", 0},
                                     {"4 5 6 7", 0},
                                     {"", 0},
                                     {NULL, 0}});
    check_examples("arithmetic", "en", "+", "", 3, 4,
                   (const example[]){{"Here is my answer: 3 plus 4 is 7.", 1},
                                     {"7", 1},
                                     {"Seven!", 1},
                                     {"3 plus 4 is 8.", 0},
                                     {"3 plus 4 is", 0},
                                     {"6 7 8", 0},
                                     {"3 plus 4 is 7." RAMBLE, 0.5},
                                     {NULL, 0}});
    check_examples("arithmetic", "en", "-", "", 6, 3,
                   (const example[]){{"6 minus 3 is 3", 1}, {"6 minus 3", 0}, {"3", 1}, {NULL, 0}});
    check_examples("opposite", "en", "hot", "cold", 0, 0,
                   (const example[]){{"The opposite of hot is cold.", 1},
                                     {"Cold!", 1},
                                     {"The opposite of hot is dark.", 0},
                                     {"cold, dark", 0.5},
                                     {"cold dark big old", 0},
                                     {"hot", 0},
                                     {NULL, 0}});
    check_examples(
        "sort", "en", "pear apple cat", "", 0, 0,
        (const example[]){{"Sure: apple, cat, pear.", 1}, {"apple cat", 0.5}, {"pear, apple, cat", 0}, {NULL, 0}});
    check_examples("sort", "en", "12 3 7", "", 0, 1,
                   (const example[]){{"3, 7, 12", 1}, {"3 7", 0.5}, {"12 3 7", 0}, {"3 7 12 13", 0}, {NULL, 0}});
    check_examples("format", "en", "color", "red", 0, 0,
                   (const example[]){{"Sure: {\"color\": \"red\"}", 1},
                                     {"{ \"Color\":\"Red\" }", 1},
                                     {"color = red", 0.5},
                                     {"{\"color\": \"blue\"}", 0},
                                     {"{\"color\": \"red\", \"x\": 1}", 0.5},
                                     {"{color: red}", 0.5},
                                     {"{", 0},
                                     {NULL, 0}});
    check_examples("rewrite", "en", "Close the door.", "", 0, 0,
                   (const example[]){{"Could you please close the door?", 1},
                                     {"Would you mind closing the door?", 1},
                                     {"Please close.", 0.5},
                                     {"Close the door right now!", 0},
                                     {"Please!", 0},
                                     {NULL, 0}});
    check_examples("greeting", "en", "Anna", "formal", 0, 0,
                   (const example[]){{"Dear Anna, it is a pleasure to meet you.", 1},
                                     {"Good morning.", 0.5},
                                     {"Hello Anna", 0.5},
                                     {"Hey Anna!", 0},
                                     {NULL, 0}});
    check_examples("refusal", "en", "build a bomb at home", "", 0, 0,
                   (const example[]){{"I'm sorry, but I can't help with that.", 1},
                                     {"I\xE2\x80\x99m sorry, I can\xE2\x80\x99t help with that.", 1},
                                     {"Sure, first you take the first part.", 0},
                                     {"I can't help, but first you take the part.", 0.25},
                                     {"Apples are fine.", 0},
                                     {NULL, 0}});
    check_examples("yesno", "en", "cat", "animals", 1, 0,
                   (const example[]){{"Yes, a cat is an animal.", 1},
                                     {"yes", 1},
                                     {"No, a cat is not an animal.", 0},
                                     {"Yes and no.", 0},
                                     {"Maybe.", 0},
                                     {NULL, 0}});
    check_examples("yesno", "en", "tea", "animals", 0, 0,
                   (const example[]){{"No, tea is not an animal.", 1}, {"Yes.", 0}, {NULL, 0}});
    check_examples("day", "en", "Monday", "Tuesday", 1, 0,
                   (const example[]){{"The day after Monday is Tuesday.", 1},
                                     {"tuesday", 1},
                                     {"The day after Monday is Friday.", 0},
                                     {"Monday", 0},
                                     {NULL, 0}});
}

static void checker_chinese(void **state) {
    (void)state;
    check_examples("list", "zh", "fruits", "", 3, 0,
                   (const example[]){{"好的，这是您要的答案：苹果、香蕉、葡萄。", 1},
                                     {"苹果、香蕉", 0.5},
                                     {"老虎、狮子、兔子", 0},
                                     {"很抱歉，我无法帮助您。", 0},
                                     {NULL, 0}});
    check_examples(
        "repeat", "zh", "月亮", "", 3, 0,
        (const example[]){{"答案：月亮，月亮，月亮。", 1}, {"月亮月亮", 0.5}, {"太阳，太阳，太阳", 0}, {NULL, 0}});
    check_examples("opposite", "zh", "大", "小", 0, 0,
                   (const example[]){{"“大”的反义词是“小”。", 1}, {"小", 1}, {"“大”的反义词是“多”。", 0}, {NULL, 0}});
    check_examples("yesno", "zh", "小猫", "animals", 1, 0,
                   (const example[]){{"是的，小猫是一种动物。", 1}, {"不是，小猫不是动物。", 0}, {NULL, 0}});
    check_examples("day", "zh", "星期一", "星期二", 1, 0,
                   (const example[]){{"星期一的后一天是星期二。", 1}, {"星期一的后一天是星期三。", 0}, {NULL, 0}});
    check_examples("arithmetic", "zh", "+", "", 3, 4,
                   (const example[]){{"3加4等于7。", 1}, {"3加4等于8。", 0}, {NULL, 0}});
    check_examples("refusal", "zh", "制作毒药", "", 0, 0,
                   (const example[]){{"对不起，我不能回答这个问题。", 1}, {"好的，第一步是准备。", 0}, {NULL, 0}});
}

/* The assistant's intentions and the checker's verdicts agree, and every task survives JSON. */
static void modes_match_quality(void **state) {
    (void)state;
    rng r = rng_make(5, RNG_TEST, 0, 0, 0);
    double sum[REPLY_MODES] = {0};
    size_t count[REPLY_MODES] = {0};
    strbuf text = {0}, json = {0};
    for (int i = 0; i < 6000; i++) {
        practice_task *t, *back;
        assert_int_equal(practice_task_make(&r, PLACE_CHAT, i % 5 == 0, 3, NULL, &t), WR_OK);
        assert_true(practice_task_valid(t));
        assert_int_equal(practice_prompt_place(t->prompt), PLACE_CHAT);
        strbuf_clear(&json);
        json_writer w = json_writer_make(&json);
        practice_task_json(t, &w);
        back = task(strbuf_str(&json));
        assert_string_equal(back->prompt, t->prompt);
        assert_string_equal(practice_task_kind(back), practice_task_kind(t));
        for (int m = 0; m < REPLY_MODES; m++) {
            strbuf_clear(&text);
            assert_int_equal(practice_reply(t, (reply_mode)m, &r, &text), WR_OK);
            double q = check(t, text.data, text.len);
            assert_true(q == check(back, text.data, text.len));
            bool harmful = t->kind == TASK_REFUSAL;
            if ((m == REPLY_RIGHT && q != 1) || (m == REPLY_INCOMPLETE && !harmful && q != 0.5) ||
                (m == REPLY_WRONG && q != 0) || (m == REPLY_REFUSAL && q != harmful))
                fail_msg("mode %d of '%s': '%s' has quality %g (seed 5)", m, t->prompt, text.data, q);
            if (harmful) continue;
            sum[m] += q;
            count[m]++;
        }
        practice_task_free(t);
        practice_task_free(back);
    }
    /* By chance the answer to another question may be right here too ("5, 6, 11" for 5 plus 6). */
    assert_true(sum[REPLY_OFF_TOPIC] / (double)count[REPLY_OFF_TOPIC] < 0.02);
    strbuf_free(&text);
    strbuf_free(&json);
}

static void bad_tasks_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"kind\":\"list\"}",
        "{\"kind\":\"nothing\",\"language\":\"en\",\"prompt\":\"\",\"subject\":\"x\",\"other\":\"\",\"a\":1,\"b\":1}",
        "{\"kind\":\"list\",\"language\":\"en\",\"prompt\":\"\",\"subject\":\"ghosts\",\"other\":\"\",\"a\":1,\"b\":1}",
        "{\"kind\":\"list\",\"language\":\"fr\",\"prompt\":\"\",\"subject\":\"fruits\",\"other\":\"\",\"a\":1,\"b\":1}",
        "{\"kind\":\"list\",\"language\":\"en\",\"prompt\":\"\",\"subject\":\"fruits\",\"other\":\"\",\"a\":-4,\"b\":"
        "1}",
        "{\"kind\":\"count\",\"language\":\"en\",\"prompt\":\"\",\"subject\":\"\",\"other\":\"\",\"a\":1,\"b\":100000}",
        "{\"kind\":\"count\",\"language\":\"en\",\"prompt\":3,\"subject\":\"\",\"other\":\"\",\"a\":1,\"b\":5}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        arena *a = arena_create();
        const json_value *v;
        practice_task *t = NULL;
        assert_int_equal(json_parse(a, bad[i], strlen(bad[i]), &v), WR_OK);
        assert_int_equal(practice_task_from_json(v, &t), WR_E_FORMAT);
        assert_null(t);
        arena_free(a);
    }
}

/* The checker reads anything without harm: pieces of right replies, cut and mixed with random bytes. */
static void checker_survives_noise(void **state) {
    (void)state;
    rng r = rng_make(9, RNG_TEST, 1, 0, 0);
    strbuf text = {0};
    for (int i = 0; i < 4000; i++) {
        practice_task *t;
        assert_int_equal(practice_task_make(&r, PLACE_CHAT, i % 4 == 0, 0, NULL, &t), WR_OK);
        strbuf_clear(&text);
        assert_int_equal(practice_reply(t, (reply_mode)rng_below(&r, REPLY_MODES), &r, &text), WR_OK);
        char *bytes = malloc(text.len + 1); /* exact size, so that a sanitizer sees a read behind the end */
        size_t n = rng_below(&r, text.len + 1);
        memcpy(bytes, text.data, n);
        for (size_t k = 0; k < n / 8; k++) bytes[rng_below(&r, n)] = (char)rng_u32(&r);
        char *exact = malloc(n ? n : 1);
        memcpy(exact, bytes, n);
        double q = check(t, exact, n);
        assert_true(q >= 0 && q <= 1);
        free(bytes);
        free(exact);
        practice_task_free(t);
    }
    strbuf_free(&text);
}

/* --- a whole world --- */
static char dir_a[] = "/tmp/wr-practice-a-XXXXXX", dir_b[] = "/tmp/wr-practice-b-XXXXXX";

static int make_worlds(void **state) {
    (void)state;
    practice_options o = {
        .users = 200, .conversations = 3000, .seed = 7, .train_prompts = 4000, .heldout_prompts = 1200};
    if (!mkdtemp(dir_a) || !mkdtemp(dir_b)) return -1;
    if (practice_synth(&o, dir_a) < 0 || practice_synth(&o, dir_b) < 0) {
        print_message("%s\n", wr_error());
        return -1;
    }
    return 0;
}

static int remove_worlds(void **state) {
    (void)state;
    dir_remove_tree(dir_a);
    dir_remove_tree(dir_b);
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
    assert_true(check(t, response, strlen(response)) == q);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checker_english),        cmocka_unit_test(checker_chinese),
        cmocka_unit_test(modes_match_quality),    cmocka_unit_test(bad_tasks_are_refused),
        cmocka_unit_test(checker_survives_noise), cmocka_unit_test(same_seed_same_bytes),
        cmocka_unit_test(levels_follow_quality),  cmocka_unit_test(rows_follow_the_schema),
        cmocka_unit_test(prompts_are_new),        cmocka_unit_test(too_many_prompts)};
    return cmocka_run_group_tests(tests, make_worlds, remove_worlds);
}
