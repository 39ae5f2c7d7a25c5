/* bzip2, xz, lzma and lz4, by libarchive's filters. These compare the checksums of the formats, but take whatever
 * follows and is no member for the end of the file, without a word: so the bytes they used are counted. */
#include "base/decompress_layer.h"

#include "base/archive_library.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct filter_state {
    struct archive *a;
    size_t lent;      /* bytes of the layer below that libarchive is looking at */
    uint64_t given;   /* and all that it was ever given */
    wr_status failed; /* of the layer below */
    bool begun, empty;
} filter_state;

static la_ssize_t on_read(struct archive *a, void *context, const void **bytes) {
    decompress_layer *l = context;
    filter_state *s = l->state;
    const char *block;
    size_t n;
    decompress_layer_take(l->below, s->lent);
    s->lent = 0;
    s->failed = decompress_layer_bytes(l->below, &block, &n);
    if (s->failed < 0) {
        libarchive.archive_set_error(a, EIO, "%s", "the layer below");
        return ARCHIVE_FATAL;
    }
    s->lent = n;
    s->given += n;
    *bytes = block;
    return (la_ssize_t)n;
}

static wr_status failure(const decompress_layer *l) {
    const filter_state *s = l->state;
    if (s->failed < 0) return s->failed;
    const char *what = libarchive.archive_error_string(s->a);
    if (libarchive.archive_errno(s->a) == ENOMEM) return wr_fail(WR_E_NOMEM, "out of memory reading %s", l->path);
    return decompress_failure(l, what ? what : "truncated or damaged");
}

static wr_status filter_open(decompress_layer *l) {
    filter_state *s = l->state = mem_calloc(1, sizeof *s);
    if (!s) return WR_E_NOMEM;
    const wr_status loaded = archive_library_load();
    if (loaded < 0) return loaded;
    struct archive *a = s->a = libarchive.archive_read_new();
    if (!a) return wr_fail(WR_E_NOMEM, "out of memory opening %s", l->path);
    int r = l->kind == KIND_BZIP2  ? libarchive.archive_read_support_filter_bzip2(a)
            : l->kind == KIND_XZ   ? libarchive.archive_read_support_filter_xz(a)
            : l->kind == KIND_LZMA ? libarchive.archive_read_support_filter_lzma(a)
                                   : libarchive.archive_read_support_filter_lz4(a);
    if (r != ARCHIVE_OK)
        return wr_fail(WR_E_FORMAT, "cannot read %s: this libarchive does not know %s", l->path,
                       file_kind_name(l->kind));
    libarchive.archive_read_support_format_empty(a);
    libarchive.archive_read_support_format_raw(a);
    libarchive.archive_read_set_read_callback(a, on_read);
    libarchive.archive_read_set_callback_data(a, l);
    return WR_OK;
}

static void filter_close(decompress_layer *l) {
    filter_state *s = l->state;
    if (s && s->a) libarchive.archive_read_free(s->a);
    free(s);
}

/* Not at opening, for that reads on: whoever opens wants to see what there is of a damaged file too. */
static wr_status begin(decompress_layer *l) {
    filter_state *s = l->state;
    struct archive_entry *entry;
    s->begun = true;
    if (libarchive.archive_read_open1(s->a) != ARCHIVE_OK) return failure(l);
    int r = libarchive.archive_read_next_header(s->a, &entry);
    if (r != ARCHIVE_OK && r != ARCHIVE_EOF) return failure(l);
    s->empty = r == ARCHIVE_EOF;
    return libarchive.archive_filter_count(s->a) == 2 ? WR_OK : decompress_failure(l, "damaged");
}

static wr_status filter_read(decompress_layer *l, char *to, size_t room, size_t *got) {
    wr_status status = WR_OK;
    filter_state *s = l->state;
    const char *bytes;
    size_t n;
    if (!s->begun) TRY(begin(l));
    la_ssize_t r = s->empty ? 0 : libarchive.archive_read_data(s->a, to, room);
    if (r < 0) return failure(l);
    if (r == 0) {
        bool left = (uint64_t)libarchive.archive_filter_bytes(s->a, -1) != s->given;
        decompress_layer_take(l->below, s->lent);
        s->lent = 0;
        TRY(decompress_layer_bytes(l->below, &bytes, &n));
        if (left || n)
            TRY(decompress_failure(
                l, "behind its end stands what is no part of it; something in it is damaged or missing"));
    }
    *got = (size_t)r;
cleanup:
    return status;
}

const decompress_codec decompress_by_archive = {filter_open, filter_read, filter_close};
