/* Gradient sums where ranks share hosts (pretended: the machine is one): the bits of the reference whatever the layout,
 * slices, depth, type and who keeps what; and how much less leaves a host. */
#include "base/bf16.h"
#include "base/rng.h"
#include "mpi/reducer.h"

static world *the_world;
#include "mpi_check.h"

#include <math.h>

enum { SEED = 23, MOST = 4, TRIALS = 12, RANGES = 3 };

/* Two hosts whose ranks are subtrees; others' are not; by turns; one; four; uneven ones that are. Of fewer ranks the
 * first ones. */
static const int layouts[][MOST] = {{0, 0, 1, 1}, {0, 1, 1, 1}, {0, 0, 0, 1}, {0, 1, 0, 1}, {0, 1, 1, 0},
                                    {7, 7, 7, 7}, {0, 1, 2, 3}, {0, 0, 1, 2}, {2, 1, 0, 0}};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

static void fill(float *x, size_t n, int rank, uint64_t trial) {
    rng r = rng_make(SEED, RNG_TEST, trial, (uint64_t)rank, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)(rng_normal(&r) * exp2((double)rng_below(&r, 30)));
}

static void round_all(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = bf16_to_f32(bf16_from_f32(x[i]));
}

static float *reference(size_t n, bool half, uint64_t trial) {
    float *x = malloc((n + 1) * sizeof *x);
    fill(x, n, world_rank(the_world), trial);
    if (half && world_size(the_world) > 1) round_all(x, n);
    CHECK(reduce_sum_ref(the_world, x, n) == WR_OK);
    if (half && world_size(the_world) > 1) round_all(x, n);
    return x;
}

/* The sum of x as ranges of one buffer, from its end on. Returns what left this rank's host. */
static uint64_t sum_in_ranges(const reduce_options *o, float *x, size_t n) {
    reducer *r = NULL;
    reduce_task task[RANGES];
    CHECK(reducer_create(the_world, o, &r) == WR_OK);
    for (size_t i = RANGES; i-- > 0;) {
        const size_t from = n * i / RANGES, until = n * (i + 1) / RANGES;
        reduce_start_at(r, &task[i], x + from, until - from, from);
    }
    CHECK(reducer_finish(r, WR_OK) == WR_OK);
    const uint64_t left = reduce_left_host(r);
    reducer_free(r);
    return left;
}

/* Ranges that ranks keep: next to one another, of any lengths, some empty; now and then one overlaps the next. */
static void any_keep(rng *r, size_t n, size_t *keep) {
    const size_t size = (size_t)world_size(the_world);
    size_t at = 0;
    for (size_t p = 0; p < size; p++) {
        const size_t until = p + 1 == size ? n : at + rng_below(r, n - at + 1);
        keep[2 * p] = at > 0 && rng_below(r, 4) == 0 ? at - 1 : at, keep[2 * p + 1] = until;
        at = until;
    }
}

static void one_trial(uint64_t trial) {
    rng r = rng_make(SEED, RNG_TEST, trial, 99, 0); /* the same on every rank */
    static const size_t most[] = {9, 500, 40000};
    const size_t n = 1 + rng_below(&r, most[trial % 3]), me = (size_t)world_rank(the_world);
    size_t keep[2 * MOST];
    any_keep(&r, n, keep);
    const size_t slice = n / 40 + 1 + rng_below(&r, n + 5);
    const reduce_options o = {.slice = slice,
                              .depth = 1 + rng_below(&r, 4),
                              .half = rng_below(&r, 3) == 0,
                              .background = rng_below(&r, 2),
                              .keep = rng_below(&r, 3) == 0 ? keep : NULL};
    float *x = malloc((n + 1) * sizeof *x), *expect = reference(n, o.half, trial);
    fill(x, n, (int)me, trial);
    x[n] = 12345.0f;
    sum_in_ranges(&o, x, n);
    for (size_t i = 0; i < n; i++) {
        const bool kept = !o.keep || world_size(the_world) == 1 || (i >= keep[2 * me] && i < keep[2 * me + 1]);
        CHECK(memcmp(x + i, kept ? expect + i : &(float){0}, sizeof *x) == 0);
    }
    CHECK(x[n] == 12345.0f);
    if (!o.half) {
        fill(x, n, (int)me, trial);
        CHECK(reduce_sum(the_world, x, n, slice) == WR_OK);
        CHECK(memcmp(x, expect, n * sizeof *x) == 0 && x[n] == 12345.0f);
    }
    free(x);
    free(expect);
}

static void test_any_layout(void **state) {
    (void)state;
    if (world_rank(the_world) == 0) printf("seed %d\n", SEED);
    for (size_t i = 0; i < LAYOUTS; i++) {
        world_pretend_hosts(the_world, layouts[i]);
        for (size_t k = 0; k < TRIALS; k++) one_trial(i * TRIALS + k);
    }
}

/* Floats that all ranks send to other hosts without groups: contributions to pieces of others, and sums. */
static double flat_floats(const int *hosts, size_t n) {
    double crossing = 0;
    const int size = world_size(the_world);
    for (int a = 0; a < size; a++)
        for (int b = 0; b < size; b++) crossing += hosts[a] != hosts[b];
    return 2 * crossing * (double)n / size;
}

/* Of two a host on two hosts half as much leaves, in some layouts of others something less, and never more. */
static void test_less_leaves(void **state) {
    (void)state;
    enum { N = 12000 };
    static const double share[LAYOUTS] = {1. / 2, 5. / 6, 5. / 6, 1, 1, 0, 1, 4. / 5, 4. / 5};
    static float x[N];
    for (size_t i = 0; i < LAYOUTS && world_size(the_world) == MOST; i++)
        for (int half = 0; half < 2; half++) {
            const reduce_options o = {.slice = 1200, .half = half};
            world_pretend_hosts(the_world, layouts[i]);
            fill(x, N, world_rank(the_world), i);
            double left = (double)sum_in_ranges(&o, x, N) / sizeof(float);
            world_sum(the_world, &left, 1);
            if (!half) CHECK(fabs(left - share[i] * flat_floats(layouts[i], N)) < 0.5);
            CHECK(left <= flat_floats(layouts[i], N) * (half ? 0.5 : 1));
        }
}

static bool in_tree(int lo, int hi, int first, int end) {
    if (lo == first && hi == end) return true;
    const int mid = lo + (hi - lo) / 2;
    return hi - lo > 1 && (end <= mid ? in_tree(lo, mid, first, end) : first >= mid && in_tree(mid, hi, first, end));
}

/* Groups are subtrees on one host; each piece has one collector in each, its owner in the owner's; and the pieces that a
 * rank collects have room in staging. Where all hosts are subtrees groups are hosts, and each collects alike. */
static void test_groups(void **state) {
    (void)state;
    enum { SIZES = 70 };
    for (int size = 1; size <= SIZES; size++)
        for (int each = 1; each <= size; each++) {
            int hosts[SIZES];
            reduce_group g[SIZES];
            for (int p = 0; p < size; p++) hosts[p] = p / each;
            reduce_groups(hosts, size, g);
            const int n_hosts = (size + each - 1) / each;
            const bool even = size % each == 0 && (n_hosts & (n_hosts - 1)) == 0;
            for (int q = 0; q < size; q++) {
                CHECK(g[q].first <= q && q < g[q].end && in_tree(0, size, g[q].first, g[q].end));
                CHECK(hosts[g[q].first] == hosts[q] && hosts[g[q].end - 1] == hosts[q]);
                CHECK(!even || g[q].end - g[q].first == each);
                size_t collected = 0;
                for (int p = 0; p < size; p++) {
                    const int c = reduce_collector(g[q], p);
                    CHECK(g[q].first <= c && c < g[q].end && (p < g[q].first || p >= g[q].end || c == p));
                    CHECK(!even || c % each == p % each);
                    collected += c == q;
                }
                CHECK(collected * (size_t)(g[q].end - g[q].first - 1) <= staging_rows((size_t)size));
            }
        }
    CHECK(staging_rows(64) == 64 && staging_rows(2) == 2 && staging_rows(11) == 12);
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_layout), cmocka_unit_test(test_less_leaves),
                                       cmocka_unit_test(test_groups)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
