/* OUT.partial, where prepare works: a lock, job.json (what is being made), work/ (data/prepare/unit_file.h), result/
 * (what becomes OUT). LOCAL: rank 0's. */
#ifndef WR_DATA_PREPARE_PREPARE_DIR_H
#define WR_DATA_PREPARE_PREPARE_DIR_H

#include "base/file.h"
#include "base/folder_lock.h"
#include "data/prepare/prepare.h"

typedef struct prepare_dir {
    char out[PATH_CAP], partial[PATH_CAP], work[PATH_CAP], result[PATH_CAP];
    folder_lock *lock; /* NULL: none */
} prepare_dir;

/* Paths alone: any rank. */
wr_status prepare_dir_name(const char *out, prepare_dir *d);
/* A file, or a folder that holds anything but an earlier result, is never replaced, and a result only with --overwrite.
 * *finished: OUT is what the work in OUT.partial led to, which was stopped just before it was removed. */
wr_status prepare_dir_check(const prepare_options *o, const prepare_dir *d, bool *finished);
/* Makes the folder and locks it. WR_E_USAGE when another process has it. */
wr_status prepare_dir_lock(prepare_dir *d);
/* Compares the JSON object `job` (string members) with part `name` (job.json, sources.json) of earlier work. None: it
 * is written. A member that earlier work lacks was as in `usual` (an object, too, or NULL). Equal: *resumed is set.
 * Otherwise WR_E_USAGE with the first member that differs, or, with overwrite,
 * *stale is set and nothing changed. */
wr_status prepare_dir_job(const prepare_dir *d, const char *name, const char *job, const char *usual, bool overwrite,
                          bool *resumed, bool *stale);
wr_status prepare_dir_clear(const prepare_dir *d); /* all but the lock */
/* result/ becomes OUT, the rest is removed. */
wr_status prepare_dir_commit(prepare_dir *d);
void prepare_dir_close(prepare_dir *d, bool keep); /* lets go of the lock */

#endif
