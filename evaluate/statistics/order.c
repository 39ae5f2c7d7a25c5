#include "evaluate/statistics/order.h"

#include "base/mem.h"

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

void tie_ends(const double *x, const uint32_t *index, size_t n, uint32_t *end) {
    for (size_t i = n; i-- > 0;) end[i] = i + 1 < n && x[index[i]] == x[index[i + 1]] ? end[i + 1] : (uint32_t)i + 1;
}
