/* New files and folders: made beside their place under a name of their own, then renamed to it. LOCAL. Messages name
 * the place.
 *
 * The rules, for every file and folder that the program makes:
 * - A temporary name is ".NAME.wildreward.tmp" (or ".NAME.wildreward.tmp.K") in the folder of the place. It is created
 * exclusively, never through a link, and locked (flock) while its writer lives: two writers never share one. Where one
 * stands already, it is removed if it is a plain file of ours (a folder: one with our marker) that nobody has locked,
 * which a killed run left; whatever else it is stays, and another K is taken.
 * - A place that is a symbolic link: the file that the link leads to is replaced or made, and the link stays.
 * - A place that is a device, a pipe, a socket or an open descriptor (/dev/stdout, /dev/fd/N) is written as it stands.
 * - A folder takes a place that is free or an empty folder; nothing else is replaced. */
#ifndef WR_BASE_FRESH_H
#define WR_BASE_FRESH_H

#include "base/file.h"

typedef struct fresh_file {
    int fd;
    char *temporary; /* NULL: written as it stands */
    char *place;     /* where links led */
} fresh_file;

/* WR_E_USAGE when the path names a folder or nothing. On failure, too, discard is fine. */
wr_status fresh_file_open(const char *path, fresh_file *f);
/* Renames. durable: the file and its folder are on disk before this returns. Frees in any case; after a failure nothing
 * is left. */
wr_status fresh_file_commit(fresh_file *f, bool durable);
void fresh_file_discard(fresh_file *f); /* removes the temporary file, frees; nothing after a commit */

typedef struct fresh_folder {
    int lock;
    char *temporary; /* to fill */
    char *place;
} fresh_folder;

/* WR_E_USAGE when something stands at the place, unless it is an empty folder. */
wr_status fresh_folder_make(const char *path, fresh_folder *f);
wr_status fresh_folder_commit(fresh_folder *f); /* fsyncs all, renames */
void fresh_folder_discard(fresh_folder *f);

#endif
