#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *exhausted(size_t count, size_t size) {
    wr_fail(WR_E_NOMEM, "out of memory: cannot get %zu x %zu bytes", count, size);
    return NULL;
}

/* False when count*size is no possible object size (C17 objects do not exceed PTRDIFF_MAX). */
static bool bytes_of(size_t count, size_t size, size_t *bytes) {
    return !__builtin_mul_overflow(count, size, bytes) && *bytes <= PTRDIFF_MAX - 64;
}

void *mem_calloc(size_t count, size_t size) {
    size_t bytes;
    if (!bytes_of(count, size, &bytes)) {
        return exhausted(count, size);
    }
    void *p = calloc(bytes ? bytes : 1, 1); /* for nothing too: a NULL would read as failure */
    return p ? p : exhausted(count, size);
}

void *mem_realloc(void *p, size_t count, size_t size) {
    size_t bytes;
    if (!bytes_of(count, size, &bytes)) {
        return exhausted(count, size);
    }
    void *q = realloc(p, bytes ? bytes : 1);
    return q ? q : exhausted(count, size);
}

void *mem_aligned(size_t count, size_t size) {
    size_t bytes;
    if (!bytes_of(count, size, &bytes)) {
        return exhausted(count, size);
    }
    bytes = bytes ? (bytes + 63) / 64 * 64 : 64;
    void *p = aligned_alloc(64, bytes);
    if (!p) {
        return exhausted(count, size);
    }
    memset(p, 0, bytes);
    return p;
}

void *mem_untouched(size_t count, size_t size) {
    size_t bytes;
    if (!bytes_of(count, size, &bytes)) {
        return exhausted(count, size);
    }
    bytes = bytes ? (bytes + 63) / 64 * 64 : 64;
    void *p = aligned_alloc(64, bytes);
    if (!p) {
        return exhausted(count, size);
    }
    mem_drop(p, bytes);
    return p;
}

void mem_drop(void *p, size_t bytes) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)p, end = begin + bytes;
    const uintptr_t first = (begin + page - 1) / page * page, last = end / page * page;
    if (first >= last || madvise((void *)first, last - first, MADV_DONTNEED) != 0) {
        memset(p, 0, bytes);
        return;
    }
    memset(p, 0, first - begin);
    memset((void *)last, 0, end - last);
}

void mem_copy(void *to, const void *from, size_t bytes) {
    enum { BLOCK = 1 << 22 };
#pragma omp parallel for schedule(static) if (bytes > BLOCK)
    for (size_t at = 0; at < bytes; at += BLOCK)
        memcpy((char *)to + at, (const char *)from + at, bytes - at < BLOCK ? bytes - at : BLOCK);
}

char *mem_strndup(const char *s, size_t n) {
    if (n == SIZE_MAX) {
        return exhausted(n, 1);
    }
    char *p = mem_realloc(NULL, n + 1, 1);
    if (p) {
        if (n > 0) {
            memcpy(p, s, n);
        }
        p[n] = '\0';
    }
    return p;
}

char *mem_strdup(const char *s) { return mem_strndup(s, strlen(s)); }

wr_status mem_reserve(void **items, size_t *capacity, size_t need, size_t element_size) {
    if (need <= *capacity) {
        return WR_OK;
    }
    size_t grown = *capacity + *capacity / 2;
    size_t wanted = grown > need ? grown : need;
    if (wanted < 8) {
        wanted = 8;
    }
    void *p = mem_realloc(*items, wanted, element_size);
    if (!p) {
        return WR_E_NOMEM;
    }
    *items = p;
    *capacity = wanted;
    return WR_OK;
}
