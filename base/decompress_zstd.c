/* zstd (RFC 8878): frames behind one another. libzstd compares the checksum and the length of every frame that states
 * them; one without a checksum is as good as `zstd -t` finds it. */
#include "base/decompress_layer.h"

#include "base/mem.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

typedef struct zstd_state {
    ZSTD_DCtx *z;
    bool in_frame, held; /* the frame has not ended; there is text in it that found no room yet */
} zstd_state;

static wr_status zstd_open(decompress_layer *l) {
    zstd_state *s = l->state = mem_calloc(1, sizeof *s);
    if (!s) return WR_E_NOMEM;
    s->z = ZSTD_createDCtx();
    return s->z ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory opening %s", l->path);
}

static void zstd_close(decompress_layer *l) {
    zstd_state *s = l->state;
    if (s) ZSTD_freeDCtx(s->z);
    free(s);
}

static wr_status zstd_failure(const decompress_layer *l, size_t code) {
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation:
        return wr_fail(WR_E_NOMEM, "out of memory reading %s", l->path);
    case ZSTD_error_frameParameter_windowTooLarge:
        return wr_fail(WR_E_FORMAT,
                       "cannot read %s: zstd: its window is larger than 128 MiB; unpack it first, `zstd -dc --long=31 "
                       "%s | …`, or write it without --long",
                       l->path, l->path);
    case ZSTD_error_dictionary_wrong:
    case ZSTD_error_dictionary_corrupted:
        return wr_fail(
            WR_E_FORMAT,
            "cannot read %s: zstd: it was written with a dictionary; unpack it first, `zstd -dc -D DICTIONARY %s | …`",
            l->path, l->path);
    default:
        return decompress_failure(l, ZSTD_getErrorName(code));
    }
}

static wr_status zstd_read(decompress_layer *l, char *to, size_t room, size_t *got) {
    wr_status status = WR_OK;
    zstd_state *s = l->state;
    ZSTD_outBuffer text = {to, room, 0};
    while (text.pos == 0) {
        const char *bytes = NULL;
        size_t n = 0;
        if (!s->held) {
            TRY(decompress_layer_bytes(l->below, &bytes, &n));
            if (n == 0) return s->in_frame ? decompress_failure(l, "truncated") : WR_OK;
        }
        ZSTD_inBuffer packed = {bytes, n, 0};
        size_t hint = ZSTD_decompressStream(s->z, &text, &packed);
        if (ZSTD_isError(hint)) return zstd_failure(l, hint);
        decompress_layer_take(l->below, packed.pos);
        s->in_frame = hint != 0;
        s->held = s->in_frame && text.pos == text.size;
    }
    *got = text.pos;
cleanup:
    return status;
}

const decompress_codec decompress_zstd = {zstd_open, zstd_read, zstd_close};
