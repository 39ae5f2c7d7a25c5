/* Quality filters by name, and word counts. */
#include "base/rng.h"
#include "base/strbuf.h"
#include "data/label/match/filters.h"
#include "data/label/match/pattern.h"
#include "data/label/match/rules.h"
#include "tests/support/asserts.h"

#include <ctype.h>
#include <string.h>

static const char reply[] = "Here is a reply that is long enough to be kept, with many words in it.";

static const char *judge(const filters *f, const char *language, const char *query, const char *response, int level,
                         size_t history) {
    filter_turn t = {level, language, query, query ? strlen(query) : 0, response, strlen(response), history};
    filter_verdict v = filters_judge(f, &t);
    const char *name = filter_name(v.reason);
    if (v.match) { /* lies inside the query or the reply */
        bool in_query = v.match >= query && v.match + v.match_length <= query + t.query_length;
        assert_true(in_query || (v.match >= response && v.match + v.match_length <= response + t.reply_length));
        assert_true(*v.rule != '\0');
    }
    return name ? name : "keep";
}

static void by_name(void **state) {
    (void)state;
    static const struct {
        const char *name, *query;
    } cases[] = {
        {"keep", "Write a short story about a bold knight"},
        {"keep", "How can I withdraw all my money today"},
        {"keep", "Explain the drawing rights of banks to me"},
        {"keep", "What does the word identity mean in mathematics"},
        {"keep", "Write code to parse a csv of 1234567 rows"},
        {"keep", "请写一个关于海洋的短篇故事"},
        {"keep", "The date is 2023-10-11 and the version 1.2.3.4"},
        {"image", "Please draw me a picture of a cat"},
        {"image", "Generate a nice logo for my company"},
        {"image", "帮我画一只可爱的小猫好吗"},
        {"web_search", "Search the web for cheap flights to Rome"},
        {"web_search", "please summarize this website for me now"},
        {"web_search", "请上网查一下今天的新闻吧"},
        {"identity", "Hello there my friend, who are you?"},
        {"identity", "are you ChatGPT or another language model"},
        {"identity", "你好呀朋友，请问你是谁"},
        {"file", "I have uploaded a file, please read it"},
        {"file", "please convert my text to a pdf"},
        {"url", "Tell me about https://example.org/page and its use"},
        {"email", "Write to john.doe@example.org about the new plan"},
        {"media", "please make a short video about dogs"},
        {"media", "请为我们的公司生成一段视频"},
        {"keep", "Explain how image compression in withdrawal forms works"},
        {"keep", "Rewrite the story about research on webbed feet"},
        {"ip_address", "my server 93.184.216.34 does not answer at all"},
        {"keep", "my router 192.168.0.1 does not answer at all"},
        {"card", "charge the card 4111 1111 1111 1111 for this order"},
        {"keep", "the number 4111 1111 1111 1112 is a sum of which"},
        {"iban", "send it to DE89 3704 0044 0532 0130 00 please today"},
        {"keep", "send it to DE89 3704 0044 0532 0130 01 please today"},
        {"phone", "Call me at 555-123-4567 when you can"},
        {"phone", "My number is +44 20 7946 0958 in London"},
        {"phone", "Appelez-moi au 01 23 45 67 89 demain matin"},
        {"phone", "Call me at +1 (555) 123-4567 when you can"},
        {"phone", "我的手机号码是13812345678请记住"},
        {"short_query", "go on please"},
        {"short_query", "继续写"},
    };
    filters *f;
    filter_options o = filter_options_default();
    assert_int_equal(filters_create(&o, &f), WR_OK);
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
    assert_string_equal(judge(f, "English", q, "mail me: a.b@example.org, I will answer as soon as I can today", 4, 0),
                        "email");
    filters_free(f);
}

/* Mistake 7: filters that looked for parts of words dropped "withdraw" for "draw". */
static void test_mistake_07_filters_hit_whole_words_only(void **state) {
    (void)state;
    static const char *const kept[] = {
        "How do I withdraw a large sum of money", "Drawbridges of a medieval castle and their use",
        "Explain overdraw, redraw and withdraw a bit", "Is emailing better than calling a customer",
        "Profiles in courage by which famous author"};
    filters *f;
    filter_options o = filter_options_default();
    size_t examples;
    assert_int_equal(filters_create(&o, &f), WR_OK);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        assert_string_equal(judge(f, "", kept[i], reply, 4, 0), "keep");
    wr_status status = filters_check(f, &examples);
    if (status < 0) print_message("%s\n", wr_error());
    assert_int_equal(status, WR_OK);
    assert_true(examples >= 50);
    filters_free(f);
}

static void switches(void **state) {
    (void)state;
    filters *f, *g;
    filter_options o = filter_options_default();
    uint32_t bits;
    filter which;
    const char *url = "Tell me about https://example.org/page and its use",
               *mail = "Write to john.doe@example.org about https://example.org";
    assert_int_equal(filter_by_name("web_search", &which), WR_OK);
    assert_int_equal(which, FILTER_WEB);
    assert_int_equal(filter_by_name("phones", &which), WR_E_USAGE);
    assert_error_says("did you mean 'phone'");
    assert_int_equal(filter_list_parse("url,short_query", &bits), WR_OK);
    assert_int_equal(bits, 1u << FILTER_URL | 1u << FILTER_SHORT_QUERY);
    assert_int_equal(filter_list_parse("none", &bits), WR_OK);
    assert_int_equal(bits, 0);
    assert_int_equal(filter_list_parse("url,,email", &bits), WR_E_USAGE);
    assert_int_equal(filter_list_parse("neutral", &bits), WR_E_USAGE);
    assert_error_says("cannot be switched off");
    assert_int_equal(filters_create(&o, &f), WR_OK);
    o.off = 1u << FILTER_URL | 1u << FILTER_SHORT_QUERY | 1u << FILTER_LANGUAGE | 1u << FILTER_LONG_HISTORY;
    assert_int_equal(filters_create(&o, &g), WR_OK);
    assert_true(filters_fingerprint(f) != filters_fingerprint(g));
    assert_string_equal(judge(f, "", url, reply, 4, 0), "url");
    assert_string_equal(judge(g, "", url, reply, 4, 0), "keep");
    assert_string_equal(judge(f, "", mail, reply, 4, 0), "url");
    assert_string_equal(judge(g, "", mail, reply, 4, 0), "email");
    assert_string_equal(judge(g, "", "go on please", reply, 4, 0), "keep");
    assert_string_equal(judge(g, "French", "Write a short story about a bold knight", reply, 4, 99), "keep");
    assert_string_equal(judge(g, "", "go on please", reply, 3, 0), "neutral");
    filters_free(g);
    o = filter_options_default();
    for (filter k = FILTER_LANGUAGE; k <= FILTER_SHORT_QUERY; k++) o.off |= 1u << k;
    assert_int_equal(o.off, filters_switchable());
    assert_int_equal(filters_create(&o, &g), WR_OK);
    assert_string_equal(judge(g, "German", "draw me https://example.org", "x", 1, 50), "keep");
    filters_free(g);
    filters_free(f);
}

static void by_language(void **state) {
    (void)state;
    static const char ru[] = "Напиши короткий рассказ о смелом рыцаре",
                      en[] = "Write a short story about a bold knight";
    filters *f;
    filter_options o = filter_options_default();
    o.languages = "ru,German";
    assert_int_equal(filters_create(&o, &f), WR_OK);
    assert_string_equal(judge(f, "Russian", ru, reply, 4, 0), "keep");
    assert_string_equal(judge(f, "", ru, reply, 4, 0), "keep");
    assert_string_equal(judge(f, "english", en, reply, 4, 0), "language");
    assert_string_equal(judge(f, "", "请写一个关于海洋的短篇故事", reply, 4, 0), "language");
    assert_string_equal(judge(f, "Klingon", en, reply, 4, 0), "language");
    filters_free(f);
    o.languages = "all";
    assert_int_equal(filters_create(&o, &f), WR_OK);
    assert_string_equal(judge(f, "Klingon", en, reply, 4, 0), "keep");
    filters_free(f);
    o.languages = "en,Frensh";
    assert_int_equal(filters_create(&o, &f), WR_E_USAGE);
    assert_error_says("did you mean 'French'");
}

/* A match is told, so that an audit can keep its hash. */
static void what_matched(void **state) {
    (void)state;
    filters *f;
    filter_options o = filter_options_default();
    const char *q = "Tell me about a bold knight and a dragon",
               *r = "Mail me: a.b@example.org, I will answer as soon as I can today.";
    assert_int_equal(filters_create(&o, &f), WR_OK);
    filter_turn t = {4, "English", q, strlen(q), r, strlen(r), 0};
    filter_verdict v = filters_judge(f, &t), w;
    assert_int_equal(v.reason, FILTER_EMAIL);
    assert_ptr_equal(v.match, r + 9);
    assert_int_equal(v.match_length, strlen("a.b@example.org"));
    filters_use_prefilter(f, false);
    w = filters_judge(f, &t);
    assert_int_equal(w.reason, FILTER_EMAIL);
    assert_ptr_equal(w.match, v.match);
    filters_free(f);
}

/* The rules' own examples, glued and cut at random: leaving out regexes that cannot match changes no verdict. */
static void prefilter_changes_nothing(void **state) {
    (void)state;
    filters *fast, *slow;
    filter_options o = filter_options_default();
    rule_file *rules;
    rng r = rng_make(12, RNG_TEST, 0, 0, 0);
    strbuf text = {0};
    size_t found = 0;
    o.languages = "all";
    assert_int_equal(filters_create(&o, &fast), WR_OK);
    assert_int_equal(filters_create(&o, &slow), WR_OK);
    filters_use_prefilter(slow, false);
    assert_int_equal(rules_read(RULES_FILTERS, NULL, &rules), WR_OK);
    for (int round = 0; round < 5000; round++) {
        strbuf_clear(&text);
        for (size_t k = 1 + rng_below(&r, 3); k > 0; k--) {
            const rule *x = &rules->rules[rng_below(&r, rules->n)];
            const char *s = x->n_examples ? x->examples[rng_below(&r, x->n_examples)].text : "";
            size_t from = rng_below(&r, 3) ? 0 : rng_below(&r, strlen(s) + 1);
            strbuf_puts(&text, s + from);
            strbuf_puts(&text, rng_below(&r, 8) ? " " : "ſK\xff");
        }
        for (size_t i = 0; round % 4 == 0 && i < text.len; i++)
            text.data[i] = (char)toupper((unsigned char)text.data[i]);
        filter_turn t = {4, "", text.data, text.len, text.data, text.len, 0};
        filter_verdict a = filters_judge(fast, &t), b = filters_judge(slow, &t);
        if (a.reason != b.reason || a.match != b.match)
            print_message("%s, %s: %s\n", filter_name(a.reason), filter_name(b.reason), text.data);
        assert_int_equal(a.reason, b.reason);
        assert_ptr_equal(a.match, b.match);
        found += a.match != NULL;
    }
    assert_true(found > 1500);
    strbuf_free(&text);
    rules_free(rules);
    filters_free(fast);
    filters_free(slow);
}

static void counting(void **state) {
    (void)state;
    static const struct {
        size_t words;
        const char *text;
    } cases[] = {
        {0, ""},          {0, " .,! "},       {2, "don't stop"},    {3, "a-b c"},        {4, "你好世界"},
        {4, "用 C 语言"}, {2, "héllo wörld"}, {2, "“quoted” word"}, {4, "你好。世界！"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(text_words(cases[i].text, strlen(cases[i].text)), cases[i].words);
    assert_int_equal(text_characters("a你b", 5), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_name),      cmocka_unit_test(test_mistake_07_filters_hit_whole_words_only),
        cmocka_unit_test(switches),     cmocka_unit_test(by_language),
        cmocka_unit_test(what_matched), cmocka_unit_test(prefilter_changes_nothing),
        cmocka_unit_test(counting)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
