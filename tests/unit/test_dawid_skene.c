/* Dawid–Skene: planted confusions come back, bias does not move the consensus, and what EM promises. */
#include "base/rng.h"
#include "data/label/agree/dawid_skene.h"
#include "tests/support/near.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS = 5000, SEEDS = 6 };
typedef double matrix[5][5];

/* Careful: right in 85 %, else a neighbour. Lazy: 60 % "3" whatever it reads, else as the careful one. Biased: one
 * level up in 45 %. */
static void careful(matrix m) {
    memset(m, 0, sizeof(matrix));
    for (int k = 0; k < 5; k++) {
        m[k][k] += 0.85;
        m[k][k ? k - 1 : 1] += 0.075;
        m[k][k < 4 ? k + 1 : 3] += 0.075;
    }
}
static void lazy(matrix m) {
    careful(m);
    for (int k = 0; k < 5; k++) {
        for (int l = 0; l < 5; l++) m[k][l] = 0.4 * m[k][l] + 0.6 * (l == 2);
    }
}
static void biased(matrix m) {
    memset(m, 0, sizeof(matrix));
    for (int k = 0; k < 5; k++) {
        m[k][k] += 0.5;
        m[k][k < 4 ? k + 1 : 4] += 0.45;
        m[k][k ? k - 1 : 0] += 0.05;
    }
}

static int draw(rng *r, const double *p) {
    double u = rng_uniform(r);
    int l = 0;
    while (l < 4 && u >= p[l]) u -= p[l++];
    return l;
}

/* Of equal shares of votes each is half (or a third) right. */
static double majority_credit(const uint8_t *answers, size_t annotators, int truth) {
    int votes[6] = {0}, most = 0, tied = 0;
    for (size_t a = 0; a < annotators; a++) votes[answers[a]]++;
    for (int l = 1; l < 6; l++) most = votes[l] > most ? votes[l] : most;
    for (int l = 1; l < 6; l++) tied += votes[l] == most;
    return most && votes[truth] == most ? 1.0 / tied : 0;
}

typedef struct trial {
    double rmse, consensus, majority;
} trial;

static trial run(uint64_t seed, double missing) {
    matrix planted[3];
    uint64_t counts[216] = {0};
    static uint8_t answers[TURNS][3], truth[TURNS];
    trial t = {0};
    careful(planted[0]), lazy(planted[1]), biased(planted[2]);
    rng r = rng_make(seed, RNG_TEST, 1, 0, 0);
    for (int i = 0; i < TURNS; i++) {
        truth[i] = (uint8_t)(i % 5 + 1);
        for (int a = 0; a < 3; a++)
            answers[i][a] = rng_uniform(&r) < missing ? 0 : (uint8_t)(draw(&r, planted[a][truth[i] - 1]) + 1);
        counts[pattern_of(answers[i], 3)]++;
    }
    dawid_skene *d;
    assert_int_equal(dawid_skene_fit(3, counts, NULL, &d), WR_OK);
    assert_true(dawid_skene_converged(d));
    double squares = 0, total = 0;
    for (size_t a = 0; a < 3; a++) {
        const double *c = dawid_skene_confusion(d, a);
        for (int k = 0; k < 5; k++) {
            double row = 0;
            for (int l = 0; l < 5; l++) squares += pow(c[k * 5 + l] - planted[a][k][l], 2), row += c[k * 5 + l];
            assert_near(row, 1, 1e-12);
        }
    }
    for (int k = 0; k < 5; k++) {
        assert_near(dawid_skene_prior(d)[k], 0.2, 0.03);
        total += dawid_skene_prior(d)[k];
    }
    assert_near(total, 1, 1e-12);
    t.rmse = sqrt(squares / 75);
    for (int i = 0; i < TURNS; i++) {
        t.consensus += dawid_skene_level(d, pattern_of(answers[i], 3), NULL) == truth[i];
        t.majority += majority_credit(answers[i], 3, truth[i]);
    }
    t.consensus /= TURNS, t.majority /= TURNS;
    dawid_skene_free(d);
    return t;
}

static void planted_confusions_come_back(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        trial t = run(seed, 0);
        print_message("# seed %d: RMSE %.4f, consensus %.4f, majority %.4f\n", (int)seed, t.rmse, t.consensus,
                      t.majority);
        assert_true(t.rmse <= 0.03);
        assert_true(t.consensus > t.majority + 0.02);
    }
}

static void missing_answers_are_no_evidence(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        trial t = run(100 + seed, 0.1);
        assert_true(t.rmse <= 0.04); /* a tenth fewer answers */
        assert_true(t.consensus > t.majority + 0.01);
    }
}

/* One annotator: the counts are the prior, and it is always right. Two that always agree likewise. */
static void small_cases(void **state) {
    (void)state;
    uint64_t one[6] = {7, 10, 20, 30, 40, 100}, two[36] = {0};
    dawid_skene *d;
    double p;
    dawid_skene_options exact = {.smoothing = 1e-9};
    assert_int_equal(dawid_skene_fit(1, one, &exact, &d), WR_OK);
    for (uint32_t l = 1; l <= 5; l++) {
        assert_int_equal(dawid_skene_level(d, l, &p), (int)l);
        assert_true(p > 0.999999 && fabs(dawid_skene_prior(d)[l - 1] - (double)one[l] / 200) < 1e-9);
    }
    assert_int_equal(dawid_skene_level(d, 0, &p), 0);
    assert_true(p == 0);
    double all[5];
    dawid_skene_posterior(d, 0, all);
    assert_near(all[4], 0.5, 1e-9);
    /* log L = sum of counts times log shares */
    double want = 0;
    for (int l = 1; l <= 5; l++) want += (double)one[l] * log((double)one[l] / 200);
    assert_near(dawid_skene_log_likelihood(d), want, 1e-4);
    dawid_skene_free(d);
    for (uint32_t l = 1; l <= 5; l++) two[l + 6 * l] = 50;
    assert_int_equal(dawid_skene_fit(2, two, NULL, &d), WR_OK);
    for (uint32_t l = 1; l <= 5; l++) assert_int_equal(dawid_skene_level(d, l + 6 * l, &p), (int)l);
    assert_int_equal(dawid_skene_level(d, 4, NULL), 4); /* one of them alone */
    dawid_skene_free(d);
}

/* Levels as uneven as in real chats: the rare ones keep their meaning, which without an anchor they may lose. */
static void rare_levels_keep_their_meaning(void **state) {
    (void)state;
    static const double share[5] = {0.004, 0.14, 0.776, 0.07, 0.01};
    matrix planted[3];
    careful(planted[0]), careful(planted[1]), biased(planted[2]);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t counts[216] = {0};
        rng r = rng_make(seed, RNG_TEST, 3, 0, 0);
        for (int i = 0; i < 2000; i++) {
            int truth = draw(&r, share);
            uint8_t answers[3];
            for (int a = 0; a < 3; a++) answers[a] = (uint8_t)(draw(&r, planted[a][truth]) + 1);
            counts[pattern_of(answers, 3)]++;
        }
        dawid_skene *d;
        double p;
        assert_int_equal(dawid_skene_fit(3, counts, NULL, &d), WR_OK);
        for (uint32_t l = 1; l <= 5; l++) {
            assert_int_equal(dawid_skene_level(d, l + 6 * l + 36 * l, &p), (int)l);
            assert_true(p > 0.8);
        }
        dawid_skene_free(d);
    }
}

static void climbs_and_repeats(void **state) {
    (void)state;
    uint64_t counts[216];
    rng r = rng_make(9, RNG_TEST, 2, 0, 0);
    for (int i = 0; i < 216; i++) counts[i] = rng_below(&r, 40);
    double before = -INFINITY;
    for (size_t n = 1; n <= 64; n *= 2) {
        dawid_skene_options o = {.iterations = n, .smoothing = 1e-12, .anchor = -1};
        dawid_skene *d, *again;
        assert_int_equal(dawid_skene_fit(3, counts, &o, &d), WR_OK);
        assert_int_equal(dawid_skene_fit(3, counts, &o, &again), WR_OK);
        assert_memory_equal(dawid_skene_confusion(d, 2), dawid_skene_confusion(again, 2), 25 * sizeof(double));
        assert_true(dawid_skene_log_likelihood(d) >= before - 1e-6);
        before = dawid_skene_log_likelihood(d);
        dawid_skene_free(d);
        dawid_skene_free(again);
    }
}

static void refuses(void **state) {
    (void)state;
    uint64_t none[6] = {5};
    dawid_skene *d;
    assert_int_equal(dawid_skene_fit(1, none, NULL, &d), WR_E_FORMAT);
    assert_int_equal(dawid_skene_fit(0, none, NULL, &d), WR_E_USAGE);
    assert_int_equal(dawid_skene_fit(9, none, NULL, &d), WR_E_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(planted_confusions_come_back),
                                       cmocka_unit_test(missing_answers_are_no_evidence),
                                       cmocka_unit_test(small_cases),
                                       cmocka_unit_test(rare_levels_keep_their_meaning),
                                       cmocka_unit_test(climbs_and_repeats),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
