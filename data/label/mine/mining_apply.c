#include "data/label/mine/mining_internal.h"

/* Is (i, i + d) a pair that mining asks about? Annotated levels only: what was mined is not mined from again. */
static bool asked(const int8_t *levels, size_t n, size_t i, size_t d) {
    return levels[i] == 3 && i + d < n && levels[i + d] >= 4;
}

wr_status mining_apply(const mining *m, const int8_t *levels, size_t n,
                       wr_status (*similarity)(void *context, size_t i, size_t j, double *out), void *context,
                       int8_t *final) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < n; i++) {
        final[i] = levels[i];
        for (size_t d = 1; d <= MINING_REACH; d++) {
            if (!asked(levels, n, i, d)) continue;
            double s = 0;
            TRY(similarity(context, i, i + d, &s));
            if (s >= m->threshold[d]) {
                final[i] = levels[i + d];
                break; /* a turn is taken once, by the nearest */
            }
        }
    }
cleanup:
    return status;
}

wr_status mining_pairs_needed(const int8_t *levels, size_t n, mining_pair **pairs, size_t *n_pairs, size_t *capacity) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < n; i++) {
        for (size_t d = 1; d <= MINING_REACH; d++) {
            if (!asked(levels, n, i, d)) continue;
            VEC_PUSH(*pairs, *n_pairs, *capacity, ((mining_pair){(uint32_t)i, (uint32_t)(i + d)}));
        }
    }
cleanup:
    return status;
}

void mining_apply_cosines(const int8_t *levels, size_t n, const mining_pair *pairs, const double *cosines,
                          size_t n_pairs, double threshold, int8_t *final) {
    for (size_t i = 0; i < n; i++) final[i] = levels[i];
    for (size_t p = 0; p < n_pairs; p++) {
        size_t i = pairs[p].turn, j = pairs[p].later;
        if (i < n && j < n && final[i] == 3 && cosines[p] >= threshold)
            final[i] = levels[j]; /* the nearest comes first */
    }
}
