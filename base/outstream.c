#include "base/stream.h"

#include "base/fresh.h"
#include "base/mem.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define BUFFER_BYTES ((size_t)256 << 10)
#define ZSTD_LEVEL 3

struct outstream {
    fresh_file file;
    char *path;   /* as messages name it */
    char *buffer; /* bytes for the file, compressed ones where zstd is on */
    size_t used;
    ZSTD_CCtx *zstd;
};

static wr_status io_error(const outstream *s) {
    return wr_fail(WR_E_IO, "cannot write %s: %s", s->path, strerror(errno));
}

static wr_status drain(outstream *s) {
    for (size_t at = 0; at < s->used;) {
        ssize_t n = write(s->file.fd, s->buffer + at, s->used - at);
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

wr_status outstream_create(const char *path, outstream **out) {
    wr_status status = WR_OK;
    *out = NULL;
    bool standard = strcmp(path, "-") == 0;
    outstream *s = mem_calloc(1, sizeof *s);
    if (!s) {
        return WR_E_NOMEM;
    }
    s->file.fd = -1;
    TRY_ALLOC(s->path = mem_strdup(standard ? "standard output" : path));
    TRY_ALLOC(s->buffer = mem_realloc(NULL, BUFFER_BYTES, 1));
    if (ends_with(path, ".zst")) {
        TRY_ALLOC(s->zstd = ZSTD_createCCtx());
        ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
        ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_checksumFlag, 1);
    }
    if (standard) {
        s->file.fd = dup(STDOUT_FILENO);
        TRY(s->file.fd < 0 ? io_error(s) : WR_OK);
    } else {
        TRY(fresh_file_open(path, &s->file));
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

wr_status outstream_commit(outstream **stream) {
    wr_status status = WR_OK;
    outstream *s = *stream;
    *stream = NULL;
    if (s->zstd) {
        TRY(compress(s, NULL, 0, ZSTD_e_end));
    }
    TRY(drain(s));
    TRY(fresh_file_commit(&s->file, true));
cleanup:
    outstream_discard(s);
    return status;
}

void outstream_discard(outstream *s) {
    if (!s) {
        return;
    }
    fresh_file_discard(&s->file);
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

wr_status outstream_write_line(const char *path, const strbuf *line) {
    wr_status status = WR_OK;
    outstream *out = NULL;
    TRY(strbuf_status(line));
    TRY(outstream_create(path, &out));
    TRY(outstream_line(out, line));
    TRY(outstream_commit(&out));
cleanup:
    outstream_discard(out);
    return status;
}
