#include "data/label/mine/term_counts.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 1 << 10 };

void term_counts_free(term_counts *t) {
    free(t->cells);
    *t = (term_counts){0};
}

static term *cell(const term_counts *t, uint32_t bucket) {
    size_t i = bucket & (t->capacity - 1);
    while (t->cells[i].count && t->cells[i].bucket != bucket) i = (i + 1) & (t->capacity - 1);
    return &t->cells[i];
}

static wr_status grow(term_counts *t) {
    wr_status status = WR_OK;
    term_counts wider = {.capacity = t->capacity ? t->capacity * 4 : FIRST_CAPACITY, .n = t->n};
    if (wider.capacity > TERM_BUCKETS) wider.capacity = TERM_BUCKETS;
    TRY_ALLOC(wider.cells = mem_calloc(wider.capacity, sizeof *wider.cells));
    for (size_t i = 0; i < t->capacity; i++) {
        if (t->cells[i].count) *cell(&wider, t->cells[i].bucket) = t->cells[i];
    }
    free(t->cells);
    *t = wider;
cleanup:
    return status;
}

wr_status term_counts_add(term_counts *t, uint32_t bucket, uint32_t count) {
    wr_status status = WR_OK;
    if (!count) return WR_OK;
    if (t->capacity < TERM_BUCKETS && t->n * 2 >= t->capacity) TRY(grow(t));
    term *x = cell(t, bucket);
    if (!x->count) t->n++;
    *x = (term){bucket, x->count > UINT32_MAX - count ? UINT32_MAX : x->count + count};
cleanup:
    return status;
}

/* Marks first which buckets there are, then visits them in order: cheaper than sorting. */
wr_status term_counts_each(const term_counts *t, void (*each)(void *context, term x), void *context) {
    wr_status status = WR_OK;
    uint64_t *marks = mem_calloc(TERM_BUCKETS / 64, sizeof *marks);
    TRY_ALLOC(marks);
    for (size_t i = 0; i < t->capacity; i++) {
        if (t->cells[i].count) marks[t->cells[i].bucket / 64] |= 1ull << (t->cells[i].bucket % 64);
    }
    for (size_t w = 0; w < TERM_BUCKETS / 64; w++) {
        for (uint64_t bits = marks[w]; bits; bits &= bits - 1)
            each(context, *cell(t, (uint32_t)(w * 64 + (size_t)__builtin_ctzll(bits))));
    }
cleanup:
    free(marks);
    return status;
}
