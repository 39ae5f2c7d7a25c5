#include "data/prepare/summary_parts.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void summary_histogram(json_writer *w, const char *key, uint32_t *values, size_t n) {
    if (n) qsort(values, n, sizeof *values, by_value);
    json_member_array(w, key);
    size_t i = 0;
    for (uint64_t low = 0, high = 1; i < n; low = high, high *= 2) {
        size_t first = i;
        while (i < n && values[i] < high) i++;
        if (i == first && !first) continue; /* bins before the smallest value */
        json_begin_object(w);
        json_member_int(w, "from", (int64_t)low);
        json_member_int(w, "to", (int64_t)high - 1);
        json_member_int(w, "n", (int64_t)(i - first));
        json_end_object(w);
    }
    json_end_array(w);
}

void summary_list(json_writer *w, const char *key, const tally_row *rows, size_t n, size_t most,
                  const char *const *columns) {
    json_member_array(w, key);
    for (size_t i = 0; i < n && i < most; i++) {
        json_begin_object(w);
        json_member_string(w, "name", rows[i].name);
        for (size_t c = 0; columns[c]; c++) {
            json_member_int(w, columns[c], (int64_t)rows[i].counts[c]);
        }
        json_end_object(w);
    }
    json_end_array(w);
}
