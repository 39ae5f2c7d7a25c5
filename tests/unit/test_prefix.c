/* prefix_batch: rows hold the right tokens whatever is shared; every segment has tokens; nothing is computed twice that
 * a group shares; memory is used again. prefix_groups: as good as trying every cut. prefix_batch_end: within the
 * budget, groups whole. */
#include "base/rng.h"
#include "model/prefix.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <string.h>

enum { SEED = 11, MOST = 24, LONGEST = 40 };

typedef struct texts {
    size_t n, lengths[MOST], group[MOST];
    int32_t store[MOST][LONGEST];
    const int32_t *ids[MOST];
} texts;

/* Few different ids, so that texts agree by chance too; most begin like the one before. */
static void make_texts(rng *r, size_t most, size_t longest, texts *t) {
    *t = (texts){.n = (size_t)rng_below(r, most + 1)};
    for (size_t i = 0; i < t->n; i++) {
        t->ids[i] = t->store[i];
        t->lengths[i] = 1 + (size_t)rng_below(r, longest);
        for (size_t k = 0; k < t->lengths[i]; k++) t->store[i][k] = (int32_t)rng_below(r, 3);
        t->group[i] = i;
        if (i == 0 || rng_below(r, 3) == 0) continue;
        size_t same = (size_t)rng_below(r, t->lengths[i - 1] + 1);
        memcpy(t->store[i], t->store[i - 1], same * sizeof(int32_t));
        if (same > t->lengths[i] || rng_below(r, 8) == 0) t->lengths[i] = same ? same : 1;
        t->group[i] = t->group[i - 1];
    }
}

static size_t lcp(const texts *t, size_t from, size_t to) {
    for (size_t k = 0;; k++)
        for (size_t i = from; i < to; i++)
            if (k == t->lengths[i] || t->ids[i][k] != t->ids[from][k]) return k;
}

static prefix_rule sharing(size_t min_shared) { return (prefix_rule){min_shared, SIZE_MAX}; }

/* Tokens saved in [0, n) when group says what belongs together. */
static size_t saved_by(const texts *t, const size_t *group, size_t min_shared) {
    size_t saved = 0;
    for (size_t from = 0, to; from < t->n; from = to) {
        for (to = from + 1; to < t->n && group[to] == group[from];) to++;
        size_t shared = lcp(t, from, to);
        if (shared >= min_shared) saved += (to - from - 1) * shared;
    }
    return saved;
}

static void check_batch(const texts *t, const size_t *group, size_t min_shared, const prefix_batch *p) {
    const token_batch *b = &p->batch;
    size_t all = 0, saved = group ? saved_by(t, group, min_shared) : 0;
    assert_int_equal(p->n, t->n);
    for (size_t s = 0; s < b->B; s++) {
        assert_true(b->offsets[s + 1] > b->offsets[s]);
        if (b->parent) assert_true(b->parent[s] < (int32_t)s);
        if (b->parent && b->parent[s] >= 0) assert_int_equal(b->parent[b->parent[s]], -1);
    }
    for (size_t i = 0; i < t->n; i++) {
        all += t->lengths[i];
        /* the path of sequence i: along its rows, segments follow one another from parent to child */
        int32_t at = -1;
        for (size_t k = 0; k < t->lengths[i]; k++) {
            size_t row = prefix_batch_row(p, i, k);
            assert_true(row < b->offsets[b->B]);
            assert_int_equal(b->ids[row], t->ids[i][k]);
            int32_t s = 0;
            while (b->offsets[s + 1] <= row) s++;
            if (s != at) {
                assert_int_equal(row, b->offsets[s]);
                if (at >= 0) assert_int_equal(prefix_batch_row(p, i, k - 1) + 1, b->offsets[at + 1]);
                assert_int_equal(b->parent ? b->parent[s] : -1, at);
            }
            at = s;
        }
    }
    assert_int_equal(b->B ? b->offsets[b->B] : 0, all - saved);
}

static void test_batches(void **state) {
    (void)state;
    rng r = rng_make(SEED, RNG_TEST, 1, 0, 0);
    prefix_batch p = {0};
    texts t;
    for (int round = 0; round < 3000; round++) {
        size_t min_shared = (size_t)rng_below(&r, 6);
        make_texts(&r, 1 + rng_below(&r, MOST), 1 + rng_below(&r, LONGEST), &t);
        assert_int_equal(prefix_batch_build(t.n, t.ids, t.lengths, t.group, sharing(min_shared), &p), WR_OK);
        check_batch(&t, t.group, min_shared, &p);
        if (round % 10) continue;
        assert_int_equal(prefix_batch_build(t.n, t.ids, t.lengths, NULL, sharing(min_shared), &p), WR_OK);
        check_batch(&t, NULL, min_shared, &p);
        assert_null(p.batch.parent);
    }
    prefix_batch_free(&p);
}

static void test_whole_sequences(void **state) {
    (void)state;
    static const int32_t a[] = {4, 5, 6, 7}, c[] = {4, 5, 6, 8};
    const int32_t *ids[] = {a, a, c, a};
    const size_t lengths[] = {3, 4, 4, 3}, group[] = {1, 1, 1, 1};
    prefix_batch p = {0};
    assert_int_equal(prefix_batch_build(4, ids, lengths, group, sharing(3), &p), WR_OK);
    assert_int_equal(p.batch.B, 3); /* the prefix, which is texts 0 and 3 whole, and one token each of texts 1 and 2 */
    assert_int_equal(p.batch.offsets[3], 5);
    assert_int_equal(prefix_batch_row(&p, 0, 2), 2);
    assert_int_equal(prefix_batch_row(&p, 3, 2), 2);
    assert_int_equal(prefix_batch_row(&p, 2, 3), 4);
    assert_int_equal(prefix_group_tokens(4, ids, lengths, sharing(3)), 5);
    assert_int_equal(prefix_group_tokens(4, ids, lengths, sharing(4)), 14);
    assert_int_equal(prefix_batch_build(4, ids, lengths, group, sharing(4), &p), WR_OK); /* too little in common */
    assert_int_equal(p.batch.B, 4);
    assert_null(p.batch.parent);
    assert_int_equal(prefix_batch_build(0, ids, lengths, group, sharing(3), &p), WR_OK);
    assert_int_equal(p.batch.B, 0);
    assert_int_equal(prefix_batch_build(2, ids, (const size_t[]){3, 0}, group, sharing(1), &p), WR_E_FORMAT);
    assert_error_says("sequence 1");
    prefix_batch_free(&p);
}

static void test_groups(void **state) {
    (void)state;
    rng r = rng_make(SEED, RNG_TEST, 2, 0, 0);
    texts t;
    for (int round = 0; round < 400; round++) {
        size_t min_shared = 1 + (size_t)rng_below(&r, 5), found[MOST], cut[MOST], best = 0;
        make_texts(&r, 10, 20, &t);
        assert_int_equal(prefix_groups(t.n, t.ids, t.lengths, sharing(min_shared), found), WR_OK);
        for (unsigned cuts = 0; t.n && cuts < 1u << (t.n - 1); cuts++) {
            cut[0] = 0;
            for (size_t i = 1; i < t.n; i++) cut[i] = cut[i - 1] + (cuts >> (i - 1) & 1);
            size_t saved = saved_by(&t, cut, min_shared);
            if (saved > best) best = saved;
        }
        assert_int_equal(saved_by(&t, found, min_shared), best);
    }
}

static void test_batch_end(void **state) {
    (void)state;
    rng r = rng_make(SEED, RNG_TEST, 3, 0, 0);
    texts t;
    for (int round = 0; round < 2000; round++) {
        size_t min_shared = 1 + (size_t)rng_below(&r, 5), budget = 1 + (size_t)rng_below(&r, 150);
        make_texts(&r, MOST, LONGEST, &t);
        for (size_t from = 0, end; from < t.n; from = end) {
            end = prefix_batch_end(t.n, t.ids, t.lengths, t.group, sharing(min_shared), from, budget);
            assert_true(end > from && end <= t.n);
            prefix_batch p = {0};
            assert_int_equal(
                prefix_batch_build(end - from, t.ids + from, t.lengths + from, t.group + from, sharing(min_shared), &p),
                WR_OK);
            size_t tokens = p.batch.offsets[p.batch.B];
            assert_true(tokens <= budget || end == from + 1);
            /* no more would have fitted: neither the next group nor, in a group that is cut, the next sequence */
            if (end < t.n) {
                size_t next = end + 1;
                while (next < t.n && t.group[next] == t.group[end]) next++;
                bool cut = t.group[end] == t.group[end - 1];
                if (cut) assert_true(t.group[from] == t.group[end]);
                size_t upto = cut ? end + 1 : next;
                assert_int_equal(prefix_batch_build(upto - from, t.ids + from, t.lengths + from, t.group + from,
                                                    sharing(min_shared), &p),
                                 WR_OK);
                assert_true(p.batch.offsets[p.batch.B] > budget);
            }
            prefix_batch_free(&p);
        }
    }
}

/* Sequences on both sides of a length share nothing; those of one side do, and groups are cut there. */
static void test_apart(void **state) {
    (void)state;
    static const int32_t a[] = {1, 2, 3, 4, 5, 6, 7}, b[] = {1, 2, 3, 4, 9, 9}, c[] = {1, 2, 3, 8}, d[] = {1, 2, 3};
    const int32_t *const ids[] = {a, b, c, d};
    const size_t lengths[] = {7, 6, 4, 3}, one[] = {0, 0, 0, 0};
    const prefix_rule all = sharing(1), apart = {1, 4};
    size_t group[4];
    prefix_batch p = {0};
    assert_int_equal(prefix_group_tokens(4, ids, lengths, all), 20 - 9);
    assert_int_equal(prefix_group_tokens(4, ids, lengths, apart), 20);
    assert_int_equal(prefix_group_tokens(2, ids, lengths, apart), 13 - 4);
    assert_int_equal(prefix_batch_build(4, ids, lengths, one, apart, &p), WR_OK);
    assert_null(p.batch.parent);
    assert_int_equal(prefix_groups(4, ids, lengths, apart, group), WR_OK);
    assert_true(group[0] == group[1] && group[1] != group[2] && group[2] == group[3]);
    assert_int_equal(prefix_batch_build(4, ids, lengths, group, apart, &p), WR_OK);
    assert_int_equal(p.batch.offsets[p.batch.B], 20 - 4 - 3);
    prefix_batch_free(&p);
}

int main(void) {
    printf("# seed %d\n", SEED);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_batches), cmocka_unit_test(test_whole_sequences),
                                       cmocka_unit_test(test_groups), cmocka_unit_test(test_batch_end),
                                       cmocka_unit_test(test_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
