/* Arena: a list of blocks, the current one at its head. A request of more than a quarter of the next block's size gets
 * a block of its own behind the head, so that a 50 MB string neither wastes the rest of the current block nor is ever
 * copied. */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCK ((size_t)64 << 10)
#define LARGEST_BLOCK ((size_t)4 << 20)
#define ALIGNMENT 16

typedef struct block {
    struct block *next;
    size_t size, used; /* of the bytes after this header */
} block;

/* The bytes of a block start at the next multiple of ALIGNMENT. */
#define HEADER ((sizeof(block) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT)

struct arena {
    block *head;
    size_t next_size, held;
};

static block *block_create(arena *a, size_t size) {
    if (size > SIZE_MAX - HEADER) {
        wr_fail(WR_E_NOMEM, "out of memory: arena block of %zu bytes", size);
        return NULL;
    }
    block *b = mem_realloc(NULL, HEADER + size, 1);
    if (b) {
        *b = (block){.size = size};
        a->held += HEADER + size;
    }
    return b;
}

arena *arena_create(void) {
    arena *a = mem_calloc(1, sizeof *a);
    if (a) {
        a->next_size = FIRST_BLOCK;
    }
    return a;
}

void arena_free(arena *a) {
    if (!a) {
        return;
    }
    for (block *b = a->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

void arena_reset(arena *a) {
    /* The block kept is the largest ordinary one: a block of one huge request would hold its memory for ever. */
    block *kept = NULL;
    for (block *b = a->head, *next; b; b = next) {
        next = b->next;
        if (b->size <= LARGEST_BLOCK && (!kept || b->size > kept->size)) {
            block *swap = kept;
            kept = b;
            b = swap;
        }
        free(b);
    }
    a->head = kept;
    a->held = 0;
    if (kept) {
        kept->next = NULL;
        kept->used = 0;
        a->held = HEADER + kept->size;
    }
}

void *arena_alloc(arena *a, size_t bytes) {
    if (bytes > SIZE_MAX - ALIGNMENT) {
        wr_fail(WR_E_NOMEM, "out of memory: arena request of %zu bytes", bytes);
        return NULL;
    }
    bytes = bytes ? (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
    block *b = a->head;
    if (!b || b->size - b->used < bytes) {
        if (bytes > a->next_size / 4) {
            b = block_create(a, bytes);
            if (!b) {
                return NULL;
            }
            if (a->head) {
                b->next = a->head->next;
                a->head->next = b;
            } else {
                a->head = b;
            }
        } else {
            b = block_create(a, a->next_size);
            if (!b) {
                return NULL;
            }
            a->next_size = a->next_size < LARGEST_BLOCK ? 2 * a->next_size : LARGEST_BLOCK;
            b->next = a->head;
            a->head = b;
        }
    }
    void *p = (char *)b + HEADER + b->used;
    b->used += bytes;
    return p;
}

char *arena_strndup(arena *a, const char *s, size_t n) {
    if (n == SIZE_MAX) {
        wr_fail(WR_E_NOMEM, "out of memory: arena string of %zu bytes", n);
        return NULL;
    }
    char *p = arena_alloc(a, n + 1);
    if (p) {
        if (n > 0) {
            memcpy(p, s, n);
        }
        p[n] = '\0';
    }
    return p;
}

size_t arena_bytes(const arena *a) { return a->held; }
