/* exp and silu of every table against libm's in double, over all floats' exponents; the conversions to and from bf16
 * against precision.h; softmax by blocks of columns. */
#include "base/mem.h"
#include "base/rng.h"
#include "model/kernels/kernels.h"
#include "model/kernels/kernels_ref.h"
#include "tests/support/asserts.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define SEED 12u
#define SMALLEST_NORMAL 0x1p-126
#define SMALLEST 0x1p-149

static const kernels_table *const tables[] = {&kernels_baseline, &kernels_avx2, &kernels_avx512, &kernels_avx512bf16};
#define EACH_TABLE(k)                                                                                                  \
    for (size_t table_ = 0; table_ < sizeof tables / sizeof tables[0]; table_++)                                       \
        for (const kernels_table *k = tables[table_]; k && k->usable(); k = NULL)

static float from_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

typedef struct points {
    float *x;
    size_t n;
} points;

static void add_range(points *p, float from, float to, uint32_t step) {
    uint32_t a, b;
    memcpy(&a, &from, sizeof a), memcpy(&b, &to, sizeof b);
    for (uint32_t bits = a < b ? a : b; bits <= (a < b ? b : a); bits += step) p->x[p->n++] = from_bits(bits);
}

/* 4,096 floats of every sign and exponent, and floats side by side around where e^x and x / (1 + e^-x) overflow, become
 * denormal and 0. */
static points all_points(void) {
    points p = {.x = mem_aligned((size_t)1 << 23, sizeof(float))};
    rng r = rng_make(SEED, RNG_TEST, 0, 0, 0);
    assert_non_null(p.x);
    for (uint32_t top = 0; top < 512; top++)
        for (uint32_t i = 0; i < 4096; i++)
            p.x[p.n++] = from_bits(top << 23 | i << 11 | (i % 4095 == 0 ? 2047 * (i & 1) : rng_u32(&r) & 2047));
    add_range(&p, 88.3f, 89.1f, 1);
    add_range(&p, -87.2f, -87.5f, 1);
    add_range(&p, -88.6f, -88.9f, 1);
    add_range(&p, -91.8f, -92.0f, 1);
    add_range(&p, -87.0f, -112.0f, 5);
    add_range(&p, 0.3f, 0.4f, 7);
    add_range(&p, -0.3f, -0.4f, 7);
    assert_true(p.n <= (size_t)1 << 23);
    return p;
}

/* Units in the last place of want that got is off; 0 where both are the same infinity or NaN, or denormal results are
 * flushed. */
static double ulps(float got, double want) {
    int exponent;
    if (isnan(want)) return isnan(got) ? 0 : INFINITY;
    if (isinf((float)want) && (double)got == (double)(float)want) return 0;
    if (fabs(want) < SMALLEST_NORMAL && (got == 0 || fabs((double)got - want) <= 2 * SMALLEST)) return 0;
    frexp(fmax(fabs(want), SMALLEST_NORMAL), &exponent);
    return fabs((isinf(got) ? copysign(0x1p128, got) : (double)got) - want) / ldexp(1.0, exponent - 24);
}

static void check_function(const char *name, double (*exact)(double), bool silu, double bound) {
    points p = all_points();
    float *y = mem_aligned(p.n, sizeof *y);
    double *want = mem_aligned(p.n, sizeof *want);
#pragma omp parallel for
    for (size_t i = 0; i < p.n; i++) want[i] = exact((double)p.x[i]);
    assert_true(p.n >= 1000000);
    EACH_TABLE(k) {
        size_t worst = 0;
        (silu ? k->silu : k->exp)(p.n, p.x, y);
        for (size_t i = 0; i < p.n; i++)
            if (!(ulps(y[i], want[i]) <= ulps(y[worst], want[worst]))) worst = i;
        print_message("# %s: %s within %.3f units in the last place at %zu points, worst at %.9g\n", k->name, name,
                      ulps(y[worst], want[worst]), p.n, (double)p.x[worst]);
        assert_true(ulps(y[worst], want[worst]) <= bound);
        /* the last elements, which fill no vector, alike */
        for (size_t n = 1; n < 40; n++) {
            float tail[40];
            (silu ? k->silu : k->exp)(n, p.x + 4096 * 200, tail);
            assert_memory_equal(tail, y + 4096 * 200, n * sizeof *tail);
        }
    }
    free(p.x), free(y), free(want);
}

static void test_exp(void **state) {
    (void)state;
    check_function("exp", exp, false, 2.0);
    EACH_TABLE(k) {
        const float special[7] = {0, -INFINITY, INFINITY, NAN, -104, 89, -1e30f};
        float out[7];
        k->exp(7, special, out);
        assert_true(out[0] == 1 && out[1] == 0 && isinf(out[2]) && isnan(out[3]) && out[4] <= 1e-44f && isinf(out[5]) &&
                    out[6] == 0);
    }
}

/* ref_silu is NaN at -inf, as x / (1 + e^-x) is there. */
static void test_silu(void **state) {
    (void)state;
    check_function("silu", ref_silu, true, 4.0);
}

/* A cap of 1 is tanh; the gradient by a cap of 3. */
static void test_softcap(void **state) {
    (void)state;
    points p = all_points();
    float *y = mem_aligned(p.n, sizeof *y), *again = mem_aligned(p.n, sizeof *y), *dy = mem_aligned(p.n, sizeof *dy);
    EACH_TABLE(k) {
        memcpy(y, p.x, p.n * sizeof *y), memcpy(again, p.x, p.n * sizeof *y);
        k->softcap(p.n, 1, y);
        omp_set_num_threads(3);
        k->softcap(p.n, 1, again);
        omp_set_num_threads(1);
        assert_memory_equal(y, again, p.n * sizeof *y);
        size_t worst = 0;
        for (size_t i = 0; i < p.n; i++)
            if (!(ulps(y[i], tanh((double)p.x[i])) <= ulps(y[worst], tanh((double)p.x[worst])))) worst = i;
        const double off = ulps(y[worst], tanh((double)p.x[worst]));
        print_message("# %s: tanh within %.3f units in the last place, worst at %.9g\n", k->name, off,
                      (double)p.x[worst]);
        assert_true(off <= 3.0);
        for (size_t i = 0; i < p.n; i++) y[i] = p.x[i], dy[i] = 2;
        k->softcap(p.n, 3, y);
        k->act[PRECISION_F32].softcap_backward(p.n, 3, y, dy);
        for (size_t i = 0; i < p.n; i += 97) {
            const double t = tanh((double)p.x[i] / 3), want = 2 * (1 - t * t);
            if (!isnan(want) && !(fabs((double)dy[i] - want) <= 2e-6))
                fail_msg("%s: slope %.9g at %.9g, not %.9g", k->name, (double)dy[i], (double)p.x[i], want);
        }
    }
    free(p.x), free(y), free(again), free(dy);
}

static void test_bf16(void **state) {
    (void)state;
    points p = all_points();
    const size_t extra = p.n, n = p.n + 65536;
    float *x = mem_aligned(n, sizeof *x), *back = mem_aligned(n, sizeof *back);
    bf16 *y = mem_aligned(n, sizeof *y);
    memcpy(x, p.x, p.n * sizeof *x);
    for (uint32_t i = 0; i < 65536; i++) x[extra + i] = from_bits(i << 16 | 0x8000); /* ties */
    EACH_TABLE(k) {
        k->to_bf16(n, x, y);
        for (size_t i = 0; i < n; i++)
            if (y[i] != bf16_from_f32(x[i]))
                fail_msg("%s: %a becomes bf16 %#x, not %#x", k->name, (double)x[i], y[i], bf16_from_f32(x[i]));
        k->to_f32(n, y, back);
        for (size_t i = 0; i < n; i++) {
            const float want = bf16_to_f32(y[i]);
            if (memcmp(&want, back + i, sizeof want) != 0)
                fail_msg("%s: bf16 %#x becomes %a, not %a", k->name, y[i], (double)back[i], (double)want);
        }
        for (size_t few = 0; few < 40; few++) { /* nothing is written behind the last */
            bf16 part[41];
            float wide[41];
            part[few] = 0x1234, wide[few] = 7;
            k->to_bf16(few, x + 5, part), k->to_f32(few, y + 5, wide);
            assert_memory_equal(part, y + 5, few * sizeof *part);
            assert_memory_equal(wide, back + 5, few * sizeof *wide);
            assert_true(part[few] == 0x1234 && wide[few] == 7);
        }
    }
    free(p.x), free(x), free(y), free(back);
}

typedef struct softmax_case {
    size_t n, V;
    float *z;
    int32_t *target;
    float *max, *sum, *picked;
} softmax_case;

/* All V columns in blocks of `block`; the results, n each, follow each other in max. */
static void run_parts(const kernels_table *k, const softmax_case *c, size_t block) {
    float *part = mem_aligned(c->n * block, sizeof *part);
    for (size_t i = 0; i < c->n; i++) c->max[i] = -INFINITY, c->sum[i] = 0, c->picked[i] = NAN;
    for (size_t first = 0; first < c->V; first += block) {
        const size_t columns = c->V - first < block ? c->V - first : block;
        for (size_t i = 0; i < c->n; i++) memcpy(part + i * columns, c->z + i * c->V + first, columns * sizeof *part);
        k->softmax_part(c->n, columns, first, part, c->target, c->max, c->sum, c->picked);
    }
    free(part);
}

static void check_backward(const kernels_table *k, const softmax_case *c, const float *lse, const float *slope,
                           precision p) {
    const size_t n = c->n, V = c->V, first = V > 300 ? 256 : 0, columns = V - first;
    float *part = mem_aligned(n * columns, sizeof *part);
    double *z = mem_aligned(V, sizeof *z), *want = mem_aligned(V, sizeof *want);
    void *out = mem_aligned(n * columns, precision_bytes(p)), *again = mem_aligned(n * columns, precision_bytes(p));
    for (size_t i = 0; i < n; i++) memcpy(part + i * columns, c->z + i * V + first, columns * sizeof *part);
    k->act[p].softmax_backward(n, columns, first, part, c->target, lse, slope, out);
    omp_set_num_threads(3);
    k->act[p].softmax_backward(n, columns, first, part, c->target, lse, slope, again);
    omp_set_num_threads(1);
    assert_memory_equal(out, again, n * columns * precision_bytes(p));
    for (size_t i = 0; i < n; i++) {
        for (size_t v = 0; v < V; v++) z[v] = (double)c->z[i * V + v];
        ref_softmax_backward(V, z, c->target[i], (double)slope[i], want);
        for (size_t v = 0; v < columns; v++) {
            const double got = (double)(p == PRECISION_F32 ? ((float *)out)[i * columns + v]
                                                           : bf16_to_f32(((bf16 *)out)[i * columns + v]));
            const double allowed = 2e-5 * fabs(want[first + v]) + 1e-6 * fabs((double)slope[i]);
            if (!(fabs(got - want[first + v]) <= allowed + (p == PRECISION_BF16 ? 0x1p-8 * fabs(want[first + v]) : 0)))
                fail_msg("%s %s: softmax backward, row %zu, column %zu of %zu: %.9g, expected %.9g", k->name,
                         precision_name(p), i, first + v, V, got, want[first + v]);
        }
    }
    free(part), free(z), free(want), free(out), free(again);
}

static void test_softmax(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 2, 15, 16, 40, 256, 257, 1000, 5003};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        enum { N = 6 };
        const size_t V = sizes[s];
        float results[3 * N], again[3 * N], lse[N], slope[N];
        int32_t target[N];
        rng r = rng_make(SEED, RNG_TEST, V, 0, 0);
        softmax_case c = {N, V, mem_aligned(N * V, sizeof(float)), target, results, results + N, results + 2 * N};
        double *z = mem_aligned(V, sizeof *z);
        for (size_t i = 0; i < N * V; i++) c.z[i] = (float)rng_normal(&r) * 5 + 100;
        for (size_t v = 0; v < V / 2; v++) c.z[v] = -INFINITY; /* row 0 begins with forbidden tokens */
        for (size_t i = 0; i < N; i++)
            target[i] = (int32_t)(V - 1 - (i * 7919) % ((V + 1) / 2)), slope[i] = (float)rng_normal(&r);
        EACH_TABLE(k) {
            omp_set_num_threads(1);
            run_parts(k, &c, V);
            for (size_t i = 0; i < N; i++) {
                for (size_t v = 0; v < V; v++) z[v] = (double)c.z[i * V + v];
                const double want = ref_logprob(V, z, target[i]);
                lse[i] = c.max[i] + logf(c.sum[i]);
                assert_true(c.picked[i] == c.z[i * V + (size_t)target[i]]);
                assert_true(fabs((double)(c.picked[i] - c.max[i] - logf(c.sum[i])) - want) <= 2e-6 * (1 + fabs(want)));
            }
            /* other blocks, other threads: the same bits */
            memcpy(again, results, sizeof again);
            omp_set_num_threads(3);
            run_parts(k, &c, SOFTMAX_COLUMNS);
            assert_memory_equal(again, results, sizeof again);
            run_parts(k, &c, 3 * SOFTMAX_COLUMNS);
            assert_memory_equal(again, results, sizeof again);
            omp_set_num_threads(1);
            for (precision p = 0; p < PRECISIONS; p++) check_backward(k, &c, lse, slope, p);
        }
        free(c.z), free(z);
    }
}

int main(void) {
    print_message("# seed %u, chosen kernels: %s\n", SEED, kernels()->name);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exp), cmocka_unit_test(test_silu),
                                       cmocka_unit_test(test_softcap), cmocka_unit_test(test_bf16),
                                       cmocka_unit_test(test_softmax)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
