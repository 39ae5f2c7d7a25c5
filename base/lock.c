#include "base/lock.h"

#include "base/log.h"
#include <errno.h>
#include <string.h>
#include <sys/file.h>

lock_result lock_take(int fd, const char *path) {
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        if (errno == EWOULDBLOCK) return LOCK_BUSY;
        if (path)
            log_warn("%s: the file system has no locks here (flock: %s): see to it that no two runs use it at once, "
                     "mount it with -o flock (Lustre), or use a local disk",
                     path, strerror(errno));
        return LOCK_ABSENT;
    }
    return LOCK_HELD;
}
