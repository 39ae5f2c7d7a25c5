/* Only the format that the first bytes show is given to libarchive, which would take many a text for one. What it does
 * not verify is verified here: that a tar has its end mark and nothing behind it (it would be lost without a word),
 * that a zip's directory and members agree, and that the compression around an archive is whole to its end, which lies
 * behind what libarchive reads. */
#include "base/instream_archive.h"

#include "base/archive_library.h"
#include "base/mem.h"
#include "base/zip_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct instream_archive {
    struct archive *a;
    decompress *u;
    const char *path;
    file_kind kind;
    bool seekable, in_member, ended;
    uint64_t total;
    uint64_t members; /* zip: of its directory; met so far */
    uint64_t met;
    uint64_t at, data_end; /* of the archive's bytes: the latest one given to libarchive; the latest that is not 0 */
    uint64_t end_mark;     /* tar: where its end mark begins */
    wr_status failed;      /* of the layers below */
    strbuf name;
};

/* The next bytes of the archive, with a look at where zeros begin. */
static wr_status next_block(instream_archive *s, const char **bytes, size_t *n) {
    wr_status status = decompress_block(s->u, bytes, n);
    if (status < 0) return status;
    size_t used = *n;
    while (used > 0 && (*bytes)[used - 1] == '\0') used--;
    if (used > 0) s->data_end = s->at + used;
    s->at += *n;
    return WR_OK;
}

static la_ssize_t on_read(struct archive *a, void *context, const void **bytes) {
    instream_archive *s = context;
    const char *block;
    size_t n;
    s->failed = next_block(s, &block, &n);
    if (s->failed < 0) {
        libarchive.archive_set_error(a, EIO, "%s", "the layer below");
        return ARCHIVE_FATAL;
    }
    *bytes = block;
    return (la_ssize_t)n;
}

static la_int64_t on_seek(struct archive *a, void *context, la_int64_t offset, int whence) {
    instream_archive *s = context;
    int64_t at = decompress_seek(s->u, offset, whence);
    if (at < 0) {
        libarchive.archive_set_error(a, errno, "%s", strerror(errno));
        return ARCHIVE_FATAL;
    }
    s->at = (uint64_t)at;
    return at;
}

static wr_status failure(const instream_archive *s) {
    if (s->failed < 0) return s->failed;
    const char *what = libarchive.archive_error_string(s->a);
    int code = libarchive.archive_errno(s->a);
    wr_status status = code == ENOMEM ? WR_E_NOMEM : code == EIO || code == EISDIR ? WR_E_IO : WR_E_FORMAT;
    return wr_fail(status, "cannot read %s: %s (is the file complete?)", s->in_member ? strbuf_str(&s->name) : s->path,
                   what ? what : "truncated or corrupt");
}

static void enable(struct archive *a, file_kind kind) {
    switch (kind) {
    case KIND_ZIP:
        libarchive.archive_read_support_format_zip_seekable(a);
        break;
    case KIND_7ZIP:
        libarchive.archive_read_support_format_7zip(a);
        break;
    case KIND_CPIO:
        libarchive.archive_read_support_format_cpio(a);
        break;
    case KIND_RAR:
        libarchive.archive_read_support_format_rar(a);
        libarchive.archive_read_support_format_rar5(a);
        break;
    default:
        libarchive.archive_read_support_format_tar(a);
    }
}

wr_status instream_archive_open(decompress *u, file_kind kind, const char *path, bool seekable, uint64_t total,
                                instream_archive **out) {
    wr_status status = WR_OK;
    *out = NULL;
    seekable = seekable && decompress_layers(u) == 0;
    if ((kind == KIND_ZIP || kind == KIND_7ZIP) && !seekable)
        return wr_fail(WR_E_FORMAT,
                       "cannot read %s: %s archives have their directory at the end, so they are read from a file "
                       "alone: save it to one, without further compression, or unpack it first",
                       path, file_kind_name(kind));
    instream_archive *s = mem_calloc(1, sizeof *s);
    if (!s) return WR_E_NOMEM;
    *s = (instream_archive){.u = u, .path = path, .kind = kind, .seekable = seekable, .total = total};
    if (kind == KIND_ZIP) TRY(zip_check(decompress_descriptor(u), path, total, &s->members));
    TRY(archive_library_load());
    TRY_ALLOC(s->a = libarchive.archive_read_new());
    enable(s->a, kind);
    libarchive.archive_read_set_read_callback(s->a, on_read);
    if (seekable) libarchive.archive_read_set_seek_callback(s->a, on_seek);
    libarchive.archive_read_set_callback_data(s->a, s);
    if (libarchive.archive_read_open1(s->a) != ARCHIVE_OK) TRY(failure(s));
    *out = s;
    s = NULL;
cleanup:
    instream_archive_close(s);
    return status;
}

void instream_archive_close(instream_archive *s) {
    if (!s) return;
    if (s->a) libarchive.archive_read_free(s->a);
    strbuf_free(&s->name);
    free(s);
}

/* Behind the last member. An uncompressed tar has no checksum over its length, but ends with blocks of zeros: cut
 * between two members it is otherwise indistinguishable from a whole one. */
static wr_status check_end(instream_archive *s) {
    wr_status status = WR_OK;
    const char *bytes;
    size_t n;
    if (s->kind == KIND_ZIP) {
        if (s->met != s->members)
            TRY(wr_fail(WR_E_FORMAT, "cannot read %s: zip: a member of its directory is damaged", s->path));
        return WR_OK;
    }
    if (s->kind == KIND_7ZIP) return WR_OK;
    do TRY(next_block(s, &bytes, &n));
    while (n > 0);
    if (s->kind != KIND_TAR && s->kind != KIND_ZEROS) return WR_OK;
    if (s->data_end > s->end_mark)
        TRY(wr_fail(WR_E_FORMAT,
                    "cannot read %s: behind the archive's end mark stand more data: archives that were joined have to "
                    "be unpacked one by one",
                    s->path));
    if (decompress_layers(s->u) == 0 && s->at == s->end_mark)
        TRY(wr_fail(WR_E_FORMAT, "cannot read %s: the archive has no end mark (is the file complete?)", s->path));
cleanup:
    return status;
}

static bool is_hidden(const char *member) {
    const char *slash = strrchr(member, '/');
    return (slash ? slash + 1 : member)[0] == '.';
}

static bool passed_over(struct archive_entry *e, const char *member) {
    return (libarchive.archive_entry_filetype(e) != AE_IFREG && libarchive.archive_entry_filetype(e) != 0) ||
           libarchive.archive_entry_hardlink(e) || (member && is_hidden(member));
}

wr_status instream_archive_next(instream_archive *s, strbuf *name) {
    wr_status status = WR_OK;
    while (!s->ended) {
        struct archive_entry *entry = NULL;
        s->in_member = false;
        int r = libarchive.archive_read_next_header(s->a, &entry);
        if (r == ARCHIVE_EOF) {
            s->ended = true;
            s->end_mark = (uint64_t)libarchive.archive_read_header_position(s->a);
            TRY(check_end(s));
            break;
        }
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN) return failure(s);
        s->met++;
        const char *member = libarchive.archive_entry_pathname(entry);
        if (passed_over(entry, member)) continue;
        strbuf_clear(&s->name);
        strbuf_printf(&s->name, "%s: %s", s->path, member ? member : "(no name)");
        TRY(strbuf_status(&s->name));
        strbuf_clear(name);
        strbuf_append(name, s->name.data, s->name.len);
        s->in_member = true;
        return strbuf_status(name);
    }
    return WR_END;
cleanup:
    return status;
}

wr_status instream_archive_read(instream_archive *s, void *to, size_t room, size_t *n) {
    la_ssize_t got = libarchive.archive_read_data(s->a, to, room);
    *n = got < 0 ? 0 : (size_t)got;
    return got < 0 ? failure(s) : WR_OK;
}
