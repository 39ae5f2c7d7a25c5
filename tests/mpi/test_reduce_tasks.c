/* Gradient sums as tasks beside other work: the bits of the blocking sum, whatever runs in between, however many are in
 * flight, and no rank left waiting when another fails on the way. */
#include "base/bf16.h"
#include "base/rng.h"
#include "mpi/gather.h"
#include "mpi/internal.h"
#include "mpi/reduce.h"

static world *the_world;
#include "mpi_check.h"

#include <math.h>

enum { SEED = 11, N = 70001, SLICE = 1000 };

static float *values(size_t n, int rank) {
    float *x = malloc((n + 1) * sizeof *x);
    rng r = rng_make(SEED, RNG_TEST, n, (uint64_t)rank, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)(rng_normal(&r) * exp2((double)rng_below(&r, 30)));
    x[n] = 12345.0f;
    return x;
}

static float *sums(size_t n) {
    float *x = values(n, world_rank(the_world));
    CHECK(reduce_sum(the_world, x, n, 0) == WR_OK);
    return x;
}

static reduce_options the_options; /* of reducer_of, but for the slice */

static reducer *reducer_of(size_t slice) {
    reducer *r = NULL;
    reduce_options o = the_options;
    o.slice = slice;
    CHECK(reducer_create(the_world, &o, &r) == WR_OK);
    return r;
}

/* Collectives on the world while a task is under way; some ranks test it often, some never. */
static void test_between_collectives(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 3, 5000, N}, slices[] = {0, 1, 64, SLICE};
    const int me = world_rank(the_world);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t k = 0; k < sizeof slices / sizeof *slices; k++) {
            const size_t n = sizes[s];
            if (slices[k] && n / slices[k] > 5000) continue;
            float *expect = sums(n), *x = values(n, me);
            reducer *r = reducer_of(slices[k]);
            reduce_task task;
            reduce_start(r, &task, x, n);
            for (int i = 0; i < 5; i++) {
                double one = 1;
                for (int poll = 0; poll < me * 3; poll++) reduce_test(r, &task);
                world_sum(the_world, &one, 1);
                CHECK(one == world_size(the_world));
                CHECK(world_agree(the_world, WR_OK) == WR_OK);
            }
            CHECK(reducer_finish(r, WR_OK) == WR_OK);
            CHECK(reduce_test(r, &task));
            CHECK(memcmp(x, expect, n * sizeof *x) == 0 && x[n] == 12345.0f);
            reducer_free(r);
            free(x);
            free(expect);
        }
}

/* The ranges of one buffer, from its end on as a backward pass gives them, an empty one among them, twice over; and the
 * blocking sum in their midst. */
static void test_ranges_in_flight(void **state) {
    (void)state;
    static const size_t bounds[] = {0, 7, 7, 2048, 2049, 30000, 69000, N};
    enum { RANGES = sizeof bounds / sizeof *bounds - 1 };
    const int me = world_rank(the_world);
    float *expect = sums(N);
    reducer *r = reducer_of(SLICE);
    for (int round = 0; round < 2; round++) {
        float *x = values(N, me), *other = values(N, me);
        reduce_task task[RANGES];
        for (size_t i = RANGES; i-- > 0;) {
            reduce_start(r, &task[i], x + bounds[i], bounds[i + 1] - bounds[i]);
            if (i == 3) CHECK(reduce_sum(the_world, other, N, SLICE) == WR_OK);
        }
        while (!reduce_test(r, &task[5])) {
        }
        CHECK(memcmp(x + bounds[5], expect + bounds[5], (bounds[6] - bounds[5]) * sizeof *x) == 0);
        CHECK(reducer_finish(r, WR_OK) == WR_OK);
        CHECK(memcmp(x, expect, N * sizeof *x) == 0);
        CHECK(memcmp(other, expect, N * sizeof *other) == 0);
        free(x);
        free(other);
    }
    reducer_free(r);
    free(expect);
}

/* The last rank fails after `before` of four ranges: nobody waits for the rest, all are told, and the next use of the
 * same reducer is sound. */
static void test_failing_rank(void **state) {
    (void)state;
    const int me = world_rank(the_world), bad = world_size(the_world) - 1;
    float *expect = sums(N);
    reducer *r = reducer_of(SLICE);
    for (int before = 0; before <= 4; before++) {
        float *x = values(N, me);
        reduce_task task[4];
        wr_status status = WR_OK;
        for (int i = 0; i < 4 && status >= 0; i++) {
            if (me == bad && i == before)
                status = wr_fail(WR_E_NOMEM, "no memory for range %d", i);
            else
                reduce_start(r, &task[i], x + i * 10000, (size_t)(10000 - 3333 * (i % 2)));
        }
        if (me == bad && before == 4) status = wr_fail(WR_E_NOMEM, "no memory after all");
        status = reducer_finish(r, status);
        CHECK(status == (me == bad ? WR_E_NOMEM : WR_E_PEER));
        CHECK(strstr(wr_error(), "no memory") != NULL);
        free(x);

        x = values(N, me);
        reduce_start(r, &task[0], x, N);
        CHECK(reducer_finish(r, WR_OK) == WR_OK);
        CHECK(memcmp(x, expect, N * sizeof *x) == 0);
        free(x);
    }
    reducer_free(r);
    free(expect);
}

/* A rank that forgets a range is told so, instead of the others waiting for ever. */
static void test_forgotten_range(void **state) {
    (void)state;
    const int me = world_rank(the_world), size = world_size(the_world);
    float *x = values(N, me);
    reduce_task task[2];
    reducer *r = reducer_of(SLICE);
    reduce_start(r, &task[0], x, 5000);
    if (me != 0) reduce_start(r, &task[1], x + 5000, 5000);
    const wr_status status = reducer_finish(r, WR_OK);
    CHECK(status == (size == 1 ? WR_OK : me == 0 ? WR_E_USAGE : WR_E_PEER));
    reducer_free(r);
    free(x);
}

/* Freed with tasks under way, of which some ranks have started fewer; the communicator is gone with it. */
static void test_free_unfinished(void **state) {
    (void)state;
    const int me = world_rank(the_world);
    for (int i = 0; i < 20; i++) {
        float *x = values(N, me);
        reduce_task task[2];
        reducer *r = reducer_of(SLICE);
        reduce_start(r, &task[0], x, N / 2);
        if (me % 2) reduce_start(r, &task[1], x + N / 2, N / 2);
        reducer_free(r);
        free(x);
    }
    reducer_free(NULL);
    float *expect = values(5, me), *x = values(5, me);
    CHECK(reduce_sum_ref(the_world, expect, 5) == WR_OK && reduce_sum(the_world, x, 5, 0) == WR_OK);
    CHECK(memcmp(x, expect, 5 * sizeof *x) == 0);
    free(x);
    free(expect);
}

/* What goes over the wire in bf16: rounded, summed in f32 along the same tree, and rounded again, whoever owns what. */
static void test_half(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 3, 5000, N}, slices[] = {0, 37, SLICE};
    const int me = world_rank(the_world), size = world_size(the_world);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t k = 0; k < sizeof slices / sizeof *slices; k++) {
            const size_t n = sizes[s];
            float *expect = values(n, me), *x = values(n, me);
            for (size_t i = 0; i < n && size > 1; i++) expect[i] = bf16_to_f32(bf16_from_f32(expect[i]));
            CHECK(reduce_sum_ref(the_world, expect, n) == WR_OK);
            for (size_t i = 0; i < n && size > 1; i++) expect[i] = bf16_to_f32(bf16_from_f32(expect[i]));
            the_options.half = true;
            reducer *r = reducer_of(slices[k]);
            the_options.half = false;
            reduce_task task[2];
            for (int round = 0; round < 2; round++) {
                float *again = values(n, me);
                memcpy(x, again, n * sizeof *x);
                free(again);
                reduce_start(r, &task[0], x, n / 2);
                reduce_start(r, &task[1], x + n / 2, n - n / 2);
                CHECK(reducer_finish(r, WR_OK) == WR_OK);
                CHECK(memcmp(x, expect, n * sizeof *x) == 0 && x[n] == 12345.0f);
            }
            reducer_free(r);
            free(x);
            free(expect);
        }
}

/* Ranks that keep ranges of the sums, which may share some floats or be empty: those have the bits of the whole sum,
 * also where a rank fails before it started them; the rest of a buffer is zeros. A task for all is for all. */
static void test_kept(void **state) {
    (void)state;
    static const size_t slices[] = {333, SLICE}, bounds[] = {N, 40000, 40000, 20011, 0};
    enum { RANGES = sizeof bounds / sizeof *bounds - 1 };
    const size_t me = (size_t)world_rank(the_world), size = (size_t)world_size(the_world);
    size_t keep[8] = {0};
    for (size_t p = 0; p < size; p++) keep[2 * p] = N * p / size - (p ? 5 : 0), keep[2 * p + 1] = N * (p + 1) / size;
    if (size == 4) keep[4] = keep[5]; /* rank 2 keeps nothing */
    for (size_t k = 0; k < 2 * sizeof slices / sizeof *slices; k++) {
        float *expect = values(N, (int)me), *x, *all = values(20, (int)me);
        reduce_options o = the_options;
        o.slice = slices[k / 2], o.half = k % 2, o.keep = NULL;
        reducer *r = NULL;
        reduce_task task[RANGES + 1];
        CHECK(reducer_create(the_world, &o, &r) == WR_OK);
        reduce_start(r, &task[0], expect, N);
        CHECK(reducer_finish(r, WR_OK) == WR_OK);
        reducer_free(r);
        o.keep = keep;
        CHECK(reducer_create(the_world, &o, &r) == WR_OK);
        for (int round = 0; round < 2; round++) {
            x = values(N, (int)me);
            const bool stop = round == 0 && me + 1 == size;
            for (size_t i = 0; i < RANGES && !(stop && i == 2); i++) {
                reduce_start_at(r, &task[i], x + bounds[i + 1], bounds[i] - bounds[i + 1], bounds[i + 1]);
                if (k < 2) reduce_catch_up(r, 5 * SLICE); /* though the last rank may have stopped */
            }
            if (round) reduce_start(r, &task[RANGES], all, 20);
            const wr_status status = reducer_finish(r, stop ? wr_fail(WR_E_FAILED, "enough") : WR_OK);
            CHECK(status == (round ? WR_OK : stop ? WR_E_FAILED : WR_E_PEER));
            for (size_t i = 0; i < N && round && size > 1; i++)
                CHECK(memcmp(x + i, i >= keep[2 * me] && i < keep[2 * me + 1] ? expect + i : &(float){0}, sizeof *x) ==
                      0);
            CHECK(x[N] == 12345.0f);
            free(x);
        }
        float *sum = values(20, (int)me);
        the_options.half = o.half;
        reducer_free(r);
        r = reducer_of(0);
        the_options.half = false;
        reduce_start(r, &task[0], sum, 20);
        CHECK(reducer_finish(r, WR_OK) == WR_OK && memcmp(sum, all, 20 * sizeof *sum) == 0);
        reducer_free(r);
        free(expect), free(all), free(sum);
    }
}

/* What others have not made yet stays as it was, until they have. */
static void test_gather(void **state) {
    (void)state;
    const size_t me = (size_t)world_rank(the_world), size = (size_t)world_size(the_world);
    size_t bounds[16] = {0};
    for (size_t p = 0; p < size; p++) bounds[p + 1] = bounds[p] + (p == 1 ? 0 : 1000 * p + 7);
    static const size_t messages[] = {0, 1000, 64, 7};
    for (size_t m = 0; m < 4; m++) {
        gather *g;
        CHECK(gather_create(the_world, bounds, messages[m], &g) == WR_OK);
        for (int round = 0; round < 2; round++) {
            float *x = values(bounds[size], (int)me + 10 * round), *mine = values(bounds[size], (int)me + 10 * round);
            memset(x, 0xff, bounds[size] * sizeof *x);
            gather_begin(g, x);
            size_t step = 50;
            for (size_t at = bounds[me], end; at < bounds[me + 1]; at = end, step = 400 - step) {
                end = at + step < bounds[me + 1] ? at + step : bounds[me + 1];
                memcpy(x + at, mine + at, (end - at) * sizeof *x);
                gather_made(g, end);
            }
            gather_finish(g);
            for (size_t p = 0; p < size; p++) {
                float *theirs = values(bounds[size], (int)p + 10 * round);
                CHECK(memcmp(x + bounds[p], theirs + bounds[p], (bounds[p + 1] - bounds[p]) * sizeof *x) == 0);
                free(theirs);
            }
            free(x), free(mine);
        }
        gather_free(g);
    }
}

/* All of it with a helper thread, and with other depths, also where the ranks are on two hosts. */
static void test_helped(void **state) {
    static const int two_hosts[] = {0, 0, 1, 1};
    static const reduce_options all[] = {{.background = true}, {.background = true, .depth = 5}, {.depth = 1}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        the_options = all[i];
        if (i > 0) world_pretend_hosts(the_world, two_hosts);
        test_ranges_in_flight(state);
        test_failing_rank(state);
        test_forgotten_range(state);
        test_free_unfinished(state);
        test_half(state);
        test_kept(state);
    }
    the_options = (reduce_options){0};
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_between_collectives),
                                       cmocka_unit_test(test_ranges_in_flight),
                                       cmocka_unit_test(test_failing_rank),
                                       cmocka_unit_test(test_forgotten_range),
                                       cmocka_unit_test(test_free_unfinished),
                                       cmocka_unit_test(test_half),
                                       cmocka_unit_test(test_kept),
                                       cmocka_unit_test(test_gather),
                                       cmocka_unit_test(test_helped)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
