#include "base/decompress_layer.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_LAYERS = 8, SKIPPABLE_HEADER = 8 };

struct decompress {
    decompress_layer *top;
    size_t layers;
    file_kind kind;
    size_t lent; /* bytes of the top's buffer that decompress_block has given */
};

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
        TRY(decompress_peek(u, DECOMPRESS_BUFFER, &bytes, &n));
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
    TRY(decompress_layer_push(&u->top, &decompress_file, KIND_OTHER, path, fd));
    for (;;) {
        TRY(find_kind(u));
        if (!file_kind_is_compressed(u->kind)) break;
        if (u->layers == MOST_LAYERS)
            TRY(wr_fail(WR_E_FORMAT, "cannot read %s: compressed more than %d times over", path, MOST_LAYERS));
        TRY(decompress_layer_push(&u->top, codec_of(u->kind), u->kind, path, -1));
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
        decompress_layer_free(u->top);
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
    if (want > DECOMPRESS_BUFFER) want = DECOMPRESS_BUFFER;
    while (status >= 0 && l->to - l->from < want && !l->ended) status = decompress_layer_fill(l);
    *bytes = l->buffer + l->from;
    *n = l->to - l->from;
    return status;
}

wr_status decompress_read(decompress *u, void *to, size_t room, size_t *n) {
    decompress_layer *l = u->top;
    give_back(u);
    if (l->from == l->to) return decompress_layer_read(l, to, room, n);
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
