#include "evaluate/statistics/metrics.h"

#include "base/mem.h"
#include "base/rng.h"
#include "evaluate/statistics/bootstrap.h"

#include <math.h>
#include <stdlib.h>

typedef struct valued {
    double value;
    uint32_t index;
} valued;

static int by_value(const void *a, const void *b) {
    const valued *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* rank[i]: 1-based rank of x[i], ties share their mean; sorted is scratch (n). */
static void mean_ranks(const double *x, size_t n, valued *sorted, double *rank) {
    for (size_t i = 0; i < n; i++) sorted[i] = (valued){x[i], (uint32_t)i};
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t i = 0; i < n;) {
        size_t j = i;
        while (j < n && sorted[j].value == sorted[i].value) j++;
        for (size_t k = i; k < j; k++) /* ranks i+1 … j */
            rank[sorted[k].index] = 0.5 * (double)(i + 1 + j);
        i = j;
    }
}

static double pearson(const double *x, const double *y, size_t n) {
    double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < n; i++) {
        mx += x[i];
        my += y[i];
    }
    mx /= (double)n;
    my /= (double)n;
    for (size_t i = 0; i < n; i++) {
        double dx = x[i] - mx, dy = y[i] - my;
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

typedef struct rank_scratch {
    valued *sorted;
    double *rx, *ry;
} rank_scratch;

static wr_status rank_scratch_create(size_t n, rank_scratch *s) {
    *s = (rank_scratch){mem_calloc(n + 1, sizeof *s->sorted), mem_calloc(n + 1, sizeof *s->rx),
                        mem_calloc(n + 1, sizeof *s->ry)};
    return s->sorted && s->rx && s->ry ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory for the ranks of %zu values", n);
}

static void rank_scratch_free(rank_scratch *s) {
    free(s->sorted);
    free(s->rx);
    free(s->ry);
}

static double spearman_with(rank_scratch *s, const double *x, const double *y, size_t n) {
    if (n < 2) return NAN;
    for (size_t i = 0; i < n; i++)
        if (isnan(x[i]) || isnan(y[i])) return NAN;
    mean_ranks(x, n, s->sorted, s->rx);
    mean_ranks(y, n, s->sorted, s->ry);
    return pearson(s->rx, s->ry, n);
}

wr_status spearman(const double *x, const double *y, size_t n, double *out) {
    rank_scratch s;
    wr_status status = rank_scratch_create(n, &s);
    *out = status < 0 ? NAN : spearman_with(&s, x, y, n);
    rank_scratch_free(&s);
    return status;
}

/* Items of each cluster: items[start[c] … start[c+1]). */
static wr_status group_items(const uint32_t *cluster, size_t n, size_t n_clusters, uint32_t **items, size_t **start) {
    *items = mem_calloc(n + 1, sizeof **items);
    *start = mem_calloc(n_clusters + 2, sizeof **start);
    if (!*items || !*start) return wr_fail(WR_E_NOMEM, "out of memory grouping %zu items", n);
    /* Counted two slots ahead, so that filling moves start[c+1] from the beginning of c to its end. */
    for (size_t i = 0; i < n; i++) (*start)[cluster[i] + 2]++;
    for (size_t c = 1; c < n_clusters + 2; c++) (*start)[c] += (*start)[c - 1];
    for (size_t i = 0; i < n; i++) (*items)[(*start)[cluster[i] + 1]++] = (uint32_t)i;
    return WR_OK;
}

wr_status spearman_interval(const double *x, const double *y, const uint32_t *cluster, size_t n, size_t n_clusters,
                            size_t resamples, uint64_t seed, double *low, double *high) {
    wr_status status = WR_OK;
    uint32_t *items = NULL;
    size_t *start = NULL, capacity_x = 0, capacity_y = 0, capacity_rank = 0;
    double *bx = NULL, *by = NULL, *values = NULL;
    rank_scratch scratch = {0};
    *low = *high = NAN;
    if (n_clusters < 2 || n < 2 || !resamples) return WR_OK;
    TRY(group_items(cluster, n, n_clusters, &items, &start));
    values = mem_calloc(resamples, sizeof *values);
    TRY_ALLOC(values);
    for (size_t b = 0; b < resamples; b++) {
        rng random = rng_make(seed, RNG_BOOTSTRAP, b, 0, 0);
        size_t m = 0;
        for (size_t c = 0; c < n_clusters; c++) {
            size_t pick = (size_t)rng_below(&random, n_clusters);
            size_t count = start[pick + 1] - start[pick];
            TRY(mem_reserve((void **)&bx, &capacity_x, m + count, sizeof *bx));
            TRY(mem_reserve((void **)&by, &capacity_y, m + count, sizeof *by));
            for (size_t i = start[pick]; i < start[pick + 1]; i++, m++) {
                bx[m] = x[items[i]];
                by[m] = y[items[i]];
            }
        }
        if (m > capacity_rank) {
            rank_scratch_free(&scratch);
            TRY(rank_scratch_create(capacity_rank = m + m / 4, &scratch));
        }
        values[b] = spearman_with(&scratch, bx, by, m);
    }
    const figure_interval interval = interval_of_values(values, resamples);
    *low = interval.low;
    *high = interval.high;
cleanup:
    rank_scratch_free(&scratch);
    free(items);
    free(start);
    free(bx);
    free(by);
    free(values);
    return status;
}

double quadratic_kappa(const int *label, const int *predicted, size_t n) {
    /* 1 - sum w O / sum w E with w = (i-j)^2. Both sums need only first and second moments:
     * sum w O = mean (l-p)^2;  sum w E = mean l^2 + mean p^2 - 2 mean l mean p. The scale (K-1)^-2 cancels. */
    double l1 = 0, p1 = 0, l2 = 0, p2 = 0, d2 = 0;
    for (size_t i = 0; i < n; i++) {
        double l = label[i], p = predicted[i];
        l1 += l;
        p1 += p;
        l2 += l * l;
        p2 += p * p;
        d2 += (l - p) * (l - p);
    }
    double N = (double)n, expected = l2 / N + p2 / N - 2 * (l1 / N) * (p1 / N);
    return n && expected > 0 ? 1 - d2 / N / expected : NAN;
}
