/* Figures of predictions: samples by weight against samples written out, ties, what is not defined, intervals, paired
 * tests. The values themselves are compared with scikit-learn and scipy in tests/e2e/evaluation.sh. */
#include "base/rng.h"
#include "evaluate/statistics/bootstrap.h"
#include "evaluate/statistics/figures.h"
#include "evaluate/statistics/order.h"
#include "evaluate/statistics/paired.h"
#include "evaluate/statistics/rank_figures.h"
#include "tests/support/near.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 60, USERS = 7, K = 4, COPIES = 6 * N, WIDTH_MAX = 64 };

typedef struct sample {
    double score[COPIES], above[COPIES * (K - 1)], length[COPIES];
    int label[COPIES], class[COPIES];
    uint32_t user[COPIES], prompt[COPIES];
    predictions p;
} sample;

static void point(sample *s, size_t n, size_t users) {
    s->p = (predictions){.n = n,
                         .classes = K,
                         .score = s->score,
                         .label = s->label,
                         .class = s->class,
                         .above = s->above,
                         .user = s->user,
                         .prompt = s->prompt,
                         .n_users = users,
                         .n_prompts = 5,
                         .length = s->length,
                         .on_scale = true};
}

/* Many ties: scores and probabilities are of a coarse grid. */
static void draw(sample *s, uint64_t seed) {
    rng r = rng_make(seed, RNG_TEST, 0, 0, 0);
    for (uint32_t i = 0; i < N; i++) {
        s->label[i] = 1 + (int)rng_below(&r, K);
        s->user[i] = i < USERS ? i : (uint32_t)rng_below(&r, USERS);
        s->prompt[i] = (uint32_t)rng_below(&r, 5);
        s->length[i] = (double)rng_below(&r, 9);
        s->score[i] = 1;
        s->class[i] = 1;
        for (int k = 0; k < K - 1; k++) {
            const double q = (double)rng_below(&r, 11) / 10;
            s->above[i * (K - 1) + (uint32_t)k] = q;
            s->score[i] += q;
            s->class[i] += q > 0.5;
        }
    }
    point(s, N, USERS);
}

static void figures_of(const predictions *p, const uint32_t *weight, double out[WIDTH_MAX]) {
    figure_taker *t;
    assert_true(figures_width(p->classes) <= WIDTH_MAX);
    assert_ok(figure_taker_create(p, 10, &t));
    figures_take(t, weight, out);
    figure_taker_free(t);
}

/* A record with weight w is a record that stands there w times. */
static void test_weights_are_copies(void **state) {
    (void)state;
    static sample s, copies;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint32_t weight[USERS];
        double by_weight[WIDTH_MAX], by_copies[WIDTH_MAX];
        size_t n = 0;
        draw(&s, seed);
        resample_weights(seed, 0, 0, USERS, weight);
        for (size_t i = 0; i < N; i++)
            for (uint32_t c = 0; c < weight[s.user[i]]; c++, n++) {
                assert_true(n < COPIES);
                copies.score[n] = s.score[i];
                memcpy(copies.above + n * (K - 1), s.above + i * (K - 1), sizeof *s.above * (K - 1));
                copies.length[n] = s.length[i];
                copies.label[n] = s.label[i];
                copies.class[n] = s.class[i];
                copies.user[n] = 0;
            }
        point(&copies, n, 1);
        figures_of(&s.p, weight, by_weight);
        figures_of(&copies.p, NULL, by_copies);
        for (size_t f = 0; f < figures_width(K); f++) {
            if (isnan(by_copies[f]))
                assert_true(isnan(by_weight[f]));
            else
                assert_near(by_weight[f], by_copies[f], 1e-12);
        }
    }
}

/* Pairs counted one by one. */
static void count_pairs(const sample *s, double least, const uint32_t *group, pair_count *out) {
    *out = (pair_count){0};
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            if (s->label[i] <= s->label[j] || (group && group[i] != group[j])) continue;
            if (fabs(s->score[i] - s->score[j]) < least) continue;
            out->pairs++;
            out->right += s->score[i] > s->score[j];
        }
}

static void test_pairs(void **state) {
    (void)state;
    static sample s;
    uint32_t order[N];
    pair_count curve[CURVE_STEPS + 1], of_group[USERS], want, sum = {0};
    draw(&s, 3);
    s.prompt[4] = NO_PROMPT;
    assert_ok(order_by(s.score, N, order));
    assert_ok(confidence_curve(&s.p, order, curve));
    for (int k = 0; k <= CURVE_STEPS; k++) {
        count_pairs(&s, (double)k / CURVE_STEPS, NULL, &want);
        assert_true(curve[k].pairs == want.pairs && curve[k].right == want.right);
    }
    assert_ok(pairs_within(&s.p, order, s.user, USERS, of_group));
    for (int u = 0; u < USERS; u++) {
        sum.pairs += of_group[u].pairs;
        sum.right += of_group[u].right;
    }
    count_pairs(&s, 0, s.user, &want);
    assert_true(sum.pairs == want.pairs && sum.right == want.right);
    double all[WIDTH_MAX];
    figures_of(&s.p, NULL, all);
    assert_near(all[FIGURE_PAIRWISE], curve[0].right / curve[0].pairs, 1e-12);
    assert_ok(pairs_within(&s.p, order, s.prompt, 5, of_group));
    sum = (pair_count){0};
    for (int g = 0; g < 5; g++) sum.pairs += of_group[g].pairs;
    count_pairs(&s, 0, s.prompt, &want); /* the record without a prompt is alone in its group there, too */
    assert_true(sum.pairs == want.pairs);
}

static void test_not_defined(void **state) {
    (void)state;
    static sample s;
    double f[WIDTH_MAX];
    draw(&s, 5);
    for (size_t i = 0; i < N; i++) s.label[i] = s.class[i] = 2;
    figures_of(&s.p, NULL, f);
    assert_true(f[FIGURE_ACCURACY] == 1 && isnan(f[FIGURE_KAPPA]) && isnan(f[FIGURE_SPEARMAN]));
    assert_true(isnan(f[FIGURE_KENDALL]) && isnan(f[FIGURE_PAIRWISE]) &&
                isnan(f[figure_of_threshold(K, 2, THRESHOLD_AUC)]));
    assert_true(isfinite(f[FIGURE_LOG_LOSS]) && isfinite(f[FIGURE_ECE]) && isnan(f[figure_of_class(3, CLASS_F1)]));
    assert_true(f[figure_of_class(2, CLASS_RECALL)] == 1);
    draw(&s, 5);
    for (size_t i = 0; i < N; i++) s.score[i] = 2;
    figures_of(&s.p, NULL, f);
    assert_true(isnan(f[FIGURE_SPEARMAN]) && isnan(f[FIGURE_KENDALL]) && f[FIGURE_PAIRWISE] == 0);
    assert_near(f[figure_of_threshold(K, 1, THRESHOLD_AUC)], 0.5, 1e-15);
    s.p.class = NULL;
    s.p.above = s.p.length = NULL;
    s.p.on_scale = false;
    figures_of(&s.p, NULL, f);
    assert_true(isnan(f[FIGURE_ACCURACY]) && isnan(f[FIGURE_MAE]) && isnan(f[FIGURE_LOG_LOSS]) && isnan(f[FIGURE_ECE]));
    s.p.n = 0;
    figures_of(&s.p, NULL, f);
    for (size_t i = 0; i < figures_width(K); i++) assert_true(isnan(f[i]));
    draw(&s, 6);
    for (size_t i = 0; i < N; i++) s.label[i] = 1;
    s.p.classes = 1;
    s.p.class = NULL;
    figures_of(&s.p, NULL, f);
    assert_true(isnan(f[FIGURE_SPEARMAN]) && isfinite(f[FIGURE_MAE]));
}

static void take(void *context, const uint32_t *weight, double *values) { figures_take(context, weight, values); }

static void test_intervals(void **state) {
    (void)state;
    static sample s;
    figure_interval a[WIDTH_MAX], b[WIDTH_MAX];
    double all[WIDTH_MAX];
    figure_taker *t;
    const size_t width = figures_width(K);
    draw(&s, 9);
    for (size_t i = 0; i < N; i++) /* one user alone has the top label: many resamples lack it */
        if (s.label[i] == K && s.user[i]) s.label[i] = 1;
    s.label[0] = K;
    assert_ok(figure_taker_create(&s.p, 10, &t));
    figures_take(t, NULL, all);
    assert_ok(bootstrap_intervals(USERS, width, 200, 4, 0, take, t, a));
    assert_ok(bootstrap_intervals(USERS, width, 200, 4, 0, take, t, b));
    assert_memory_equal(a, b, width * sizeof *a);
    assert_int_equal(a[FIGURE_ACCURACY].defined, 200);
    const figure_interval top = a[figure_of_threshold(K, K - 1, THRESHOLD_AUC)];
    assert_true(top.defined > 60 && top.defined < 200);
    assert_true(a[FIGURE_ACCURACY].low < all[FIGURE_ACCURACY] && all[FIGURE_ACCURACY] < a[FIGURE_ACCURACY].high);
    assert_ok(bootstrap_intervals(1, width, 200, 4, 0, take, t, a));
    assert_true(isnan(a[FIGURE_ACCURACY].low) && a[FIGURE_ACCURACY].defined == 0);
    assert_ok(bootstrap_intervals(USERS, width, 0, 4, 0, take, t, a));
    assert_true(isnan(a[FIGURE_ACCURACY].high));
    figure_taker_free(t);
}

static void test_paired(void **state) {
    (void)state;
    /* scipy.stats.binomtest(min, n).pvalue */
    assert_near(mcnemar_exact(0, 0), 1, 0);
    assert_near(mcnemar_exact(5, 5), 1, 1e-12);
    assert_near(mcnemar_exact(1, 9), 0.021484375, 1e-12);
    assert_near(mcnemar_exact(9, 1), 0.021484375, 1e-12);
    assert_near(mcnemar_exact(400, 500), 0.0009564441369189373, 1e-12);
    assert_near(mcnemar_exact(0, 3000), 0, 1e-300);
    double p[5] = {0.04, 0.01, NAN, 0.03, 0.9};
    holm_adjust(p, 5);
    assert_near(p[1], 0.04, 1e-15);
    assert_near(p[3], 0.09, 1e-15);
    assert_near(p[0], 0.09, 1e-15); /* 0.08, but not below the one before */
    assert_near(p[4], 0.9, 1e-15);
    assert_true(isnan(p[2]));
    const double d[9] = {1, 2, 3, -1, 4, 5, 6, 7, NAN}, none[1] = {NAN};
    assert_near(bootstrap_p(d, 9), 2 * 2.0 / 9, 1e-15);
    assert_true(isnan(bootstrap_p(none, 1)));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_weights_are_copies), cmocka_unit_test(test_pairs),
                                       cmocka_unit_test(test_not_defined), cmocka_unit_test(test_intervals),
                                       cmocka_unit_test(test_paired)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
