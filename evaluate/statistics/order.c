#include "evaluate/statistics/order.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

typedef struct placed {
    double value;
    uint32_t index;
} placed;

static int by_value(const void *a, const void *b) {
    const placed *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

wr_status order_by(const double *x, size_t n, uint32_t *index) {
    placed *sorted = mem_calloc(n + 1, sizeof *sorted);
    if (!sorted) return wr_fail(WR_E_NOMEM, "out of memory sorting %zu records", n);
    for (size_t i = 0; i < n; i++) sorted[i] = (placed){x[i], (uint32_t)i};
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t i = 0; i < n; i++) index[i] = sorted[i].index;
    free(sorted);
    return WR_OK;
}

double weighted_ranks(const double *x, const uint32_t *index, size_t n, const uint32_t *user, const uint32_t *weight,
                      double *rank) {
    double below = 0;
    for (size_t i = 0, j; i < n; i = j) {
        double tie = 0;
        for (j = i; j < n && x[index[j]] == x[index[i]]; j++) tie += weight ? weight[user[index[j]]] : 1;
        for (size_t k = i; k < j; k++) rank[index[k]] = below + (tie + 1) / 2;
        below += tie;
    }
    return below;
}

double weighted_pearson(const double *x, const double *y, size_t n, const uint32_t *user, const uint32_t *weight) {
    double w = 0, mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < n; i++) {
        const double c = weight ? weight[user[i]] : 1;
        w += c;
        mx += c * x[i];
        my += c * y[i];
    }
    mx /= w;
    my /= w;
    for (size_t i = 0; i < n; i++) {
        const double c = weight ? weight[user[i]] : 1, dx = x[i] - mx, dy = y[i] - my;
        xx += c * dx * dx;
        yy += c * dy * dy;
        xy += c * dx * dy;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}
