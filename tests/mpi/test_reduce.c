/* reduce_sum against the obvious gather-sum-broadcast, bit for bit, for odd sizes and any slice size. */
#include "base/rng.h"
#include "mpi/reduce.h"

static world *the_world;
#include "mpi_check.h"

#include <math.h>

enum { SEED = 7 };

static float *values(size_t n, int rank) {
    float *x = malloc((n + 1) * sizeof *x);
    rng r = rng_make(SEED, RNG_TEST, n, (uint64_t)rank, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)(rng_normal(&r) * exp2((double)rng_below(&r, 30)));
    x[n] = 12345.0f;
    return x;
}

static void test_equal_bits(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 5, 17, 1000, 4097, 300001, 1048576};
    static const size_t slices[] = {0, 1, 3, 4, 64, 1000, 65536, 1u << 22};
    int me = world_rank(the_world);
    if (me == 0) printf("seed %d\n", SEED);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];
        float *expect = values(n, me);
        CHECK(reduce_sum_ref(the_world, expect, n) == WR_OK);
        for (size_t k = 0; k < sizeof slices / sizeof *slices; k++) {
            if (slices[k] && n / slices[k] > 5000) continue;
            float *x = values(n, me);
            CHECK(reduce_sum(the_world, x, n, slices[k]) == WR_OK);
            CHECK(memcmp(x, expect, n * sizeof *x) == 0);
            CHECK(x[n] == 12345.0f);
            free(x);
        }
        free(expect);
    }
    CHECK(reduce_sum(the_world, NULL, 0, 0) == WR_OK);
}

static float tree(const float *x, int lo, int hi) {
    if (hi - lo == 1) return x[lo];
    int mid = lo + (hi - lo) / 2;
    return tree(x, lo, mid) + tree(x, mid, hi);
}

/* The reference itself: the tree written down once more. */
static void test_tree(void **state) {
    (void)state;
    int size = world_size(the_world), me = world_rank(the_world);
    enum { N = 257 };
    float *x = values(N, me), *all[8];
    for (int r = 0; r < size; r++) all[r] = values(N, r);
    CHECK(reduce_sum_ref(the_world, x, N) == WR_OK);
    for (int i = 0; i < N; i++) {
        float column[8];
        for (int r = 0; r < size; r++) column[r] = all[r][i];
        CHECK(x[i] == tree(column, 0, size));
    }
    for (int r = 0; r < size; r++) free(all[r]);
    free(x);
}

static void test_not_finite(void **state) {
    (void)state;
    float x[5] = {1, NAN, INFINITY, 0, 2};
    if (world_rank(the_world) != 0) x[1] = x[2] = 1;
    CHECK(reduce_sum(the_world, x, 5, 2) == WR_OK);
    CHECK(isnan(x[1]) && isinf(x[2]) && x[0] == (float)world_size(the_world));
}

static void test_bcast(void **state) {
    (void)state;
    for (int root = 0; root < world_size(the_world); root++) {
        float *x = values(50001, world_rank(the_world)), *expect = values(50001, root);
        CHECK(reduce_bcast(the_world, root, x, 50001) == WR_OK);
        CHECK(memcmp(x, expect, 50001 * sizeof *x) == 0);
        free(x);
        free(expect);
    }
}

int main(int argc, char **argv) {
    if (world_create(&argc, &argv, &the_world) < 0) {
        fprintf(stderr, "%s\n", wr_error());
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equal_bits), cmocka_unit_test(test_tree),
                                       cmocka_unit_test(test_not_finite), cmocka_unit_test(test_bcast)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_free(the_world);
    return failed != 0;
}
