/* Memory: zeroed arrays with overflow checks, 64-byte aligned buffers, arenas, growable arrays. LOCAL throughout. */
#ifndef WR_BASE_MEM_H
#define WR_BASE_MEM_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* count*size zeroed bytes, NULL (with wr_error() set) on overflow or exhaustion. Free with free(). */
void *mem_calloc(size_t count, size_t size);
/* Same, not zeroed when growing; p may be NULL. On failure returns NULL and p stays valid. */
void *mem_realloc(void *p, size_t count, size_t size);
/* 64-byte aligned, zeroed (first touched by the calling thread). Free with free(). */
void *mem_aligned(size_t count, size_t size);
/* The same, of whose pages only those that are written take memory. */
void *mem_untouched(size_t count, size_t size);
/* Zeroes bytes of memory that one of these gave; whole pages take no memory until they are written again. */
void mem_drop(void *p, size_t bytes);
/* memcpy by all threads: of new memory most of the time goes into its pages. */
void mem_copy(void *to, const void *from, size_t bytes);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);

/* Growable array: ensures room for `need` elements in *items (capacity in *capacity), growing by half. */
wr_status mem_reserve(void **items, size_t *capacity, size_t need, size_t element_size);
/* VEC_PUSH(items, count, capacity, value): appends, usable under TRY(). `items` is a typed pointer lvalue. */
#define VEC_PUSH(items, count, capacity, value)                                                                        \
    TRY(mem_reserve((void **)&(items), &(capacity), (count) + 1, sizeof *(items)));                                    \
    (items)[(count)++] = (value)

/* Arena: many small allocations freed together. Blocks grow from 64 KiB; a request larger than a block gets its own. */
typedef struct arena arena;
arena *arena_create(void);
void arena_free(arena *a);                              /* NULL is fine */
void arena_reset(arena *a);                             /* forget everything, keep one block */
void *arena_alloc(arena *a, size_t bytes);              /* 16-byte aligned, not zeroed; NULL on exhaustion */
char *arena_strndup(arena *a, const char *s, size_t n); /* NUL added */
size_t arena_bytes(const arena *a);                     /* bytes held */

#endif
