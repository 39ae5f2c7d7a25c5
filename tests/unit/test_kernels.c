/* Each kernel over rows, and each product, of each table that this CPU can run, in f32 and bf16, against the scalar
 * references in double on the same (rounded) numbers; the same bits from one thread and from three, and with memory
 * shared where kernels.h allows it. Attention: test_attention.c; exp, silu, softmax and conversions:
 * test_kernel_math.c. */
#include "base/mem.h"
#include "base/rng.h"
#include "model/kernels/kernels.h"
#include "model/kernels/kernels_ref.h"
#include "tests/support/asserts.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define SEED 11u
#define EPS 1e-5f

static const kernels_table *const tables[] = {&kernels_baseline, &kernels_avx2, &kernels_avx512, &kernels_avx512bf16};
#define EACH_TABLE(k)                                                                                                  \
    for (size_t table_ = 0; table_ < sizeof tables / sizeof tables[0]; table_++)                                       \
        for (const kernels_table *k = tables[table_]; k && k->usable(); k = NULL)
#define EACH_PRECISION(p) for (precision p = 0; p < PRECISIONS; p++)

/* n numbers in p, as kernels read and write them, and the same ones in double. */
typedef struct numbers {
    size_t n;
    precision p;
    void *data;
    double *exact;
} numbers;

static numbers numbers_of(precision p, size_t n, const double *exact) {
    numbers x = {n, p, mem_aligned(n + 1, precision_bytes(p)), mem_aligned(n + 1, sizeof(double))};
    assert_true(x.data && x.exact);
    for (size_t i = 0; i < n; i++) {
        if (p == PRECISION_F32)
            ((float *)x.data)[i] = (float)exact[i];
        else
            ((bf16 *)x.data)[i] = bf16_from_f32((float)exact[i]);
        x.exact[i] = (double)(p == PRECISION_F32 ? ((float *)x.data)[i] : bf16_to_f32(((bf16 *)x.data)[i]));
    }
    return x;
}
static numbers numbers_random(precision p, size_t n, uint64_t which) {
    double *exact = mem_aligned(n + 1, sizeof *exact);
    rng r = rng_make(SEED, RNG_TEST, which, 0, 0);
    for (size_t i = 0; i < n; i++) exact[i] = rng_normal(&r);
    numbers x = numbers_of(p, n, exact);
    free(exact);
    return x;
}
static numbers numbers_zero(precision p, size_t n) {
    return (numbers){n, p, mem_aligned(n + 1, precision_bytes(p)), mem_aligned(n + 1, sizeof(double))};
}
static numbers numbers_copy(const numbers *x) { return numbers_of(x->p, x->n, x->exact); }
static void numbers_free(numbers *x, size_t count) {
    for (size_t i = 0; i < count; i++) free(x[i].data), free(x[i].exact);
}
#define FREE(...) numbers_free((numbers[]){__VA_ARGS__}, sizeof((numbers[]){__VA_ARGS__}) / sizeof(numbers))

/* Within tolerance times the largest, and in bf16 one unit in its last place, 2^-8 of the number. What lies behind the
 * last must be untouched. */
static void check(const char *table, const char *what, const numbers *got, const double *want, double tolerance) {
    double scale = 0;
    for (size_t i = 0; i < got->n; i++) scale = fmax(scale, fabs(want[i]));
    for (size_t i = 0; i < got->n; i++) {
        const double g =
            (double)(got->p == PRECISION_F32 ? ((float *)got->data)[i] : bf16_to_f32(((bf16 *)got->data)[i]));
        if (!(fabs(want[i] - g) <= tolerance * scale + (got->p == PRECISION_BF16 ? 0x1p-8 * fabs(want[i]) : 0)))
            fail_msg("%s %s %s: element %zu of %zu is %.9g, expected %.9g", table, precision_name(got->p), what, i,
                     got->n, g, want[i]);
    }
    static const float zero;
    assert_memory_equal((char *)got->data + got->n * precision_bytes(got->p), &zero, precision_bytes(got->p));
}
static void check_same(const numbers *a, const numbers *b) {
    assert_memory_equal(a->data, b->data, a->n * precision_bytes(a->p));
}

static const size_t row_shapes[][2] = {{1, 1}, {3, 7}, {5, 16}, {70, 17}, {130, 128}, {65, 200}, {67, 576}};
#define EACH_SHAPE(s, shapes) for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)

static void check_rmsnorm(const kernels_table *k, precision p, size_t T, size_t C) {
    const act_kernels *a = &k->act[p];
    const size_t chunks = (T + NORM_CHUNK - 1) / NORM_CHUNK;
    numbers x = numbers_random(PRECISION_F32, T * C, 1), w = numbers_random(PRECISION_F32, C, 2),
            dy = numbers_random(p, T * C, 3);
    numbers dx0 = numbers_random(PRECISION_F32, T * C, 4), dw0 = numbers_random(PRECISION_F32, C, 5), rstd[2], y[3],
            dx[3], dw[2];
    double *want = mem_aligned(T * C, sizeof *want);
    float *partial = mem_aligned(chunks * C, sizeof *partial);
    for (int i = 0; i < 2; i++) {
        y[i] = numbers_zero(p, T * C), rstd[i] = numbers_zero(PRECISION_F32, T), dx[i] = numbers_copy(&dx0),
        dw[i] = numbers_copy(&dw0);
        omp_set_num_threads(i ? 3 : 1);
        a->rmsnorm(T, C, EPS, x.data, w.data, y[i].data, rstd[i].data);
        memset(partial, 0x55, chunks * C * sizeof *partial);
        a->rmsnorm_backward(T, C, dy.data, x.data, w.data, rstd[i].data, dx[i].data, dw[i].data, partial);
    }
    ref_rmsnorm(T, C, (double)EPS, x.exact, w.exact, want);
    check(k->name, "rmsnorm", &y[0], want, 1e-6);
    check_same(&y[0], &y[1]), check_same(&rstd[0], &rstd[1]);
    y[2] = numbers_zero(p, T * C);
    a->rmsnorm(T, C, EPS, x.data, w.data, y[2].data, NULL);
    check_same(&y[0], &y[2]);
    memset(y[2].data, 0, T * C * precision_bytes(p));
    a->rmsnorm_again(T, C, x.data, w.data, rstd[0].data, y[2].data);
    check_same(&y[0], &y[2]);
    dx[2] = numbers_copy(&dx0);
    a->rmsnorm_backward(T, C, dy.data, x.data, w.data, rstd[0].data, dx[2].data, NULL, NULL);
    ref_rmsnorm_backward(T, C, (double)EPS, dy.exact, x.exact, w.exact, dx0.exact, dw0.exact);
    check(k->name, "rmsnorm dx", &dx[0], dx0.exact, 3e-6);
    check(k->name, "rmsnorm dw", &dw[0], dw0.exact, 3e-6);
    check_same(&dx[0], &dx[1]), check_same(&dx[0], &dx[2]), check_same(&dw[0], &dw[1]);
    FREE(x, w, dy, dx0, dw0, rstd[0], rstd[1], y[0], y[1], y[2], dx[0], dx[1], dx[2], dw[0], dw[1]);
    free(want), free(partial);
}

static void test_rmsnorm(void **state) {
    (void)state;
    EACH_TABLE(k) EACH_PRECISION(p) EACH_SHAPE(s, row_shapes) check_rmsnorm(k, p, row_shapes[s][0], row_shapes[s][1]);
}

/* SwiGLU or GeGLU. */
static void check_gated(const kernels_table *k, precision p, bool gelu, size_t T, size_t F) {
    const act_kernels *a = &k->act[p];
    numbers gu = numbers_random(p, 2 * T * F, 1), d = numbers_random(p, T * F, 2), act[2], back[3], dgu[3];
    double *want = mem_aligned(T * F, sizeof *want), *dwant = mem_aligned(2 * T * F, sizeof *dwant);
    for (int i = 0; i < 2; i++) {
        act[i] = numbers_zero(p, T * F), back[i] = numbers_copy(&d), dgu[i] = numbers_zero(p, 2 * T * F);
        omp_set_num_threads(i ? 3 : 1);
        (gelu ? a->geglu : a->swiglu)(T, F, gu.data, act[i].data);
        (gelu ? a->geglu_backward : a->swiglu_backward)(T, F, gu.data, back[i].data, dgu[i].data);
    }
    back[2] = numbers_copy(&d), dgu[2] = numbers_copy(&gu); /* in place */
    (gelu ? a->geglu_backward : a->swiglu_backward)(T, F, dgu[2].data, back[2].data, dgu[2].data);
    (gelu ? ref_geglu : ref_swiglu)(T, F, gu.exact, want);
    (gelu ? ref_geglu_backward : ref_swiglu_backward)(T, F, gu.exact, d.exact, dwant);
    check(k->name, gelu ? "geglu" : "swiglu", &act[0], want, 1e-6);
    check(k->name, gelu ? "geglu's gradient" : "swiglu's gradient", &dgu[0], dwant, 1e-6);
    check_same(&act[0], &act[1]), check_same(&act[0], &back[0]), check_same(&act[0], &back[1]),
        check_same(&act[0], &back[2]);
    check_same(&dgu[0], &dgu[1]), check_same(&dgu[0], &dgu[2]);
    FREE(gu, d, act[0], act[1], back[0], back[1], back[2], dgu[0], dgu[1], dgu[2]);
    free(want), free(dwant);
}

static void test_gated(void **state) {
    (void)state;
    for (int gelu = 0; gelu < 2; gelu++) EACH_TABLE(k) EACH_PRECISION(p) {
            EACH_SHAPE(s, row_shapes) check_gated(k, p, gelu, row_shapes[s][0], row_shapes[s][1]);
            check_gated(k, p, gelu, 9, 5);
        }
}

typedef struct qkv_shape {
    size_t T, H, G, D;
} qkv_shape;
static const qkv_shape qkv_shapes[] = {{1, 1, 1, 2},    {9, 2, 1, 4},    {20, 2, 2, 64}, {33, 4, 1, 10},
                                       {130, 9, 3, 64}, {70, 2, 1, 128}, {3, 1, 1, 512}};

/* One result of each kind, and the gradients, from `threads` threads. */
typedef struct qkv_run {
    numbers qkv, raw, dqkv, dq_norm, dk_norm, dbias;
} qkv_run;

/* d: the gradient at the result; sums0: what the sums begin with, (H+2G)D and both norms. */
static qkv_run run_qkv(const act_kernels *a, const qkv_args *args, const numbers *x, const numbers *d,
                       const numbers *sums0, int threads) {
    const size_t D = args->D, Q = (args->H + 2 * args->G) * D, qn = args->norm_all ? args->H * D : D,
                 kn = args->norm_all ? args->G * D : D,
                 partial = (args->T + NORM_CHUNK - 1) / NORM_CHUNK * (Q + qn + kn);
    qkv_run r = {
        .qkv = numbers_copy(x), .raw = numbers_zero(x->p, args->T * (Q - args->G * D)), .dqkv = numbers_copy(d)};
    r.dbias = numbers_of(PRECISION_F32, Q, sums0->exact);
    r.dq_norm = numbers_of(PRECISION_F32, qn, sums0->exact + Q),
    r.dk_norm = numbers_of(PRECISION_F32, kn, sums0->exact + Q + qn);
    float *scratch = mem_aligned(partial, sizeof *scratch);
    memset(scratch, 0x55, partial * sizeof *scratch);
    omp_set_num_threads(threads);
    a->qkv(args, r.qkv.data, r.raw.data);
    a->qkv_backward(args, r.dqkv.data, r.raw.data, r.dq_norm.data, r.dk_norm.data, r.dbias.data, scratch);
    numbers plain = numbers_copy(x), unsummed = numbers_copy(d); /* what is not wanted changes nothing */
    a->qkv(args, plain.data, NULL);
    a->qkv_backward(args, unsummed.data, args->q_norm ? r.raw.data : NULL, NULL, NULL, NULL, NULL);
    check_same(&plain, &r.qkv), check_same(&unsummed, &r.dqkv);
    FREE(plain, unsummed);
    free(scratch);
    return r;
}

static void check_qkv(const kernels_table *k, precision p, qkv_shape s, bool with_bias, bool with_norm, bool all) {
    const size_t T = s.T, D = s.D, half = D / 2, Q = (s.H + 2 * s.G) * D, R = (s.H + s.G) * D;
    const size_t q_width = all ? s.H * D : D, k_width = all ? s.G * D : D;
    numbers x = numbers_random(p, T * Q, 1), d = numbers_random(p, T * Q, 2),
            sums = numbers_random(PRECISION_F32, Q + q_width + k_width, 3);
    numbers bias = numbers_random(PRECISION_F32, Q, 4), qn = numbers_random(PRECISION_F32, q_width, 5),
            kn = numbers_random(PRECISION_F32, k_width, 6);
    numbers angles = numbers_random(PRECISION_F32, T * half, 7), c = numbers_copy(&angles),
            sines = numbers_copy(&angles);
    double *cosines_of = mem_aligned(T * half, sizeof(double)), *sines_of = mem_aligned(T * half, sizeof(double));
    double *raw = mem_aligned(T * R, sizeof *raw);
    int32_t *position = mem_aligned(T, sizeof *position);
    for (size_t i = 0; i < T * half; i++) {
        ((float *)c.data)[i] = (float)cos(3 * angles.exact[i]),
                ((float *)sines.data)[i] = (float)sin(3 * angles.exact[i]);
    }
    for (size_t t = 0; t < T; t++) {
        position[t] = (int32_t)((t * 7) % T);
        for (size_t i = 0; i < half; i++) {
            cosines_of[t * half + i] = (double)((float *)c.data)[(size_t)position[t] * half + i];
            sines_of[t * half + i] = (double)((float *)sines.data)[(size_t)position[t] * half + i];
        }
    }
    const qkv_args args = {.T = T,
                           .H = s.H,
                           .G = s.G,
                           .D = D,
                           .bias = with_bias ? bias.data : NULL,
                           .eps = EPS,
                           .position = position,
                           .q_norm = with_norm ? qn.data : NULL,
                           .k_norm = with_norm ? kn.data : NULL,
                           .norm_all = all,
                           .cosines = c.data,
                           .sines = sines.data};
    qkv_run one = run_qkv(&k->act[p], &args, &x, &d, &sums, 1), three = run_qkv(&k->act[p], &args, &x, &d, &sums, 3);
    check_same(&one.qkv, &three.qkv), check_same(&one.raw, &three.raw), check_same(&one.dqkv, &three.dqkv),
        check_same(&one.dbias, &three.dbias);
    check_same(&one.dq_norm, &three.dq_norm), check_same(&one.dk_norm, &three.dk_norm);
    /* With its bias a query or key is rounded to p before anything else happens to it. */
    for (size_t i = 0; i < T * Q && with_bias; i++) {
        const float sum = (float)x.exact[i] + (float)bias.exact[i % Q];
        x.exact[i] = (double)(p == PRECISION_BF16 && i % Q < R ? bf16_to_f32(bf16_from_f32(sum)) : sum);
    }
    ref_qkv(T, s.H, s.G, D, NULL, with_norm ? qn.exact : NULL, with_norm ? kn.exact : NULL, all, (double)EPS,
            cosines_of, sines_of, x.exact, raw);
    check(k->name, "qkv", &one.qkv, x.exact, 1e-6);
    check(k->name, "raw queries and keys", &one.raw, raw, 0);
    ref_qkv_backward(T, s.H, s.G, D, raw, with_norm ? qn.exact : NULL, with_norm ? kn.exact : NULL, all, (double)EPS,
                     cosines_of, sines_of, d.exact, sums.exact + Q, sums.exact + Q + q_width, sums.exact);
    check(k->name, "qkv's gradient", &one.dqkv, d.exact, 3e-6);
    check(k->name, "dbias", &one.dbias, sums.exact, 3e-6);
    check(k->name, "dq_norm", &one.dq_norm, sums.exact + Q, 3e-6);
    check(k->name, "dk_norm", &one.dk_norm, sums.exact + Q + q_width, 3e-6);
    FREE(x, d, sums, bias, qn, kn, angles, c, sines, one.qkv, one.raw, one.dqkv, one.dbias, one.dq_norm, one.dk_norm);
    FREE(three.qkv, three.raw, three.dqkv, three.dbias, three.dq_norm, three.dk_norm);
    free(cosines_of), free(sines_of), free(raw), free(position);
}

static void test_qkv(void **state) {
    (void)state;
    EACH_TABLE(k)
    EACH_PRECISION(p)
    EACH_SHAPE(s, qkv_shapes)
    for (int options = 0; options < 6; options++)
        check_qkv(k, p, qkv_shapes[s], options & 1, options >= 2, options >= 4);
}

/* RoPE that turns the first `turned` elements of a head and leaves the others: x, and (sign -1) its transpose, by the
 * definition. Values are left. */
static void turn_by_hand(size_t T, size_t H, size_t G, size_t D, size_t turned, double sign, const double *c,
                         const double *s, double *x) {
    const size_t half = turned / 2;
    for (size_t t = 0; t < T; t++)
        for (size_t h = 0; h < H + G; h++)
            for (size_t i = 0; i < half; i++) {
                double *a = x + t * (H + 2 * G) * D + h * D + i, *b = a + half;
                const double x1 = *a, x2 = *b, ci = c[t * half + i], si = sign * s[t * half + i];
                *a = x1 * ci - x2 * si, *b = x2 * ci + x1 * si;
            }
}

static void check_turned(const kernels_table *k, precision p, size_t D, size_t turned) {
    enum { T = 5, H = 2, G = 1 };
    const size_t n = T * (H + 2 * G) * D;
    numbers x = numbers_random(p, n, 1), d = numbers_random(p, n, 2);
    numbers c = numbers_random(PRECISION_F32, T * D, 3), s = numbers_random(PRECISION_F32, T * D, 4);
    static const int32_t position[T] = {0, 1, 2, 3, 4};
    const qkv_args args = {.T = T,
                           .H = H,
                           .G = G,
                           .D = D,
                           .position = position,
                           .unturned = D - turned,
                           .cosines = turned ? c.data : NULL,
                           .sines = turned ? s.data : NULL};
    numbers y = numbers_copy(&x), dx = numbers_copy(&d);
    k->act[p].qkv(&args, y.data, NULL);
    k->act[p].qkv_backward(&args, dx.data, NULL, NULL, NULL, NULL, NULL);
    turn_by_hand(T, H, G, D, turned, 1, c.exact, s.exact, x.exact);
    turn_by_hand(T, H, G, D, turned, -1, c.exact, s.exact, d.exact);
    check(k->name, "a turned part", &y, x.exact, 1e-6);
    check(k->name, "a turned part's gradient", &dx, d.exact, 1e-6);
    FREE(x, d, c, s, y, dx);
}

static void test_turned_part(void **state) {
    (void)state;
    static const size_t shapes[][2] = {{20, 14}, {96, 72}, {128, 96}, {8, 2}, {6, 6}, {34, 0}};
    EACH_TABLE(k) EACH_PRECISION(p) EACH_SHAPE(s, shapes) check_turned(k, p, shapes[s][0], shapes[s][1]);
}

/* dst (n, width) with rows ld apart. */
static numbers spread(const numbers *x, size_t n, size_t width, size_t ld) {
    numbers out = numbers_zero(x->p, n * ld);
    for (size_t i = 0; i < n; i++)
        memcpy((float *)out.data + i * ld, (float *)x->data + i * width, width * sizeof(float));
    return out;
}

/* Dense, and the same bits with rows further apart, what lies between them untouched. */
static void check_products(const kernels_table *k, size_t M, size_t N, size_t K) {
    const size_t ldx = K + 3, ldy = N + 5;
    numbers x = numbers_random(PRECISION_F32, M * K, 1), w = numbers_random(PRECISION_F32, N * K, 2),
            y0 = numbers_random(PRECISION_F32, M * N, 3);
    numbers dx0 = numbers_random(PRECISION_F32, M * K, 4), dx = numbers_copy(&dx0), dx2 = numbers_copy(&dx0);
    numbers dw = numbers_copy(&w), dw2 = numbers_copy(&w), y = numbers_copy(&y0), wide_x = spread(&x, M, K, ldx),
            wide_y = spread(&y0, M, N, ldy), wide_dy = spread(&y0, M, N, ldy);
    double *want = mem_aligned(M * N, sizeof *want);
    for (int add = 0; add < 2; add++) {
        omp_set_num_threads(1);
        k->xwt(M, N, K, x.data, K, w.data, y.data, N, add);
        k->dx(M, N, K, y0.data, N, w.data, dx.data, add);
        omp_set_num_threads(3);
        k->xwt(M, N, K, wide_x.data, ldx, w.data, wide_y.data, ldy, add);
        k->dx(M, N, K, wide_dy.data, ldy, w.data, dx2.data, add);
        numbers expected = spread(&y, M, N, ldy);
        check_same(&expected, &wide_y), check_same(&dx, &dx2);
        FREE(expected);
    }
    k->dw_add(M, N, K, wide_dy.data, ldy, x.data, dw2.data);
    omp_set_num_threads(1);
    k->dw_add(M, N, K, y0.data, N, x.data, dw.data);
    check_same(&dw, &dw2);
    ref_xwt(M, N, K, x.exact, w.exact, want);
    for (size_t i = 0; i < M * N; i++) want[i] *= 2;
    check(k->name, "xwt, and added", &y, want, 2e-6);
    double *dx_want = mem_aligned(M * K, sizeof *dx_want), *dw_want = mem_aligned(N * K, sizeof *dw_want);
    memcpy(dw_want, w.exact, N * K * sizeof *dw_want);
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < N; n++)
            for (size_t i = 0; i < K; i++) {
                dx_want[m * K + i] += 2 * y0.exact[m * N + n] * w.exact[n * K + i];
                dw_want[n * K + i] += y0.exact[m * N + n] * x.exact[m * K + i];
            }
    check(k->name, "dx, and added", &dx, dx_want, 2e-6);
    check(k->name, "dw", &dw, dw_want, 2e-6);
    FREE(x, w, y0, dx0, dx, dx2, dw, dw2, y, wide_x, wide_y, wide_dy);
    free(want), free(dx_want), free(dw_want);
}

static void test_products(void **state) {
    (void)state;
    static const size_t shapes[][3] = {{1, 1, 1}, {5, 7, 3}, {17, 33, 64}, {70, 100, 300}, {300, 40, 130}};
    EACH_TABLE(k) EACH_SHAPE(s, shapes) check_products(k, shapes[s][0], shapes[s][1], shapes[s][2]);
}

int main(void) {
    print_message("# seed %u, chosen kernels: %s\n", SEED, kernels()->name);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rmsnorm), cmocka_unit_test(test_gated),
                                       cmocka_unit_test(test_qkv), cmocka_unit_test(test_turned_part),
                                       cmocka_unit_test(test_products)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
