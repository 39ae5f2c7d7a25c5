#include "base/decompress_layer.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_BYTES = 256 << 10, MOST_LAYERS = 8, SKIPPABLE_HEADER = 8 };

struct decompress {
    decompress_layer *top;
    size_t layers;
    file_kind kind;
    size_t lent; /* bytes of the top's buffer that decompress_block has given */
};

/* --- layers --- */

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

static const decompress_codec plain_file = {file_open, file_read_some, file_close};

wr_status decompress_failure(const decompress_layer *l, const char *what) {
    return wr_fail(WR_E_FORMAT, "cannot read %s: %s: %s (is the file complete?)", l->path, file_kind_name(l->kind),
                   what);
}

static wr_status read_layer(decompress_layer *l, char *to, size_t room, size_t *got) {
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

static wr_status fill(decompress_layer *l) {
    if (l->from > 0) {
        memmove(l->buffer, l->buffer + l->from, l->to - l->from);
        l->to -= l->from;
        l->from = 0;
    }
    size_t n;
    wr_status status = read_layer(l, l->buffer + l->to, BUFFER_BYTES - l->to, &n);
    l->to += n;
    return status;
}

wr_status decompress_layer_bytes(decompress_layer *l, const char **bytes, size_t *n) {
    wr_status status = l->from == l->to && !l->ended ? fill(l) : WR_OK;
    *bytes = l->buffer + l->from;
    *n = l->to - l->from;
    return status;
}

static void free_layer(decompress_layer *l) {
    if (!l) return;
    l->codec->close(l);
    free(l->buffer);
    free(l);
}

static wr_status push(decompress *u, const decompress_codec *codec, file_kind kind, const char *path, int fd) {
    wr_status status = WR_OK;
    decompress_layer *l = mem_calloc(1, sizeof *l);
    if (!l) {
        if (fd >= 0) close(fd);
        return WR_E_NOMEM;
    }
    *l = (decompress_layer){.below = u->top, .codec = codec, .path = path, .kind = kind, .fd = fd};
    TRY_ALLOC(l->buffer = mem_realloc(NULL, BUFFER_BYTES, 1));
    TRY(codec->open(l));
    u->top = l;
    l = NULL;
cleanup:
    free_layer(l);
    return status;
}

/* --- what the bytes are --- */

/* Behind frames of user data stands what they belong to; where that is too far away, zstd, whose tools write them. */
static file_kind behind_skippable(const char *bytes, size_t n) {
    file_kind kind = KIND_SKIPPABLE;
    for (size_t at = 0; kind == KIND_SKIPPABLE;) {
        const unsigned char *s = (const unsigned char *)bytes + at;
        if (n - at < SKIPPABLE_HEADER) break;
        size_t length = s[4] | (size_t)s[5] << 8 | (size_t)s[6] << 16 | (size_t)s[7] << 24;
        if (length > n - at - SKIPPABLE_HEADER) break;
        at += SKIPPABLE_HEADER + length;
        kind = file_kind_of(bytes + at, n - at);
    }
    return kind == KIND_LZ4 ? KIND_LZ4 : KIND_ZSTD;
}

/* Text is told by its beginning alone, so that lines of a pipe are there as soon as they are written. */
static wr_status find_kind(decompress *u) {
    wr_status status = WR_OK;
    const char *bytes;
    size_t n;
    TRY(decompress_layer_bytes(u->top, &bytes, &n));
    u->kind = KIND_OTHER;
    if (looks_like_json(bytes, n)) return WR_OK;
    TRY(decompress_peek(u, FILE_KIND_BYTES, &bytes, &n));
    u->kind = file_kind_of(bytes, n);
    if (u->kind == KIND_SKIPPABLE) {
        TRY(decompress_peek(u, BUFFER_BYTES, &bytes, &n));
        u->kind = behind_skippable(bytes, n);
    }
cleanup:
    return status;
}

static const decompress_codec *codec_of(file_kind k) {
    return k == KIND_GZIP ? &decompress_gzip : k == KIND_ZSTD ? &decompress_zstd : &decompress_by_archive;
}

wr_status decompress_open(int fd, const char *path, decompress **out) {
    wr_status status = WR_OK;
    *out = NULL;
    decompress *u = mem_calloc(1, sizeof *u);
    if (!u) {
        close(fd);
        return WR_E_NOMEM;
    }
    TRY(push(u, &plain_file, KIND_OTHER, path, fd));
    for (;;) {
        TRY(find_kind(u));
        if (!file_kind_is_compressed(u->kind)) break;
        if (u->layers == MOST_LAYERS)
            TRY(wr_fail(WR_E_FORMAT, "cannot read %s: compressed more than %d times over", path, MOST_LAYERS));
        TRY(push(u, codec_of(u->kind), u->kind, path, -1));
        u->layers++;
    }
    *out = u;
    u = NULL;
cleanup:
    decompress_close(u);
    return status;
}

void decompress_close(decompress *u) {
    if (!u) return;
    while (u->top) {
        decompress_layer *below = u->top->below;
        free_layer(u->top);
        u->top = below;
    }
    free(u);
}

size_t decompress_layers(const decompress *u) { return u->layers; }

file_kind decompress_kind(const decompress *u) { return u->kind; }

/* --- reading --- */

static void give_back(decompress *u) {
    u->top->from += u->lent;
    u->lent = 0;
}

wr_status decompress_peek(decompress *u, size_t want, const char **bytes, size_t *n) {
    wr_status status = WR_OK;
    decompress_layer *l = u->top;
    give_back(u);
    if (want > BUFFER_BYTES) want = BUFFER_BYTES;
    while (status >= 0 && l->to - l->from < want && !l->ended) status = fill(l);
    *bytes = l->buffer + l->from;
    *n = l->to - l->from;
    return status;
}

wr_status decompress_read(decompress *u, void *to, size_t room, size_t *n) {
    decompress_layer *l = u->top;
    give_back(u);
    if (l->from == l->to) return read_layer(l, to, room, n);
    *n = l->to - l->from < room ? l->to - l->from : room;
    memcpy(to, l->buffer + l->from, *n);
    l->from += *n;
    return WR_OK;
}

wr_status decompress_block(decompress *u, const char **bytes, size_t *n) {
    give_back(u);
    wr_status status = decompress_layer_bytes(u->top, bytes, n);
    u->lent = *n;
    return status;
}

int64_t decompress_seek(decompress *u, int64_t offset, int whence) {
    decompress_layer *l = u->top;
    give_back(u);
    if (whence == SEEK_CUR) offset -= (int64_t)(l->to - l->from); /* the descriptor is ahead of what was given */
    off_t at = lseek(l->fd, offset, whence);
    if (at < 0) return -1;
    l->from = l->to = 0;
    l->ended = false;
    l->used = (uint64_t)at;
    return at;
}

static const decompress_layer *bottom(const decompress *u) {
    const decompress_layer *l = u->top;
    while (l->below) l = l->below;
    return l;
}

int decompress_descriptor(const decompress *u) { return bottom(u)->fd; }

uint64_t decompress_consumed(const decompress *u) {
    const decompress_layer *l = bottom(u);
    return l->used - (l->to - l->from) + (l == u->top ? u->lent : 0);
}
