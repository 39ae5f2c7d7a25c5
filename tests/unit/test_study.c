/* The user-count study: subsets are nested and give what was asked for, the curve finds its own numbers again, intervals
 * of few values, and what the sentence says of a difference. */
#include "base/rng.h"
#include "data/shard/record_users.h"
#include "study/user_figures.h"
#include "study/user_subset.h"
#include "tests/support/asserts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 400, USERS = 40, LONGEST = 100 };

typedef struct side {
    uint64_t user[RECORDS];
    uint32_t length[RECORDS];
    study_users table;
    uint32_t order[USERS];
    uint8_t only[RECORDS];
} side;

/* Users of very different sizes; user 0 alone has records that are too long; the last records name nobody. */
static void draw(side *s) {
    rng r = rng_make(7, RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < RECORDS; i++) {
        const uint64_t u = i < USERS ? i : rng_below(&r, 1 + rng_below(&r, USERS));
        s->user[i] = (u * 0x9E3779B97F4A7C15u) | RECORD_USER_NAMED;
        s->length[i] = u == 0 ? LONGEST + 1 : 1 + (uint32_t)rng_below(&r, LONGEST);
        if (i >= RECORDS - 20) s->user[i] &= ~(uint64_t)RECORD_USER_NAMED;
    }
    assert_int_equal(study_users_make(s->user, s->length, RECORDS, LONGEST, 1, &s->table), WR_OK);
}

static size_t marked(const side *s) {
    size_t n = 0;
    for (size_t i = 0; i < RECORDS; i++) n += s->only[i];
    return n;
}

static void test_users(void **state) {
    (void)state;
    side s = {0};
    draw(&s);
    assert_int_equal(s.table.n, USERS - 1); /* the one whose records are too long is none */
    assert_int_equal(s.table.nameless, 20);
    for (size_t u = 0; u < s.table.n; u++) {
        assert_true(s.table.first[u] < s.table.first[u + 1]);
        for (size_t i = s.table.first[u]; i < s.table.first[u + 1]; i++) {
            const uint32_t record = s.table.record[i];
            assert_true(s.user[record] == s.table.user[u] && s.length[record] <= LONGEST);
        }
    }
    const size_t all = s.table.n;
    study_users_free(&s.table);
    assert_int_equal(study_users_make(s.user, s.length, RECORDS, LONGEST, 6, &s.table), WR_OK);
    assert_true(s.table.n > 5 && s.table.n < all);
    for (size_t u = 0; u < s.table.n; u++) assert_true(s.table.first[u + 1] - s.table.first[u] >= 6);
    study_users_free(&s.table);
}

static void test_nested(void **state) {
    (void)state;
    static const size_t counts[] = {5, 10, 20, USERS - 1};
    side s = {0};
    draw(&s);
    uint32_t first[USERS] = {0};
    for (uint64_t seed = 0; seed < 4; seed++) {
        uint8_t before[RECORDS] = {0};
        user_order(&s.table, seed, s.order);
        for (size_t k = 0; k < 4; k++) {
            assert_int_equal(user_subset(&s.table, seed, s.order, counts[k], 0, s.only), WR_OK);
            assert_int_equal(marked(&s), user_records(&s.table, s.order, counts[k]));
            for (size_t i = 0; i < RECORDS; i++) {
                assert_true(s.only[i] >= before[i]);
                if (s.only[i]) assert_true((s.user[i] & RECORD_USER_NAMED) && s.length[i] <= LONGEST);
            }
            memcpy(before, s.only, sizeof before);
        }
        if (seed) assert_true(memcmp(first, s.order, s.table.n * sizeof *first) != 0);
        memcpy(first, s.order, sizeof first);
    }
    study_users_free(&s.table);
}

/* Records of each user that are marked. */
static size_t given_by(const side *s, size_t u) {
    size_t n = 0;
    for (size_t i = s->table.first[u]; i < s->table.first[u + 1]; i++) n += s->only[s->table.record[i]];
    return n;
}

static void test_equal_instances(void **state) {
    (void)state;
    side s = {0};
    draw(&s);
    for (uint64_t seed = 0; seed < 4; seed++) {
        user_order(&s.table, seed, s.order);
        const size_t smallest = user_records(&s.table, s.order, 5);
        for (size_t users = 5; users < USERS; users += 7) {
            if (smallest < users) continue;
            assert_int_equal(user_subset(&s.table, seed, s.order, users, smallest, s.only), WR_OK);
            assert_int_equal(marked(&s), smallest);
            size_t most = 0;
            for (size_t i = 0; i < users; i++) {
                const size_t n = given_by(&s, s.order[i]);
                most = n > most ? n : most;
                assert_true(n >= 1);
            }
            /* nobody gives two fewer than another while he has more */
            for (size_t i = 0; i < users; i++) {
                const size_t u = s.order[i], n = given_by(&s, u), has = s.table.first[u + 1] - s.table.first[u];
                assert_true(n + 1 >= most || n == has);
            }
            for (size_t i = users; i < s.table.n; i++) assert_int_equal(given_by(&s, s.order[i]), 0);
        }
    }
    study_users_free(&s.table);
}

static void refused(const char *list, const char *words) {
    size_t *counts, n;
    assert_int_equal(user_counts_parse(list, &counts, &n), WR_E_USAGE);
    if (!strstr(wr_error(), words)) fail_msg("'%s': %s", list, wr_error());
}

static void test_counts(void **state) {
    (void)state;
    size_t *counts = NULL, n = 0;
    assert_int_equal(user_counts_parse("5,10,400", &counts, &n), WR_OK);
    assert_true(n == 3 && counts[0] == 5 && counts[1] == 10 && counts[2] == 400);
    free(counts);
    refused("", "no list");
    refused("five,ten", "no list");
    refused("5,", "no list");
    refused("5,,10", "no list");
    refused("5 10", "no list");
    refused("5,-10", "no list");
    refused("5,07", "no list");
    refused("5,10000000000", "no list");
    refused("1,5", "one user");
    refused("5", "two counts");
    refused("5,5", "counts must rise");
    refused("10,5", "5 stands behind 10");
}

static void test_curve(void **state) {
    (void)state;
    static const double c[] = {0.3, 1, 2.5};
    double x[12], y[12];
    power_fit f;
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < 12; i++) {
            x[i] = 5 * pow(2, (double)(i % 4));
            y[i] = 0.6 - 0.8 * pow(x[i], -c[k]);
        }
        assert_true(power_fit_make(x, y, NULL, 12, &f));
        assert_true(fabs(f.c - c[k]) < 1e-4 && fabs(f.a - 0.6) < 1e-4 && fabs(f.b - 0.8) < 1e-3 && !f.at_end);
        assert_true(f.error < 1e-6 && fabs(power_at(&f, 40) - (0.6 - 0.8 * pow(40, -c[k]))) < 1e-6);
    }
    /* a weight is so many points; what is not a number is none */
    uint32_t weight[12] = {0};
    for (size_t i = 0; i < 12; i++) weight[i] = i < 8 ? 2 : 0;
    y[9] = 50, y[3] = NAN;
    assert_true(power_fit_make(x, y, weight, 12, &f));
    assert_true(fabs(f.c - 2.5) < 1e-4 && f.error < 1e-6);
    assert_false(power_fit_make(x, y, NULL, 2, &f)); /* two counts tell no c */
    assert_true(isnan(f.a) && isnan(f.c));
    for (size_t i = 0; i < 12; i++) y[i] = log(x[i]);
    assert_true(power_fit_make(x, y, NULL, 12, &f) && f.at_end);
}

static void test_few(void **state) {
    (void)state;
    /* scipy.stats.t.ppf(0.975, n - 1) s / sqrt(n) */
    const double x[] = {1, 2, 4, 4.5}, two[] = {1, 3}, three[] = {1, 2, 6};
    mean_interval m = mean_of_few(x, 4);
    assert_true(fabs(m.mean - 2.875) < 1e-12 && fabs(m.high - m.mean - 3.182446305284263 * 0.8260095) < 1e-5);
    m = mean_of_few(two, 2);
    assert_true(fabs(m.high - 2 - 12.706204736432095) < 1e-6 && fabs(m.low - 2 + 12.706204736432095) < 1e-6);
    m = mean_of_few(three, 3);
    assert_true(fabs(m.high - 3 - 4.302652729696142 * 1.5275252316519468) < 1e-6);
    m = mean_of_few(x, 1);
    assert_true(m.mean == 1 && isnan(m.low) && isnan(m.high));
    assert_true(isnan(mean_of_few((double[]){1, NAN}, 2).mean) && isnan(mean_of_few(x, 0).mean));
}

static void says(mean_interval d, size_t seeds, bool matched, const char *words) {
    strbuf s = {0};
    user_sentence(&d, 5, 40, seeds, matched, &s);
    if (!strstr(strbuf_str(&s), words)) fail_msg("'%s' does not say '%s'", strbuf_str(&s), words);
    strbuf_free(&s);
}

static void test_sentence(void **state) {
    (void)state;
    const mean_interval more = {0.2, 0.1, 0.3}, less = {-0.2, -0.3, -0.1}, none = {0.2, -0.1, 0.5};
    says(more, 5, true, "More users help: with 40 in place of 5, at the same number of instances");
    says(more, 5, true, "higher by 0.200 (95 % interval 0.100 to 0.300");
    says(more, 5, false, "the instances grew with the users");
    says(less, 5, true, "More users do harm");
    says(less, 5, true, "lower by 0.200 (95 % interval 0.100 to 0.300");
    says(none, 5, true, "No effect can be told");
    says(none, 5, true, "is -0.100 to 0.500 and holds 0");
    says((mean_interval){0.2, NAN, NAN}, 1, true, "one seed has no interval");
    says((mean_interval){NAN, NAN, NAN}, 5, true, "not defined in every cell");
}

static void test_results(void **state) {
    (void)state;
    enum { COUNTS = 3, SEEDS = 3 };
    study_cell cells[COUNTS * SEEDS] = {0};
    for (size_t i = 0; i < COUNTS * SEEDS; i++) {
        study_cell *c = &cells[i];
        c->users = (size_t)5 << i % COUNTS, c->seed = i / COUNTS, c->instances = 100 + c->seed, c->steps = 7;
        c->test_records = 31, c->test_users = 6;
        c->figures[CELL_ACCURACY] = (cell_figure){NAN, NAN, NAN};
        c->figures[CELL_SPEARMAN] = (cell_figure){0.5 - 1 / (double)c->users + 0.01 * (double)c->seed, 0.1, 0.9};
        c->figures[CELL_ECE] = (cell_figure){0.1, 0.05, 0.2};
    }
    user_figures f = {0};
    strbuf csv = {0};
    assert_int_equal(user_figures_make(cells, COUNTS, SEEDS, true, &f), WR_OK);
    assert_true(fabs(f.difference[CELL_SPEARMAN].mean - 0.15) < 1e-12);
    assert_true(fabs(f.by_count[1].mean[CELL_SPEARMAN].mean - 0.41) < 1e-12);
    assert_true(f.by_count[1].least == 100 && f.by_count[1].most == 102);
    assert_true(!f.curve[CELL_ACCURACY].made && isnan(f.by_count[0].mean[CELL_ACCURACY].mean));
    const fitted_curve *curve = &f.curve[CELL_SPEARMAN];
    assert_true(fabs(curve->fit.a - 0.51) < 1e-3 && fabs(curve->fit.b - 1) < 1e-2 && fabs(curve->fit.c - 1) < 1e-2);
    assert_true(curve->a.low >= 0.499 && curve->a.low < 0.505 && curve->a.high > 0.515 && curve->a.high <= 0.521);
    assert_true(strstr(strbuf_str(&f.sentence), "More users help"));
    user_results_csv(&f, &csv);
    assert_true(strstr(strbuf_str(&csv), "\n5,1,101,7,,,,0.31,0.1,0.9,0.1,0.05,0.2,31,6\n"));
    strbuf_free(&csv);
    user_results_page(&f, "<data>", &csv);
    assert_true(strstr(strbuf_str(&csv), "&lt;data&gt;") && !strstr(strbuf_str(&csv), "nan"));
    strbuf_free(&csv);
    user_figures_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_users),    cmocka_unit_test(test_nested),  cmocka_unit_test(test_equal_instances),
        cmocka_unit_test(test_counts),   cmocka_unit_test(test_curve),   cmocka_unit_test(test_few),
        cmocka_unit_test(test_sentence), cmocka_unit_test(test_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
