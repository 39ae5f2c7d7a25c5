/* Each kernel of each table that this CPU can run: forward against the scalar reference, backward of all tables against
 * each other (test_gradients checks the chosen table by central differences), exp against libm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/kernels.h"
#include "model/kernels_ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED 11u

static const kernels_table *const tables[] = {&kernels_baseline, &kernels_avx2, &kernels_avx512};
#define EACH_TABLE(k)                                                                                                  \
    for (size_t table_ = 0; table_ < 3; table_++)                                                                      \
        for (const kernels_table *k = tables[table_]; k && k->usable(); k = NULL)

static float *random_floats(size_t n, uint64_t which) {
    float *x = mem_aligned(n ? n : 1, sizeof *x);
    rng r = rng_make(SEED, RNG_TEST, which, 0, 0);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)rng_normal(&r);
    return x;
}

static void check_close(const char *table, const char *what, size_t n, const float *want, const float *got,
                        double tolerance) {
    double scale = 0;
    for (size_t i = 0; i < n; i++) scale = fmax(scale, fabs((double)want[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)want[i] - (double)got[i]) <= tolerance * scale))
            fail_msg("%s %s: element %zu is %.9g, expected %.9g", table, what, i, (double)got[i], (double)want[i]);
}

static double ulps(float got, double want) {
    int exponent;
    frexp(want, &exponent);
    return fabs((double)got - want) / ldexp(1.0, exponent - 24);
}

static void test_exp(void **state) {
    (void)state;
    enum { N = 1 << 20 };
    float *x = mem_aligned(N, sizeof *x), *y = mem_aligned(N, sizeof *y);
    for (size_t i = 0; i < N; i++) x[i] = -87.3f + (float)i * (87.3f + 88.7f) / (float)N;
    EACH_TABLE(k) {
        double worst = 0;
        k->exp(N, x, y);
        for (size_t i = 0; i < N; i++) worst = fmax(worst, ulps(y[i], exp((double)x[i])));
        print_message("# %s: exp within %.2f units in the last place\n", k->name, worst);
        assert_true(worst <= 2.0);
        const float special[7] = {0, -INFINITY, INFINITY, NAN, -104, 89, -95};
        float out[7];
        k->exp(7, special, out);
        assert_true(out[0] == 1 && out[1] == 0 && isinf(out[2]) && isnan(out[3]) && out[4] <= 1e-44f && isinf(out[5]));
        assert_true(out[6] >= 0 && out[6] < 1e-40f);
    }
    free(x), free(y);
}

static void test_rows(void **state) {
    (void)state;
    static const size_t shapes[][2] = {{1, 1}, {3, 7}, {5, 16}, {70, 33}, {130, 128}, {65, 200}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const size_t T = shapes[s][0], C = shapes[s][1], n = T * C, chunks = (T + NORM_CHUNK - 1) / NORM_CHUNK;
        float *x = random_floats(2 * n, 1), *w = random_floats(C, 2), *dy = random_floats(n, 3),
              *want = random_floats(n, 4);
        float *first_dx = NULL, *first_dw = NULL, *first_dgu = NULL;
        EACH_TABLE(k) {
            float *y = random_floats(n, 5), *rstd = random_floats(T, 5), *dx = random_floats(n, 6),
                  *dw = random_floats(C, 7);
            float *partial = random_floats(chunks * C, 8), *act = random_floats(n, 3), *dgu = random_floats(2 * n, 9);
            ref_rmsnorm(T, C, 1e-5f, x, w, want);
            k->rmsnorm(T, C, 1e-5f, x, w, y, rstd);
            check_close(k->name, "rmsnorm", n, want, y, 2e-6);
            k->rmsnorm_backward(T, C, dy, x, w, rstd, dx, dw, partial);
            ref_swiglu(T, C, x, want);
            k->swiglu(T, C, x, y);
            check_close(k->name, "swiglu", n, want, y, 2e-6);
            k->swiglu_backward(T, C, x, act, dgu);
            check_close(k->name, "swiglu's activations again", n, want, act, 2e-6);
            if (!first_dx) {
                first_dx = dx, first_dw = dw, first_dgu = dgu;
            } else {
                check_close(k->name, "rmsnorm dx", n, first_dx, dx, 1e-5);
                check_close(k->name, "rmsnorm dw", C, first_dw, dw, 1e-5);
                check_close(k->name, "swiglu dgu", 2 * n, first_dgu, dgu, 1e-5);
                free(dx), free(dw), free(dgu);
            }
            free(y), free(rstd), free(partial), free(act);
        }
        free(first_dx), free(first_dw), free(first_dgu);
        free(x), free(w), free(dy), free(want);
    }
}

static void test_rope(void **state) {
    (void)state;
    static const size_t shapes[][3] = {{1, 1, 2}, {9, 3, 4}, {20, 2, 64}, {33, 5, 10}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const size_t T = shapes[s][0], heads = shapes[s][1], D = shapes[s][2], stride = (heads + 1) * D, half = D / 2;
        float *c = mem_aligned(T * half, sizeof *c), *sines = mem_aligned(T * half, sizeof *sines),
              *want = random_floats(T * stride, 1);
        int32_t *position = mem_calloc(T, sizeof *position);
        for (size_t t = 0; t < T; t++) {
            position[t] = (int32_t)t;
            for (size_t i = 0; i < half; i++) {
                const double angle = (double)t / pow(10000, (double)(2 * i) / (double)D);
                c[t * half + i] = (float)cos(angle), sines[t * half + i] = (float)sin(angle);
            }
        }
        ref_rope(T, heads, D, stride, 10000.0f, want);
        EACH_TABLE(k) {
            float *x = random_floats(T * stride, 1), *original = random_floats(T * stride, 1);
            k->rope(T, heads, D, stride, position, c, sines, 1.0f, x);
            check_close(k->name, "rope", T * stride, want, x, 1e-5);
            k->rope(T, heads, D, stride, position, c, sines, -1.0f, x);
            check_close(k->name, "rope and back", T * stride, original, x, 1e-6);
            free(x), free(original);
        }
        free(c), free(sines), free(want), free(position);
    }
}

static void test_logprob(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 2, 15, 16, 40, 1000, 5003};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        const size_t V = sizes[s], n = 6;
        float *z = random_floats(n * V, 1), *slope = random_floats(n, 2);
        int32_t target[6];
        for (size_t i = 0; i < n; i++) target[i] = (int32_t)((i * 7919) % V);
        for (size_t i = 0; i < n * V; i++) z[i] = z[i] * 5 + 100;
        EACH_TABLE(k) {
            float out[6];
            float *dz = random_floats(n * V, 1);
            memcpy(dz, z, n * V * sizeof *dz);
            k->logprob(n, V, z, target, out);
            k->logprob_backward(n, V, dz, target, slope);
            for (size_t i = 0; i < n; i++) {
                const float want = ref_logprob(V, z + i * V, target[i]);
                assert_true(fabsf(out[i] - want) <= 3e-6f * (1 + fabsf(want)));
                for (size_t v = 0; v < V; v++) {
                    const float p = expf(ref_logprob(V, z + i * V, (int32_t)v));
                    const float d = slope[i] * ((v == (size_t)target[i] ? 1.0f : 0.0f) - p);
                    assert_true(fabsf(dz[i * V + v] - d) <= 2e-5f);
                    if (V > 100 && v > 100) break; /* the reference is quadratic here */
                }
            }
            free(dz);
        }
        free(z), free(slope);
    }
}

/* Gradient of sum dO * attention by the definition, in double: one sequence. dqkv (T, Q). */
static void naive_backward(size_t T, size_t H, size_t G, size_t D, const float *qkv, const float *dout, float *dqkv) {
    const size_t Q = (H + 2 * G) * D;
    double *p = mem_calloc(T, sizeof *p), *dp = mem_calloc(T, sizeof *dp), *d = mem_calloc(T * Q, sizeof *d);
    const double scale = 1 / sqrt((double)D);
    for (size_t h = 0; h < H; h++)
        for (size_t t = 0; t < T; t++) {
            const size_t qo = t * Q + h * D, ko = (H + h / (H / G)) * D, vo = ko + G * D;
            double sum = 0, delta = 0;
            for (size_t j = 0; j <= t; j++) {
                p[j] = dp[j] = 0;
                for (size_t i = 0; i < D; i++) {
                    p[j] += scale * (double)qkv[qo + i] * (double)qkv[j * Q + ko + i];
                    dp[j] += (double)dout[(t * H + h) * D + i] * (double)qkv[j * Q + vo + i];
                }
                sum += p[j] = exp(p[j]);
            }
            for (size_t j = 0; j <= t; j++) p[j] /= sum, delta += p[j] * dp[j];
            for (size_t j = 0; j <= t; j++)
                for (size_t i = 0; i < D; i++) {
                    const double ds = scale * p[j] * (dp[j] - delta);
                    d[qo + i] += ds * (double)qkv[j * Q + ko + i];
                    d[j * Q + ko + i] += ds * (double)qkv[qo + i];
                    d[j * Q + vo + i] += p[j] * (double)dout[(t * H + h) * D + i];
                }
        }
    for (size_t i = 0; i < T * Q; i++) dqkv[i] = (float)d[i];
    free(p), free(dp), free(d);
}

static void check_attention(size_t T, size_t H, size_t G, size_t D) {
    const size_t Q = (H + 2 * G) * D;
    float *qkv = random_floats(T * Q, 1), *want = random_floats(T * H * D, 2), *dout = random_floats(T * H * D, 3),
          *dwant = random_floats(T * Q, 4);
    ref_attention(T, H, G, D, qkv, want);
    naive_backward(T, H, G, D, qkv, dout, dwant);
    EACH_TABLE(k) {
        float *out = random_floats(T * H * D, 5), *lse = random_floats(T * H, 5), *dqkv = random_floats(T * Q, 6);
        size_t tasks[2];
        attention_item item = {
            .q = qkv,
            .o = out,
            .lse = lse,
            .n_q = T,
            .span = {{.k = qkv + H * D, .v = qkv + (H + G) * D, .token_stride = Q, .head_stride = D, .n = T}, {0}}};
        attention_args a = {.H = H,
                            .G = G,
                            .D = D,
                            .q_stride = Q,
                            .o_stride = H * D,
                            .n_items = 1,
                            .items = &item,
                            .first_task = tasks};
        k->attention(&a);
        check_close(k->name, "attention", T * H * D, want, out, 5e-6);
        attention_grad g = {.do_ = dout, .dq = dqkv, .dk = dqkv + H * D, .dv = dqkv + (H + G) * D};
        k->attention_backward(&a, &g);
        check_close(k->name, "attention backward", T * Q, dwant, dqkv, 2e-5);
        /* keys in two places, and only the last queries: the same bits */
        const size_t cut = T / 3, last = T > 5 ? 5 : 1;
        float *part = random_floats(last * H * D, 7);
        attention_item split = item;
        split.q = qkv + (T - last) * Q, split.o = part, split.lse = NULL, split.n_q = last;
        split.span[1] = item.span[0];
        split.span[1].k += cut * Q, split.span[1].v += cut * Q, split.span[1].n = T - cut;
        split.span[0].n = cut;
        a.items = &split;
        k->attention(&a);
        assert_memory_equal(part, out + (T - last) * H * D, last * H * D * sizeof *part);
        free(out), free(lse), free(dqkv), free(part);
    }
    free(qkv), free(want), free(dout), free(dwant);
}

static void test_attention(void **state) {
    (void)state;
    static const size_t shapes[][4] = {{1, 1, 1, 2},     {2, 4, 2, 4},    {17, 3, 1, 16},
                                       {64, 4, 2, 32},   {65, 2, 2, 64},  {130, 9, 3, 64},
                                       {100, 2, 1, 128}, {193, 5, 1, 24}, {40, 1, 1, 512}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        check_attention(shapes[s][0], shapes[s][1], shapes[s][2], shapes[s][3]);
}

int main(void) {
    print_message("# seed %u, chosen kernels: %s\n", SEED, kernels()->name);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exp), cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_rope), cmocka_unit_test(test_logprob),
                                       cmocka_unit_test(test_attention)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
