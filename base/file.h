/* Whole files and folders. LOCAL. Every error message names the path. */
#ifndef WR_BASE_FILE_H
#define WR_BASE_FILE_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a whole file into a fresh NUL-terminated buffer (free with free()). `limit` bytes at most, 0 = no limit. */
wr_status file_read(const char *path, size_t limit, char **bytes, size_t *n);
/* Temporary name in the same folder, write, fsync, rename, fsync of the folder; devices, pipes and links as
 * base/fresh.h says. */
wr_status file_write_atomic(const char *path, const void *bytes, size_t n);
/* Read-only private mapping; an empty file gives bytes = NULL, n = 0. */
typedef struct file_map {
    const void *bytes;
    size_t n;
} file_map;
wr_status file_map_open(const char *path, file_map *out);
void file_map_close(file_map *m);

bool file_exists(const char *path);
bool dir_exists(const char *path);
wr_status dir_make(const char *path); /* with parents; fine when it exists */
/* Fills a path into out: "dir/name". WR_E_USAGE when it does not fit. */
#define PATH_CAP 4096
wr_status path_join(char out[PATH_CAP], const char *dir, const char *name);
/* Sorted names of the entries of `dir` that start with prefix and end with suffix ("" = any). Free with names_free. */
wr_status dir_list(const char *dir, const char *prefix, const char *suffix, char ***names, size_t *n);
void names_free(char **names, size_t n);
/* Copies the files of FROM/name whose names end with suffix to TO/name; nothing when FROM has no such folder, or is
 * TO. */
wr_status dir_copy_part(const char *from, const char *to, const char *name, const char *suffix);
wr_status dir_remove_tree(const char *path); /* fine when absent */
/* fsyncs every file in tmp_dir and renames it to final_dir. dir_place: which is free or an empty folder (else
 * WR_E_USAGE); dir_commit: an existing one is replaced, so whoever calls it has made sure that it is ours. */
wr_status dir_place(const char *tmp_dir, const char *final_dir);
wr_status dir_commit(const char *tmp_dir, const char *final_dir);
wr_status file_append_line(const char *path, const char *line); /* O_APPEND, one write() of line + '\n' */
wr_status file_copy(const char *from, const char *to);          /* atomic */

#endif
