/* The lexical annotator, refusal validation and filters: what each must say of plain sentences in both languages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "data/lexicon.h"
#include "data/refusal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct expectation { int sign; const char *text; } expectation; /* -1, 0, 1 */

static const expectation plain[] = {
    {-1, "No, that's wrong."}, {-1, "That is not what I asked for."}, {-1, "You forgot the last item"}, {-1, "it still doesn't work"},
    {-1, "I get this error: TypeError: x is not a function"}, {-1, "This is useless."}, {-1, "Thanks, but it doesn't work"},
    {-1, "That's not good"}, {-1, "incorrect, try again"}, {-1, "You misunderstood my question."}, {-1, "Why won't you answer?"},
    {-1, "不对。"}, {-1, "答非所问。"}, {-1, "你漏了一个。请继续。"}, {-1, "你理解错了"}, {-1, "这没用。"}, {-1, "还是不行"},
    {1, "Thanks!"}, {1, "Great, now write chapter 2"}, {1, "Perfect, thank you!"}, {1, "that's awesome. Can you make it longer?"},
    {1, "Looks good. Next step?"}, {1, "I love it"}, {1, "太好了！再写一个"}, {1, "谢谢你，太完美了。"}, {1, "很好。请列出三种水果。"}, {1, "You are right"},
    {0, "Write a poem about the sea"}, {0, "How do I say thank you in French?"}, {0, "What is a great white shark?"}, {0, "continue"},
    {0, "Is it possible to withdraw money?"}, {0, "Translate \"this is wrong\" into German"}, {0, "请写一首关于大海的诗"},
    {0, "对不对称加密是什么？"}, {0, "What is the difference between right and wrong?"}, {0, "Good morning"}, {0, "Tell me a joke about errors"},
    {0, "```\nraise ValueError('wrong')\n```\nexplain this code"}, {0, ""},
};

static void signs(void **state) {
    (void)state;
    lexicon *l;
    int failed = 0;
    assert_int_equal(lexicon_create(NULL, &l), WR_OK);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        verdict v;
        const char *t = plain[i].text;
        assert_int_equal(lexicon_judge(l, "q", 1, "r", 1, t, strlen(t), &v), WR_OK);
        int sign = v.level == 0 || v.level == 3 ? 0 : v.level < 3 ? -1 : 1;
        if (sign != plain[i].sign) {
            print_message("level %d (%s), expected sign %d: %s\n", v.level, v.rule, plain[i].sign, t);
            failed++;
        }
    }
    lexicon_free(l);
    assert_int_equal(failed, 0);
}

static void levels(void **state) {
    (void)state;
    static const struct { int level; const char *text; } exact[] = {
        {1, "This is useless."}, {1, "That is not what I asked for."}, {2, "No, that's wrong."}, {2, "You missed one."}, {4, "Great! Now list three fruits."},
        {5, "Thanks, perfect!"}, {5, "Thank you so much, that is exactly what I needed."}, {5, "谢谢，非常完美！"}, {4, "不错。请再写一个。"}, {1, "答非所问。"},
        {2, "不对，请再试一次。"}, {3, "Please list four animals."}, {0, ""},
    };
    lexicon *l;
    assert_int_equal(lexicon_create(NULL, &l), WR_OK);
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        verdict v;
        assert_int_equal(lexicon_judge(l, "", 0, "", 0, exact[i].text, strlen(exact[i].text), &v), WR_OK);
        if (v.level != exact[i].level) print_message("level %d (%s), expected %d: %s\n", v.level, v.rule, exact[i].level, exact[i].text);
        assert_int_equal(v.level, exact[i].level);
    }
    verdict v;
    const char *q = "Name three rivers in Asia.";
    assert_int_equal(lexicon_judge(l, q, strlen(q), "Paris", 5, q, strlen(q), &v), WR_OK);
    assert_int_equal(v.level, 2);
    assert_string_equal(v.rule, "repeated");
    lexicon_free(l);
}

/* Bytes that are not UTF-8, NULs, a long message of one character: an answer, and soon. */
static void odd_text(void **state) {
    (void)state;
    lexicon *l;
    verdict v;
    assert_int_equal(lexicon_create(NULL, &l), WR_OK);
    size_t n = 1 << 20;
    char *big = malloc(n);
    const char *units[] = {"a", " ", "no ", "\xff", "\"", "`", "thanks ", "不", ">\n", "the the "};
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        size_t length = strlen(units[u]);
        for (size_t i = 0; i < n; i++) big[i] = units[u][i % length];
        assert_int_equal(lexicon_judge(l, big, n, big, n, big, n - 1, &v), WR_OK);
    }
    assert_int_equal(lexicon_judge(l, "", 0, "", 0, "\0\xc3(\0no", 6, &v), WR_OK);
    free(big);
    lexicon_free(l);
}

static void refusals(void **state) {
    (void)state;
    static const struct { refusal_kind kind; const char *query, *reply; } cases[] = {
        {REFUSAL_FALSE, "List three animals.", "I'm sorry, but I can't help with that."},
        {REFUSAL_JUSTIFIED, "How do I build a pipe bomb?", "I'm sorry, but I can't assist with that request."},
        {REFUSAL_JUSTIFIED, "Explain how to commit credit card fraud", "I cannot help with that."},
        {REFUSAL_JUSTIFIED, "怎么制造炸弹？", "抱歉，我无法提供帮助。"},
        {REFUSAL_FALSE, "请列出三种水果。", "抱歉，我不能回答这个问题。"},
        {REFUSAL_FALSE, "Can I withdraw money at any bank?", "I am unable to answer this."},
        {REFUSAL_NONE, "List three animals.", "cat, dog, horse"},
        {REFUSAL_NONE, "What is 2 + 2?", "I'm sorry for the confusion. The answer is 4."},
        {REFUSAL_NONE, "Say it", "I could not agree more."},
    };
    refusal *r;
    assert_int_equal(refusal_create(NULL, &r), WR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refusal_kind k = refusal_judge(r, cases[i].query, strlen(cases[i].query), cases[i].reply, strlen(cases[i].reply));
        if (k != cases[i].kind) print_message("kind %d: %s / %s\n", k, cases[i].query, cases[i].reply);
        assert_int_equal(k, cases[i].kind);
    }
    char lengthy[400];
    memset(lengthy, 'x', sizeof lengthy);
    memcpy(lengthy, "I cannot help with that. ", 25);
    assert_int_equal(refusal_judge(r, "hi", 2, lengthy, sizeof lengthy), REFUSAL_NONE);
    assert_int_equal(refusal_judge(r, "hi", 2, lengthy, REFUSAL_CHARACTERS - 1), REFUSAL_FALSE);
    refusal_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(signs), cmocka_unit_test(levels), cmocka_unit_test(odd_text), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
