/* gzip (RFC 1952): members behind one another, each with CRC-32 and length, which zlib compares, and a header, which
 * zlib checks. What follows the last member is another one or zeros (tapes and block devices pad with them), as for
 * gzip itself: anything else was a member once. */
#include "base/decompress_layer.h"

#include "base/mem.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

typedef struct gzip_state {
    z_stream z;
    enum { START, MEMBER, BETWEEN, PADDING } place;
    bool made;
} gzip_state;

static wr_status gzip_open(decompress_layer *l) {
    gzip_state *g = l->state = mem_calloc(1, sizeof *g);
    if (!g) return WR_E_NOMEM;
    if (inflateInit2(&g->z, MAX_WBITS + 16) != Z_OK) /* + 16: with gzip's header and trailer */
        return wr_fail(WR_E_NOMEM, "out of memory opening %s", l->path);
    g->made = true;
    return WR_OK;
}

static void gzip_close(decompress_layer *l) {
    gzip_state *g = l->state;
    if (g && g->made) inflateEnd(&g->z);
    free(g);
}

static wr_status garbage(const decompress_layer *l) {
    return decompress_failure(l, "behind its last member stands what is no member; a part of it is damaged or missing");
}

/* Before a member, or behind the last one. */
static wr_status next_member(decompress_layer *l, const char *bytes, size_t n) {
    gzip_state *g = l->state;
    if (g->place != START && (g->place == PADDING || bytes[0] == '\0')) {
        for (size_t i = 0; i < n; i++)
            if (bytes[i]) return garbage(l);
        g->place = PADDING;
        decompress_layer_take(l->below, n);
        return WR_OK;
    }
    if (bytes[0] != '\x1F') return garbage(l);
    g->place = MEMBER;
    return inflateReset(&g->z) == Z_OK ? WR_OK : wr_fail(WR_E_FAILED, "zlib does not start again");
}

static wr_status inflate_some(decompress_layer *l, const char *bytes, size_t n, char *to, size_t room, size_t *got) {
    gzip_state *g = l->state;
    z_stream *z = &g->z;
    if (room > UINT_MAX) room = UINT_MAX;
    z->next_in = (Bytef *)(uintptr_t)bytes;
    z->avail_in = (uInt)n;
    z->next_out = (Bytef *)to;
    z->avail_out = (uInt)room;
    int r = inflate(z, Z_NO_FLUSH);
    decompress_layer_take(l->below, n - z->avail_in);
    *got = room - z->avail_out;
    if (r == Z_STREAM_END)
        g->place = BETWEEN;
    else if (r == Z_MEM_ERROR)
        return wr_fail(WR_E_NOMEM, "out of memory reading %s", l->path);
    else if (r != Z_OK)
        return decompress_failure(l, r == Z_NEED_DICT ? "it needs a dictionary" : z->msg ? z->msg : "damaged");
    return WR_OK;
}

static wr_status gzip_read(decompress_layer *l, char *to, size_t room, size_t *got) {
    wr_status status = WR_OK;
    gzip_state *g = l->state;
    while (*got == 0) {
        const char *bytes;
        size_t n;
        TRY(decompress_layer_bytes(l->below, &bytes, &n));
        if (n == 0) return g->place == MEMBER || g->place == START ? decompress_failure(l, "truncated") : WR_OK;
        if (g->place != MEMBER)
            TRY(next_member(l, bytes, n));
        else
            TRY(inflate_some(l, bytes, n, to, room, got));
    }
cleanup:
    return status;
}

const decompress_codec decompress_gzip = {gzip_open, gzip_read, gzip_close};
