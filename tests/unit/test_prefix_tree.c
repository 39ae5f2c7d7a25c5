/* prefix_tree: rows hold the right tokens along every path; what neighbours have in common is there once, but for what
 * is too short; the turns of a conversation cost what its last one costs; batches stay within the budget and part what
 * has little in common. */
#include "base/rng.h"
#include "model/prefix.h"
#include "model/prefix_tree.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <string.h>

enum { SEED = 5, MOST = 24, LONGEST = 60, ALL = 1 << 20 };

typedef struct texts {
    size_t n, lengths[MOST];
    int32_t store[MOST][LONGEST];
    const int32_t *ids[MOST];
} texts;

/* Most begin as any earlier one does, go on with it or stop within it. */
static void make_texts(rng *r, texts *t) {
    *t = (texts){.n = 1 + (size_t)rng_below(r, MOST)};
    for (size_t i = 0; i < t->n; i++) {
        t->ids[i] = t->store[i];
        t->lengths[i] = 1 + (size_t)rng_below(r, LONGEST);
        for (size_t k = 0; k < t->lengths[i]; k++) t->store[i][k] = (int32_t)rng_below(r, 3);
        if (i == 0 || rng_below(r, 4) == 0) continue;
        const size_t from = rng_below(r, 3) ? i - 1 : (size_t)rng_below(r, i),
                     same = rng_below(r, 2) ? t->lengths[from] : (size_t)rng_below(r, t->lengths[from] + 1);
        memcpy(t->store[i], t->store[from], same * sizeof(int32_t));
        if (same >= t->lengths[i]) t->lengths[i] = same ? same : 1;
    }
}

static prefix_rule sharing(size_t min_shared) { return (prefix_rule){min_shared, SIZE_MAX}; }

/* Tokens without what each of the first n has in common with the one before; `spare` tokens of that may be missing. */
static size_t tokens_of(const texts *t, size_t from, size_t n, size_t spare) {
    size_t all = 0;
    for (size_t i = from; i < from + n; i++) {
        const size_t common =
            i > from ? prefix_common(t->ids[i - 1], t->lengths[i - 1], t->ids[i], t->lengths[i], sharing(1)) : 0;
        all += t->lengths[i] - (common > spare ? common - spare : 0);
    }
    return all;
}

static void check_tree(const texts *t, size_t from, size_t min_shared, const prefix_tree *p) {
    const token_batch *b = &p->batch;
    for (size_t s = 0; s < b->B; s++) {
        assert_true(b->offsets[s + 1] > b->offsets[s]);
        if (b->parent) assert_true(b->parent[s] < (int32_t)s);
    }
    for (size_t i = 0; i < p->n; i++) {
        int32_t at = -1;
        for (size_t k = 0; k < t->lengths[from + i]; k++) {
            const size_t row = prefix_tree_row(p, i, k);
            assert_true(row < b->offsets[b->B]);
            assert_int_equal(b->ids[row], t->ids[from + i][k]);
            int32_t s = 0;
            while (b->offsets[s + 1] <= row) s++;
            if (s != at) { /* segments follow one another from parent to child */
                assert_int_equal(row, b->offsets[s]);
                if (at >= 0) assert_int_equal(prefix_tree_row(p, i, k - 1) + 1, b->offsets[at + 1]);
                assert_int_equal(b->parent ? b->parent[s] : -1, at);
            }
            at = s;
        }
    }
    assert_in_range(b->offsets[b->B], tokens_of(t, from, p->n, 0), tokens_of(t, from, p->n, min_shared - 1));
}

static void test_trees(void **state) {
    (void)state;
    rng r = rng_make(SEED, RNG_TEST, 1, 0, 0);
    prefix_tree p = {0};
    texts t;
    for (int round = 0; round < 3000; round++) {
        const size_t min_shared = 1 + (size_t)rng_below(&r, 8);
        make_texts(&r, &t);
        assert_int_equal(prefix_tree_build(t.n, t.ids, t.lengths, sharing(min_shared), ALL, &p), WR_OK);
        assert_int_equal(p.n, t.n);
        check_tree(&t, 0, min_shared, &p);
    }
    prefix_tree_free(&p);
}

static void test_budgets(void **state) {
    (void)state;
    rng r = rng_make(SEED, RNG_TEST, 2, 0, 0);
    prefix_tree p = {0};
    texts t;
    for (int round = 0; round < 3000; round++) {
        const size_t min_shared = 1 + (size_t)rng_below(&r, 8), budget = 1 + (size_t)rng_below(&r, 300);
        make_texts(&r, &t);
        for (size_t from = 0; from < t.n; from += p.n) {
            assert_int_equal(
                prefix_tree_build(t.n - from, t.ids + from, t.lengths + from, sharing(min_shared), budget, &p), WR_OK);
            assert_in_range(p.n, 1, t.n - from);
            check_tree(&t, from, min_shared, &p);
            assert_true(p.batch.offsets[p.batch.B] <= budget || p.n == 1);
        }
    }
    prefix_tree_free(&p);
}

static void test_turns(void **state) {
    (void)state;
    enum { TURNS = 6, STEP = 10 };
    texts t = {.n = TURNS};
    prefix_tree p = {0};
    for (size_t i = 0; i < TURNS; i++) {
        t.ids[i] = t.store[i];
        t.lengths[i] = STEP * (i + 1);
        for (size_t k = 0; k < LONGEST; k++) t.store[i][k] = (int32_t)k;
    }
    assert_int_equal(prefix_tree_build(t.n, t.ids, t.lengths, sharing(4), ALL, &p), WR_OK);
    check_tree(&t, 0, 4, &p);
    assert_int_equal(p.batch.offsets[p.batch.B], STEP * TURNS);
    assert_int_equal(p.batch.B, TURNS);
    /* backwards, too: then the first one is cut where each later one stops */
    for (size_t i = 0; i < TURNS; i++) t.lengths[i] = STEP * (TURNS - i);
    assert_int_equal(prefix_tree_build(t.n, t.ids, t.lengths, sharing(4), ALL, &p), WR_OK);
    check_tree(&t, 0, 4, &p);
    assert_int_equal(p.batch.offsets[p.batch.B], STEP * TURNS);
    /* turns that are shorter than what is worth a segment are joined */
    assert_int_equal(prefix_tree_build(t.n, t.ids, t.lengths, sharing(2 * STEP), ALL, &p), WR_OK);
    check_tree(&t, 0, 2 * STEP, &p);
    assert_true(p.batch.B < TURNS + 1 && p.batch.offsets[p.batch.B] > STEP * TURNS);
    prefix_tree_free(&p);
}

/* Two conversations, the second of which does not fit as a whole: it is left for the next batch. */
static void test_parting(void **state) {
    (void)state;
    texts t = {.n = 8};
    prefix_tree p = {0};
    for (size_t i = 0; i < t.n; i++) {
        t.ids[i] = t.store[i];
        t.lengths[i] = 40;
        for (size_t k = 0; k < 40; k++) t.store[i][k] = (int32_t)(k < 20 ? 100 * (i / 4) + k : 1000 * i + k);
    }
    assert_int_equal(prefix_tree_build(t.n, t.ids, t.lengths, sharing(4), 180, &p), WR_OK);
    assert_int_equal(p.n, 4);
    assert_int_equal(p.batch.offsets[p.batch.B], 100);
    assert_int_equal(prefix_tree_build(t.n, t.ids, t.lengths, sharing(4), 200, &p), WR_OK);
    assert_int_equal(p.n, 8);
    assert_int_equal(prefix_tree_build(0, t.ids, t.lengths, sharing(4), 200, &p), WR_OK);
    assert_int_equal(p.n, 0);
    assert_int_equal(prefix_tree_build(2, t.ids, (const size_t[]){3, 0}, sharing(4), 200, &p), WR_E_FORMAT);
    assert_error_says("sequence 1");
    prefix_tree_free(&p);
}

/* Sequences on both sides of a length share nothing. */
static void test_apart(void **state) {
    (void)state;
    static const int32_t a[] = {1, 2, 3, 4, 5, 6, 7}, b[] = {1, 2, 3, 4, 9, 9}, c[] = {1, 2, 3, 8}, d[] = {1, 2, 3};
    const int32_t *const ids[] = {a, b, c, d};
    prefix_tree p = {0};
    assert_int_equal(prefix_tree_build(4, ids, (const size_t[]){7, 6, 4, 3}, sharing(1), ALL, &p), WR_OK);
    assert_int_equal(p.batch.offsets[p.batch.B], 20 - 4 - 3 - 3);
    assert_int_equal(prefix_tree_build(4, ids, (const size_t[]){7, 6, 4, 3}, (prefix_rule){1, 4}, ALL, &p), WR_OK);
    assert_int_equal(p.batch.offsets[p.batch.B], 20 - 4 - 3);
    assert_true(prefix_tree_row(&p, 3, 0) > prefix_tree_row(&p, 1, 5));
    prefix_tree_free(&p);
}

/* Groups share nothing with each other, and inside what the whole tree would share; the count without ids is that of the
 * tree. */
static void test_groups(void **state) {
    (void)state;
    rng r = rng_make(SEED, RNG_TEST, 3, 0, 0);
    prefix_tree p = {0}, one = {0}, room = {0};
    texts t;
    for (int round = 0; round < 1000; round++) {
        const size_t min_shared = 1 + (size_t)rng_below(&r, 8);
        size_t group[MOST], common[MOST] = {0}, tokens, sum = 0;
        make_texts(&r, &t);
        for (size_t i = 0; i < t.n; i++) {
            group[i] = i ? group[i - 1] + rng_below(&r, 4) / 3 : 7;
            if (i)
                common[i] = prefix_common(t.ids[i - 1], t.lengths[i - 1], t.ids[i], t.lengths[i], sharing(min_shared));
        }
        assert_ok(prefix_tree_build_groups(t.n, t.ids, t.lengths, group, sharing(min_shared), &p));
        assert_int_equal(p.n, t.n);
        for (size_t from = 0, end; from < t.n; from = end) {
            for (end = from + 1; end < t.n && group[end] == group[from];) end++;
            assert_ok(prefix_tree_build(end - from, t.ids + from, t.lengths + from, sharing(min_shared), ALL, &one));
            assert_int_equal(one.n, end - from);
            for (size_t i = from; i < end; i++)
                for (size_t k = 0; k < t.lengths[i]; k++)
                    assert_int_equal(prefix_tree_row(&p, i, k), sum + prefix_tree_row(&one, i - from, k));
            assert_ok(
                prefix_tree_tokens(end - from, t.lengths + from, common + from, sharing(min_shared), &room, &tokens));
            assert_int_equal(tokens, one.batch.offsets[one.batch.B]);
            sum += tokens;
        }
        assert_int_equal(p.batch.offsets[p.batch.B], sum);
    }
    assert_ok(prefix_tree_build_groups(0, t.ids, t.lengths, NULL, sharing(1), &p));
    assert_int_equal(prefix_tree_build_groups(2, t.ids, (const size_t[]){3, 0}, (const size_t[]){1, 1}, sharing(1), &p),
                     WR_E_FORMAT);
    prefix_tree_free(&p), prefix_tree_free(&one), prefix_tree_free(&room);
}

int main(void) {
    printf("# seed %d\n", SEED);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trees), cmocka_unit_test(test_budgets),
                                       cmocka_unit_test(test_turns), cmocka_unit_test(test_parting),
                                       cmocka_unit_test(test_apart), cmocka_unit_test(test_groups)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
