/* How much memory this process may still take: what the machine has left, and what the control groups above the process
 * (a batch system's job, a container) leave of their limits. LOCAL. */
#ifndef WR_BASE_MEMORY_ROOM_H
#define WR_BASE_MEMORY_ROOM_H

#include <stdint.h>

/* Bytes; 0: unknown. Pages of files that nobody has changed count as available: the system takes them back first. */
typedef struct memory_room {
    uint64_t total;     /* the machine's, or the smallest limit */
    uint64_t available; /* without swap */
    uint64_t with_swap; /* the same, and what may be swapped out for it */
} memory_room;

/* root: "" for this machine; a test's folder that holds proc/ and sys/. Control groups of both versions, every level of
 * the process's own path that is to be seen here (in a container often the top alone). */
memory_room memory_room_find(const char *root);

#endif
