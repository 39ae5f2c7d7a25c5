/* Rows that are none of a suite's: each is told by file, line and field, and of what suite it would be one. Rows that a
 * model cannot read are left out whole. */
#include "base/log.h"
#include "evaluate/suites/suite_rows.h"
#include "tests/support/asserts.h"
#include "tests/support/temp_folder.h"

#include <string.h>

/* A reply "long" is too long for the model. */
static wr_status encode_text(const void *context, const char *text, size_t n, token_ids *out) {
    (void)context;
    if (n == 4 && memcmp(text, "long", 4) == 0) return wr_fail(WR_E_FORMAT, "too long");
    return token_ids_push(out, (int32_t)n);
}
static wr_status encode_chat(const void *context, const chat_message *messages, size_t n, const json_value *row,
                             token_ids *out) {
    (void)row;
    return encode_text(context, messages[n - 1].content, messages[n - 1].length, out);
}
static const suite_encoder encoder = {NULL, encode_chat, encode_text, false};

static wr_status read_file(const char *name, const char *file, const char *text, suite_set *set) {
    put_text(file, text);
    assert_int_equal(suite_set_init(set), WR_OK);
    return suite_read_file(suite_find(name), in_folder(file), &encoder, 0, set);
}

static const struct {
    const char *suite, *file, *text, *said;
} refused[] = {
    {"rewardbench", "a.jsonl", "", "a.jsonl: no row in it; rows of --suite rewardbench have"},
    {"rewardbench", "a.json", "[]", "a.json"},
    {"rewardbench", "a.jsonl",
     "{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\",\"subset\":\"shp\"}\n{\"prompt\":\"p\",\"chosen\":"
     "\"a\"}\n",
     "a.jsonl:2: field \"rejected\" is missing; rows"},
    {"rewardbench", "a.jsonl", "{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\"}\n",
     "a.jsonl:1: field \"subset\" is missing; rows of --suite rewardbench have prompt, chosen and rejected texts, "
     "and subset: this is one of "
     "--suite pairs"},
    {"rewardbench", "a.jsonl", "{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\",\"subset\":\"Focus\"}",
     "subset \"Focus\" is none of RewardBench's"},
    {"rewardbench", "chat.json", "[{\"prompt\":\"p\",\"chosen\":[\"a\",\"b\",\"c\"],\"rejected\":[\"a\",\"b\",\"c\"]}]",
     "chat.json:1: field \"chosen\" is a list, no text; rows of --suite rewardbench have prompt, chosen and "
     "rejected texts, and subset: this "
     "is one of --suite rm-bench"},
    {"rewardbench", "a.jsonl",
     "{\"question\":\"q\",\"response_A\":\"a\",\"response_B\":\"b\",\"label\":\"A>B\",\"source\":\"s\"}",
     "field \"prompt\" is missing; rows of --suite rewardbench have prompt, chosen and rejected texts, and subset: "
     "this is one of --suite judgebench"},
    {"rewardbench", "a.jsonl", "{\"prompt\":\"p\",", "a.jsonl:1: "},
    {"rewardbench", "a.jsonl", "[1,2]", "a.jsonl:1: no JSON object"},
    {"rewardbench2", "a.jsonl",
     "{\"prompt\":\"p\",\"chosen\":[\"a\"],\"rejected\":[\"b\"],\"num_correct\":2,\"subset\":\"Math\"}",
     "field \"chosen\" has 1 texts, and \"num_correct\" says 2"},
    {"rewardbench2", "a.jsonl",
     "{\"prompt\":\"p\",\"chosen\":[\"a\"],\"rejected\":[\"b\"],\"num_incorrect\":3,\"subset\":\"Math\"}",
     "field \"rejected\" has 1 texts, and \"num_incorrect\" says 3"},
    {"rewardbench2", "a.jsonl", "{\"prompt\":\"p\",\"chosen\":[\"a\",\"c\"],\"rejected\":[\"b\"],\"subset\":\"Math\"}",
     "field \"chosen\" has 2 texts; in subset Math one is right"},
    {"rewardbench2", "a.jsonl", "{\"prompt\":\"p\",\"chosen\":[],\"rejected\":[\"b\"],\"subset\":\"Math\"}",
     "field \"chosen\" is an empty list"},
    {"rewardbench2", "a.jsonl", "{\"prompt\":\"p\",\"chosen\":[\"a\"],\"rejected\":[\"b\",7],\"subset\":\"Math\"}",
     "field \"rejected[1]\" is a number, no text"},
    {"rewardbench2", "a.jsonl",
     "{\"prompt\":\"p\",\"chosen\":[\"a\"],\"rejected\":[\"b\"],\"subset\":\"Ties\",\"id\":\"7\"}",
     "id \"7\" of subset Ties is neither ref:NUMBER nor tied:NUMBER"},
    {"rewardbench2", "a.jsonl",
     "{\"prompt\":\"p\",\"chosen\":[\"a\"],\"rejected\":[\"b\"],\"subset\":\"Ties\",\"id\":\"ref:7\"}\n{\"prompt\":"
     "\"p\",\"chosen\":[\"a\"],\"rejected\":[\"b\"],"
     "\"subset\":\"Ties\",\"id\":\"ref:07\"}",
     "a.jsonl:2: id \"ref:07\" of subset Ties stands at"},
    {"rm-bench", "chat.json", "[{\"prompt\":\"p\",\"chosen\":[\"a\",\"b\"],\"rejected\":[\"a\",\"b\",\"c\"]}]",
     "field \"chosen\" has 2 texts, not 3"},
    {"rm-bench", "set.json", "[{\"prompt\":\"p\",\"chosen\":[\"a\",\"b\",\"c\"],\"rejected\":[\"a\",\"b\",\"c\"]}]",
     "field \"domain\" is missing, and the file's name"},
    {"rm-bench", "set.json",
     "[{\"domain\":\"cooking\",\"prompt\":\"p\",\"chosen\":[\"a\",\"b\",\"c\"],\"rejected\":[\"a\",\"b\",\"c\"]}]",
     "domain \"cooking\" is none of"},
    {"judgebench", "a.jsonl",
     "{\"question\":\"q\",\"response_A\":\"a\",\"response_B\":\"b\",\"label\":\"A=B\",\"source\":\"s\"}",
     "label \"A=B\" is neither \"A>B\" nor \"B>A\""},
    {"ppe", "a.jsonl", "{\"prompt\":\"p\",\"response_1\":\"a\",\"response_2\":\"b\",\"winner\":\"c\"}",
     "winner \"c\" is none of model_a"},
    {"ppe", "a.jsonl", "{\"prompt\":\"p\",\"response_1\":\"a\",\"response_2\":\"b\",\"scores\":[1,0]}",
     "field \"sampled_conflict_pairs\" is missing"},
    {"ppe", "a.jsonl", "{\"prompt\":\"p\",\"response_1\":\"a\",\"scores\":[1,0],\"sampled_conflict_pairs\":[[0,1]]}",
     "field \"response_2\" is missing"},
    {"ppe", "a.jsonl",
     "{\"prompt\":\"p\",\"response_1\":\"a\",\"response_2\":\"b\",\"response_3\":\"c\",\"scores\":[1,0],\"sampled_"
     "conflict_pairs\":[[0,1]]}",
     "field \"scores\" has 2 numbers, and there is a response_3"},
    {"ppe", "a.jsonl",
     "{\"prompt\":\"p\",\"response_1\":\"a\",\"response_2\":\"b\",\"scores\":[1,0],\"sampled_conflict_pairs\":[[0,"
     "2]]}",
     "field \"sampled_conflict_pairs[0]\" is no pair of replies 0 to 1"},
    {"ppe", "a.jsonl",
     "{\"prompt\":\"p\",\"response_1\":\"a\",\"response_2\":\"b\",\"scores\":[1,1],\"sampled_conflict_pairs\":[[0,"
     "1]]}",
     "pairs replies of equal score"},
    {"rmb", "a.jsonl",
     "{\"conversation_input\":[{\"role\":\"user\",\"content\":\"p\"}],\"chosen\":{\"answer\":\"a\"},\"category_"
     "path\":\"Pairwise_set/Helpfulness/X\"}",
     "field \"reject\" is missing"},
    {"rmb", "a.jsonl",
     "{\"conversation_input\":[{\"role\":\"user\",\"content\":\"p\"}],\"chosen\":{},\"reject\":{\"answer\":\"a\"},"
     "\"category_path\":\"Helpfulness\"}",
     "\"chosen\": field \"answer\" is missing"},
    {"rmb", "a.jsonl",
     "{\"conversation_input\":[{\"role\":\"user\",\"content\":\"p\"}],\"chosen\":{\"answer\":\"a\"},\"reject\":{"
     "\"answer\":\"a\"},\"category_path\":\"X\"}",
     "category_path \"X\" names neither"},
    {"pairs", "a.jsonl", "{\"chosen\":\"a\",\"rejected\":[]}", "not both texts or both lists"},
    {"pairs", "a.jsonl",
     "{\"chosen\":[{\"role\":\"user\",\"content\":\"a\"}],\"rejected\":[{\"role\":\"user\",\"content\":\"a\"}]}",
     "field \"chosen\" does not end with a message of the assistant"},
    {"pairs", "a.jsonl",
     "{\"prompt\":\"p\",\"chosen\":[{\"role\":\"assistant\",\"content\":\"a\"}],\"rejected\":[{\"role\":"
     "\"assistant\",\"content\":\"b\"}]}",
     "field \"prompt\" is no list of messages"},
    {"pairs", "a.jsonl", "{\"prompt\":[{\"role\":\"user\",\"content\":\"a\"}],\"chosen\":\"a\",\"rejected\":\"b\"}",
     "field \"prompt\" is no text"},
    {"pairs", "a.jsonl", "{\"chosen\":7,\"rejected\":8}", "field \"chosen\" is neither a text nor a list"},
};

static void test_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        suite_set set;
        const wr_status status = read_file(refused[i].suite, refused[i].file, refused[i].text, &set);
        if (status != WR_E_FORMAT) fail_msg("row %zu of %s: status %d", i, refused[i].suite, status);
        if (!strstr(wr_error(), refused[i].said))
            fail_msg("row %zu: \"%s\" lacks \"%s\"", i, wr_error(), refused[i].said);
        assert_non_null(strstr(wr_error(), refused[i].file));
        suite_set_free(&set);
    }
}

static void test_left_out(void **state) {
    (void)state;
    suite_set set;
    assert_int_equal(read_file("rewardbench", "a.jsonl",
                               "{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\",\"subset\":\"shp\"}\n"
                               "{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"long\",\"subset\":\"shp\"}\n"
                               "{\"prompt\":\"p\",\"chosen\":\"abc\",\"rejected\":\"b\",\"subset\":\"shp\"}\n",
                               &set),
                     WR_OK);
    assert_int_equal(set.n, 2);
    assert_int_equal(set.left_out, 1);
    assert_int_equal(set.n_texts, 4);
    assert_int_equal(set.items[1].first, 2);
    assert_int_equal(set.texts[2].ids[0], 3);
    suite_set_free(&set);
}

/* A prompt as a text beside chats that begin with it, as some sets of pairs have it. */
static void test_prompt_beside_chats(void **state) {
    (void)state;
    suite_set set;
    assert_int_equal(
        read_file("pairs", "a.jsonl",
                  "{\"prompt\":\"p\",\"chosen\":[{\"role\":\"user\",\"content\":\"p\"},{\"role\":\"assistant\","
                  "\"content\":\"abc\"}],"
                  "\"rejected\":[{\"role\":\"user\",\"content\":\"p\"},{\"role\":\"assistant\",\"content\":\"b\"}]}",
                  &set),
        WR_OK);
    assert_int_equal(set.n, 1);
    assert_int_equal(set.texts[0].ids[0], 3);
    suite_set_free(&set);
}

/* Domains by the names of RM-Bench's files, and benchmarks by those of PPE's folders. */
static void test_names(void **state) {
    (void)state;
    static const struct {
        const char *suite, *file, *group;
    } rows[] = {{"rm-bench", "chat_filtered.json", "chat"},
                {"rm-bench", "safety-refuse_filtered.json", "safety"},
                {"rm-bench", "safety-response_filtered.json", "safety"},
                {"rm-bench", "my-code.json", "code"},
                {"ppe", "PPE-MMLU-Pro-Best-of-K-train.jsonl", "MMLU-Pro"},
                {"ppe", "mbpp_plus.jsonl", "MBPP-Plus"},
                {"ppe", "own.jsonl", "own"},
                {"rewardbench", "anthropic_hhh-00000-of-00001.jsonl", "anthropic_hhh"}};
    static const char *const text[] = {
        "[{\"prompt\":\"p\",\"chosen\":[\"a\",\"b\",\"c\"],\"rejected\":[\"a\",\"b\",\"c\"]}]",
        "{\"prompt\":\"p\",\"response_1\":\"a\",\"response_2\":\"b\",\"scores\":[1,0],\"sampled_conflict_pairs\":[[0,1]"
        "]}",
        "{\"prompt\":[{\"role\":\"user\",\"content\":\"p\"}],\"chosen\":\"a\",\"rejected\":\"b\",\"subset\":\"part\"}"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        suite_set set;
        assert_int_equal(read_file(rows[i].suite, rows[i].file, text[i < 4 ? 0 : i < 7 ? 1 : 2], &set), WR_OK);
        assert_string_equal(set.groups[set.items[0].group], rows[i].group);
        suite_set_free(&set);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused), cmocka_unit_test(test_left_out),
                                       cmocka_unit_test(test_prompt_beside_chats), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
