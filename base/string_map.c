#include "base/string_map.h"

#include "base/hash.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

void string_map_free(string_map *m) {
    free(m->entries);
    *m = (string_map){0};
}

static string_entry *probe(const string_map *m, const char *key, size_t length, uint64_t hash) {
    size_t mask = m->capacity - 1, i = (size_t)hash & mask;
    while (m->entries[i].key) {
        string_entry *e = &m->entries[i];
        if (e->hash == hash && e->length == length && memcmp(e->key, key, length) == 0) return e;
        i = (i + 1) & mask;
    }
    return &m->entries[i];
}

static wr_status grow(string_map *m) {
    string_map bigger = {.capacity = m->capacity ? m->capacity * 2 : 1024, .count = m->count};
    bigger.entries = mem_calloc(bigger.capacity, sizeof *bigger.entries);
    if (!bigger.entries) return WR_E_NOMEM;
    for (size_t i = 0; i < m->capacity; i++) {
        const string_entry *e = &m->entries[i];
        if (e->key) *probe(&bigger, e->key, e->length, e->hash) = *e;
    }
    free(m->entries);
    *m = bigger;
    return WR_OK;
}

wr_status string_map_put(string_map *m, const char *key, size_t length, int32_t value, string_entry **slot,
                         int *fresh) {
    wr_status status = WR_OK;
    if (2 * (m->count + 1) > m->capacity) TRY(grow(m));
    uint64_t hash = hash64(key, length, 0);
    string_entry *e = probe(m, key, length, hash);
    int is_new = e->key == NULL;
    if (is_new) {
        *e = (string_entry){key, length, hash, value};
        m->count++;
    }
    if (slot) *slot = e;
    if (fresh) *fresh = is_new;
cleanup:
    return status;
}

const string_entry *string_map_find(const string_map *m, const char *key, size_t length) {
    if (!m->capacity) return NULL;
    const string_entry *e = probe(m, key, length, hash64(key, length, 0));
    return e->key ? e : NULL;
}
