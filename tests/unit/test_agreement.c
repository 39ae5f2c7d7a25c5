/* Agreement: figures worked out by hand, published examples, and the bootstrap by user. */
#include "base/rng.h"
#include "data/label/agree/agreement.h"
#include "tests/support/near.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Turns: 1-1 twice, 2-3, 5-4, 3-3. Rows 1,1,2,5,3; columns 1,1,3,4,3. */
static void by_hand(void **state) {
    (void)state;
    static const uint8_t answers[5][2] = {{1, 1}, {1, 1}, {2, 3}, {5, 4}, {3, 3}};
    agreement *g;
    agreement_result pairs[1][AGREEMENT_WAYS], all[AGREEMENT_WAYS];
    assert_int_equal(agreement_create(2, &g), WR_OK);
    for (uint32_t i = 0; i < 5; i++) assert_int_equal(agreement_add(g, i, answers[i], 1), WR_OK);
    assert_int_equal(agreement_measure(g, 0, 1, pairs, all), WR_OK);
    const double *v = pairs[0][FIVE_WAYS].value;
    assert_true(pairs[0][FIVE_WAYS].turns == 5 && all[FIVE_WAYS].turns == 5);
    assert_near(v[AGREEMENT_SHARE], 3.0 / 5, 1e-15);
    /* expected: (2·2 + 1·0 + 1·2 + 0·1 + 1·0)/25 = 6/25; kappa = (15/25 - 6/25)/(19/25) */
    assert_near(v[AGREEMENT_KAPPA], 9.0 / 19, 1e-15);
    /* |i-j|: observed 2; expected sum over row × column levels: rows {1,1,2,3,5}, columns {1,1,3,3,4}: distances
     * 1: 0+0+2+2+3 = 7 (twice) ; 2: 1+1+1+1+2 = 6; 3: 2+2+0+0+1 = 5; 5: 4+4+2+2+1 = 13; 38/5 = 7.6 */
    assert_near(v[AGREEMENT_LINEAR], 1 - 2 / 7.6, 1e-15);
    /* squares: 1: 0+0+4+4+9 = 17 (twice); 2: 1+1+1+1+4 = 8; 3: 4+4+0+0+1 = 9; 5: 16+16+4+4+1 = 41; 92/5 = 18.4 */
    assert_near(v[AGREEMENT_QUADRATIC], 1 - 2 / 18.4, 1e-15);
    /* values: 1 four times, 2 once, 3 three times, 4 once, 5 once; n = 10. Pairs that differ: 4 of 10 values; expected
     * sum n_c n_k = 100 - (16+1+9+1+1) = 72. alpha = 1 - 9·4/72 */
    assert_near(v[AGREEMENT_NOMINAL], 0.5, 1e-15);
    /* interval: observed 4·1; expected over ordered pairs: 2·(4·1·1 + 4·3·4 + 4·1·9 + 4·1·16 + 1·3·1 + 1·1·4 + 1·1·9 +
     * 3·1·1 + 3·1·4 + 1·1·1) = 2·184 */
    assert_near(v[AGREEMENT_INTERVAL], 1 - 9 * 4.0 / 368, 1e-15);
    /* ordinal: (2,3): 1/2+3/2 = 2 -> 4; (4,5): 1 -> 1; observed 2·(4+1) = 10. Expected, distances by answers between:
     * (1,2) 2.5, (1,3) 4.5, (1,4) 6.5, (1,5) 7.5, (2,3) 2, (2,4) 4, (2,5) 5, (3,4) 2, (3,5) 3, (4,5) 1: 2·(4·6.25 +
     * 12·20.25 + 4·42.25 + 4·56.25 + 3·4 + 16 + 25 + 3·4 + 3·9 + 1) = 2·755 */
    assert_near(v[AGREEMENT_ORDINAL], 1 - 9 * 10.0 / 1510, 1e-15);
    /* Three ways: neg-neg twice, neg-neutral, pos-pos, neutral-neutral. */
    v = pairs[0][THREE_WAYS].value;
    assert_near(v[AGREEMENT_SHARE], 4.0 / 5, 1e-15);
    assert_near(v[AGREEMENT_KAPPA], (4.0 / 5 - 9.0 / 25) / (1 - 9.0 / 25), 1e-15); /* expected (3·2 + 1·2 + 1·1)/25 */
    for (int k = 0; k < AGREEMENT_FIGURES; k++)
        assert_near(all[FIVE_WAYS].value[k], pairs[0][FIVE_WAYS].value[k], 1e-15);
    assert_true(isnan(v[0]) == 0 && isnan(all[0].low[0]));
    uint64_t table[5][5];
    agreement_table(g, 0, 1, table);
    assert_true(table[0][0] == 2 && table[1][2] == 1 && table[4][3] == 1 && table[2][2] == 1 && table[3][4] == 0);
    agreement_free(g);
}

/* Krippendorff's own example with four observers and missing values (2011, "Computing Krippendorff's
 * Alpha-Reliability", section C, E and F): nominal 0.743, ordinal 0.815, interval 0.849. */
static void krippendorffs_example(void **state) {
    (void)state;
    static const uint8_t o[4][12] = {{1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0},
                                     {1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3},
                                     {0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0},
                                     {1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0}};
    agreement *g;
    agreement_result pairs[6][AGREEMENT_WAYS], all[AGREEMENT_WAYS];
    assert_int_equal(agreement_create(4, &g), WR_OK);
    for (uint32_t i = 0; i < 12; i++) {
        const uint8_t answers[4] = {o[0][i], o[1][i], o[2][i], o[3][i]};
        assert_int_equal(agreement_add(g, i, answers, 1), WR_OK);
    }
    assert_int_equal(agreement_measure(g, 0, 0, pairs, all), WR_OK);
    assert_true(all[0].turns == 11); /* the twelfth has one answer */
    assert_near(all[0].value[AGREEMENT_NOMINAL], 0.743, 0.0005);
    assert_near(all[0].value[AGREEMENT_ORDINAL], 0.815, 0.0005);
    assert_near(all[0].value[AGREEMENT_INTERVAL], 0.849, 0.0005);
    double mean = 0;
    for (int p = 0; p < 6; p++) mean += pairs[p][0].value[AGREEMENT_KAPPA] / 6;
    assert_near(all[0].value[AGREEMENT_KAPPA], mean, 1e-12);
    assert_int_equal(agreement_pair(0, 1, 4), 0);
    assert_int_equal(agreement_pair(1, 2, 4), 3);
    assert_int_equal(agreement_pair(2, 3, 4), 5);
    agreement_free(g);
}

static void undefined_is_nan(void **state) {
    (void)state;
    agreement *g;
    agreement_result pairs[3][AGREEMENT_WAYS], all[AGREEMENT_WAYS];
    assert_int_equal(agreement_create(3, &g), WR_OK);
    assert_int_equal(agreement_measure(g, 10, 0, pairs, all), WR_OK); /* nothing at all */
    assert_true(isnan(all[0].value[AGREEMENT_SHARE]) && all[0].turns == 0);
    const uint8_t same[3] = {3, 3, 0};
    assert_int_equal(agreement_add(g, 7, same, 4), WR_OK);
    assert_int_equal(agreement_measure(g, 10, 0, pairs, all), WR_OK);
    assert_true(pairs[0][0].turns == 4 && pairs[0][0].value[AGREEMENT_SHARE] == 1);
    assert_true(isnan(pairs[0][0].value[AGREEMENT_KAPPA]) && isnan(pairs[0][0].value[AGREEMENT_ORDINAL]));
    assert_true(pairs[1][0].turns == 0 && isnan(pairs[1][0].value[AGREEMENT_SHARE]));
    const uint8_t wrong[3] = {3, 6, 0};
    assert_int_equal(agreement_add(g, 7, wrong, 1), WR_E_USAGE);
    agreement_free(g);
    assert_int_equal(agreement_create(1, &g), WR_E_USAGE);
    assert_int_equal(agreement_create(9, &g), WR_E_USAGE);
}

/* A share over independent users of one turn each: the interval is the binomial one. Turns of one user count together:
 * the same turns by few users give a wider one. */
static void bootstrap_by_user(void **state) {
    (void)state;
    enum { N = 2000 };
    agreement *many, *few;
    agreement_result pair[1][AGREEMENT_WAYS], all[AGREEMENT_WAYS], again[1][AGREEMENT_WAYS],
        clustered[1][AGREEMENT_WAYS];
    assert_int_equal(agreement_create(2, &many), WR_OK);
    assert_int_equal(agreement_create(2, &few), WR_OK);
    for (uint32_t i = 0; i < N; i++) {
        const uint8_t answers[2] = {(uint8_t)(1 + i % 5), (uint8_t)(i / 100 % 5 == 0 ? 1 + (i + 1) % 5 : 1 + i % 5)};
        assert_int_equal(agreement_add(many, N - i, answers, 1),
                         WR_OK); /* users in descending order: sorted all the same */
        assert_int_equal(agreement_add(few, i / 100, answers, 1), WR_OK);
    }
    assert_int_equal(agreement_measure(many, 2000, 5, pair, all), WR_OK);
    assert_near(pair[0][0].value[AGREEMENT_SHARE], 0.8, 1e-12);
    double half = 1.96 * sqrt(0.8 * 0.2 / N);
    assert_near(pair[0][0].low[AGREEMENT_SHARE], 0.8 - half, 0.1 * half);
    assert_near(pair[0][0].high[AGREEMENT_SHARE], 0.8 + half, 0.1 * half);
    assert_true(pair[0][0].low[AGREEMENT_KAPPA] < pair[0][0].value[AGREEMENT_KAPPA]);
    assert_int_equal(agreement_measure(many, 2000, 5, again, all), WR_OK);
    assert_memory_equal(pair, again, sizeof pair);
    assert_int_equal(agreement_measure(many, 2000, 6, again, all), WR_OK);
    assert_memory_not_equal(pair, again, sizeof pair);
    assert_int_equal(agreement_measure(few, 2000, 5, clustered, all), WR_OK);
    assert_near(clustered[0][0].value[AGREEMENT_SHARE], 0.8, 1e-12);
    double wide = 1.96 * sqrt(0.8 * 0.2 / 20); /* twenty users, each all right or all wrong */
    assert_near(clustered[0][0].high[0] - clustered[0][0].low[0], 2 * wide, 0.2 * wide);
    /* Users of whom nothing is compared change nothing. */
    const uint8_t alone[2] = {4, 0};
    for (uint32_t i = 0; i < 500; i++) assert_int_equal(agreement_add(few, 1000 + i, alone, 3), WR_OK);
    assert_int_equal(agreement_measure(few, 2000, 5, again, all), WR_OK);
    assert_memory_equal(again, clustered, sizeof again);
    assert_int_equal(agreement_users(few), 20);
    agreement_free(many);
    agreement_free(few);
}

static void histogram_is_what_was_added(void **state) {
    (void)state;
    agreement *g;
    uint64_t counts[216] = {0};
    const uint8_t a[3] = {1, 0, 5}, b[3] = {2, 2, 2};
    assert_int_equal(agreement_create(3, &g), WR_OK);
    assert_int_equal(agreement_add(g, 0, a, 3), WR_OK);
    assert_int_equal(agreement_add(g, 1, b, 2), WR_OK);
    assert_int_equal(agreement_add(g, 2, a, 4), WR_OK);
    agreement_histogram(g, counts);
    assert_true(counts[1 + 5 * 36] == 7 && counts[2 + 12 + 72] == 2);
    uint8_t back[3];
    pattern_answers(1 + 5 * 36, 3, back);
    assert_memory_equal(back, a, 3);
    agreement_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(krippendorffs_example),
                                       cmocka_unit_test(undefined_is_nan), cmocka_unit_test(bootstrap_by_user),
                                       cmocka_unit_test(histogram_is_what_was_added)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
