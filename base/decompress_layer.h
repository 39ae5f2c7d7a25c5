/* A chain of layers: base/decompress.c stacks them, base/decompress_*.c are the formats. A layer has bytes that nobody
 * has taken, and makes more of those of the layer below; the lowest one is the file. LOCAL.
 *
 *   decompress_read
 *     zstd    [ buffer: from ... to ]   codec->read takes from the layer below
 *     gzip    [ buffer: from ... to ]
 *     file    [ buffer: from ... to ]   read(2) */
#ifndef WR_BASE_DECOMPRESS_LAYER_H
#define WR_BASE_DECOMPRESS_LAYER_H

#include "base/decompress.h"

typedef struct decompress_layer decompress_layer;
typedef struct decompress_codec {
    wr_status (*open)(decompress_layer *l);
    /* 1 … room bytes; none at the end, when all below has been used and verified. Not called again after that, or after
     * an error. */
    wr_status (*read)(decompress_layer *l, char *to, size_t room, size_t *got);
    void (*close)(decompress_layer *l);
} decompress_codec;

struct decompress_layer {
    decompress_layer *below; /* NULL: the file */
    const decompress_codec *codec;
    const char *path;
    file_kind kind; /* what the codec unpacks */
    void *state;    /* the codec's */
    int fd;         /* of the file */
    uint64_t used;  /* bytes read of the file */
    char *buffer;
    size_t from, to; /* of buffer: not taken yet */
    bool ended;
    wr_status failed; /* errors are sticky */
};

enum { DECOMPRESS_BUFFER = 256 << 10 };
extern const decompress_codec decompress_file, decompress_gzip, decompress_zstd, decompress_by_archive;

/* On top of *top. The descriptor (-1: none) becomes the layer's, after a failure too. */
wr_status decompress_layer_push(decompress_layer **top, const decompress_codec *codec, file_kind kind, const char *path,
                                int fd);
void decompress_layer_free(decompress_layer *l); /* NULL is fine; not those below */
/* What the codec makes, past the buffer; or behind what is in it. */
wr_status decompress_layer_read(decompress_layer *l, char *to, size_t room, size_t *got);
wr_status decompress_layer_fill(decompress_layer *l);
/* All that is at hand of the layer's bytes, read first where there are none; n = 0 at its end. */
wr_status decompress_layer_bytes(decompress_layer *l, const char **bytes, size_t *n);
static inline void decompress_layer_take(decompress_layer *l, size_t n) { l->from += n; }
/* "cannot read PATH: gzip: WHAT (is the file complete?)" */
wr_status decompress_failure(const decompress_layer *l, const char *what);

#endif
