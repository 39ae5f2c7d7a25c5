/* Quality filters by name, and word counts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/filters.h"
#include "data/pattern.h"

#include <string.h>

static const char reply[] = "Here is a reply that is long enough to be kept, with many words in it.";

static const char *judge(const filters *f, const char *language, const char *query, const char *response, int level, size_t history) {
    filter_turn t = {level, language, query, query ? strlen(query) : 0, response, strlen(response), history};
    const char *name = filter_name(filters_judge(f, &t));
    return name ? name : "keep";
}

static void by_name(void **state) {
    (void)state;
    static const struct { const char *name, *query; } cases[] = {
        {"keep", "Write a short story about a bold knight"}, {"keep", "How can I withdraw all my money today"}, {"keep", "Explain the drawing rights of banks to me"},
        {"keep", "What does the word identity mean in mathematics"}, {"keep", "Write code to parse a csv of 1234567 rows"}, {"keep", "请写一个关于海洋的短篇故事"},
        {"keep", "The date is 2023-10-11 and the version 1.2.3.4"},
        {"image", "Please draw me a picture of a cat"}, {"image", "Generate a nice logo for my company"}, {"image", "帮我画一只可爱的小猫好吗"},
        {"web_search", "Search the web for cheap flights to Rome"}, {"web_search", "please summarize this website for me now"}, {"web_search", "请上网查一下今天的新闻吧"},
        {"identity", "Hello there my friend, who are you?"}, {"identity", "are you ChatGPT or another language model"}, {"identity", "你好呀朋友，请问你是谁"},
        {"file", "I have uploaded a file, please read it"}, {"file", "please convert my text to a pdf"},
        {"url", "Tell me about https://example.org/page and its use"}, {"email", "Write to john.doe@example.org about the new plan"},
        {"phone", "Call me at +1 (555) 123-4567 when you can"}, {"phone", "我的手机号码是13812345678请记住"},
        {"short_query", "go on please"}, {"short_query", "继续写"},
    };
    filters *f;
    assert_int_equal(filters_create(10, 5, &f), WR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = judge(f, "", cases[i].query, reply, 4, 0);
        if (strcmp(got, cases[i].name)) print_message("%s: %s\n", got, cases[i].query);
        assert_string_equal(got, cases[i].name);
    }
    const char *q = "Write a short story about a bold knight";
    assert_string_equal(judge(f, "English", q, reply, 3, 0), "neutral");
    assert_string_equal(judge(f, "English", q, reply, 0, 0), "unlabelled");
    assert_string_equal(judge(f, "English", NULL, reply, 4, 0), "no_query");
    assert_string_equal(judge(f, "French", q, reply, 4, 0), "language");
    assert_string_equal(judge(f, "", "Напиши короткий рассказ о смелом рыцаре", reply, 4, 0), "language");
    assert_string_equal(judge(f, "English", q, reply, 4, 20), "keep");
    assert_string_equal(judge(f, "English", q, reply, 4, 21), "long_history");
    assert_string_equal(judge(f, "English", q, "too short", 4, 0), "short_reply");
    assert_string_equal(judge(f, "English", q, "mail me: a.b@example.org, I will answer as soon as I can today", 4, 0), "email");
    filters_free(f);
}

static void counting(void **state) {
    (void)state;
    static const struct { size_t words; const char *text; } cases[] = {
        {0, ""}, {0, " .,! "}, {2, "don't stop"}, {3, "a-b c"}, {4, "你好世界"}, {4, "用 C 语言"}, {2, "héllo wörld"}, {2, "“quoted” word"}, {4, "你好。世界！"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_int_equal(text_words(cases[i].text, strlen(cases[i].text)), cases[i].words);
    assert_int_equal(text_characters("a你b", 5), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_name), cmocka_unit_test(counting)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
