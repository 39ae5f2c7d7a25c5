/* Locks on open files (flock): the kernel lets go of one when the process dies, however it dies, so a stale lock cannot
 * be. LOCAL. */
#ifndef WR_BASE_LOCK_H
#define WR_BASE_LOCK_H

typedef enum lock_result {
    LOCK_HELD,
    LOCK_BUSY,   /* another open file has it */
    LOCK_ABSENT, /* the file system has no such locks (Lustre without -o flock, some network and FUSE ones) */
} lock_result;

/* Does not wait. LOCK_ABSENT is no error: where `path` is not NULL, a warning says what it means for this file or
 * folder. */
lock_result lock_take(int fd, const char *path);

#endif
