#include "model/buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define PIECE ((size_t)1 << 20) /* touched by one thread */

static size_t unit_of(size_t bytes) { return bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : 64; }

size_t buffer_room(size_t bytes) { return (bytes + unit_of(bytes) - 1) / unit_of(bytes) * unit_of(bytes); }

void *buffer_pages(size_t bytes) {
    const size_t unit = unit_of(bytes);
    if (bytes > SIZE_MAX - unit) return NULL;
    const size_t rounded = bytes ? buffer_room(bytes) : unit;
    char *p = aligned_alloc(unit, rounded);
    if (!p) {
        (void)wr_fail(WR_E_NOMEM, "out of memory: %zu MiB could not be had", bytes >> 20);
        return NULL;
    }
    if (unit == HUGE_PAGE) (void)madvise(p, rounded, MADV_HUGEPAGE); /* advice only */
#pragma omp parallel for schedule(static) if (rounded > 4 * PIECE)
    for (size_t at = 0; at < rounded; at += PIECE) memset(p + at, 0, rounded - at < PIECE ? rounded - at : PIECE);
    return p;
}

wr_status buffer_need(buffer *b, size_t bytes) {
    if (bytes <= b->bytes) return WR_OK;
    free(b->data);
    *b = (buffer){0};
    b->data = buffer_pages(bytes);
    if (!b->data)
        return wr_fail(WR_E_NOMEM,
                       "out of memory: %zu MiB of activations could not be had; ask for fewer tokens at a time",
                       bytes >> 20);
    b->bytes = bytes;
    return WR_OK;
}

void buffer_free(buffer *b) {
    free(b->data);
    *b = (buffer){0};
}
