/* Export and pairs: exact lines from shards made here, in order, and what is refused. */
#include "base/file.h"
#include "data/export/export.h"
#include "reward/template.h"
#include "data/export/user_pairs.h"
#include "tests/support/temp_folder.h"
#include "tests/support/shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const chat_message before[2] = {{"user", "hi", 2, NULL}, {"assistant", "hello \"you\"", 11, NULL}};
static const int32_t ids[3] = {5, 6, 7};

static instance reply(const char *id, const char *user, const char *query, const char *response, int label) {
    return (instance){.id = id,
                      .user = user,
                      .language = "English",
                      .model = "m",
                      .how = "lexicon",
                      .turn = 4,
                      .label = label,
                      .history = before,
                      .n_history = 2,
                      .query = query,
                      .query_length = strlen(query),
                      .response = response,
                      .response_length = strlen(response),
                      .ids = ids,
                      .n_ids = 3};
}

static const char template_text[] = "H {history}|Q {query}|R {response}";

static void write_rewards(const char *name, const instance *x, size_t n) {
    reward_template *t;
    shard_meta meta = {.kind = SHARD_REWARD, .classes = 4};
    assert_int_equal(reward_template_from_text(template_text, &t), WR_OK);
    snprintf(meta.template_hash, sizeof meta.template_hash, "%s", reward_template_hash(t));
    reward_template_free(t);
    put_reward_shard(in_folder(name), &meta, x, n);
}

static char *exported(export_options o, uint64_t want) {
    char *text;
    size_t n;
    uint64_t records = 0;
    o.dir = test_folder();
    o.out_path = in_folder("out.jsonl");
    wr_status s = export_run(&o, &records);
    assert_ok(s);
    assert_int_equal(records, want);
    assert_int_equal(file_read(in_folder("out.jsonl"), 0, &text, &n), WR_OK);
    return text;
}

static void expect(export_options o, uint64_t records, const char *want) {
    char *got = exported(o, records);
    assert_string_equal(got, want);
    free(got);
}

static void formats(void **state) {
    (void)state;
    const instance train[3] = {reply("c1:4", "ann", "why", "because", 1), reply("c2:4", "ann", "how", "so\n", 2),
                               reply("c3:4", "bob", "who", "me", 3)};
    const instance test[1] = {reply("c4:4", "cy", "", "yes", 4)};
    write_rewards("reward-train-00000.wrs", train, 2);
    write_rewards("reward-train-00001.wrs", train + 2, 1);
    write_rewards("reward-test-00000.wrs", test, 1);
    put_text("template.txt", template_text);
#define HISTORY "{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"hello \\\"you\\\"\"}"
#define FIELDS(id, user, label, query, response)                                                                       \
    "{\"id\":\"" id "\",\"user\":\"" user                                                                              \
    "\",\"language\":\"English\",\"model\":\"m\",\"how\":\"lexicon\",\"turn\":4,\"label\":" label                      \
    ",\"history\":[" HISTORY "],\"query\":\"" query "\",\"response\":\"" response "\""
    expect((export_options){.split = "train", .kind = SHARD_REWARD}, 3,
           FIELDS("c1:4", "ann", "1", "why", "because") "}\n" FIELDS("c2:4", "ann", "2", "how", "so\\n") "}\n" FIELDS(
               "c3:4", "bob", "3", "who", "me") "}\n");
    expect((export_options){.split = "test", .kind = SHARD_REWARD, .tokens = true}, 1,
           FIELDS("c4:4", "cy", "4", "", "yes") ",\"ids\":[5,6,7]}\n");
#define TRL(query, response, label)                                                                                    \
    "{\"prompt\":[" HISTORY query "],\"completion\":[{\"role\":\"assistant\",\"content\":\"" response                  \
    "\"}],\"label\":" label "}\n"
#define ASK(q) ",{\"role\":\"user\",\"content\":\"" q "\"}"
    expect((export_options){.split = "all", .kind = SHARD_REWARD, .format = EXPORT_TRL}, 4,
           TRL(ASK("why"), "because", "false") TRL(ASK("how"), "so\\n", "false") TRL(ASK("who"), "me", "true")
               TRL("", "yes", "true"));
    expect((export_options){.split = "test", .kind = SHARD_REWARD, .format = EXPORT_TRL, .positive_from = 4}, 1,
           TRL("", "yes", "true"));
    expect((export_options){.split = "test", .kind = SHARD_REWARD, .format = EXPORT_HF}, 1,
           "{\"text\":\"H User: hi\\nAssistant: hello \\\"you\\\"|Q |R "
           "yes\",\"label\":3,\"id\":\"c4:4\",\"user\":\"cy\"}\n");
    assert_int_equal(export_positive_from(0, 4), 3);
    assert_int_equal(export_positive_from(0, 5), 3);
    assert_int_equal(export_positive_from(0, 2), 2);
}

static void chats(void **state) {
    (void)state;
    static const size_t spans[2] = {1, 3};
    chat_record x = {.id = "c9",
                     .user = "ann",
                     .messages = before,
                     .n_messages = 2,
                     .ids = ids,
                     .n_ids = 3,
                     .spans = spans,
                     .n_spans = 1};
    put_chat_shard(in_folder("chats-train-00000.wrs"), &x, 1);
    expect((export_options){.split = "train", .kind = SHARD_CHAT, .format = EXPORT_TRL}, 1,
           "{\"messages\":[" HISTORY "]}\n");
    expect((export_options){.split = "train", .kind = SHARD_CHAT}, 1,
           "{\"id\":\"c9\",\"user\":\"ann\",\"messages\":[" HISTORY "]}\n");
    expect((export_options){.split = "all", .kind = SHARD_CHAT, .tokens = true}, 1,
           "{\"id\":\"c9\",\"user\":\"ann\",\"messages\":[" HISTORY "],\"ids\":[5,6,7],\"spans\":[1,3]}\n");
}

static void refusals(void **state) {
    (void)state;
    export_options o = {.dir = test_folder(), .split = "test", .kind = SHARD_CHAT, .out_path = in_folder("none.jsonl")};
    assert_int_equal(export_run(&o, NULL), WR_E_IO);
    assert_error_says("chats-test-");
    o = (export_options){.dir = test_folder(),
                         .split = "test",
                         .kind = SHARD_REWARD,
                         .format = EXPORT_TRL,
                         .positive_from = 5,
                         .out_path = in_folder("none.jsonl")};
    assert_int_equal(export_run(&o, NULL), WR_E_USAGE);
    assert_int_equal(file_write_atomic(in_folder("template.txt"), "{history}{query}{response}", 26), WR_OK);
    o = (export_options){.dir = test_folder(),
                         .split = "test",
                         .kind = SHARD_REWARD,
                         .format = EXPORT_HF,
                         .out_path = in_folder("none.jsonl")};
    assert_int_equal(export_run(&o, NULL), WR_E_MISMATCH);
    assert_error_says("template.txt");
    assert_false(file_exists(in_folder("none.jsonl")));
}

/* A damaged frame: an error that names file and frame, and no output under its name. */
static void damage(void **state) {
    (void)state;
    char *bytes;
    size_t n;
    assert_int_equal(file_read(in_folder("reward-train-00001.wrs"), 0, &bytes, &n), WR_OK);
    shard_reader *r;
    assert_int_equal(shard_reader_open(in_folder("reward-train-00001.wrs"), &r), WR_OK);
    size_t offset = shard_reader_frame(r, 0)->offset + 9;
    shard_reader_close(r);
    bytes[offset] ^= 4;
    put_file("reward-train-00001.wrs", bytes, n);
    export_options o = {
        .dir = test_folder(), .split = "train", .kind = SHARD_REWARD, .out_path = in_folder("none.jsonl")};
    assert_int_equal(export_run(&o, NULL), WR_E_FORMAT);
    assert_error_says("reward-train-00001.wrs: frame 0");
    assert_false(file_exists(in_folder("none.jsonl")));
    bytes[offset] ^= 4;
    put_file("reward-train-00001.wrs", bytes, n);
    free(bytes);
}

/* --- pairs --- */

static char *paired(user_pairs_options o, user_pairs_counts *counts) {
    char *text;
    size_t n;
    o.dir = test_folder();
    o.split = "train";
    o.out_path = in_folder("pairs.jsonl");
    wr_status s = user_pairs_run(&o, counts);
    assert_ok(s);
    assert_int_equal(file_read(in_folder("pairs.jsonl"), 0, &text, &n), WR_OK);
    return text;
}

static size_t lines_of(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static void pairs(void **state) {
    (void)state;
    instance x[] = {reply("a1", "ann", "What is  it?", "good", 4),
                    reply("a2", "ann", " what\nIS it? ", "bad", 1), /* the same question but for case and spaces */
                    reply("b1", "bob", "What is it?", "other", 1),  /* another user */
                    reply("a3", "ann", "what is it?", "fair", 3),
                    reply("a4", "ann", "what is it?", "poor", 2),
                    reply("a5", "ann", "what is it?", "worse", 1),
                    reply("c1", "cy", "Same text?", "equal", 3),
                    reply("c2", "cy", "same text?", "equal", 2),
                    reply("d1", "dan", "", "x", 1),
                    reply("d2", "dan", " ", "y", 4),
                    reply("e1", "eve", "ok?", "p", 3),
                    reply("e2", "eve", "ok?", "q", 4)};
    x[4].n_history = 0;
    write_rewards("reward-train-00000.wrs", x, 5);
    write_rewards("reward-train-00001.wrs", x + 5, sizeof x / sizeof *x - 5);
    user_pairs_counts n;
    char *text = paired((user_pairs_options){0}, &n);
    /* ann: 4, 3 | 2, 1, 1: best with worst (a1 with a2, earlier of the two 1s), then a3 with a5 */
    assert_string_equal(text, "{\"user\":\"ann\",\"query\":\"What is  it?\",\"history\":[" HISTORY
                              "],\"chosen\":\"good\",\"rejected\":\"bad\",\"chosen_label\":4,"
                              "\"rejected_label\":1,\"chosen_id\":\"a1\",\"rejected_id\":\"a2\"}\n"
                              "{\"user\":\"ann\",\"query\":\"what is it?\",\"history\":[" HISTORY
                              "],\"chosen\":\"fair\",\"rejected\":\"worse\",\"chosen_label\":3,"
                              "\"rejected_label\":1,\"chosen_id\":\"a3\",\"rejected_id\":\"a5\"}\n");
    free(text);
    assert_true(n.records == 12 && n.no_query == 2 && n.groups == 4 && n.both_signs == 2 && n.pairs == 2 &&
                n.same_text == 1);
    text = paired((user_pairs_options){.all_pairs = true}, &n);
    assert_int_equal(lines_of(text), 6);
    assert_true(n.pairs == 6 && n.same_text == 1);
    free(text);
    text =
        paired((user_pairs_options){.all_pairs = true, .same_history = true}, &n); /* a4 has another history: alone */
    assert_int_equal(lines_of(text), 4);
    assert_null(strstr(text, "poor"));
    free(text);
    text = paired((user_pairs_options){.positive_from = 4}, &n);
    assert_int_equal(lines_of(text), 2); /* ann's 4 with the worst; eve's 4 with her 3 */
    assert_non_null(strstr(text, "\"chosen_id\":\"e2\",\"rejected_id\":\"e1\""));
    free(text);
    text = paired((user_pairs_options){.trl = true}, &n);
    const char *want =
        "{\"prompt\":[" HISTORY ASK("What is  it?") "],\"chosen\":[{\"role\":\"assistant\",\"content\":\"good\"}],"
                                                    "\"rejected\":[{\"role\":\"assistant\",\"content\":\"bad\"}]}\n";
    assert_int_equal(strncmp(text, want, strlen(want)), 0);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(formats), cmocka_unit_test(chats), cmocka_unit_test(refusals),
                                       cmocka_unit_test(damage), cmocka_unit_test(pairs)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
