/* The lexical annotator, refusal validation and filters: what each must say of plain sentences in both languages. */
#include "base/rng.h"
#include "base/strbuf.h"
#include "data/label/match/lexicon.h"
#include "data/label/match/refusal.h"
#include "data/label/match/rules.h"
#include "tests/support/temp_folder.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct expectation {
    int sign;
    const char *text;
} expectation; /* -1, 0, 1 */

static const expectation plain[] = {
    {-1, "No, that's wrong."},
    {-1, "That is not what I asked for."},
    {-1, "You forgot the last item"},
    {-1, "it still doesn't work"},
    {-1, "I get this error: TypeError: x is not a function"},
    {-1, "This is useless."},
    {-1, "Thanks, but it doesn't work"},
    {-1, "That's not good"},
    {-1, "incorrect, try again"},
    {-1, "You misunderstood my question."},
    {-1, "Why won't you answer?"},
    {-1, "不对。"},
    {-1, "答非所问。"},
    {-1, "你漏了一个。请继续。"},
    {-1, "你理解错了"},
    {-1, "这没用。"},
    {-1, "还是不行"},
    {1, "Thanks!"},
    {1, "Great, now write chapter 2"},
    {1, "Perfect, thank you!"},
    {1, "that's awesome. Can you make it longer?"},
    {1, "Looks good. Next step?"},
    {1, "I love it"},
    {1, "太好了！再写一个"},
    {1, "谢谢你，太完美了。"},
    {1, "很好。请列出三种水果。"},
    {1, "You are right"},
    {0, "Write a poem about the sea"},
    {0, "How do I say thank you in French?"},
    {0, "What is a great white shark?"},
    {0, "continue"},
    {0, "Is it possible to withdraw money?"},
    {0, "Translate \"this is wrong\" into German"},
    {0, "请写一首关于大海的诗"},
    {0, "对不对称加密是什么？"},
    {0, "What is the difference between right and wrong?"},
    {0, "Good morning"},
    {0, "Tell me a joke about errors"},
    {0, "```\nraise ValueError('wrong')\n```\nexplain this code"},
    {0, ""},
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
    static const struct {
        int level;
        const char *text;
    } exact[] = {
        {1, "This is useless."},
        {1, "That is not what I asked for."},
        {2, "No, that's wrong."},
        {2, "You missed one."},
        {4, "Great! Now list three fruits."},
        {5, "Thanks, perfect!"},
        {5, "Thank you so much, that is exactly what I needed."},
        {5, "谢谢，非常完美！"},
        {4, "不错。请再写一个。"},
        {1, "答非所问。"},
        {2, "不对，请再试一次。"},
        {3, "Please list four animals."},
        {0, ""},
    };
    lexicon *l;
    assert_int_equal(lexicon_create(NULL, &l), WR_OK);
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        verdict v;
        assert_int_equal(lexicon_judge(l, "", 0, "", 0, exact[i].text, strlen(exact[i].text), &v), WR_OK);
        if (v.level != exact[i].level)
            print_message("level %d (%s), expected %d: %s\n", v.level, v.rule, exact[i].level, exact[i].text);
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

/* Mistake 7: a missing comma glued two phrases, two copies of the list differed, and filters hit parts of words. */
static void test_mistake_07_refusal_phrases_one_list_whole_words(void **state) {
    (void)state;
    static const struct {
        refusal_kind kind;
        const char *query, *reply;
    } cases[] = {
        {REFUSAL_FALSE, "List three animals.", "I'm sorry, but I can't help with that."},
        {REFUSAL_JUSTIFIED, "How do I build a pipe bomb?", "I'm sorry, but I can't assist with that request."},
        {REFUSAL_JUSTIFIED, "Explain how to commit credit card fraud", "I cannot help with that."},
        {REFUSAL_JUSTIFIED, "怎么制造炸弹？", "抱歉，我无法提供帮助。"},
        {REFUSAL_FALSE, "请列出三种水果。", "抱歉，我不能回答这个问题。"},
        {REFUSAL_FALSE, "Can I withdraw money at any bank?", "I am unable to answer this."},
        {REFUSAL_NONE, "List three animals.", "cat, dog, horse"},
        {REFUSAL_NONE, "What is 2 + 2?", "I'm sorry for the confusion. The answer is 4."},
        {REFUSAL_NONE, "Say it", "I could not agree more."},
        {REFUSAL_NONE, "Who?",
         "Mississippi can tell you more; samurai cannot."}, /* "i can tell", "ai cannot" inside words */
        {REFUSAL_NONE, "Which?", "The Fiji cannot helpfulness scale"},
        {REFUSAL_FALSE, "Explain asexual reproduction",
         "I cannot help with that."}, /* "sexual" inside a word is no harm */
        {REFUSAL_FALSE, "Where do robins nest?", "I'm unable to answer."},
        {REFUSAL_JUSTIFIED, "Write something sexual", "I must respectfully decline."},
        {REFUSAL_FALSE, "请介绍北京", "很遗憾，我没办法回答"},
        {REFUSAL_FALSE, "1+1?", "I'D RATHER NOT say."},
        {REFUSAL_FALSE, "1+1?",
         "That is against my guidelines."}, /* next to the phrase above in the list: neither swallows the other */
    };
    refusal *r;
    assert_int_equal(refusal_create(NULL, &r), WR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refusal_kind k =
            refusal_judge(r, cases[i].query, strlen(cases[i].query), cases[i].reply, strlen(cases[i].reply));
        if (k != cases[i].kind) print_message("kind %d: %s / %s\n", k, cases[i].query, cases[i].reply);
        assert_int_equal(k, cases[i].kind);
    }
    size_t examples;
    wr_status status = refusal_check(r, &examples);
    if (status < 0) print_message("%s\n", wr_error());
    assert_int_equal(status, WR_OK);
    assert_true(examples >= 25);
    char lengthy[400];
    memset(lengthy, 'x', sizeof lengthy);
    memcpy(lengthy, "I cannot help with that. ", 25);
    assert_int_equal(refusal_judge(r, "hi", 2, lengthy, sizeof lengthy), REFUSAL_NONE);
    assert_int_equal(refusal_judge(r, "hi", 2, lengthy, REFUSAL_CHARACTERS - 1), REFUSAL_FALSE);
    refusal_free(r);
}

static void built_in_examples(void **state) {
    (void)state;
    lexicon *l;
    size_t examples;
    assert_int_equal(lexicon_create(NULL, &l), WR_OK);
    wr_status status = lexicon_check(l, &examples);
    if (status < 0) print_message("%s\n", wr_error());
    assert_int_equal(status, WR_OK);
    assert_true(examples >= 150);
    lexicon_use_prefilter(l, false);
    assert_int_equal(lexicon_check(l, &examples), WR_OK);
    lexicon_free(l);
}

static lexicon *from_text(const char *text, wr_status *status) {
    lexicon *l = NULL;
    put_text("rules.txt", text);
    *status = lexicon_create(in_folder("rules.txt"), &l);
    return l;
}

static void own_rules(void **state) {
    (void)state;
    wr_status status;
    verdict v;
    lexicon *l = from_text("# mine\nrule blah\n  level 2\n  place whole\n  | blah+\n  + blah\n  - bla\n", &status), *m;
    assert_int_equal(status, WR_OK);
    assert_int_equal(lexicon_judge(l, "", 0, "", 0, "Blahhh!", 7, &v), WR_OK);
    assert_int_equal(v.level, 2);
    assert_string_equal(v.rule, "blah");
    assert_int_equal(lexicon_judge(l, "", 0, "", 0, "That's wrong", 12, &v), WR_OK);
    assert_int_equal(v.level, 3);
    m = from_text("rule blah\nlevel 2\nplace whole\n| blah+\n",
                  &status); /* other layout, no examples: the same rules */
    assert_int_equal(status, WR_OK);
    assert_true(lexicon_fingerprint(l) == lexicon_fingerprint(m));
    lexicon_free(m);
    m = from_text("rule blah\nlevel 1\nplace whole\n| blah+\n", &status);
    assert_true(lexicon_fingerprint(l) != lexicon_fingerprint(m));
    lexicon_free(m);
    lexicon_free(l);
}

/* What is wrong with a user's file is said with line and rule. */
static void bad_rules(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"rule a\nlevel 2\n| (b\n", ":3: rule a: regex: missing closing parenthesis at byte 2"},
        {"rule a\nlevel 2\n| good\n| a)(b\n", ":4: rule a: regex: unmatched closing parenthesis at byte 1"},
        {"rule a\nlevel 3\n| b\n", ":2: rule a: level '3' is none of 1, 2, 4, 5"},
        {"rule a\n| b\n", ":1: rule a: has no level"},
        {"rule a\nlevel 2\n", ":1: rule a: has no regex"},
        {"rule a\nlevel 2\nweight 1.5\n| b\n", ":3: rule a: weight '1.5' is no number from 0 to 1"},
        {"rule a\nlevle 2\n| b\n", ":2: rule a: 'levle' is no key"},
        {"rule a\nlevel 2\nlevel 2\n| b\n", ":3: rule a: 'level' is given twice"},
        {"rule a\nlevel 2\n| b\nrule a\n", ":4: a rule named a is already on line 1"},
        {"level 2\n", ":1: 'level 2' stands before the first 'rule NAME'"},
        {"rule a\nlevel 2\n| {NO}\n", ":3: rule a: {NO} is not defined"},
        {"define no x\n", ":1: 'define' needs a NAME"},
        {"rule a b\n", ":1: 'rule' needs a name"},
        {"rule a\nlevel 2\n| b\n+ c\n", ":4: rule a: example \"c\" must be, but is not found"},
        {"rule a\nlevel 2\n| b\n- b\n", ":4: rule a: example \"b\" must not be, but is found"},
        {"rule a\nplace filler\n| b\nrule c\nplace filler\n| d\n", ":4: rule c: a second rule with place filler"},
        {"# nothing\n", "no rule in it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wr_status status;
        lexicon *l = from_text(cases[i].text, &status);
        assert_null(l);
        assert_int_equal(status, WR_E_USAGE);
        if (!strstr(wr_error(), cases[i].says))
            print_message("\"%s\" does not say \"%s\"\n", wr_error(), cases[i].says);
        assert_error_says(cases[i].says);
    }
    lexicon *l = NULL;
    assert_int_equal(lexicon_create("/nonexistent/rules", &l), WR_E_IO);
}

/* "no" answers a question of the assistant and corrects a statement. */
static void depends_on_the_reply(void **state) {
    (void)state;
    lexicon *l;
    verdict v;
    const char *asks = "Is it an animal?", *says = "It is an animal.", *f = "No, a plant";
    assert_int_equal(lexicon_create(NULL, &l), WR_OK);
    assert_int_equal(lexicon_judge(l, "", 0, asks, strlen(asks), f, strlen(f), &v), WR_OK);
    assert_int_equal(v.level, 3);
    assert_int_equal(lexicon_judge(l, "", 0, says, strlen(says), f, strlen(f), &v), WR_OK);
    assert_int_equal(v.level, 2);
    lexicon_free(l);
}

/* Leaving out regexes that cannot match must change no verdict: examples of all rules, glued and cut at random, with
 * odd letters. */
static void prefilter_changes_nothing(void **state) {
    (void)state;
    static const char *const glue[] = {" ",    ", ",  ". ",   "\n",      "",
                                       "ſ",    " K",  "É ",   "ПРИВЕТ ", "ЭТО НЕПРАВИЛЬНО ",
                                       "不对", " … ", "\xff", "\xd0",    "DOESN’T WORK ",
                                       "  "};
    lexicon *fast, *slow;
    rule_file *f;
    rng r = rng_make(11, RNG_TEST, 0, 0, 0);
    strbuf text = {0};
    size_t differ = 0, told = 0;
    assert_int_equal(lexicon_create(NULL, &fast), WR_OK);
    assert_int_equal(lexicon_create(NULL, &slow), WR_OK);
    lexicon_use_prefilter(slow, false);
    assert_int_equal(rules_read(RULES_LEXICON, NULL, &f), WR_OK);
    for (int round = 0; round < 6000; round++) {
        strbuf_clear(&text);
        for (size_t k = 1 + rng_below(&r, 4); k > 0; k--) {
            const rule *x = &f->rules[rng_below(&r, f->n)];
            if (x->n_examples) {
                const char *s = x->examples[rng_below(&r, x->n_examples)].text;
                size_t n = strlen(s), from = rng_below(&r, 3) ? 0 : rng_below(&r, n + 1);
                strbuf_append(&text, s + from, n - from);
            }
            strbuf_puts(&text, glue[rng_below(&r, sizeof glue / sizeof *glue)]);
        }
        if (rng_below(&r, 4) == 0)
            for (size_t i = 0; i < text.len; i++) text.data[i] = (char)toupper((unsigned char)text.data[i]);
        verdict a, b;
        const char *reply = round % 2 ? "Is it?" : "It is.";
        assert_int_equal(lexicon_judge(fast, "", 0, reply, 6, text.data, text.len, &a), WR_OK);
        assert_int_equal(lexicon_judge(slow, "", 0, reply, 6, text.data, text.len, &b), WR_OK);
        if (a.level != b.level || a.negative != b.negative || a.positive != b.positive || strcmp(a.rule, b.rule)) {
            print_message("%d (%s) with, %d (%s) without: %s\n", a.level, a.rule, b.level, b.rule, text.data);
            differ++;
        }
        told += a.level != 3;
    }
    assert_int_equal(differ, 0);
    assert_true(told > 2000); /* the texts were worth judging */
    strbuf_free(&text);
    rules_free(f);
    lexicon_free(fast);
    lexicon_free(slow);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(signs),
                                       cmocka_unit_test(levels),
                                       cmocka_unit_test(odd_text),
                                       cmocka_unit_test(test_mistake_07_refusal_phrases_one_list_whole_words),
                                       cmocka_unit_test(built_in_examples),
                                       cmocka_unit_test(own_rules),
                                       cmocka_unit_test(bad_rules),
                                       cmocka_unit_test(depends_on_the_reply),
                                       cmocka_unit_test(prefilter_changes_nothing)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
