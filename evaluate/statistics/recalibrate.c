#include "evaluate/statistics/recalibrate.h"

#include "base/logistic.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

static double logit_of(double p) {
    const double l = log(p) - log1p(-p);
    return fmin(36, fmax(-36, l));
}

static bool used(const predictions *p, size_t i, const uint8_t *use, uint8_t side) {
    return !use || use[p->user[i]] == side;
}

/* First and second derivative in s of sum softplus(s l) - t s l. */
static void slopes(const predictions *p, const uint8_t *use, uint8_t side, double s, double *first, double *second) {
    const size_t N = (size_t)p->classes - 1;
    *first = *second = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (!used(p, i, use, side)) continue;
        for (size_t k = 0; k < N; k++) {
            const double l = logit_of(p->above[i * N + k]), q = sigmoid(s * l);
            *first += (q - (p->label[i] > (int)k + 1)) * l;
            *second += q * (1 - q) * l * l;
        }
    }
}

void temperature_fit(const predictions *p, const uint8_t *use, uint8_t side, double *temperature, const char **why) {
    const size_t N = (size_t)p->classes - 1;
    size_t terms = 0, wrong = 0;
    double first, second, low = 0, high = 1;
    *temperature = NAN;
    *why = NULL;
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; used(p, i, use, side) && k < N; k++) {
            const double l = logit_of(p->above[i * N + k]);
            terms++;
            wrong += p->label[i] > (int)k + 1 ? l < 0 : l > 0;
        }
    if (!terms) *why = "no record to fit it on";
    /* Without a probability on the wrong side of 1/2 the loss falls for ever as T goes to 0. */
    else if (!wrong)
        *why = "none finite: the probabilities separate what is above each threshold from what is not";
    if (*why) return;
    slopes(p, use, side, 0, &first, &second);
    if (!(first < 0)) {
        *why = "none positive: the probabilities point the wrong way, or nowhere";
        return;
    }
    /* The loss is convex in s = 1/T, falls at 0 and rises at last: bracket its lowest point, then Newton's steps that
     * stay inside, halving otherwise. */
    for (slopes(p, use, side, high, &first, &second); first < 0 && high < 1e12;
         slopes(p, use, side, high, &first, &second)) {
        low = high;
        high *= 2;
    }
    double s = high;
    for (int i = 0; i < 200 && high - low > 1e-14 * high; i++) {
        slopes(p, use, side, s, &first, &second);
        if (first < 0)
            low = s;
        else
            high = s;
        const double next = s - first / second;
        if (fabs(next - s) <= 1e-13 * s) break; /* Newton's last step is below what sums round to */
        s = next > low && next < high ? next : low + (high - low) / 2;
    }
    *temperature = 1 / s;
}

/* sum softplus(f) - t f, f = a l + b, with gradient g and Hessian (h00 h01; h01 h11). */
typedef struct platt_sums {
    double loss, g0, g1, h00, h01, h11;
} platt_sums;

static platt_sums platt_at(const predictions *p, const uint8_t *use, uint8_t side, int k, const double target[2],
                           double a, double b) {
    const size_t N = (size_t)p->classes - 1;
    platt_sums s = {0};
    for (size_t i = 0; i < p->n; i++) {
        if (!used(p, i, use, side)) continue;
        const double l = logit_of(p->above[i * N + (size_t)k - 1]), t = target[p->label[i] > k], f = a * l + b;
        const double q = sigmoid(f), w = q * (1 - q);
        s.loss += softplus(f) - t * f;
        s.g0 += (q - t) * l;
        s.g1 += q - t;
        s.h00 += w * l * l;
        s.h01 += w * l;
        s.h11 += w;
    }
    return s;
}

/* Newton's steps, halved until the loss falls (Lin, Lin and Weng 2007). */
void platt_fit(const predictions *p, const uint8_t *use, uint8_t side, int k, double *a, double *b) {
    double n[2] = {0};
    for (size_t i = 0; i < p->n; i++)
        if (used(p, i, use, side)) n[p->label[i] > k]++;
    *a = *b = NAN;
    if (n[0] + n[1] == 0) return;
    const double target[2] = {1 / (n[0] + 2), (n[1] + 1) / (n[1] + 2)};
    *a = 0;
    *b = log((n[1] + 1) / (n[0] + 1));
    platt_sums s = platt_at(p, use, side, k, target, *a, *b);
    for (int i = 0; i < 100; i++) {
        const double ridge = 1e-12, h00 = s.h00 + ridge, h11 = s.h11 + ridge, det = h00 * h11 - s.h01 * s.h01;
        const double da = -(h11 * s.g0 - s.h01 * s.g1) / det, db = -(h00 * s.g1 - s.h01 * s.g0) / det;
        const double fall = s.g0 * da + s.g1 * db;
        double step = 1;
        platt_sums next = platt_at(p, use, side, k, target, *a + da, *b + db);
        int halved = 0;
        const double rounding = 1e-13 * s.loss;
        while (!(next.loss <= s.loss + 1e-4 * step * fall + rounding) && halved++ < 33) {
            step /= 2;
            next = platt_at(p, use, side, k, target, *a + step * da, *b + step * db);
        }
        if (halved > 33) break;
        *a += step * da;
        *b += step * db;
        s = next;
        if (fabs(da) <= 1e-12 * (1 + fabs(*a)) && fabs(db) <= 1e-12 * (1 + fabs(*b))) break;
    }
}

/* Probabilities of the users of one side with parameters of the other. */
static void apply(const predictions *p, const uint8_t *half, uint8_t side, double temperature, const double *slope,
                  const double *shift, recalibration *out) {
    const size_t N = (size_t)p->classes - 1;
    for (size_t i = 0; i < p->n; i++) {
        if (half[p->user[i]] != side) continue;
        for (size_t k = 0; k < N; k++) {
            const double l = logit_of(p->above[i * N + k]);
            if (out->by_temperature) out->by_temperature[i * N + k] = sigmoid(l / temperature);
            out->by_platt[i * N + k] = sigmoid(slope[k] * l + shift[k]);
        }
    }
}

static wr_status across_halves(const predictions *p, uint64_t seed, recalibration *out) {
    wr_status status = WR_OK;
    const size_t N = (size_t)p->classes - 1;
    uint8_t *half = mem_calloc(p->n_users, sizeof *half);
    uint32_t *order = mem_calloc(p->n_users, sizeof *order);
    double *slope = mem_calloc(N, sizeof *slope), *shift = mem_calloc(N, sizeof *shift);
    rng random = rng_make(seed, RNG_FOLD, 0, 0, 0);
    TRY_ALLOC(half);
    TRY_ALLOC(order);
    TRY_ALLOC(slope);
    TRY_ALLOC(shift);
    out->by_temperature = mem_calloc(p->n * N, sizeof *out->by_temperature);
    out->by_platt = mem_calloc(p->n * N, sizeof *out->by_platt);
    TRY_ALLOC(out->by_temperature);
    TRY_ALLOC(out->by_platt);
    for (size_t u = 0; u < p->n_users; u++) order[u] = (uint32_t)u;
    rng_shuffle(&random, order, p->n_users);
    for (size_t u = 0; u < p->n_users; u++) half[order[u]] = u >= p->n_users / 2;
    for (uint8_t side = 0; side < 2; side++) {
        double temperature;
        const char *why;
        temperature_fit(p, half, !side, &temperature, &why);
        if (why) {
            free(out->by_temperature);
            out->by_temperature = NULL;
        }
        for (int k = 1; k <= (int)N; k++) platt_fit(p, half, !side, k, &slope[k - 1], &shift[k - 1]);
        apply(p, half, side, temperature, slope, shift, out);
    }
cleanup:
    free(half);
    free(order);
    free(slope);
    free(shift);
    return status;
}

wr_status recalibrate(const predictions *p, uint64_t seed, recalibration *out) {
    wr_status status = WR_OK;
    const size_t N = (size_t)p->classes - 1;
    *out = (recalibration){.slope = mem_calloc(N, sizeof *out->slope), .shift = mem_calloc(N, sizeof *out->shift)};
    TRY_ALLOC(out->slope);
    TRY_ALLOC(out->shift);
    temperature_fit(p, NULL, 0, &out->temperature, &out->why);
    for (int k = 1; k <= (int)N; k++) platt_fit(p, NULL, 0, k, &out->slope[k - 1], &out->shift[k - 1]);
    if (p->n_users > 1) TRY(across_halves(p, seed, out));
cleanup:
    return status;
}

void recalibration_free(recalibration *r) {
    free(r->slope);
    free(r->shift);
    free(r->by_temperature);
    free(r->by_platt);
    *r = (recalibration){0};
}
