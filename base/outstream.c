#include "base/stream.h"

#include "base/file.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define BUFFER_BYTES ((size_t)256 << 10)
#define ZSTD_LEVEL 3

struct outstream {
    int fd;
    char *path;      /* as messages name it */
    char *temporary; /* NULL: written directly (standard output, a device, a pipe) */
    char *buffer;    /* bytes for the file, compressed ones where zstd is on */
    size_t used;
    ZSTD_CCtx *zstd;
};

static wr_status io_error(const outstream *s) {
    return wr_fail(WR_E_IO, "cannot write %s: %s", s->path, strerror(errno));
}

static wr_status drain(outstream *s) {
    for (size_t at = 0; at < s->used;) {
        ssize_t n = write(s->fd, s->buffer + at, s->used - at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return io_error(s);
        }
        at += (size_t)n;
    }
    s->used = 0;
    return WR_OK;
}

static bool ends_with(const char *s, const char *suffix) {
    size_t n = strlen(s), k = strlen(suffix);
    return n >= k && strcmp(s + n - k, suffix) == 0;
}

/* Devices and pipes cannot be renamed over: they are written as they stand. */
static bool is_special(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

static wr_status open_file(outstream *s, const char *path) {
    if (is_special(path)) {
        s->fd = open(path, O_WRONLY | O_CLOEXEC);
        return s->fd < 0 ? io_error(s) : WR_OK;
    }
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    if (path[folder] == '\0' || dir_exists(path)) {
        return wr_fail(WR_E_USAGE, "cannot write %s: it names a folder", path);
    }
    strbuf name = {0};
    strbuf_printf(&name, "%.*s.%s.tmp.%ld", (int)folder, path, path + folder, (long)getpid());
    if (strbuf_status(&name) < 0) {
        strbuf_free(&name);
        return WR_E_NOMEM;
    }
    s->fd = open(name.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (s->fd < 0) {
        wr_status status = io_error(s);
        strbuf_free(&name);
        return status;
    }
    s->temporary = name.data;
    return WR_OK;
}

wr_status outstream_create(const char *path, outstream **out) {
    wr_status status = WR_OK;
    *out = NULL;
    bool standard = strcmp(path, "-") == 0;
    outstream *s = mem_calloc(1, sizeof *s);
    if (!s) {
        return WR_E_NOMEM;
    }
    s->fd = -1;
    TRY_ALLOC(s->path = mem_strdup(standard ? "standard output" : path));
    TRY_ALLOC(s->buffer = mem_realloc(NULL, BUFFER_BYTES, 1));
    if (ends_with(path, ".zst")) {
        TRY_ALLOC(s->zstd = ZSTD_createCCtx());
        ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
        ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_checksumFlag, 1);
    }
    if (standard) {
        s->fd = dup(STDOUT_FILENO);
        TRY(s->fd < 0 ? io_error(s) : WR_OK);
    } else {
        TRY(open_file(s, path));
    }
    *out = s;
    s = NULL;
cleanup:
    outstream_discard(s);
    return status;
}

static wr_status compress(outstream *s, const void *bytes, size_t n, ZSTD_EndDirective mode) {
    ZSTD_inBuffer in = {.src = bytes, .size = n};
    for (;;) {
        ZSTD_outBuffer to = {.dst = s->buffer, .size = BUFFER_BYTES, .pos = s->used};
        size_t left = ZSTD_compressStream2(s->zstd, &to, &in, mode);
        s->used = to.pos;
        if (ZSTD_isError(left)) {
            return wr_fail(WR_E_IO, "cannot compress %s: %s", s->path, ZSTD_getErrorName(left));
        }
        if (s->used == BUFFER_BYTES) {
            wr_status status = drain(s);
            if (status < 0) {
                return status;
            }
        }
        if (mode == ZSTD_e_continue ? in.pos == in.size : left == 0) {
            return WR_OK;
        }
    }
}

wr_status outstream_write(outstream *s, const void *bytes, size_t n) {
    if (s->zstd) {
        return compress(s, bytes, n, ZSTD_e_continue);
    }
    for (const char *p = bytes; n > 0;) {
        size_t room = BUFFER_BYTES - s->used, part = n < room ? n : room;
        memcpy(s->buffer + s->used, p, part);
        s->used += part;
        p += part;
        n -= part;
        if (s->used == BUFFER_BYTES) {
            wr_status status = drain(s);
            if (status < 0) {
                return status;
            }
        }
    }
    return WR_OK;
}

wr_status outstream_line(outstream *s, const strbuf *line) {
    wr_status status = strbuf_status(line);
    if (status >= 0) {
        status = outstream_write(s, strbuf_str(line), line->len);
    }
    return status < 0 ? status : outstream_write(s, "\n", 1);
}

wr_status outstream_flush(outstream *s) {
    /* A zstd flush would cost compression and nobody can read the temporary name: only plain output is pushed out. */
    return s->zstd ? WR_OK : drain(s);
}

static wr_status sync_folder(const outstream *s) {
    char folder[PATH_CAP];
    const char *slash = strrchr(s->path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - s->path) + 1 : 1, slash ? s->path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return WR_OK; /* a folder that may be written but not read */
    }
    wr_status status = fsync(fd) < 0 && errno != EINVAL && errno != EROFS ? io_error(s) : WR_OK;
    close(fd);
    return status;
}

wr_status outstream_commit(outstream **stream) {
    wr_status status = WR_OK;
    outstream *s = *stream;
    *stream = NULL;
    if (s->zstd) {
        TRY(compress(s, NULL, 0, ZSTD_e_end));
    }
    TRY(drain(s));
    if (s->temporary && fsync(s->fd) < 0 && errno != EINVAL) {
        TRY(io_error(s));
    }
    int failed = close(s->fd);
    s->fd = -1;
    if (failed < 0) {
        TRY(io_error(s));
    }
    if (s->temporary) {
        if (rename(s->temporary, s->path) < 0) {
            TRY(io_error(s));
        }
        free(s->temporary);
        s->temporary = NULL;
        TRY(sync_folder(s));
    }
cleanup:
    outstream_discard(s);
    return status;
}

void outstream_discard(outstream *s) {
    if (!s) {
        return;
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    if (s->temporary) {
        unlink(s->temporary);
        free(s->temporary);
    }
    ZSTD_freeCCtx(s->zstd);
    free(s->buffer);
    free(s->path);
    free(s);
}

wr_status zstd_frame_append(strbuf *out, const void *bytes, size_t n, int level) {
    wr_status status = WR_OK;
    size_t bound = ZSTD_compressBound(n);
    ZSTD_CCtx *z = ZSTD_createCCtx();
    TRY_ALLOC(z);
    TRY(strbuf_status(out));
    TRY(mem_reserve((void **)&out->data, &out->capacity, out->len + bound + 1, 1));
    ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
    size_t made = ZSTD_compress2(z, out->data + out->len, bound, bytes, n);
    if (ZSTD_isError(made)) {
        TRY(wr_fail(WR_E_IO, "cannot compress: zstd: %s", ZSTD_getErrorName(made)));
    }
    out->len += made;
    out->data[out->len] = '\0';
cleanup:
    ZSTD_freeCCtx(z);
    return status;
}
