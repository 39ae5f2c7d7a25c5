#include "text/tokenizer/code_set.h"

#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

void code_set_free(code_set *s) {
    free(s->ranges);
    *s = (code_set){0};
}

/* Index of the first range that ends at or behind `code`. */
static size_t find(const code_set *s, uint32_t code) {
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->ranges[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

wr_status code_set_add(code_set *s, uint32_t first, uint32_t last) {
    wr_status status = WR_OK;
    size_t from = find(s, first ? first - 1 : 0),
           to = from; /* [from, to): ranges that the new one overlaps or touches */
    while (to < s->n && s->ranges[to].first <= last + 1) to++;
    if (to > from) {
        if (s->ranges[from].first < first) first = s->ranges[from].first;
        if (s->ranges[to - 1].last > last) last = s->ranges[to - 1].last;
    } else {
        TRY(mem_reserve((void **)&s->ranges, &s->capacity, s->n + 1, sizeof *s->ranges));
    }
    memmove(s->ranges + from + 1, s->ranges + to, (s->n - to) * sizeof *s->ranges);
    s->n = s->n - to + from + 1;
    s->ranges[from] = (unicode_range){first, last};
cleanup:
    return status;
}

wr_status code_set_unite(code_set *s, const code_set *other) {
    wr_status status = WR_OK;
    code_set sum = {0};
    size_t i = 0, k = 0;
    if (other->n == 0) return WR_OK;
    TRY(mem_reserve((void **)&sum.ranges, &sum.capacity, s->n + other->n, sizeof *sum.ranges));
    while (i < s->n || k < other->n) {
        const bool own = k == other->n || (i < s->n && s->ranges[i].first <= other->ranges[k].first);
        const unicode_range r = own ? s->ranges[i++] : other->ranges[k++];
        unicode_range *end = sum.n ? &sum.ranges[sum.n - 1] : NULL;
        if (!end || end->last + 1 < r.first)
            sum.ranges[sum.n++] = r;
        else if (r.last > end->last)
            end->last = r.last;
    }
    free(s->ranges);
    *s = sum;
    sum = (code_set){0};
cleanup:
    code_set_free(&sum);
    return status;
}

wr_status code_set_invert(code_set *s) {
    wr_status status = WR_OK;
    uint32_t next = 0;
    size_t n = 0;
    TRY(mem_reserve((void **)&s->ranges, &s->capacity, s->n + 1, sizeof *s->ranges));
    unicode_range *r = s->ranges;
    const size_t before = s->n;
    for (size_t i = 0; i < before; i++) { /* the gap before range i is written where a range was that has been read */
        const unicode_range old = r[i];
        if (old.first > next) r[n++] = (unicode_range){next, old.first - 1};
        next = old.last + 1;
    }
    if (next <= CODE_LAST) r[n++] = (unicode_range){next, CODE_LAST};
    s->n = n;
cleanup:
    return status;
}

wr_status code_set_intersect(code_set *s, const code_set *other) {
    wr_status status = WR_OK;
    code_set both = {0};
    for (size_t i = 0, k = 0; i < s->n && k < other->n;) {
        const unicode_range a = s->ranges[i], b = other->ranges[k];
        const uint32_t first = a.first > b.first ? a.first : b.first, last = a.last < b.last ? a.last : b.last;
        if (first <= last) {
            VEC_PUSH(both.ranges, both.n, both.capacity, ((unicode_range){first, last}));
        }
        if (a.last < b.last)
            i++;
        else
            k++;
    }
    free(s->ranges);
    *s = both;
    both = (code_set){0};
cleanup:
    code_set_free(&both);
    return status;
}

bool code_set_has(const code_set *s, uint32_t code) {
    size_t i = find(s, code);
    return i < s->n && s->ranges[i].first <= code;
}

bool code_set_equal(const code_set *a, const code_set *b) {
    return a->n == b->n && (a->n == 0 || memcmp(a->ranges, b->ranges, a->n * sizeof *a->ranges) == 0);
}
