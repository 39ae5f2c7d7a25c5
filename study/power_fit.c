#include "study/power_fit.h"

#include <math.h>

typedef struct points {
    const double *x, *y;
    const uint32_t *weight;
    size_t n;
    double unit; /* the smallest x: powers of x / unit stay at most 1 */
} points;

static double weight_of(const points *p, size_t i) {
    return isfinite(p->y[i]) ? p->weight ? (double)p->weight[i] : 1 : 0;
}

/* The best line for this c; returns the sum of squared residuals. */
static double line_for(const points *p, double c, double *a, double *b) {
    double n = 0, z1 = 0, y1 = 0, zz = 0, zy = 0, sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        const double w = weight_of(p, i), z = pow(p->x[i] / p->unit, -c);
        if (w > 0) n += w, z1 += w * z, y1 += w * p->y[i];
    }
    for (size_t i = 0; i < p->n; i++) {
        const double w = weight_of(p, i), z = pow(p->x[i] / p->unit, -c) - z1 / n;
        if (w > 0) zz += w * z * z, zy += w * z * (p->y[i] - y1 / n);
    }
    const double slope = zz > 0 ? zy / zz : 0;
    *a = y1 / n - slope * z1 / n;
    *b = -slope * pow(p->unit, c);
    for (size_t i = 0; i < p->n; i++) {
        const double w = weight_of(p, i), r = p->y[i] - (*a + slope * pow(p->x[i] / p->unit, -c));
        if (w > 0) sum += w * r * r;
    }
    return sum;
}

static double error_at(const points *p, double log_c) {
    double a, b;
    return line_for(p, exp(log_c), &a, &b);
}

/* Golden section between low and high. */
static double search(const points *p, double low, double high) {
    const double ratio = (sqrt(5) - 1) / 2;
    double x1 = high - ratio * (high - low), x2 = low + ratio * (high - low);
    double e1 = error_at(p, x1), e2 = error_at(p, x2);
    for (int i = 0; i < 40; i++) {
        if (e1 <= e2) {
            high = x2, x2 = x1, e2 = e1;
            x1 = high - ratio * (high - low), e1 = error_at(p, x1);
        } else {
            low = x1, x1 = x2, e1 = e2;
            x2 = low + ratio * (high - low), e2 = error_at(p, x2);
        }
    }
    return (low + high) / 2;
}

static size_t different_x(const points *p) {
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        bool first = weight_of(p, i) > 0;
        for (size_t k = 0; first && k < i; k++) first = !(weight_of(p, k) > 0) || p->x[k] != p->x[i];
        n += first;
    }
    return n;
}

bool power_fit_make(const double *x, const double *y, const uint32_t *weight, size_t n, power_fit *out) {
    enum { GRID = 32 };
    points p = {x, y, weight, n, INFINITY};
    *out = (power_fit){NAN, NAN, NAN, NAN, false};
    if (different_x(&p) < 3) return false;
    for (size_t i = 0; i < n; i++) p.unit = fmin(p.unit, x[i]);
    const double low = log(POWER_LEAST), step = (log(POWER_MOST) - low) / GRID;
    double best = INFINITY, total = 0;
    int at = 0;
    for (int i = 0; i <= GRID; i++) {
        const double e = error_at(&p, low + i * step);
        if (e < best) best = e, at = i;
    }
    out->c = exp(search(&p, low + (at > 0 ? at - 1 : 0) * step, low + (at < GRID ? at + 1 : GRID) * step));
    out->at_end = out->c < POWER_LEAST * 1.01 || out->c > POWER_MOST / 1.01;
    const double sum = line_for(&p, out->c, &out->a, &out->b);
    for (size_t i = 0; i < n; i++) total += weight_of(&p, i);
    out->error = sqrt(sum / total);
    return true;
}

double power_at(const power_fit *f, double x) { return f->a - f->b * pow(x, -f->c); }
