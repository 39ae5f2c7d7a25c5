/* Implicit-feedback mining: similarity, calibration, and that no turn is taken twice. */
#include "data/label/mine/mining.h"
#include "data/label/mine/term_bag.h"
#include "tests/support/asserts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOPICS = 40 };

static turn_text turn(const char *q, const char *f) { return (turn_text){q, strlen(q), f, strlen(f)}; }

/* Conversation i of some about one made-up topic each, sharing common words. */
static void observe(mining *m, unsigned i) {
    char text[4][160];
    snprintf(text[0], sizeof text[0], "please tell me about the topic%u and the theme%u of it", i, i);
    snprintf(text[1], sizeof text[1], "and what about the colour%u of topic%u please", i, i);
    snprintf(text[2], sizeof text[2], "now tell me the price%u please", i);
    snprintf(text[3], sizeof text[3], "关于主题%u的价格", i);
    turn_text turns[3] = {turn(text[0], text[1]), turn(text[1], text[2]), turn(text[2], text[3])};
    assert_int_equal(mining_observe(m, i + 100, turns, 1 + i % 3), WR_OK);
}

static mining *observed(void) {
    mining *m;
    assert_int_equal(mining_create(5, &m), WR_OK);
    for (unsigned i = 0; i < TOPICS; i++) observe(m, i);
    assert_int_equal(mining_calibrate(m), WR_OK);
    return m;
}

static void similarity_and_threshold(void **state) {
    (void)state;
    mining *m = observed();
    double same, near, far;
    turn_text a = turn("tell me about topic3", "what is the colour3 of topic3"),
              b = turn("more on topic3 please", "and colour3?"), c = turn("topic9", "colour9");
    assert_int_equal(mining_similarity(m, &a, &a, &same), WR_OK);
    assert_int_equal(mining_similarity(m, &a, &b, &near), WR_OK);
    assert_int_equal(mining_similarity(m, &a, &c, &far), WR_OK);
    assert_true(same > 0.999 && same < 1.001);
    assert_true(near > far);
    for (int d = 1; d <= MINING_REACH; d++)
        assert_true(mining_threshold(m, d) >= MINING_FLOOR && mining_threshold(m, d) < 1);
    assert_true(near >= mining_threshold(m, 2));
    assert_true(far < mining_threshold(m, 2));
    assert_true(mining_pairs(m) > 1000);
    assert_int_equal(mining_turns(m), 13 * 6 + 1);
    turn_text zh = turn("请介绍一下北京的天气", "北京的天气怎么样"), zh2 = turn("北京的天气如何", "谢谢"),
              zh3 = turn("写一首诗", "不错");
    assert_int_equal(mining_similarity(m, &zh, &zh2, &near), WR_OK);
    assert_int_equal(mining_similarity(m, &zh, &zh3, &far), WR_OK);
    assert_true(near > 0.3 && far < 0.05);
    turn_text empty = turn("", "");
    assert_int_equal(mining_similarity(m, &empty, &a, &far), WR_OK);
    assert_true(far == 0);
    mining_free(m);
}

typedef struct asked {
    double value;
    size_t calls;
} asked;
static wr_status constant(void *context, size_t i, size_t j, double *out) {
    asked *a = context;
    assert_true(i < j && j <= i + MINING_REACH);
    a->calls++;
    *out = a->value;
    return WR_OK;
}

static void applying(void **state) {
    (void)state;
    mining *m = observed();
    static const struct {
        const char *levels, *similar, *different;
    } cases[] = {
        {"34", "44", "34"},       {"335", "555", "335"},    {"3335", "3555", "3335"},
        {"3345", "4445", "3345"}, {"3354", "5554", "3354"}, {"323", "323", "323"},
        {"313", "313", "313"},    {"3", "3", "3"},          {"", "", ""},
        {"4333", "4333", "4333"}, {"0304", "0404", "0304"}, {"3143", "4143", "3143"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int8_t levels[8], final[8];
        size_t n = strlen(cases[i].levels);
        for (size_t k = 0; k < n; k++) levels[k] = (int8_t)(cases[i].levels[k] - '0');
        for (int similar = 0; similar < 2; similar++) {
            asked a = {similar ? 1.0 : 0.0, 0};
            assert_int_equal(mining_apply(m, levels, n, constant, &a, final), WR_OK);
            for (size_t k = 0; k < n; k++)
                assert_int_equal(final[k], (similar ? cases[i].similar : cases[i].different)[k] - '0');
        }
    }
    mining_free(m);
}

/* Mistake 8: the loop over later turns had no end at the first that fits, so that one turn made two instances. */
static void test_mistake_08_mining_uses_a_turn_once(void **state) {
    (void)state;
    mining *m = observed();
    int8_t levels[] = {3, 4, 5, 3, 3, 5, 4}, final[7];
    asked a = {1.0, 0};
    assert_int_equal(mining_apply(m, levels, 7, constant, &a, final), WR_OK);
    const int8_t expected[] = {4, 4, 5, 5, 5, 5, 4};
    assert_memory_equal(final, expected, 7); /* one level a turn: that of the nearest, not also the next one's */
    assert_int_equal(a.calls, 3);            /* and no second question once it has one */
    mining_free(m);
}

/* Whoever tells the cosines, the result is that of asking one by one. */
static void cosines_in_batches(void **state) {
    (void)state;
    mining *m = observed();
    for (unsigned code = 0; code < 3125; code++) {
        int8_t levels[5], one[5], batch[5];
        mining_pair *pairs = NULL;
        size_t n = 0, capacity = 0;
        double cosines[10];
        unsigned rest = code;
        for (int i = 0; i < 5; i++, rest /= 5) levels[i] = (int8_t)(1 + rest % 5);
        for (int similar = 0; similar < 2; similar++) {
            asked a = {similar ? 1.0 : 0.0, 0};
            n = 0;
            assert_int_equal(mining_apply(m, levels, 5, constant, &a, one), WR_OK);
            assert_int_equal(mining_pairs_needed(levels, 5, &pairs, &n, &capacity), WR_OK);
            assert_true(n <= 10 && a.calls <= n);
            for (size_t k = 0; k < n; k++) cosines[k] = similar ? 0.5 : 0.499;
            mining_apply_cosines(levels, 5, pairs, cosines, n, 0.5, batch);
            assert_memory_equal(one, batch, 5);
            for (size_t k = 0; k < n; k++) cosines[k] = NAN; /* no answer */
            mining_apply_cosines(levels, 5, pairs, cosines, n, 0.5, batch);
            assert_memory_equal(levels, batch, 5);
        }
        free(pairs);
    }
    mining_free(m);
}

static strbuf written(const mining *m) {
    strbuf out = {0};
    assert_int_equal(mining_write(m, &out), WR_OK);
    return out;
}

/* Parts of the data in any number and order come to the same bytes and thresholds as all of it at once. */
static void merging(void **state) {
    (void)state;
    enum { ALL = 900 };
    mining *whole;
    assert_int_equal(mining_create(5, &whole), WR_OK);
    for (unsigned i = 0; i < ALL; i++) observe(whole, i);
    strbuf expected = written(whole);
    assert_int_equal(mining_calibrate(whole), WR_OK);
    assert_true(mining_turns(whole) > MINING_SAMPLES); /* so that samples are chosen */
    for (unsigned parts = 1; parts <= 7; parts += 3) {
        for (int backwards = 0; backwards < 2; backwards++) {
            mining *sum;
            assert_int_equal(mining_create(5, &sum), WR_OK);
            for (unsigned k = 0; k < parts; k++) {
                unsigned p = backwards ? parts - 1 - k : k;
                mining *part;
                assert_int_equal(mining_create(5, &part), WR_OK);
                for (unsigned i = p; i < ALL; i += parts) observe(part, backwards ? ALL - 1 - i : i);
                strbuf bytes = written(part);
                assert_int_equal(mining_merge(sum, bytes.data, bytes.len), WR_OK);
                strbuf_free(&bytes);
                mining_free(part);
            }
            strbuf got = written(sum);
            assert_int_equal(got.len, expected.len);
            assert_memory_equal(got.data, expected.data, got.len);
            assert_int_equal(mining_calibrate(sum), WR_OK);
            for (int d = 1; d <= MINING_REACH; d++) assert_true(mining_threshold(sum, d) == mining_threshold(whole, d));
            strbuf_free(&got);
            mining_free(sum);
        }
    }
    strbuf_free(&expected);
    mining_free(whole);
}

/* Truncated at every byte, one bit wrong at every byte: refused, and nothing is added. */
static void damaged(void **state) {
    (void)state;
    mining *m = observed(), *other;
    strbuf bytes = written(m), again;
    assert_int_equal(mining_create(6, &other), WR_OK);
    assert_int_equal(mining_merge(other, bytes.data, bytes.len), WR_E_MISMATCH);
    assert_error_says("--seed");
    mining_free(other);
    assert_int_equal(mining_create(5, &other), WR_OK);
    for (size_t n = 0; n < bytes.len; n++) {
        char *cut = malloc(n + 1); /* of that very size, for the sanitizers */
        memcpy(cut, bytes.data, n);
        assert_int_equal(mining_merge(other, cut, n), WR_E_FORMAT);
        free(cut);
        bytes.data[n] ^= (char)(1 << n % 8);
        assert_int_equal(mining_merge(other, bytes.data, bytes.len), WR_E_FORMAT);
        bytes.data[n] ^= (char)(1 << n % 8);
    }
    assert_int_equal(mining_turns(other), 0);
    assert_int_equal(mining_merge(other, bytes.data, bytes.len), WR_OK);
    again = written(other);
    assert_int_equal(again.len, bytes.len);
    strbuf_free(&again);
    strbuf_free(&bytes);
    mining_free(other);
    mining_free(m);
}

/* Words in either case are one term, in Latin and Cyrillic; parts of words are none. */
static void terms(void **state) {
    (void)state;
    term_bag *b;
    size_t n;
    static const struct {
        size_t n;
        const char *text;
    } cases[] = {
        {0, ""},
        {0, "a I , . !"},
        {1, "word Word WORD"},
        {2, "word wording"},
        {1, "Éclair éclair"},
        {1, "ПРИВЕТ привет Привет"},
        {1, "Ёлка ёлка"},
        {1, "7 7"},
        {3, "你好世界"},
        {0, "你"},
        {2, "don'ts"},
        {1, "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
        {2, "abcdefgh abcdefghi"},
    };
    assert_int_equal(term_bag_create(&b), WR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        term_bag_clear(b);
        term_bag_text(b, cases[i].text, strlen(cases[i].text));
        term_bag_items(b, &n);
        if (n != cases[i].n) print_message("%zu: %s\n", n, cases[i].text);
        assert_int_equal(n, cases[i].n);
    }
    for (int k = 0; k < 70000; k++) { /* past the turn of the epochs */
        term_bag_clear(b);
        term_bag_text(b, "two words", 9);
        term_bag_items(b, &n);
        assert_int_equal(n, 2);
    }
    char word[16];
    term_bag_clear(b);
    for (int k = 0; k < 10000; k++) { /* more than fit */
        snprintf(word, sizeof word, "w%05d", k);
        term_bag_text(b, word, strlen(word));
    }
    term_bag_items(b, &n);
    assert_int_equal(n, TERM_BAG_LIMIT);
    term_bag_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(similarity_and_threshold),
                                       cmocka_unit_test(applying),
                                       cmocka_unit_test(test_mistake_08_mining_uses_a_turn_once),
                                       cmocka_unit_test(cosines_in_batches),
                                       cmocka_unit_test(merging),
                                       cmocka_unit_test(damaged),
                                       cmocka_unit_test(terms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
