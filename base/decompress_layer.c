#include "base/decompress_layer.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static wr_status file_read_some(decompress_layer *l, char *to, size_t room, size_t *got) {
    ssize_t n;
    do {
        n = read(l->fd, to, room);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return wr_fail(WR_E_IO, "cannot read %s: %s", l->path, strerror(errno));
    l->used += (uint64_t)n;
    *got = (size_t)n;
    return WR_OK;
}

static wr_status file_open(decompress_layer *l) {
    (void)l;
    return WR_OK;
}

static void file_close(decompress_layer *l) {
    if (l->fd >= 0) close(l->fd);
}

const decompress_codec decompress_file = {file_open, file_read_some, file_close};

wr_status decompress_failure(const decompress_layer *l, const char *what) {
    return wr_fail(WR_E_FORMAT, "cannot read %s: %s: %s (is the file complete?)", l->path, file_kind_name(l->kind),
                   what);
}

wr_status decompress_layer_read(decompress_layer *l, char *to, size_t room, size_t *got) {
    *got = 0;
    if (l->failed) return l->failed;
    if (l->ended) return WR_OK;
    wr_status status = l->codec->read(l, to, room, got);
    if (status < 0) {
        l->failed = status;
        *got = 0;
    }
    l->ended = *got == 0;
    return status;
}

wr_status decompress_layer_fill(decompress_layer *l) {
    if (l->from > 0) {
        memmove(l->buffer, l->buffer + l->from, l->to - l->from);
        l->to -= l->from;
        l->from = 0;
    }
    size_t n;
    wr_status status = decompress_layer_read(l, l->buffer + l->to, DECOMPRESS_BUFFER - l->to, &n);
    l->to += n;
    return status;
}

wr_status decompress_layer_bytes(decompress_layer *l, const char **bytes, size_t *n) {
    wr_status status = l->from == l->to && !l->ended ? decompress_layer_fill(l) : WR_OK;
    *bytes = l->buffer + l->from;
    *n = l->to - l->from;
    return status;
}

void decompress_layer_free(decompress_layer *l) {
    if (!l) return;
    l->codec->close(l);
    free(l->buffer);
    free(l);
}

wr_status decompress_layer_push(decompress_layer **top, const decompress_codec *codec, file_kind kind, const char *path,
                                int fd) {
    wr_status status = WR_OK;
    decompress_layer *l = mem_calloc(1, sizeof *l);
    if (!l) {
        if (fd >= 0) close(fd);
        return WR_E_NOMEM;
    }
    *l = (decompress_layer){.below = *top, .codec = codec, .path = path, .kind = kind, .fd = fd};
    TRY_ALLOC(l->buffer = mem_realloc(NULL, DECOMPRESS_BUFFER, 1));
    TRY(codec->open(l));
    *top = l;
    l = NULL;
cleanup:
    decompress_layer_free(l);
    return status;
}
