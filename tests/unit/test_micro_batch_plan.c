/* plan_rank: every record once, balanced, bounded micro-batches, a pure function; step_order: what a step takes does
 * not depend on how it is asked for. */
#include "base/mem.h"
#include "base/rng.h"
#include "trainer/packing/micro_batch_plan.h"
#include "trainer/packing/sequence.h"
#include "trainer/step_order.h"
#include "tests/support/asserts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_plan(const uint32_t *lengths, size_t n, int ranks, size_t max_tokens) {
    int *seen = mem_calloc(n + 1, sizeof *seen);
    uint64_t least = UINT64_MAX, most = 0, longest = 0;
    for (size_t i = 0; i < n; i++) longest = lengths[i] > longest ? lengths[i] : longest;
    for (int r = 0; r < ranks; r++) {
        rank_plan p;
        uint64_t load = 0;
        size_t next = 0;
        assert_int_equal(plan_rank(lengths, n, ranks, r, max_tokens, &p), WR_OK);
        for (size_t m = 0; m < p.n_micro; m++) {
            uint64_t tokens = 0;
            assert_int_equal(p.micro[m].first, next);
            assert_true(p.micro[m].count > 0);
            for (size_t i = 0; i < p.micro[m].count; i++) tokens += lengths[p.items[next + i]];
            assert_true(tokens <= max_tokens || p.micro[m].count == 1);
            next += p.micro[m].count;
            load += tokens;
        }
        assert_int_equal(next, p.n_items);
        for (size_t i = 0; i < p.n_items; i++) {
            seen[p.items[i]]++;
            assert_true(i == 0 || p.items[i] > p.items[i - 1]);
        }
        least = load < least ? load : least;
        most = load > most ? load : most;
        rank_plan_free(&p);
    }
    for (size_t i = 0; i < n; i++) assert_int_equal(seen[i], 1);
    /* Longest first to the least loaded: no two ranks differ by more than one record. */
    assert_true(most - least <= longest || n < (size_t)ranks);
    free(seen);
}

static void test_plan(void **state) {
    (void)state;
    const uint64_t seed = 5;
    printf("# seed %llu\n", (unsigned long long)seed);
    rng r = rng_make(seed, RNG_TEST, 0, 0, 0);
    uint32_t lengths[300];
    for (int round = 0; round < 40; round++) {
        size_t n = (size_t)rng_below(&r, 300);
        for (size_t i = 0; i < n; i++) lengths[i] = 1 + (uint32_t)rng_below(&r, 500);
        check_plan(lengths, n, 1 + (int)rng_below(&r, 9), 1 + (size_t)rng_below(&r, 1000));
    }
    check_plan(lengths, 0, 3, 10);
    check_plan(lengths, 2, 4, 10);
}

static void test_ties(void **state) {
    (void)state;
    const uint32_t lengths[4] = {7, 7, 7, 7};
    rank_plan p;
    assert_int_equal(plan_rank(lengths, 4, 2, 0, 100, &p), WR_OK);
    assert_int_equal(p.n_items, 2);
    assert_int_equal(p.items[0], 0);
    assert_int_equal(p.items[1], 2);
    assert_int_equal(p.n_micro, 1);
    rank_plan_free(&p);
}

static void test_step_order(void **state) {
    (void)state;
    enum { N = 1000, FRAMES = 10 };
    uint32_t lengths[N], whole[2500], pieces[2500];
    dataset_index d = {.n_frames = FRAMES, .n_records = N, .lengths = lengths};
    d.frames = mem_calloc(FRAMES, sizeof *d.frames);
    for (uint32_t f = 0; f < FRAMES; f++) {
        d.frames[f].frame = f;
        d.frames[f].records = N / FRAMES;
        d.frames[f].first_record = f * (N / FRAMES);
    }
    size_t usable = 0;
    for (uint32_t i = 0; i < N; i++) {
        lengths[i] = i % 50;
        usable += lengths[i] >= 2 && lengths[i] <= 40;
    }
    step_order o;
    assert_int_equal(step_order_create(&d, 9, 2, 40, &o), WR_OK);
    assert_int_equal(o.usable, usable);
    assert_int_equal(step_order_take(&o, 0, 2500, whole), WR_OK);
    for (size_t at = 2500; at > 0; at -= 50) /* backwards: epochs are refilled */
        assert_int_equal(step_order_take(&o, at - 50, 50, pieces + at - 50), WR_OK);
    assert_memory_equal(whole, pieces, sizeof whole);
    int seen[N] = {0};
    for (size_t i = 0; i < usable; i++) {
        assert_true(lengths[whole[i]] >= 2 && lengths[whole[i]] <= 40);
        assert_int_equal(seen[whole[i]]++, 0);
    }
    assert_memory_not_equal(whole, whole + usable, 100 * sizeof *whole); /* another epoch, another order */
    step_order_free(&o);
    assert_int_equal(step_order_create(&d, 9, 60, 80, &o), WR_OK);
    assert_int_equal(step_order_take(&o, 0, 1, whole), WR_E_FORMAT);
    step_order_free(&o);
    free(d.frames);
}

static void test_packing(void **state) {
    (void)state;
    const int32_t a[4] = {5, 6, 7, 8}, b[3] = {9, 1, 1};
    const uint32_t a_targets[2] = {1, 3}, b_targets[1] = {2};
    sequence chats[2] = {{.ids = a, .n = 4, .targets = a_targets, .n_targets = 2},
                         {.ids = b, .n = 3, .targets = b_targets, .n_targets = 1}};
    packed p = {0};
    sequence_rule rule = {.kind = SHARD_CHAT};
    assert_int_equal(packed_fill(&p, &rule, chats, 2, 1), WR_OK);
    const size_t rows[3] = {0, 2, 5}, offsets[3] = {0, 4, 7};
    const int32_t targets[3] = {6, 8, 1};
    assert_int_equal(p.N, 3);
    assert_memory_equal(p.rows, rows, sizeof rows);
    assert_memory_equal(p.targets, targets, sizeof targets);
    assert_memory_equal(p.batch.offsets, offsets, sizeof offsets);
    sequence rated[2] = {{.ids = a, .n = 4, .label = 3}, {.ids = b, .n = 3, .label = 1}};
    rule.kind = SHARD_REWARD;
    assert_int_equal(packed_fill(&p, &rule, rated, 2, 1), WR_OK);
    assert_int_equal(p.N, 2);
    assert_int_equal(p.rows[0], 3);
    assert_int_equal(p.rows[1], 4); /* the last token that is not padding */
    assert_int_equal(p.targets[0], 3);
    packed_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plan), cmocka_unit_test(test_ties),
                                       cmocka_unit_test(test_step_order), cmocka_unit_test(test_packing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
