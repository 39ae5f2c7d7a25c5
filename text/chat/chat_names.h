/* Names of members that a chat template may look at: what it never names, readers of many chats need not carry along.
 * LOCAL. */
#ifndef WR_TEXT_CHAT_CHAT_NAMES_H
#define WR_TEXT_CHAT_CHAT_NAMES_H

#include "base/mem.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct chat_names {
    bool all;                 /* it shows messages as a whole */
    uint64_t may;             /* bit chat_names_bit of each name */
    const char *const *names; /* (n), "role" and "content" are not among them */
    const size_t *lengths;
    size_t n;
} chat_names;

static inline uint64_t chat_names_bit(const char *text, size_t n) {
    return (uint64_t)1 << ((n + 7u * (unsigned char)text[0]) & 63);
}
static inline bool chat_names_has(const chat_names *s, const char *text, size_t n) {
    if (s->all) return true;
    if (!n || !(s->may & chat_names_bit(text, n))) return false;
    for (size_t i = 0; i < s->n; i++)
        if (s->lengths[i] == n && memcmp(s->names[i], text, n) == 0) return true;
    return false;
}
/* Names of a template's source, in the arena: what stands behind a point, and what is a whole quoted string (several
 * names in it may be joined by points). Names of a reasoning stand for one another. all is false. */
wr_status chat_names_find(arena *a, const char *source, size_t n, chat_names *out);

#endif
