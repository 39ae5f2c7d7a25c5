#include "tests/support/archives.h"

#include "base/stream.h"

#include <archive_entry.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

void put_archive(const char *name, int filter, int format, const archive_member *members, size_t n) {
    struct archive *a = archive_write_new();
    assert_int_equal(archive_write_add_filter(a, filter), ARCHIVE_OK);
    assert_int_equal(archive_write_set_format(a, format), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, in_folder(name)), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, members[i].name);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_filetype(e, members[i].bytes ? AE_IFREG : AE_IFDIR);
        archive_entry_set_size(e, (la_int64_t)members[i].n);
        if (archive_write_header(a, e) != ARCHIVE_OK) fail_msg("%s: %s", name, archive_error_string(a));
        if (members[i].bytes) assert_int_equal(archive_write_data(a, members[i].bytes, members[i].n), members[i].n);
        archive_entry_free(e);
    }
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    archive_write_free(a);
}

void append_rows(strbuf *b, int from, int count) {
    for (int i = from; i < from + count; i++)
        strbuf_printf(b, "{\"n\":%d,\"x\":\"%08x%08x\"}\n", i, (unsigned)i * 2654435761u,
                      (unsigned)i * 40503u ^ 0x5bd1e995u);
}

/* One member of gzip. name: NULL, or in its header; sum: a checksum of the header, and right. */
void append_gzip(strbuf *to, const char *text, size_t n, const char *name, bool sum) {
    z_stream z = {0};
    gz_header h = {.name = (Bytef *)(uintptr_t)name, .hcrc = sum, .os = 3};
    size_t bound = n + n / 100 + 200;
    char *packed = malloc(bound);
    assert_non_null(packed);
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflateSetHeader(&z, &h), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)text, z.avail_in = (uInt)n;
    z.next_out = (Bytef *)packed, z.avail_out = (uInt)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    strbuf_append(to, packed, z.total_out);
    deflateEnd(&z);
    free(packed);
}

void append_zstd(strbuf *to, const char *text, size_t n, bool sum, int window) {
    ZSTD_CCtx *z = ZSTD_createCCtx();
    size_t room = ZSTD_compressBound(n);
    char *packed = malloc(room);
    ZSTD_inBuffer in = {text, n, 0};
    ZSTD_outBuffer out = {packed, room, 0};
    assert_non_null(z);
    assert_non_null(packed);
    ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, sum);
    if (window) ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window);
    if (window)
        assert_false(ZSTD_isError(ZSTD_compressStream2(z, &out, &in, ZSTD_e_flush))); /* its length is not known yet */
    assert_int_equal(ZSTD_compressStream2(z, &out, &in, ZSTD_e_end), 0);
    strbuf_append(to, packed, out.pos);
    free(packed);
    ZSTD_freeCCtx(z);
}

wr_status read_lines(const char *path, strbuf *out) {
    instream *s = NULL;
    const char *line;
    size_t n;
    wr_status status = instream_open(path, &s);
    if (status < 0) return status;
    while ((status = instream_line(s, &line, &n)) == WR_OK) {
        strbuf_append(out, line, n);
        strbuf_putc(out, '\n');
    }
    assert_int_equal(instream_line(s, &line, &n), status); /* stays so */
    instream_close(s);
    return status;
}
