/* Pair choice: best and worst of one prompt, ties, margins, missing rewards, records over the wire; prompt order; reply
 * statistics; intervals. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "evaluate/eval_summary.h"
#include "dpo/online.h"
#include "dpo/pairs.h"
#include "tests/support/asserts.h"
#include "tests/support/setting_rows.h"

enum { MAX_REPLIES = 16 };
typedef struct fixture {
    rollout_group g;
    rollout_reply replies[MAX_REPLIES];
    int32_t ids[MAX_REPLIES][4];
    int32_t prompt[3];
} fixture;

static void make(fixture *f, uint64_t draw, const double *rewards, size_t n) {
    memset(f, 0, sizeof *f);
    for (int k = 0; k < 3; k++) f->prompt[k] = (int32_t)draw + k;
    f->g = (rollout_group){.draw = draw,
                           .prompt = (uint32_t)(draw % 5),
                           .prompt_ids = f->prompt,
                           .n_prompt = 3,
                           .replies = f->replies,
                           .n_replies = n};
    for (size_t j = 0; j < n; j++) {
        for (int k = 0; k < 4; k++) f->ids[j][k] = (int32_t)(100 * draw + 10 * j + (size_t)k);
        f->replies[j] = (rollout_reply){.draw = draw,
                                        .ids = f->ids[j],
                                        .n = 1 + j % 4,
                                        .text = "reply",
                                        .text_length = 5,
                                        .reward = rewards[j],
                                        .quality = NAN,
                                        .logprob = -1.5 * (double)j,
                                        .stopped = j % 2};
    }
}

/* What becomes of one prompt's pair by a rule, with its options as they are by default. */
typedef enum { MADE, TIE, LOW, FEW } verdict;
static verdict choose(const fixture *f, const pair_rule *rule, double min_margin, dpo_pair *p) {
    pair_counts c;
    size_t n;
    pair_options o = {.rule = rule, .min_margin = min_margin, .seed = 1};
    settings_of_defaults(rule->options, o.settings);
    assert_int_equal(pairs_room(&f->g, 1, &o), 1);
    assert_ok(pairs_choose(&f->g, 1, &o, p, &n, &c));
    assert_int_equal(c.made + c.ties + c.low_margin + c.too_few, 1);
    assert_int_equal(n, c.made);
    return c.made ? MADE : c.ties ? TIE : c.low_margin ? LOW : FEW;
}

static void test_best_worst(void **state) {
    (void)state;
    fixture f;
    dpo_pair p;
    make(&f, 7, (double[]){2, 1, 3.5, 3.5, 1, 2}, 6);
    assert_int_equal(choose(&f, &best_worst_rule, 0, &p), MADE);
    assert_ptr_equal(p.chosen.ids, f.ids[2]); /* the first of equal ones */
    assert_ptr_equal(p.rejected.ids, f.ids[1]);
    assert_true(p.chosen.reward == 3.5 && p.rejected.reward == 1);
    assert_true(p.draw == 7 && p.chosen.draw == 7 && p.rejected.draw == 7 && p.prompt == 2 && p.n_prompt == 3);
    assert_int_equal(choose(&f, &best_worst_rule, 2.6, &p), LOW);
    assert_int_equal(choose(&f, &best_worst_rule, 2.5, &p), MADE);
}

/* Of whatever rule that makes one pair a prompt. */
static void test_ties_and_missing(void **state) {
    (void)state;
    for (const pair_rule *const *r = pair_rules; *r; r++) {
        const pair_rule *rule = *r;
        if (rule->most) continue;
        fixture f;
        dpo_pair p;
        make(&f, 1, (double[]){2, 2, 2}, 3);
        assert_int_equal(choose(&f, rule, 0, &p), TIE);
        make(&f, 1, (double[]){NAN, 2, NAN}, 3);
        assert_int_equal(choose(&f, rule, 0, &p), FEW);
        make(&f, 1, (double[]){NAN, NAN}, 2);
        assert_int_equal(choose(&f, rule, 0, &p), FEW);
        /* A missing reward never wins or loses, whatever else there is. */
        make(&f, 1, (double[]){NAN, -5, INFINITY, 4, -INFINITY, NAN}, 6);
        if (choose(&f, rule, 0, &p) == MADE) {
            assert_ptr_equal(p.chosen.ids, f.ids[3]);
            assert_ptr_equal(p.rejected.ids, f.ids[1]);
        }
        /* The same tokens with two rewards teach nothing. */
        make(&f, 1, (double[]){1, 2}, 2);
        f.replies[1].n = f.replies[0].n;
        memcpy(f.ids[1], f.ids[0], sizeof f.ids[0]);
        assert_int_equal(choose(&f, rule, 0, &p), TIE);
    }
}

/* Replies of different prompts in one group: refused, not paired. */
static void test_mixed_prompts(void **state) {
    (void)state;
    fixture f;
    dpo_pair p;
    pair_counts c;
    size_t n;
    make(&f, 3, (double[]){1, 2, 3}, 3);
    f.replies[1].draw = 4;
    assert_int_equal(pairs_choose(&f.g, 1, &(pair_options){0}, &p, &n, &c), WR_E_FAILED);
}

/* Prefers the first reply, whatever its reward. */
static size_t first_of_all(const pair_options *o, const rollout_reply *const *replies, size_t n, rng *r,
                           reply_pair *out) {
    (void)o, (void)replies, (void)r;
    for (size_t i = 1; i < n; i++) out[i - 1] = (reply_pair){0, i};
    return n - 1;
}

static size_t all_others(const pair_options *o, size_t n) {
    (void)o;
    return n - 1;
}

/* Several pairs a prompt; and a rule that prefers the worse reply is an error, not a pair. */
static void test_several(void **state) {
    (void)state;
    static const pair_rule rule = {.name = "first", .choose = first_of_all, .most = all_others};
    const pair_options o = {.rule = &rule, .min_margin = 1};
    fixture f;
    dpo_pair p[4];
    pair_counts c;
    size_t n;
    make(&f, 3, (double[]){4, 2, NAN, 4, 3.5}, 5);
    assert_int_equal(pairs_room(&f.g, 1, &o), 4);
    assert_ok(pairs_choose(&f.g, 1, &o, p, &n, &c));
    assert_true(n == 1 && c.made == 1 && c.ties == 1 && c.low_margin == 1 && c.missing_rewards == 1);
    assert_ptr_equal(p[0].rejected.ids, f.ids[1]);
    make(&f, 3, (double[]){4, 2, 5}, 3);
    assert_int_equal(pairs_choose(&f.g, 1, &o, p, &n, &c), WR_E_FAILED);
    assert_error_says("--pair-rule first");
}

/* The words of --pair-rule are the names of the table, in its order, and the default is its first. */
static void test_names(void **state) {
    (void)state;
    char words[256] = "";
    for (const pair_rule *const *r = pair_rules; *r; r++) {
        if (*words) strcat(words, "|");
        strcat(words, (*r)->name);
        assert_setting_rows((*r)->options);
    }
    assert_string_equal(pair_rows[0].arg, words);
    assert_string_equal(pair_rows[0].default_value, pair_rules[0]->name);
}

static void test_many_and_wire(void **state) {
    (void)state;
    enum { GROUPS = 40 };
    static fixture f[GROUPS];
    rollout_group groups[GROUPS];
    dpo_pair pairs[GROUPS], *back;
    pair_counts counts;
    size_t n, n_back;
    const pair_options first_rule = {0};
    rng r = rng_make(5, RNG_TEST, 0, 0, 0);
    print_message("seed 5\n");
    for (size_t i = 0; i < GROUPS; i++) {
        double rewards[8];
        for (int j = 0; j < 8; j++) rewards[j] = i % 10 == 3 ? 1.25 : rng_below(&r, 6) == 0 ? NAN : rng_normal(&r);
        make(&f[i], i, rewards, 8);
        groups[i] = f[i].g;
        if (i % 10 == 7) groups[i].skipped = true, groups[i].n_replies = 0;
    }
    assert_int_equal(pairs_room(groups, GROUPS, &first_rule), GROUPS);
    assert_int_equal(pairs_choose(groups, GROUPS, &first_rule, pairs, &n, &counts), WR_OK);
    assert_int_equal(counts.skipped_prompts, 4);
    assert_int_equal(counts.ties, 4);
    assert_true(counts.missing_rewards > 10);
    assert_int_equal(n, counts.made);
    assert_int_equal(counts.made + counts.ties + counts.low_margin + counts.too_few + counts.skipped_prompts, GROUPS);
    for (size_t i = 0; i < n; i++) {
        const rollout_group *g = &groups[pairs[i].draw];
        assert_true(pairs[i].chosen.draw == g->draw && pairs[i].rejected.draw == g->draw &&
                    pairs[i].prompt == g->prompt);
        for (size_t j = 0; j < g->n_replies; j++) {
            assert_false(g->replies[j].reward > pairs[i].chosen.reward ||
                         g->replies[j].reward < pairs[i].rejected.reward);
        }
    }
    strbuf packed = {0};
    arena *a = arena_create();
    pairs_pack(pairs, n, &packed);
    assert_int_equal(pairs_unpack(packed.data, packed.len, a, &back, &n_back), WR_OK);
    assert_int_equal(n_back, n);
    for (size_t i = 0; i < n; i++) {
        assert_true(back[i].draw == pairs[i].draw && back[i].prompt == pairs[i].prompt &&
                    back[i].n_prompt == pairs[i].n_prompt);
        assert_true(back[i].chosen.reward == pairs[i].chosen.reward &&
                    back[i].rejected.logprob == pairs[i].rejected.logprob);
        assert_int_equal(back[i].rejected.n, pairs[i].rejected.n);
        assert_memory_equal(back[i].rejected.ids, pairs[i].rejected.ids, pairs[i].rejected.n * sizeof(int32_t));
        assert_memory_equal(back[i].prompt_ids, pairs[i].prompt_ids, pairs[i].n_prompt * sizeof(int32_t));
    }
    for (size_t cut = 0; cut < packed.len; cut += 1 + packed.len / 500)
        assert_true(pairs_unpack(packed.data, cut, a, &back, &n_back) < 0);
    pairs[0].rejected.draw++;
    strbuf_clear(&packed);
    pairs_pack(pairs, n, &packed);
    assert_int_equal(pairs_unpack(packed.data, packed.len, a, &back, &n_back), WR_E_FAILED);
    /* The rollout's records. */
    rollout_group *got;
    strbuf_clear(&packed);
    rollout_groups_pack(groups, GROUPS, &packed);
    assert_int_equal(rollout_groups_unpack(packed.data, packed.len, a, &got, &n_back), WR_OK);
    assert_int_equal(n_back, GROUPS);
    for (size_t i = 0; i < GROUPS; i++) {
        assert_true(got[i].draw == groups[i].draw && got[i].skipped == groups[i].skipped &&
                    got[i].n_replies == groups[i].n_replies);
        for (size_t j = 0; j < got[i].n_replies; j++) {
            const rollout_reply *x = &got[i].replies[j], *y = &groups[i].replies[j];
            assert_true(x->draw == y->draw && x->n == y->n && x->stopped == y->stopped && x->logprob == y->logprob);
            assert_true(x->reward == y->reward || (isnan(x->reward) && isnan(y->reward)));
            assert_memory_equal(x->ids, y->ids, x->n * sizeof *x->ids);
            assert_string_equal(x->text, "reply");
        }
    }
    for (size_t cut = 0; cut < packed.len; cut += 1 + packed.len / 500)
        assert_true(rollout_groups_unpack(packed.data, cut, a, &got, &n_back) < 0);
    arena_free(a);
    strbuf_free(&packed);
}

/* Every epoch is a permutation; windows of any size see the same order. */
static void test_prompt_order(void **state) {
    (void)state;
    enum { N = 37, DRAWS = 200 };
    uint32_t all[DRAWS], again[DRAWS], other[N];
    assert_int_equal(prompt_order(3, N, 0, DRAWS, all), WR_OK);
    for (int epoch = 0; epoch < DRAWS / N; epoch++) {
        int seen[N] = {0};
        for (int i = 0; i < N; i++) {
            assert_in_range(all[epoch * N + i], 0, N - 1);
            assert_int_equal(seen[all[epoch * N + i]]++, 0);
        }
    }
    assert_true(memcmp(all, all + N, N * sizeof *all) != 0);
    for (size_t step = 1; step < 60; step += 11) {
        for (size_t at = 0; at < DRAWS; at += step) {
            assert_int_equal(prompt_order(3, N, at, DRAWS - at < step ? DRAWS - at : step, again + at), WR_OK);
        }
        assert_memory_equal(all, again, sizeof all);
    }
    assert_int_equal(prompt_order(4, N, 0, N, other), WR_OK);
    assert_true(memcmp(all, other, sizeof other) != 0);
}

static void test_statistics(void **state) {
    (void)state;
    fixture f;
    reply_stats s;
    make(&f, 0, (double[]){1, 2, 3, 4, NAN}, 5); /* lengths 1 2 3 4 1 */
    dpo_pair pair = {.chosen = {.reward = 4}, .rejected = {.reward = 1}};
    reply_stats_of(&f.g, 1, &pair, 1, &s);
    assert_int_equal(s.replies, 5);
    assert_true(fabs(s.reward_mean - 2.5) < 1e-12 && fabs(s.reward_std - sqrt(5.0 / 3)) < 1e-12 &&
                fabs(s.reward_margin - 3) < 1e-12);
    assert_true(fabs(s.reward_length_corr - 1) < 1e-12 && fabs(s.reply_tokens - 2.2) < 1e-12 &&
                fabs(s.stop_share - 0.4) < 1e-12);
    assert_true(isnan(s.true_quality));
    reply_stats_of(NULL, 0, NULL, 0, &s);
    assert_true(isnan(s.reward_mean) && isnan(s.reward_margin) && isnan(s.reward_length_corr));

    double x[] = {0, 1, 0, 1};
    interval v = mean_interval(x, 4);
    assert_true(fabs(v.mean - 0.5) < 1e-12 && fabs(v.high - 0.5 - 1.96 * sqrt(1.0 / 3 / 4)) < 1e-12 &&
                fabs(v.high + v.low - 1) < 1e-12);
    assert_true(isnan(mean_interval(x, 0).mean) && isnan(mean_interval(x, 1).low) && mean_interval(x, 1).mean == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_best_worst),    cmocka_unit_test(test_several),
                                       cmocka_unit_test(test_names),         cmocka_unit_test(test_ties_and_missing),
                                       cmocka_unit_test(test_mixed_prompts), cmocka_unit_test(test_many_and_wire),
                                       cmocka_unit_test(test_prompt_order),  cmocka_unit_test(test_statistics)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
