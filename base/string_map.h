/* Byte strings -> int32, open addressing; keys are not copied. For vocabularies. LOCAL; read-only use from several
 * threads is fine. */
#ifndef WR_BASE_STRING_MAP_H
#define WR_BASE_STRING_MAP_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* key NULL: free */
typedef struct string_entry {
    const char *key;
    size_t length;
    uint64_t hash;
    int32_t value;
} string_entry;
typedef struct string_map {
    string_entry *entries;
    size_t count, capacity; /* power of two or 0 */
} string_map;

void string_map_free(string_map *m);
/* Slot of the key, made with `value` when it is new (*fresh tells). The pointer is valid until the next insertion. */
wr_status string_map_put(string_map *m, const char *key, size_t length, int32_t value, string_entry **slot, int *fresh);
const string_entry *string_map_find(const string_map *m, const char *key, size_t length); /* NULL when absent */

#endif
