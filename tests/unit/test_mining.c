/* Implicit-feedback mining: similarity, calibration, and that no turn is taken twice. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/mining.h"

#include <stdio.h>
#include <string.h>

enum { TOPICS = 40 };

static turn_text turn(const char *q, const char *f) { return (turn_text){q, strlen(q), f, strlen(f)}; }

/* Conversations about one made-up topic each, sharing common words. */
static mining *observed(void) {
    mining *m;
    assert_int_equal(mining_create(5, &m), WR_OK);
    for (unsigned i = 0; i < TOPICS; i++) {
        char q[160], f[160], next[160];
        snprintf(q, sizeof q, "please tell me about the topic%u and the theme%u of it", i, i);
        snprintf(f, sizeof f, "and what about the colour%u of topic%u please", i, i);
        snprintf(next, sizeof next, "now tell me the price%u please", i);
        turn_text t = turn(q, f);
        assert_int_equal(mining_observe(m, i + 100, 0, &t, next, strlen(next)), WR_OK);
    }
    assert_int_equal(mining_calibrate(m), WR_OK);
    return m;
}

static void similarity_and_threshold(void **state) {
    (void)state;
    mining *m = observed();
    double same, near, far;
    turn_text a = turn("tell me about topic3", "what is the colour3 of topic3"), b = turn("more on topic3 please", "and colour3?"), c = turn("topic9", "colour9");
    assert_int_equal(mining_similarity(m, &a, &a, &same), WR_OK);
    assert_int_equal(mining_similarity(m, &a, &b, &near), WR_OK);
    assert_int_equal(mining_similarity(m, &a, &c, &far), WR_OK);
    assert_true(same > 0.999 && same < 1.001);
    assert_true(near > far);
    for (int d = 1; d <= MINING_REACH; d++) assert_true(mining_threshold(m, d) >= MINING_FLOOR && mining_threshold(m, d) < 1);
    assert_true(near >= mining_threshold(m, 2));
    assert_true(far < mining_threshold(m, 2));
    assert_true(mining_pairs(m) > 1000);
    turn_text zh = turn("请介绍一下北京的天气", "北京的天气怎么样"), zh2 = turn("北京的天气如何", "谢谢"), zh3 = turn("写一首诗", "不错");
    assert_int_equal(mining_similarity(m, &zh, &zh2, &near), WR_OK);
    assert_int_equal(mining_similarity(m, &zh, &zh3, &far), WR_OK);
    assert_true(near > 0.3 && far < 0.05);
    turn_text empty = turn("", "");
    assert_int_equal(mining_similarity(m, &empty, &a, &far), WR_OK);
    assert_true(far == 0);
    mining_free(m);
}

typedef struct asked { double value; size_t calls; } asked;
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
    static const struct { const char *levels, *similar, *different; } cases[] = {
        {"34", "44", "34"}, {"335", "555", "335"}, {"3335", "3555", "3335"}, {"3345", "4445", "3345"}, {"3354", "5554", "3354"},
        {"323", "323", "323"}, {"313", "313", "313"}, {"3", "3", "3"}, {"", "", ""}, {"4333", "4333", "4333"}, {"0304", "0404", "0304"}, {"3143", "4143", "3143"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int8_t levels[8], final[8];
        size_t n = strlen(cases[i].levels);
        for (size_t k = 0; k < n; k++) levels[k] = (int8_t)(cases[i].levels[k] - '0');
        for (int similar = 0; similar < 2; similar++) {
            asked a = {similar ? 1.0 : 0.0, 0};
            assert_int_equal(mining_apply(m, levels, n, constant, &a, final), WR_OK);
            for (size_t k = 0; k < n; k++) assert_int_equal(final[k], (similar ? cases[i].similar : cases[i].different)[k] - '0');
        }
    }
    mining_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(similarity_and_threshold), cmocka_unit_test(applying)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
