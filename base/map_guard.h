/* The files that the process has mapped, as a signal handler can look them up. A mapped file that someone makes shorter
 * costs a SIGBUS at the first read behind its new end, on whatever thread reads; file_map_open and file_map_close keep
 * this table, and main's handler asks it which file that was. Any thread may call these. LOCAL. */
#ifndef WR_BASE_MAP_GUARD_H
#define WR_BASE_MAP_GUARD_H

#include <stddef.h>

/* Keeps a copy of the path (its last 255 bytes). A full table forgets nothing that is in it: the new mapping is then
 * unnamed. */
void map_guard_add(const void *bytes, size_t n, const char *path);
void map_guard_remove(const void *bytes);
/* The path of the mapping that holds this address, NULL: none does. Async-signal-safe. */
const char *map_guard_find(const void *address);

#endif
