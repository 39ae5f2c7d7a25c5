/* The embedding is a fifth to a quarter of a small model, and its gradient is final last, when no backward pass is left
 * to hide a sum behind. A step of a few thousand tokens touches a few thousand of its rows:
 *
 *     table   · · a · · · b · · c · ·       packed   a b c      summed over ranks as any other range
 *
 * Which rows any rank touches is known from its records before the step: a bit a row, put together by "or". */
#include "trainer/row_sum.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

wr_status row_sum_create(size_t rows, size_t width, row_sum *out) {
    wr_status status = WR_OK;
    *out = (row_sum){.rows = rows, .width = width};
    TRY_ALLOC(out->touched = mem_calloc((rows + 7) / 8, 1));
cleanup:
    return status;
}

void row_sum_free(row_sum *s) {
    free(s->touched);
    free(s->packed);
    *s = (row_sum){0};
}

void row_sum_restart(row_sum *s) {
    if (s->touched) memset(s->touched, 0, (s->rows + 7) / 8);
    s->count = 0;
}

void row_sum_touch(row_sum *s, const int32_t *ids, size_t n) {
    for (size_t i = 0; i < n && s->touched; i++)
        if (ids[i] >= 0 && (size_t)ids[i] < s->rows) s->touched[ids[i] / 8] |= (unsigned char)(1 << ids[i] % 8);
}

static bool is_touched(const row_sum *s, size_t row) { return s->touched[row / 8] >> row % 8 & 1; }

wr_status row_sum_agree(world *w, row_sum *s) {
    wr_status status = WR_OK;
    size_t count = 0;
    if (!s->touched) return WR_OK;
    world_or(w, s->touched, (s->rows + 7) / 8);
    for (size_t row = 0; row < s->rows; row++) count += is_touched(s, row);
    if (count > s->rows / 4 * 3) return WR_OK;
    TRY(world_agree(w, mem_reserve((void **)&s->packed, &s->room, count * s->width, sizeof *s->packed)));
    s->count = count;
cleanup:
    return status;
}

void row_sum_pack(row_sum *s, const float *table) {
    float *to = s->packed;
    for (size_t row = 0; row < s->rows; row++)
        if (is_touched(s, row)) memcpy(to, table + row * s->width, s->width * sizeof *to), to += s->width;
}

void row_sum_unpack(const row_sum *s, float *table, size_t begin, size_t end) {
    const float *from = s->packed;
    for (size_t row = 0; row < s->rows; row++) {
        const size_t first = row * s->width, last = first + s->width;
        if (!is_touched(s, row)) continue;
        const size_t a = first < begin ? begin : first, b = last < end ? last : end;
        if (a < b) memcpy(table + a, from + (a - first), (b - a) * sizeof *table);
        from += s->width;
    }
}
