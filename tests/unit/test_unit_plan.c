/* unit_plan: every record once, what belongs together in one unit as far as the budget allows; units cost what their
 * trees have tokens; nothing shared, or only the template's lines: the plan of plan_rank; ranks are not left waiting for
 * one that has a whole conversation; the same for any number of ranks but for that. */
#include "base/mem.h"
#include "base/rng.h"
#include "tests/support/asserts.h"
#include "tests/support/turn_records.h"
#include "trainer/packing/unit_plan.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEED = 11, BUDGET = 4096 };
static const prefix_rule shares = {PREFIX_MIN_SHARED, SIZE_MAX};

static unit_text *texts_of(const turn_records *t) {
    unit_text *x = mem_calloc(t->n, sizeof *x);
    for (size_t i = 0; i < t->n; i++)
        x[i] = (unit_text){.ids = t->sequences[i].ids, .n = t->sequences[i].n, .user = (uint64_t)t->users[i][1] + 1};
    return x;
}

static size_t all_tokens(const turn_records *t) {
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) n += t->sequences[i].n;
    return n;
}

static size_t planned_tokens(const unit_plan *p) {
    size_t n = 0;
    for (size_t u = 0; u < p->n_units; u++) n += p->tokens[u];
    return n;
}

/* Of the unit's own tree, which the packing builds. */
static void check_cost(const turn_records *t, const unit_plan *p, size_t u, prefix_rule rule) {
    const size_t n = p->first[u + 1] - p->first[u];
    const int32_t **ids = mem_calloc(n, sizeof *ids);
    size_t *lengths = mem_calloc(n, sizeof *lengths), *group = mem_calloc(n, sizeof *group);
    prefix_tree tree = {0};
    for (size_t i = 0; i < n; i++) {
        ids[i] = t->sequences[p->items[p->first[u] + i]].ids;
        lengths[i] = t->sequences[p->items[p->first[u] + i]].n;
    }
    assert_ok(prefix_tree_build_groups(n, ids, lengths, group, rule, &tree));
    assert_int_equal(tree.batch.offsets[tree.batch.B], p->tokens[u]);
    prefix_tree_free(&tree);
    free(ids), free(lengths), free(group);
}

static void check_plan(const turn_records *t, prefix_rule rule, size_t budget, int ranks) {
    unit_plan p;
    unit_text *texts = texts_of(t);
    int *seen = mem_calloc(t->n, sizeof *seen);
    assert_ok(unit_plan_make(texts, t->n, rule, budget, (size_t)ranks, &p));
    assert_int_equal(p.n, t->n);
    for (size_t u = 0; u < p.n_units; u++) {
        assert_true(p.first[u + 1] > p.first[u]);
        assert_true(p.tokens[u] <= budget || p.first[u + 1] == p.first[u] + 1);
        check_cost(t, &p, u, rule);
        for (size_t i = p.first[u]; i < p.first[u + 1]; i++) {
            seen[p.items[i]]++;
            assert_int_equal(t->of[p.items[i]], t->of[p.items[p.first[u]]]);
        }
    }
    for (size_t i = 0; i < t->n; i++) assert_int_equal(seen[i], 1);
    for (int r = 0; r < ranks; r++) {
        rank_plan mine;
        assert_ok(unit_plan_shares(&p, (size_t)ranks, (share_range){(size_t)r, 1}, budget, &mine));
        size_t next = 0;
        for (size_t m = 0; m < mine.n_micro; m++) {
            assert_int_equal(mine.micro[m].first, next);
            next += mine.micro[m].count;
            size_t tokens = 0, units = 0;
            for (size_t i = mine.micro[m].first; i < next; i++) {
                seen[mine.items[i]]++;
                if (i > mine.micro[m].first && mine.unit[i] == mine.unit[i - 1]) continue;
                tokens += p.tokens[mine.unit[i]];
                units++;
            }
            assert_true(tokens <= budget || units == 1);
        }
        assert_int_equal(next, mine.n_items);
        rank_plan_free(&mine);
    }
    for (size_t i = 0; i < t->n; i++) assert_int_equal(seen[i], 2);
    unit_plan_free(&p);
    free(texts), free(seen);
}

static void test_plans(void **state) {
    (void)state;
    rng r = rng_make(SEED, RNG_TEST, 1, 0, 0);
    for (int round = 0; round < 60; round++) {
        turn_records t =
            turn_records_make((uint64_t)round, 2 + (size_t)rng_below(&r, 6), 2 + (size_t)rng_below(&r, 9), false);
        const size_t budget = 1 + (size_t)rng_below(&r, rng_below(&r, 2) ? 300 : 3000);
        prefix_rule rule = shares;
        if (round % 5 == 0) rule.apart = 250;
        check_plan(&t, rule, budget, 1 + (int)rng_below(&r, 5));
        turn_records_free(&t);
    }
}

/* A budget for all: each conversation is one unit, and what it costs is its last turn and what the others have of
 * their own. */
static void test_whole(void **state) {
    (void)state;
    turn_records t = turn_records_make(SEED, 4, 6, false);
    unit_text *texts = texts_of(&t);
    unit_plan p;
    assert_ok(unit_plan_make(texts, t.n, shares, BUDGET, 1, &p));
    assert_int_equal(p.n_units, 4);
    assert_true((double)all_tokens(&t) > 2.5 * (double)planned_tokens(&p));
    unit_plan_free(&p);
    /* cut in two at most: what lies on both sides of the cut is computed twice */
    assert_ok(unit_plan_make(texts, t.n, shares, 420, 1, &p));
    assert_in_range(p.n_units, 5, 10);
    unit_plan_free(&p);
    free(texts);
    turn_records_free(&t);
}

static void same_as_plan_rank(const turn_records *t, prefix_rule rule) {
    unit_text *texts = texts_of(t);
    uint32_t *lengths = mem_calloc(t->n, sizeof *lengths);
    unit_plan p;
    for (size_t i = 0; i < t->n; i++) lengths[i] = (uint32_t)t->sequences[i].n;
    for (int ranks = 1; ranks <= 4; ranks++) {
        assert_ok(unit_plan_make(texts, t->n, rule, 500, (size_t)ranks, &p));
        assert_int_equal(p.n_units, t->n);
        for (int r = 0; r < ranks; r++) {
            rank_plan want, got;
            assert_ok(plan_rank(lengths, t->n, ranks, r, 500, &want));
            assert_ok(unit_plan_shares(&p, (size_t)ranks, (share_range){(size_t)r, 1}, 500, &got));
            assert_int_equal(got.n_items, want.n_items);
            assert_int_equal(got.n_micro, want.n_micro);
            assert_memory_equal(got.items, want.items, want.n_items * sizeof *want.items);
            assert_memory_equal(got.micro, want.micro, want.n_micro * sizeof *want.micro);
            rank_plan_free(&want), rank_plan_free(&got);
        }
        unit_plan_free(&p);
    }
    free(texts), free(lengths);
}

/* The template's lines alone do not make records belong together, unless all are of one user. */
static void test_nothing_shared(void **state) {
    (void)state;
    turn_records t = turn_records_make(SEED, 9, 2, false);
    size_t n = 0;
    for (size_t i = 0; i < t.n; i++) { /* one of each conversation */
        bool another = false;
        for (size_t k = 0; k < n; k++) another |= t.of[k] == t.of[i];
        if (another) continue;
        const sequence s = t.sequences[i];
        const size_t of = t.of[i];
        char *const user = t.users[i];
        t.sequences[i] = t.sequences[n], t.of[i] = t.of[n], t.users[i] = t.users[n];
        t.sequences[n] = s, t.of[n] = of, t.users[n] = user;
        n++;
    }
    const size_t all = t.n;
    t.n = n;
    same_as_plan_rank(&t, shares);
    for (size_t i = 0; i < n; i++) t.users[i][1] = '0';
    unit_text *texts = texts_of(&t);
    unit_plan p;
    assert_ok(unit_plan_make(texts, t.n, shares, BUDGET, 1, &p));
    assert_int_equal(p.n_units, 1);
    unit_plan_free(&p);
    free(texts);
    t.n = all;
    same_as_plan_rank(&t, (prefix_rule){SIZE_MAX, SIZE_MAX});
    turn_records_free(&t);
}

/* Eight replies to each of two prompts, on four ranks: each prompt's are cut, or two ranks would have nothing to do. */
static void test_ranks(void **state) {
    (void)state;
    enum { PROMPTS = 2, REPLIES = 8, PROMPT = 60, REPLY = 200, N = PROMPTS * REPLIES };
    static int32_t ids[N][PROMPT + REPLY];
    unit_text texts[N];
    unit_plan p;
    uint64_t whole, cut;
    rng r = rng_make(SEED, RNG_TEST, 2, 0, 0);
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < PROMPT + REPLY; k++)
            ids[i][k] = k < PROMPT && i >= PROMPTS ? ids[i % PROMPTS][k] : (int32_t)rng_below(&r, 1000);
        texts[i] = (unit_text){.ids = ids[i], .n = PROMPT + REPLY, .user = i % PROMPTS};
    }
    assert_ok(unit_plan_make(texts, N, shares, BUDGET, 1, &p));
    assert_int_equal(p.n_units, PROMPTS);
    assert_int_equal(p.tokens[0], PROMPT + REPLIES * REPLY);
    assert_ok(plan_fullest(p.tokens, p.n_units, 4, &whole));
    unit_plan_free(&p);
    assert_ok(unit_plan_make(texts, N, shares, BUDGET, 4, &p));
    assert_ok(plan_fullest(p.tokens, p.n_units, 4, &cut));
    assert_true(p.n_units >= 4 && (double)cut < 0.6 * (double)whole);
    unit_plan_free(&p);
    assert_ok(unit_plan_make(texts, 0, shares, BUDGET, 4, &p));
    assert_int_equal(p.n_units, 0);
    unit_plan_free(&p);
}

int main(void) {
    printf("# seed %d\n", SEED);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plans), cmocka_unit_test(test_whole),
                                       cmocka_unit_test(test_nothing_shared), cmocka_unit_test(test_ranks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
