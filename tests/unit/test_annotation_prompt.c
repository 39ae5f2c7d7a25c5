/* Prompts: built in and from files, slots, clipping; and what counts as an answer. */
#include "base/file.h"
#include "base/utf8.h"
#include "data/label/annotate/annotation_prompt.h"
#include "tests/support/temp_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int answer(const char *text) { return annotation_answer(text, strlen(text), 1, 5); }

static void test_answers(void **state) {
    (void)state;
    assert_int_equal(answer("[[4]]"), 4);
    assert_int_equal(answer("The grade is [[1]]."), 1);
    assert_int_equal(answer("[[2]] or rather [[5]]"), 5);
    assert_int_equal(answer("[[ 3 ]]"), 3);
    assert_int_equal(answer("[[[2]]]"), 2);
    assert_int_equal(answer("[[5]]\n\nwhy: [[n]] stands for"), 5);
    assert_int_equal(answer("满意 [[5]]。"), 5);
    assert_int_equal(answer("<think>maybe [[1]]</think>[[4]]"), 4);
    assert_int_equal(answer("maybe [[1]]</think>\n[[2]]"), 2);
    assert_int_equal(annotation_answer("[[0]]", 5, 0, 2), 0);
}

static void test_mistake_6_unparseable_answer_is_no_label(void **state) {
    (void)state;
    static const char *const none[] = {"",
                                       "5",
                                       "[5]",
                                       "[[5]",
                                       "[5]]",
                                       "[[]]",
                                       "[[6]]",
                                       "[[0]]",
                                       "[[-1]]",
                                       "[[4.5]]",
                                       "[[44444444444444444444]]",
                                       "[[",
                                       "[[4",
                                       "[[4]",
                                       "[[five]]",
                                       "[[1-5]]",
                                       "[[2]] then [[7]]",
                                       "I cannot say"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) assert_int_equal(answer(none[i]), -1);
    assert_int_equal(answer("<think>maybe [[1]]</think> no idea"), -1);
    assert_int_equal(answer("<think>maybe [[1]], or"), -1);
    assert_int_equal(annotation_answer("[[3]]", 5, 0, 2), -1);
    assert_int_equal(annotation_answer("[[4]]", 4, 1, 5), -1); /* the length counts, not the NUL */
}

static chat_message message(const char *role, const char *content) {
    return (chat_message){.role = role, .content = content, .length = strlen(content)};
}

static void test_built_in(void **state) {
    (void)state;
    annotation_prompt *p = NULL;
    strbuf b = {0};
    prompt_limits limits = {.history = 2, .characters = 0};
    chat_message history[] = {message("user", "first"), message("assistant", "second"), message("user", "third"),
                              message("assistant", "fourth")},
                 query = message("user", "What {reply} is {followup}?"), reply = message("assistant", "R {query}"),
                 followup = message("user", "Thanks \"a\\b\"!");
    annotated_turn t = {
        .id = "c", .history = history, .n_history = 4, .query = &query, .reply = &reply, .followup = &followup};
    assert_int_equal(annotation_prompt_load(NULL, PROMPT_LEVEL, &p), WR_OK);
    annotation_prompt_render(p, &t, &limits, &b);
    /* Slots inside what people wrote are their text. */
    assert_non_null(strstr(b.data, "<question>\nWhat {reply} is {followup}?\n</question>"));
    assert_non_null(strstr(b.data, "<reply>\nR {query}\n</reply>"));
    assert_non_null(strstr(b.data, "<reaction>\nThanks \"a\\b\"!\n</reaction>"));
    assert_non_null(strstr(b.data, "[… 2 messages left out …]\nperson: third\nassistant: fourth\n</earlier>"));
    assert_null(strstr(b.data, "first"));
    assert_int_not_equal(b.data[b.len - 1], '\n');
    uint64_t level_hash = annotation_prompt_hash(p);
    annotation_prompt_free(p);
    t.query = NULL;
    t.n_history = 0;
    strbuf_clear(&b);
    assert_int_equal(annotation_prompt_load(NULL, PROMPT_REFUSAL, &p), WR_OK);
    assert_true(annotation_prompt_hash(p) != level_hash);
    annotation_prompt_render(p, &t, &limits, &b);
    assert_non_null(strstr(b.data, "<earlier>\n(nothing)\n</earlier>\n<request>\n\n</request>"));
    assert_null(strstr(b.data, "Thanks"));
    annotation_prompt_free(p);
    annotation_prompt_free(NULL);
    strbuf_free(&b);
}

static void test_clipping(void **state) {
    (void)state;
    strbuf b = {0};
    annotation_clip(&b, "abcdefghij", 10, 10);
    assert_string_equal(b.data, "abcdefghij");
    strbuf_clear(&b);
    annotation_clip(&b, "abcdefghij", 10, 6);
    assert_string_equal(b.data, "abcd\n[… 4 characters left out …]\nij");
    strbuf_clear(&b);
    annotation_clip(&b, "一二三四五六七八", 24, 8); /* 8 characters, 24 bytes */
    assert_string_equal(b.data, "一二三四五六七八");
    strbuf_clear(&b);
    annotation_clip(&b, "一二三四五六七八", 24, 3);
    assert_string_equal(b.data, "一二\n[… 5 characters left out …]\n八");
    strbuf_clear(&b);
    annotation_clip(&b, "\xff\xfe\xe4\xb8 x", 6, 2); /* bytes that are no characters do no harm */
    assert_true(b.len > 0);
    strbuf_free(&b);
}

static void test_files(void **state) {
    (void)state;
    char path[PATH_CAP];
    annotation_prompt *p = NULL;
    strbuf b = {0};
    chat_message m = message("user", "m");
    annotated_turn t = {.reply = &m, .followup = &m, .query = &m};
    prompt_limits limits = {0};
    assert_int_equal(annotation_prompt_load(test_folder(), PROMPT_LEVEL, &p), WR_E_USAGE);
    assert_error_says("annotate.txt");
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"{reply}", "{followup}"},
        {"{followup}", "{reply}"},
        {"{reply} {followup} {reponse}", "{reponse} is no slot"},
        {"", "{reply}"},
        {"{reply}{followup}\xff", "UTF-8"},
    };
    assert_int_equal(path_join(path, test_folder(), "annotate.txt"), WR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(file_write_atomic(path, bad[i].text, strlen(bad[i].text)), WR_OK);
        assert_int_equal(annotation_prompt_load(test_folder(), PROMPT_LEVEL, &p), WR_E_USAGE);
        assert_error_says(bad[i].says);
        assert_error_says("annotate.txt");
    }
    const char *good = "{\"json\": {1}} {reply}-{followup}-{reply}{}{ query}\n\n";
    assert_int_equal(file_write_atomic(path, good, strlen(good)), WR_OK);
    assert_int_equal(annotation_prompt_load(test_folder(), PROMPT_LEVEL, &p), WR_OK);
    annotation_prompt_render(p, &t, &limits, &b);
    assert_string_equal(b.data, "{\"json\": {1}} m-m-m{}{ query}");
    annotation_prompt_free(p);
    assert_int_equal(annotation_prompt_load(test_folder(), PROMPT_REFUSAL, &p), WR_OK); /* the built-in one beside it */
    annotation_prompt_free(p);
    strbuf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers), cmocka_unit_test(test_mistake_6_unparseable_answer_is_no_label),
        cmocka_unit_test(test_built_in), cmocka_unit_test(test_clipping), cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
