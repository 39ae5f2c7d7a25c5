#include "base/fresh.h"

#include "base/lock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_LINKS = 40, MOST_NAMES = 1000, NAME_KEPT = 200 };
#define MARKER ".wildreward-unfinished"

static wr_status failed(const char *path) { return wr_fail(WR_E_IO, "cannot write %s: %s", path, strerror(errno)); }

/* Length of "folder/" in a path; 0 without one. */
static size_t folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Is the entry a descriptor of a process, as /proc/PID/fd/N? *own: N, when it is one of this process, else -1. */
static bool is_descriptor(const char *path, int *own) {
    char folder[PATH_CAP], real[PATH_MAX], mine[64];
    size_t n = folder_length(path);
    *own = -1;
    snprintf(folder, sizeof folder, "%.*s", n ? (int)n : 1, n ? path : ".");
    if (!realpath(folder, real) || strncmp(real, "/proc/", 6) != 0 || strlen(real) < 4 ||
        strcmp(real + strlen(real) - 3, "/fd") != 0)
        return false;
    snprintf(mine, sizeof mine, "/proc/%ld/", (long)getpid());
    if (strncmp(real, mine, strlen(mine)) == 0) *own = atoi(path + n);
    return true;
}

/* Follows the links at the path's end, as far as there are any; where they end there may be nothing yet. */
static wr_status follow(const char *path, char place[PATH_CAP], bool *descriptor, int *own) {
    char target[PATH_CAP], next[PATH_CAP];
    struct stat info;
    *descriptor = false;
    if (snprintf(place, PATH_CAP, "%s", path) >= PATH_CAP)
        return wr_fail(WR_E_USAGE, "cannot write %.200s…: the path is too long", path);
    for (int i = 0; i < MOST_LINKS; i++) {
        if (lstat(place, &info) != 0 || !S_ISLNK(info.st_mode)) return WR_OK;
        *descriptor = is_descriptor(place, own);
        if (*descriptor) return WR_OK;
        ssize_t n = readlink(place, target, sizeof target - 1);
        if (n <= 0) return failed(path);
        target[n] = '\0';
        size_t folder = target[0] == '/' ? 0 : folder_length(place);
        if (snprintf(next, sizeof next, "%.*s%s", (int)folder, place, target) >= PATH_CAP)
            errno = ENAMETOOLONG;
        else {
            memcpy(place, next, sizeof next);
            continue;
        }
        return failed(path);
    }
    errno = ELOOP;
    return failed(path);
}

static wr_status temporary_name(const char *place, int k, char **out) {
    strbuf name = {0};
    size_t folder = folder_length(place);
    strbuf_printf(&name, "%.*s.%.*s.wildreward.tmp", (int)folder, place, NAME_KEPT, place + folder);
    if (k) strbuf_printf(&name, ".%d", k);
    *out = name.data;
    if (strbuf_status(&name) >= 0) return WR_OK;
    strbuf_free(&name);
    *out = NULL;
    return WR_E_NOMEM;
}

/* Locked by this open file, and still what the name means? A file system without locks says so by another error: then
 * only the exclusive creation counts. */
static bool hold(int fd, const char *name, bool *without_locks) {
    struct stat mine, named;
    *without_locks = false;
    const lock_result got = lock_take(fd, NULL);
    *without_locks = got == LOCK_ABSENT;
    return got != LOCK_BUSY && fstat(fd, &mine) == 0 && lstat(name, &named) == 0 && mine.st_ino == named.st_ino &&
           mine.st_dev == named.st_dev;
}

/* A folder is known by its marker; one without anything in it may go, too (its maker died between two steps). */
static bool is_marked(const char *folder) {
    char path[PATH_CAP], **names = NULL;
    size_t n = 0;
    if (path_join(path, folder, MARKER) >= 0 && file_exists(path)) return true;
    if (dir_list(folder, "", "", &names, &n) < 0) return false;
    names_free(names, n);
    return n == 0;
}

/* Removes what a killed run left under the name. False: it is somebody's, and stays. */
static bool clear_dead(const char *name, bool folder) {
    struct stat info;
    bool gone = false, without_locks;
    int fd = open(name, (folder ? O_RDONLY | O_DIRECTORY : O_WRONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT;
    if (fstat(fd, &info) == 0 && info.st_uid == geteuid() &&
        (folder || (S_ISREG(info.st_mode) && info.st_nlink == 1)) && hold(fd, name, &without_locks) && !without_locks)
        gone = folder ? is_marked(name) && dir_remove_tree(name) >= 0 : unlink(name) == 0;
    close(fd);
    return gone;
}

/* Creates under the first name that can be had. */
static wr_status create_beside(const char *path, const char *place, bool folder, int *fd, char **temporary) {
    wr_status status = WR_OK;
    bool without_locks;
    for (int k = 0; k < MOST_NAMES; k++) {
        TRY(temporary_name(place, k, temporary));
        for (int tries = 0; tries < 2; tries++) {
            *fd = -1;
            if (!folder)
                *fd = open(*temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
            else if (mkdir(*temporary, 0777) == 0)
                *fd = open(*temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (*fd >= 0 && hold(*fd, *temporary, &without_locks)) return WR_OK;
            if (*fd >= 0)
                close(*fd); /* in the moment before it was locked, another process took it for a dead one */
            else if (errno != EEXIST)
                TRY(failed(path));
            *fd = -1;
            if (!clear_dead(*temporary, folder)) break;
        }
        free(*temporary);
        *temporary = NULL;
    }
    status = wr_fail(
        WR_E_IO,
        "cannot write %s: all names for a temporary file beside it are taken (.NAME.wildreward.tmp…); remove them",
        path);
cleanup:
    free(*temporary);
    *temporary = NULL;
    return status;
}

/* A rename lasts only once its folder is on disk; file systems without folder fsync (EINVAL) need none. */
static wr_status sync_folder(const char *place) {
    char folder[PATH_CAP];
    size_t n = folder_length(place);
    snprintf(folder, sizeof folder, "%.*s", n ? (int)n : 1, n ? place : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return WR_OK; /* a folder that may be written but not read */
    wr_status status = fsync(fd) < 0 && errno != EINVAL && errno != EROFS ? failed(place) : WR_OK;
    close(fd);
    return status;
}

wr_status fresh_file_open(const char *path, fresh_file *f) {
    wr_status status = WR_OK;
    char place[PATH_CAP];
    struct stat info;
    bool descriptor;
    int own;
    *f = (fresh_file){.fd = -1};
    if (path[folder_length(path)] == '\0') return wr_fail(WR_E_USAGE, "cannot write '%s': it names no file", path);
    TRY(follow(path, place, &descriptor, &own));
    bool there = stat(place, &info) == 0;
    if (there && S_ISDIR(info.st_mode)) TRY(wr_fail(WR_E_USAGE, "cannot write %s: it names a folder", path));
    TRY_ALLOC(f->place = mem_strdup(place));
    if (descriptor || (there && !S_ISREG(info.st_mode))) {
        f->fd = descriptor && own >= 0 ? fcntl(own, F_DUPFD_CLOEXEC, 0) : open(place, O_WRONLY | O_NOCTTY | O_CLOEXEC);
        TRY(f->fd < 0 ? failed(path) : WR_OK);
    } else {
        TRY(create_beside(path, place, false, &f->fd, &f->temporary));
    }
cleanup:
    if (status < 0) fresh_file_discard(f);
    return status;
}

wr_status fresh_file_commit(fresh_file *f, bool durable) {
    wr_status status = WR_OK;
    /* The second descriptor holds the lock until the file has its name, so that nobody takes it for a dead one; closing
     * the first tells of late errors. */
    int held = f->temporary ? fcntl(f->fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (f->temporary && (held < 0 || (durable && fsync(f->fd) < 0 && errno != EINVAL))) TRY(failed(f->place));
    int closed = close(f->fd);
    f->fd = -1;
    if (closed < 0 || (f->temporary && rename(f->temporary, f->place) < 0)) TRY(failed(f->place));
    bool renamed = f->temporary;
    free(f->temporary);
    f->temporary = NULL;
    if (renamed && durable) TRY(sync_folder(f->place));
cleanup:
    fresh_file_discard(f);
    if (held >= 0) close(held);
    return status;
}

void fresh_file_discard(fresh_file *f) {
    if (f->temporary) unlink(f->temporary);
    if (f->fd >= 0) close(f->fd);
    free(f->temporary);
    free(f->place);
    *f = (fresh_file){.fd = -1};
}

wr_status fresh_folder_make(const char *path, fresh_folder *f) {
    wr_status status = WR_OK;
    char marker[PATH_CAP], **names = NULL;
    size_t n = strlen(path);
    struct stat info;
    *f = (fresh_folder){.lock = -1};
    while (n > 1 && path[n - 1] == '/') n--;
    if (n == 0 || n + NAME_KEPT + 64 > PATH_CAP) return wr_fail(WR_E_USAGE, "not a usable folder name: '%.200s'", path);
    TRY_ALLOC(f->place = mem_strndup(path, n));
    if (lstat(f->place, &info) == 0) {
        if (!S_ISDIR(info.st_mode)) TRY(wr_fail(WR_E_USAGE, "%s: exists already; give another name", f->place));
        TRY(dir_list(f->place, "", "", &names, &n));
        if (n > 0) TRY(wr_fail(WR_E_USAGE, "%s: exists already and is not empty; give another name", f->place));
    }
    TRY(create_beside(f->place, f->place, true, &f->lock, &f->temporary));
    TRY(path_join(marker, f->temporary, MARKER));
    int fd = open(marker, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0) TRY(failed(marker));
    close(fd);
cleanup:
    names_free(names, names ? n : 0);
    if (status < 0) fresh_folder_discard(f);
    return status;
}

wr_status fresh_folder_commit(fresh_folder *f) {
    wr_status status = WR_OK;
    char marker[PATH_CAP];
    TRY(path_join(marker, f->temporary, MARKER));
    if (unlink(marker) < 0) TRY(failed(marker));
    TRY(dir_place(f->temporary, f->place));
    free(f->temporary);
    f->temporary = NULL;
cleanup:
    fresh_folder_discard(f);
    return status;
}

void fresh_folder_discard(fresh_folder *f) {
    char *message = f->temporary ? mem_strdup(wr_error()) : NULL;
    if (f->temporary && dir_remove_tree(f->temporary) < 0 && message)
        wr_fail(WR_E_IO, "%s", message); /* the cause is what is told */
    free(message);
    if (f->lock >= 0) close(f->lock);
    free(f->temporary);
    free(f->place);
    *f = (fresh_folder){.lock = -1};
}
