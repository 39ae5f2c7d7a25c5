#include "data/shard/tally.h"

#include "base/mem.h"
#include "base/string_map.h"

#include <stdlib.h>
#include <string.h>

struct tally {
    arena *names;
    string_map index;
    tally_row *rows; /* in order of first appearance */
    size_t n, capacity;
    tally_row *sorted;
};

wr_status tally_create(tally **out) {
    wr_status status = WR_OK;
    tally *t = mem_calloc(1, sizeof *t);
    TRY_ALLOC(t);
    TRY_ALLOC(t->names = arena_create());
    *out = t;
    t = NULL;
cleanup:
    tally_free(t);
    return status;
}

void tally_free(tally *t) {
    if (!t) return;
    arena_free(t->names);
    string_map_free(&t->index);
    free(t->rows);
    free(t->sorted);
    free(t);
}

wr_status tally_add(tally *t, const char *name, size_t column, uint64_t amount) {
    wr_status status = WR_OK;
    size_t length = strlen(name);
    string_entry *slot;
    int fresh;
    const string_entry *known = string_map_find(&t->index, name, length);
    if (!known) {
        char *copy = arena_strndup(t->names, name, length);
        TRY_ALLOC(copy);
        VEC_PUSH(t->rows, t->n, t->capacity, ((tally_row){.name = copy}));
        TRY(string_map_put(&t->index, copy, length, (int32_t)(t->n - 1), &slot, &fresh));
        known = slot;
    }
    t->rows[known->value].counts[column] += amount;
cleanup:
    return status;
}

size_t tally_count(const tally *t) { return t->n; }

static int by_name(const void *x, const void *y) {
    return strcmp(((const tally_row *)x)->name, ((const tally_row *)y)->name);
}

static int by_size(const void *x, const void *y) {
    uint64_t a = ((const tally_row *)x)->counts[0], b = ((const tally_row *)y)->counts[0];
    return a != b ? (a > b ? -1 : 1) : by_name(x, y);
}

static const tally_row *sorted(tally *t, int (*order)(const void *, const void *)) {
    free(t->sorted);
    t->sorted = mem_calloc(t->n + 1, sizeof *t->sorted);
    if (!t->sorted) return t->rows; /* unsorted rather than nothing */
    if (t->n) {
        memcpy(t->sorted, t->rows, t->n * sizeof *t->rows);
        qsort(t->sorted, t->n, sizeof *t->sorted, order);
    }
    return t->sorted;
}

const tally_row *tally_by_size(tally *t) { return sorted(t, by_size); }
const tally_row *tally_by_name(tally *t) { return sorted(t, by_name); }
