#include "base/file.h"

#include "base/file_kind.h"
#include "base/fresh.h"
#include "base/map_guard.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static wr_status io_error(const char *action, const char *path) {
    return wr_fail(WR_E_IO, "cannot %s %s: %s", action, path, strerror(errno));
}

wr_status file_read(const char *path, size_t limit, char **bytes, size_t *n) {
    wr_status status = WR_OK;
    char *buffer = NULL;
    size_t used = 0, capacity = 0;
    struct stat info;
    *bytes = NULL;
    *n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return io_error("open", path);
    }
    if (fstat(fd, &info) < 0 || S_ISDIR(info.st_mode)) {
        errno = S_ISDIR(info.st_mode) ? EISDIR : errno;
        TRY(io_error("read", path));
    }
    TRY(mem_reserve((void **)&buffer, &capacity, (info.st_size > 0 && !limit ? (size_t)info.st_size : 4096) + 2, 1));
    for (;;) {
        TRY(mem_reserve((void **)&buffer, &capacity, used + 2, 1));
        ssize_t got = read(fd, buffer + used, capacity - used - 1);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            TRY(io_error("read", path));
        }
        if (got == 0) {
            break;
        }
        used += (size_t)got;
        if (limit && used > limit) {
            TRY(wr_fail(WR_E_FORMAT, "%s is larger than %zu bytes", path, limit));
        }
    }
    TRY(lfs_pointer_refuse(buffer, used, path));
    buffer[used] = '\0';
    *bytes = buffer;
    *n = used;
    buffer = NULL;
cleanup:
    free(buffer);
    close(fd);
    return status;
}

static wr_status write_all(int fd, const char *path, const void *bytes, size_t n) {
    for (const char *p = bytes; n > 0;) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            errno = put == 0 ? ENOSPC : errno;
            return io_error("write", path);
        }
        p += put;
        n -= (size_t)put;
    }
    return WR_OK;
}

wr_status file_write_atomic(const char *path, const void *bytes, size_t n) {
    wr_status status = WR_OK;
    fresh_file f;
    TRY(fresh_file_open(path, &f));
    TRY(write_all(f.fd, path, bytes, n));
    TRY(fresh_file_commit(&f, true));
cleanup:
    fresh_file_discard(&f);
    return status;
}

wr_status file_copy(const char *from, const char *to) {
    enum { CHUNK = 1 << 20 };
    wr_status status = WR_OK;
    char *buffer = NULL;
    fresh_file f = {.fd = -1};
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return io_error("open", from);
    }
    TRY_ALLOC(buffer = mem_realloc(NULL, CHUNK, 1));
    TRY(fresh_file_open(to, &f));
    for (;;) {
        ssize_t n = read(fd, buffer, CHUNK);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            TRY(io_error("read", from));
        }
        if (n == 0) {
            break;
        }
        TRY(write_all(f.fd, to, buffer, (size_t)n));
    }
    TRY(fresh_file_commit(&f, true));
cleanup:
    fresh_file_discard(&f);
    free(buffer);
    close(fd);
    return status;
}

wr_status dir_copy_part(const char *from, const char *to, const char *name, const char *suffix) {
    wr_status status = WR_OK;
    char source[PATH_CAP], target[PATH_CAP], file[PATH_CAP], copy[PATH_CAP], **names = NULL;
    size_t n = 0;
    TRY(path_join(source, from, name));
    TRY(path_join(target, to, name));
    if (!dir_exists(source) || strcmp(source, target) == 0) return WR_OK;
    TRY(dir_list(source, "", suffix, &names, &n));
    if (n) TRY(dir_make(target));
    for (size_t i = 0; i < n; i++) {
        TRY(path_join(file, source, names[i]));
        TRY(path_join(copy, target, names[i]));
        TRY(file_copy(file, copy));
    }
cleanup:
    names_free(names, n);
    return status;
}

wr_status file_append_line(const char *path, const char *line) {
    wr_status status = WR_OK;
    char *text = NULL;
    struct stat before;
    size_t n = strlen(line);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) {
        return io_error("open", path);
    }
    TRY_ALLOC(text = mem_realloc(NULL, n + 1, 1));
    memcpy(text, line, n);
    text[n++] = '\n';
    if (fstat(fd, &before) < 0) {
        TRY(io_error("write", path));
    }
    ssize_t put;
    do {
        put = write(fd, text, n);
    } while (put < 0 && errno == EINTR);
    if (put != (ssize_t)n) {
        int cause = put >= 0 ? ENOSPC : errno;
        if (put > 0 && S_ISREG(before.st_mode) && ftruncate(fd, before.st_size) < 0) {
            cause = errno; /* half a line stays */
        }
        errno = cause;
        TRY(io_error("write", path));
    }
cleanup:
    free(text);
    if (close(fd) < 0 && status >= 0) {
        status = io_error("write", path);
    }
    return status;
}

wr_status file_map_open(const char *path, file_map *out) {
    wr_status status = WR_OK;
    struct stat info;
    *out = (file_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return io_error("open", path);
    }
    if (fstat(fd, &info) < 0 || S_ISDIR(info.st_mode)) {
        errno = S_ISDIR(info.st_mode) ? EISDIR : errno;
        TRY(io_error("read", path));
    }
    if (info.st_size > 0) {
        void *p = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            TRY(io_error("map", path));
        }
        *out = (file_map){.bytes = p, .n = (size_t)info.st_size};
        map_guard_add(p, out->n, path);
        TRY(lfs_pointer_refuse(out->bytes, out->n, path));
    }
cleanup:
    if (status < 0) {
        file_map_close(out);
    }
    close(fd);
    return status;
}

void file_map_close(file_map *m) {
    if (m->bytes) {
        map_guard_remove(m->bytes);
        munmap((void *)(uintptr_t)m->bytes, m->n);
    }
    *m = (file_map){0};
}
