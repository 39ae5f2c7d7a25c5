/* A prepared folder made here: its summary's numbers, its page, and what verifying it finds. */
#include "base/file.h"
#include "base/hash.h"
#include "data/shard/folder_verify.h"
#include "data/prepare/prepare_summary.h"
#include "report/html.h"
#include "report/prepare_page.h"
#include "report/sankey.h"
#include "tests/support/temp_folder.h"
#include "tests/support/shards.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const chat_message before[2] = {{"user", "first", 5, NULL}, {"assistant", "reply", 5, NULL}};

static void write_rewards(const char *name, const instance *x, size_t n) {
    put_reward_shard(in_folder(name), &(shard_meta){.kind = SHARD_REWARD, .classes = 4}, x, n);
}

static instance reply(const char *id, const char *user, const char *response, int label, const char *how) {
    return (instance){.id = id,
                      .user = user,
                      .language = "English",
                      .model = "m<1>",
                      .how = how,
                      .turn = 4,
                      .label = label,
                      .history = before,
                      .n_history = 2,
                      .query = "why & how",
                      .query_length = 9,
                      .response = response,
                      .response_length = strlen(response)};
}

static char long_reply[6000];

static void write_folder(void) {
    memset(long_reply, 'x', sizeof long_reply - 1);
    memcpy(long_reply + 3999, "\xe4\xb8\xad", 3); /* a character over the cut */
    const instance train[] = {reply("c1:4", "ann", "yes", 4, "lexicon"), reply("c2:4", "ann", "no", 1, "refusal"),
                              reply("c3:4", "bob", long_reply, 2, "lexicon")};
    const instance test[] = {reply("c4:4", "cy", "mm\xe4\xb8\xad", 4, "mined")};
    static const chat_message talk[4] = {{"user", "first", 5, NULL},
                                         {"assistant", "reply", 5, NULL},
                                         {"user", "why & how", 9, NULL},
                                         {"assistant", "yes", 3, NULL}};
    chat_message longer[6];
    memcpy(longer, talk, sizeof talk);
    longer[4] = (chat_message){"user", "thanks <b>", 10, NULL};
    longer[5] = (chat_message){"assistant", "welcome", 7, NULL};
    write_rewards("reward-train-00000.wrs", train, 2);
    write_rewards("reward-train-00001.wrs", train + 2, 1);
    write_rewards("reward-test-00000.wrs", test, 1);
    const chat_record chat[] = {{.id = "c2", .user = "ann", .messages = talk, .n_messages = 4},
                                {.id = "c1", .user = "ann", .messages = longer, .n_messages = 6}};
    put_chat_shard(in_folder("chats-train-00000.wrs"), chat, 2);
    put_text("turns.jsonl.zst",
             "{\"conversation_hash\":\"c1\",\"turn_identifier\":4,\"user\":\"ann\",\"level\":5,\"how\":"
             "\"lexicon\",\"final_level\":5,\"dropped\":null,\"month\":\"2023-04\"}\n"
             "{\"conversation_hash\":\"c2\",\"turn_identifier\":4,\"user\":\"ann\",\"level\":3,\"how\":"
             "\"refusal\",\"final_level\":1,\"dropped\":null,\"month\":\"2023-04\"}\n"
             "{\"conversation_hash\":\"c3\",\"turn_identifier\":4,\"user\":\"bob\",\"level\":2,\"how\":"
             "\"lexicon\",\"final_level\":2,\"dropped\":null,\"month\":\"\"}\n"
             "{\"conversation_hash\":\"c4\",\"turn_identifier\":4,\"user\":\"cy\",\"level\":3,\"how\":"
             "\"mined\",\"final_level\":5,\"dropped\":null,\"month\":\"2023-05\"}\n"
             "{\"conversation_hash\":\"c5\",\"turn_identifier\":4,\"user\":\"dan\",\"level\":3,\"how\":"
             "\"lexicon\",\"final_level\":3,\"dropped\":\"neutral\",\"month\":\"2023-05\"}\n"
             "{\"conversation_hash\":\"c6\",\"turn_identifier\":4,\"user\":\"dan\",\"level\":null,"
             "\"how\":null,\"final_level\":null,\"dropped\":\"unlabelled\",\"month\":\"2023-05\"}\n");
    put_text("users.jsonl.zst", "{\"user\":\"ann\",\"split\":\"train\",\"turns\":2,\"instances\":2}\n{\"user\":\"bob\","
                                "\"split\":\"train\",\"turns\":1,\"instances\":1}\n"
                                "{\"user\":\"cy\",\"split\":\"test\",\"turns\":1,\"instances\":1}\n{\"user\":\"dan\","
                                "\"split\":\"train\",\"turns\":2,\"instances\":0}\nbroken\n");
    char meta_text[1024], hash[HASH_HEX];
    assert_int_equal(hash_file_hex(in_folder("users.jsonl.zst"), hash), WR_OK);
    snprintf(meta_text, sizeof meta_text,
             "{\"version\":1,\"options\":{\"seed\":7,\"user_key\":\"<ip>\"},\"funnel\":{\"rows\":{\"read\":9,\"bad\":0}"
             "},\"files\":{\"users.jsonl.zst\":\"%s\"}}",
             hash);
    put_text("meta.json", meta_text);
}

static int set_up(void **state) {
    if (folder_set_up(state) < 0) return -1;
    write_folder();
    return 0;
}
static const json_value *summarised(arena *a, strbuf *text) {
    const json_value *v;
    strbuf_clear(text);
    wr_status s = prepare_summary(test_folder(), text);
    assert_ok(s);
    assert_int_equal(json_parse(a, text->data, text->len, &v), WR_OK);
    return v;
}

static double number(const json_value *v, const char *key) {
    double x = NAN;
    json_get_double(v, key, &x);
    return x;
}

static const char *words(const json_value *v, const char *key) {
    const char *s = NULL;
    size_t n;
    return json_get_string(v, key, &s, &n) ? s : "";
}

static void numbers(void **state) {
    (void)state;
    strbuf text = {0};
    arena *a = arena_create();
    const json_value *v = summarised(a, &text), *turns = json_get(v, "turns"), *users = json_get(v, "users"),
                     *records = json_get(v, "records");
    assert_true(number(turns, "n") == 6 && number(turns, "bad_lines") == 0);
    static const double levels[6] = {1, 0, 1, 3, 0, 1}, final[6] = {1, 1, 1, 1, 0, 2};
    for (size_t l = 0; l < 6; l++) {
        double x;
        assert_true(json_to_double(json_at(json_get(turns, "levels"), l), &x) && x == levels[l]);
        assert_true(json_to_double(json_at(json_get(turns, "final"), l), &x) && x == final[l]);
    }
    const json_value *flow = json_get(turns, "flow");
    assert_int_equal(flow->length, 6);
    assert_string_equal(words(json_at(flow, 0), "outcome"), "unlabelled");
    assert_true(number(json_at(flow, 2), "level") == 3 && number(json_at(flow, 2), "final") == 1 &&
                number(json_at(flow, 2), "n") == 1);
    assert_true(number(json_at(json_get(turns, "months"), 1), "turns") == 2 &&
                number(json_at(json_get(turns, "months"), 1), "kept") == 2);
    assert_null(json_get(turns, "languages")); /* the file has none */
    assert_true(number(json_get(v, "refusals"), "false") == 1);
    /* users: 0, 1, 1, 2 instances; of those with some 1, 1, 2: (−2·1 + 0·1 + 2·2)/(3·4) */
    assert_true(number(users, "n") == 4 && number(users, "bad_lines") == 1 && number(users, "train") == 3 &&
                number(users, "with_instances") == 3);
    assert_true(fabs(number(users, "gini") - 2.0 / 12) < 1e-9 && number(users, "largest") == 2 &&
                number(users, "top_percent_share") == 0.5);
    const json_value *bins = json_get(users, "histogram"), *curve = json_get(users, "lorenz");
    assert_true(bins->length == 3 && number(json_at(bins, 1), "from") == 1 && number(json_at(bins, 1), "n") == 2 &&
                number(json_at(bins, 2), "to") == 3);
    double end;
    assert_true(curve->length == 21 && json_to_double(json_at(json_at(curve, 20), 1), &end) && end == 1);
    assert_true(number(records, "n") == 4 && number(records, "train") == 3 && number(records, "test") == 1);
    assert_true(number(json_at(json_get(records, "labels"), 3), "train") == 1 &&
                number(json_at(json_get(records, "labels"), 3), "test") == 1);
    const json_value *length = json_get(records, "reply_characters"); /* 2, 3, 3 characters and 5,997 */
    assert_true(number(length, "median") == 3 && number(length, "largest") == 5997 &&
                number(json_at(json_get(length, "histogram"), 0), "n") == 3);
    assert_null(json_get(records, "tokens"));
    assert_string_equal(words(json_at(json_get(records, "models"), 0), "name"), "m<1>");
    arena_free(a);
    strbuf_free(&text);
}

static void examples(void **state) {
    (void)state;
    strbuf text = {0};
    arena *a = arena_create();
    const json_value *list = json_get(summarised(a, &text), "examples");
    assert_int_equal(list->length, 4);
    const json_value *first = json_at(list, 0), *cut = json_at(list, 1), *given = json_at(list, 2);
    assert_string_equal(words(first, "id"), "c2:4");
    assert_string_equal(words(first, "how"), "refusal");
    assert_null(json_get(first, "followup")); /* its chat holds another reply */
    assert_string_equal(words(given, "id"), "c1:4");
    assert_string_equal(words(given, "followup"), "thanks <b>");
    const char *s = words(cut, "response");
    assert_int_equal(strncmp(s, long_reply, 3999), 0);
    assert_string_equal(s + 3999, " … (2000 bytes more)");
    strbuf again = {0};
    assert_int_equal(prepare_summary(test_folder(), &again), WR_OK);
    assert_string_equal(again.data, text.data);
    strbuf_free(&again);
    arena_free(a);
    strbuf_free(&text);
}

static void has(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("no '%s' in the page", part);
}

static void page(void **state) {
    (void)state;
    strbuf text = {0}, html = {0};
    arena *a = arena_create();
    prepare_section(&html, summarised(a, &text));
    assert_int_equal(strbuf_status(&html), WR_OK);
    has(html.data, "class=\"sankey\"");
    has(html.data, "3 neutral → 1 rejection: 1");
    has(html.data, "1 rejection → kept: 1");
    has(html.data, "m&lt;1&gt;");
    has(html.data, "thanks &lt;b&gt;");
    has(html.data, "why &amp; how");
    has(html.data, "&lt;ip&gt;");
    has(html.data, "Gini 0.17");
    has(html.data, "The paper found 32&nbsp;%");
    has(html.data, "False: <b>100&nbsp;%</b> (21 – 100&nbsp;%)"); /* 1 of 1: Wilson 0.2065 */
    has(html.data, "<details class=\"long\">");
    assert_null(strstr(html.data, "<script"));
    assert_null(strstr(html.data, "nan"));
    arena_free(a);
    strbuf_free(&text);
    strbuf_free(&html);
}

/* Whatever is absent is left out; numbers of wrong types do no harm. */
static void page_degrades(void **state) {
    (void)state;
    static const char *const sources[] = {
        "{}", "[]", "{\"dir\":5,\"meta\":{},\"turns\":{},\"users\":{},\"records\":{},\"examples\":[],\"refusals\":{}}",
        "{\"dir\":\"d\",\"meta\":{\"funnel\":{\"rows\":{\"read\":3}}}}",
        "{\"turns\":{\"n\":\"x\",\"flow\":[{\"level\":9,\"final\":1,\"outcome\":\"kept\",\"n\":1},{\"n\":2},{\"level\":"
        "1,\"final\":1,\"n\":-4},5],\"months\":[{},7]},"
        "\"users\":{\"gini\":0.5,\"lorenz\":[[0],[2,3],\"x\"],\"histogram\":[{\"from\":1}]},\"records\":{\"n\":0,"
        "\"labels\":[{}],\"tokens\":[]},"
        "\"refusals\":{\"by_level\":[{\"turns\":1,\"level\":77}],\"by_model\":[{}]},\"examples\":[{},3,{\"history\":[{}"
        "],\"query\":7}]}"};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        arena *a = arena_create();
        const json_value *v;
        strbuf html = {0};
        assert_int_equal(json_parse(a, sources[i], strlen(sources[i]), &v), WR_OK);
        prepare_section(&html, v);
        assert_int_equal(strbuf_status(&html), WR_OK);
        if (strstr(html.data, "nan") || strstr(html.data, "inf")) fail_msg("case %zu: %s", i, html.data);
        strbuf_free(&html);
        arena_free(a);
    }
}

static void sankey_of_nothing(void **state) {
    (void)state;
    strbuf b = {0};
    static const char *const titles[] = {"a", "b"};
    svg_sankey(&b, "none", titles, 2, NULL, 0, NULL, 0);
    const sankey_node nodes[2] = {{"x", 0, 1}, {"y", 1, -1}};
    const sankey_link links[3] = {{0, 1, 0}, {0, 7, 3}, {0, 1, -1}};
    svg_sankey(&b, "none", titles, 2, nodes, 2, links, 3);
    assert_null(strstr(b.data, "nan"));
    assert_null(strstr(b.data, "<rect"));
    strbuf_free(&b);
}

static void folders_without_parts(void **state) {
    (void)state;
    strbuf text = {0};
    assert_true(prepare_summary_wanted(test_folder()));
    assert_int_equal(dir_make(in_folder("bare")), WR_OK);
    assert_false(prepare_summary_wanted(in_folder("bare")));
    put_text("bare/meta.json", "{\"version\":1}");
    assert_true(prepare_summary_wanted(in_folder("bare")));
    assert_int_equal(prepare_summary(in_folder("bare"), &text), WR_OK);
    assert_non_null(strstr(text.data, "\"meta\":{\"version\":1}}"));
    put_text("bare/metrics.jsonl", "");
    assert_false(prepare_summary_wanted(in_folder("bare"))); /* a training run */
    put_text("bare/meta.json", "{\"version\":");
    assert_int_equal(prepare_summary(in_folder("bare"), &text), WR_E_FORMAT);
    assert_error_says("meta.json");
    strbuf_free(&text);
}

/* --- verifying --- */

static const json_value *meta_of(arena *a) {
    char *text;
    size_t n;
    const json_value *v;
    assert_int_equal(file_read(in_folder("meta.json"), 0, &text, &n), WR_OK);
    assert_int_equal(json_parse(a, text, n, &v), WR_OK);
    free(text);
    return v;
}

static void test_users_never_in_train(void **state) {
    (void)state;
    size_t users;
    assert_int_equal(folder_verify_split(test_folder(), &users), WR_OK);
    assert_int_equal(users, 3);
    const instance stray[] = {reply("c9:4", "bob", "again", 1, "lexicon")};
    write_rewards("reward-test-00001.wrs", stray, 1);
    assert_int_equal(folder_verify_split(test_folder(), &users), WR_E_MISMATCH);
    assert_error_says("bob");
    assert_int_equal(unlink(in_folder("reward-test-00001.wrs")), 0);
}

static void files_have_their_hashes(void **state) {
    (void)state;
    size_t checked;
    arena *a = arena_create();
    const json_value *meta = meta_of(a);
    assert_int_equal(folder_verify_files(test_folder(), meta, &checked), WR_OK);
    assert_int_equal(checked, 1);
    assert_int_equal(folder_verify_files(test_folder(), NULL, &checked), WR_OK);
    char *text;
    size_t n;
    assert_int_equal(file_read(in_folder("users.jsonl.zst"), 0, &text, &n), WR_OK);
    put_text("users.jsonl.zst", "{}\n");
    assert_int_equal(folder_verify_files(test_folder(), meta, &checked), WR_E_MISMATCH);
    assert_error_says("users.jsonl.zst: changed");
    assert_int_equal(unlink(in_folder("users.jsonl.zst")), 0);
    assert_int_equal(folder_verify_files(test_folder(), meta, &checked), WR_E_MISMATCH);
    assert_error_says("users.jsonl.zst: missing");
    put_text("users.jsonl.zst", text);
    free(text);
    arena_free(a);
}

static void shards_are_recounted(void **state) {
    (void)state;
    shard_reader *r;
    assert_int_equal(shard_reader_open(in_folder("reward-train-00000.wrs"), &r), WR_OK);
    assert_int_equal(shard_verify(r, in_folder("reward-train-00000.wrs")), WR_OK);
    shard_reader_close(r);
    assert_int_equal(shard_reader_open(in_folder("chats-train-00000.wrs"), &r), WR_OK);
    assert_int_equal(shard_verify(r, in_folder("chats-train-00000.wrs")), WR_OK);
    shard_reader_close(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers),
                                       cmocka_unit_test(examples),
                                       cmocka_unit_test(page),
                                       cmocka_unit_test(page_degrades),
                                       cmocka_unit_test(sankey_of_nothing),
                                       cmocka_unit_test(folders_without_parts),
                                       cmocka_unit_test(test_users_never_in_train),
                                       cmocka_unit_test(files_have_their_hashes),
                                       cmocka_unit_test(shards_are_recounted)};
    return cmocka_run_group_tests(tests, set_up, folder_tear_down);
}
