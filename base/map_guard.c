#include "base/map_guard.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum { ENTRIES = 1024, PATH_KEPT = 256 };

/* A handler has no argument to be given a table by, and may take no lock: the one table of the process, whose entries
 * are claimed by `taken` and published by `start`. */
typedef struct entry {
    atomic_int taken;
    atomic_uintptr_t start; /* 0: not (or not yet) to be found */
    size_t n;
    char path[PATH_KEPT];
} entry;
static entry entries[ENTRIES];

void map_guard_add(const void *bytes, size_t n, const char *path) {
    const size_t length = strlen(path), skip = length < PATH_KEPT ? 0 : length - (PATH_KEPT - 1);
    for (size_t i = 0; i < ENTRIES; i++) {
        int empty = 0;
        if (!atomic_compare_exchange_strong(&entries[i].taken, &empty, 1)) continue;
        entries[i].n = n;
        memcpy(entries[i].path, path + skip, length - skip + 1);
        atomic_store(&entries[i].start, (uintptr_t)bytes);
        return;
    }
}

void map_guard_remove(const void *bytes) {
    for (size_t i = 0; i < ENTRIES; i++) {
        if (atomic_load(&entries[i].start) != (uintptr_t)bytes) continue;
        atomic_store(&entries[i].start, 0);
        atomic_store(&entries[i].taken, 0);
        return;
    }
}

const char *map_guard_find(const void *address) {
    const uintptr_t at = (uintptr_t)address;
    for (size_t i = 0; i < ENTRIES; i++) {
        const uintptr_t start = atomic_load(&entries[i].start);
        if (start && at >= start && at - start < (entries[i].n + 65535) / 65536 * 65536)
            return entries[i].path; /* whole pages, however large */
    }
    return NULL;
}
