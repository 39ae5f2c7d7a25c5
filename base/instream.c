/* Lines from any file. Text that starts like JSON is read directly, plain or from zstd (libarchive would copy it once more); everything else goes
 * through libarchive, whose "raw" format makes a member of what is no archive. Formats that bid on plain text (mtree, uu, lha, ar, warc) are not
 * enabled. */
#include "base/stream.h"

#include "base/mem.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define BLOCK_BYTES ((size_t)256 << 10)
#define LINE_LIMIT ((size_t)1 << 30)

struct instream {
    char *path; /* as messages name it */
    int fd;
    bool seekable;
    uint64_t consumed, total;
    char *block; /* the latest bytes of the file; those read to look at come first */
    size_t block_used, block_ahead;
    struct archive *archive; /* NULL: text, plain or from zstd */
    ZSTD_DCtx *zstd;         /* NULL: no zstd, or libarchive unpacks it */
    ZSTD_inBuffer packed;    /* of block, for zstd */
    bool in_frame, held;     /* zstd: the frame has not ended; there is text that found no room yet */
    bool in_member, ended;
    strbuf name;
    char *text; /* decoded bytes: [start, end) not returned yet, of which [start, scanned) hold no newline */
    size_t start, scanned, end, capacity;
    size_t line_number;
    wr_status failed; /* errors are sticky */
};

static ssize_t fill_block(instream *s) {
    for (;;) {
        ssize_t n = read(s->fd, s->block + s->block_used, BLOCK_BYTES - s->block_used);
        if (n >= 0 || errno != EINTR) {
            return n;
        }
    }
}

static la_ssize_t on_read(struct archive *a, void *context, const void **bytes) {
    instream *s = context;
    *bytes = s->block;
    if (s->block_ahead > 0) {
        size_t n = s->block_ahead;
        s->block_ahead = 0;
        s->consumed += n;
        return (la_ssize_t)n;
    }
    s->block_used = 0;
    ssize_t n = fill_block(s);
    if (n < 0) {
        archive_set_error(a, errno, "%s", strerror(errno));
        return ARCHIVE_FATAL;
    }
    s->consumed += (uint64_t)n;
    return n;
}

static la_int64_t on_seek(struct archive *a, void *context, la_int64_t offset, int whence) {
    instream *s = context;
    if (whence == SEEK_CUR) { /* the file descriptor is ahead of what was handed out */
        offset += (la_int64_t)s->consumed;
        whence = SEEK_SET;
    }
    s->block_ahead = 0;
    off_t at = lseek(s->fd, offset, whence);
    if (at < 0) {
        archive_set_error(a, errno, "%s", strerror(errno));
        return ARCHIVE_FATAL;
    }
    s->consumed = (uint64_t)at;
    return at;
}

static wr_status archive_failure(instream *s) {
    const char *what = archive_error_string(s->archive);
    int code = archive_errno(s->archive);
    wr_status status = code == EIO || code == ENOMEM || code == EISDIR ? WR_E_IO : WR_E_FORMAT;
    const char *name = s->in_member ? strbuf_str(&s->name) : s->path;
    return wr_fail(status, "cannot read %s: %s (is the file complete?)", name, what ? what : "truncated or corrupt");
}

static bool has_suffix(const char *path, const char *suffix) {
    size_t n = strlen(path), k = strlen(suffix);
    return n > k && strcasecmp(path + n - k, suffix) == 0;
}

/* The name promises compression: then the bytes must be compressed, or the file was cut before its first frame or is another. */
static bool name_promises_filter(const char *path) {
    static const char *const suffixes[] = {".zst", ".gz", ".xz", ".bz2", ".lz4", ".tgz", ".txz", ".zip", ".7z", ".tar"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        if (has_suffix(path, suffixes[i])) {
            return true;
        }
    }
    return false;
}

static bool looks_like_json(const char *s, size_t n) {
    size_t i = 0;
    while (i < n && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r')) {
        i++;
    }
    return i + 1 < n && s[i] == '{' && (s[i + 1] == '"' || s[i + 1] == '}' || s[i + 1] == ' ' || s[i + 1] == '\n');
}

/* --- zstd --- */

static wr_status zstd_failure(const instream *s, const char *what) {
    return wr_fail(WR_E_FORMAT, "cannot read %s: zstd: %s (is the file complete?)", s->path, what);
}

/* Up to `room` bytes of text, of as many frames as it takes; 0 at the end of the file. libzstd compares the checksums of the frames. */
static wr_status zstd_bytes(instream *s, char *to, size_t room, size_t *got) {
    ZSTD_outBuffer text = {to, room, 0};
    while (text.pos == 0) {
        if (s->packed.pos == s->packed.size && !s->held) {
            s->block_used = 0;
            ssize_t n = fill_block(s);
            if (n < 0) {
                return wr_fail(WR_E_IO, "cannot read %s: %s", s->path, strerror(errno));
            }
            if (n == 0) {
                return s->in_frame ? zstd_failure(s, "truncated") : WR_OK;
            }
            s->consumed += (uint64_t)n;
            s->packed = (ZSTD_inBuffer){s->block, (size_t)n, 0};
        }
        size_t hint = ZSTD_decompressStream(s->zstd, &text, &s->packed);
        if (ZSTD_isError(hint)) {
            return zstd_failure(s, ZSTD_getErrorName(hint));
        }
        s->in_frame = hint != 0;
        s->held = s->in_frame && text.pos == text.size;
    }
    *got = text.pos;
    return WR_OK;
}

/* Does the block hold zstd of text that starts like JSON? Anything else zstd may hold (a tar, say) is left to libarchive. */
static wr_status open_zstd(instream *s) {
    static const unsigned char magic[] = {0x28, 0xB5, 0x2F, 0xFD};
    char first[64];
    ZSTD_outBuffer text = {first, sizeof first, 0};
    if (s->block_used < sizeof magic || memcmp(s->block, magic, sizeof magic) != 0) {
        return WR_OK;
    }
    s->zstd = ZSTD_createDCtx();
    if (!s->zstd) {
        return wr_fail(WR_E_NOMEM, "out of memory opening %s", s->path);
    }
    ZSTD_inBuffer packed = {s->block, s->block_used, 0};
    size_t hint = ZSTD_decompressStream(s->zstd, &text, &packed);
    if (ZSTD_isError(hint) || !looks_like_json(first, text.pos)) {
        ZSTD_freeDCtx(s->zstd);
        s->zstd = NULL;
        return WR_OK;
    }
    ZSTD_DCtx_reset(s->zstd, ZSTD_reset_session_only);
    s->packed = (ZSTD_inBuffer){s->block, s->block_used, 0};
    s->consumed = s->block_used;
    s->block_ahead = 0;
    return WR_OK;
}

static wr_status open_archive(instream *s) {
    struct archive *a = s->archive = archive_read_new();
    if (!a) {
        return wr_fail(WR_E_NOMEM, "out of memory opening %s", s->path);
    }
    /* A missing codec of an optional kind is no error here: its files will then be refused by name. */
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_lzma(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_lz4(a);
    archive_read_support_format_tar(a);
    archive_read_support_format_zip(a);
    archive_read_support_format_7zip(a);
    archive_read_support_format_cpio(a);
    archive_read_support_format_rar(a);
    archive_read_support_format_rar5(a);
    archive_read_support_format_empty(a);
    archive_read_support_format_raw(a);
    archive_read_set_read_callback(a, on_read);
    if (s->seekable) {
        archive_read_set_seek_callback(a, on_seek);
    }
    archive_read_set_callback_data(a, s);
    return archive_read_open1(a) != ARCHIVE_OK ? archive_failure(s) : WR_OK;
}

wr_status instream_open(const char *path, instream **out) {
    wr_status status = WR_OK;
    struct stat info;
    *out = NULL;
    bool standard = strcmp(path, "-") == 0;
    instream *s = mem_calloc(1, sizeof *s);
    if (!s) {
        return WR_E_NOMEM;
    }
    s->fd = -1;
    TRY_ALLOC(s->path = mem_strdup(standard ? "standard input" : path));
    strbuf_puts(&s->name, s->path);
    TRY(strbuf_status(&s->name));
    s->fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &info) < 0) {
        TRY(wr_fail(WR_E_IO, "cannot open %s: %s", s->path, strerror(errno)));
    }
    if (S_ISDIR(info.st_mode)) {
        TRY(wr_fail(WR_E_IO, "cannot read %s: it is a folder", s->path));
    }
    if (S_ISREG(info.st_mode)) {
        s->total = (uint64_t)info.st_size;
        s->seekable = lseek(s->fd, 0, SEEK_CUR) == 0; /* else standard input that somebody has read from */
    }
    TRY_ALLOC(s->block = mem_realloc(NULL, BLOCK_BYTES, 1));
    ssize_t n = fill_block(s);
    if (n < 0) {
        TRY(wr_fail(WR_E_IO, "cannot read %s: %s", s->path, strerror(errno)));
    }
    s->block_used = s->block_ahead = (size_t)n;
    if (n == 0 && !standard && name_promises_filter(path)) {
        TRY(wr_fail(WR_E_FORMAT, "cannot read %s: the file is empty, which is no valid compressed file or archive", s->path));
    }
    if (n > 0 && !looks_like_json(s->block, (size_t)n)) {
        TRY(open_zstd(s));
        if (!s->zstd) {
            TRY(open_archive(s));
        }
    }
    *out = s;
    s = NULL;
cleanup:
    instream_close(s);
    return status;
}

void instream_close(instream *s) {
    if (!s) {
        return;
    }
    if (s->archive) {
        archive_read_free(s->archive);
    }
    ZSTD_freeDCtx(s->zstd);
    if (s->fd >= 0) {
        close(s->fd);
    }
    strbuf_free(&s->name);
    free(s->text);
    free(s->block);
    free(s->path);
    free(s);
}

/* An uncompressed tar has no checksum over its length, but ends with blocks of zeros: cut between two members it is otherwise
 * indistinguishable from a whole one. */
static wr_status check_tar_end(instream *s) {
    char last[512];
    if ((archive_format(s->archive) & ARCHIVE_FORMAT_BASE_MASK) != ARCHIVE_FORMAT_TAR || archive_filter_count(s->archive) > 1 ||
        !s->seekable || s->total < sizeof last) {
        return WR_OK;
    }
    ssize_t n = pread(s->fd, last, sizeof last, (off_t)(s->total - sizeof last));
    for (ssize_t i = 0; i < n; i++) {
        if (last[i]) {
            return wr_fail(WR_E_FORMAT, "cannot read %s: the archive has no end mark (is the file complete?)", s->path);
        }
    }
    return WR_OK;
}

static bool is_hidden(const char *member) {
    const char *slash = strrchr(member, '/');
    return (slash ? slash + 1 : member)[0] == '.';
}

/* Moves to the next member that holds data; WR_END after the last. Folders, links and hidden files (what some systems add
 * to archives of their own accord) are passed over. */
static wr_status next_member(instream *s) {
    for (;;) {
        struct archive_entry *entry = NULL;
        s->in_member = false;
        int r = archive_read_next_header(s->archive, &entry);
        if (r == ARCHIVE_EOF) {
            return check_tar_end(s) < 0 ? WR_E_FORMAT : WR_END;
        }
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN) {
            return archive_failure(s);
        }
        bool raw = archive_format(s->archive) == ARCHIVE_FORMAT_RAW;
        if (raw && archive_filter_count(s->archive) <= 1 && name_promises_filter(s->path)) {
            return wr_fail(WR_E_FORMAT, "cannot read %s: it is not what its name says (is the file complete?)", s->path);
        }
        const char *member = raw ? NULL : archive_entry_pathname(entry);
        if (!raw && ((archive_entry_filetype(entry) != AE_IFREG && archive_entry_filetype(entry) != 0) || archive_entry_hardlink(entry) ||
                     (member && is_hidden(member)))) {
            continue;
        }
        if (!raw) {
            strbuf_clear(&s->name);
            strbuf_printf(&s->name, "%s: %s", s->path, member ? member : "(no name)");
        }
        s->in_member = true;
        s->line_number = 0;
        return strbuf_status(&s->name);
    }
}

/* Up to `room` decoded bytes; WR_END at the end of the member (no archive: of the file). */
static wr_status more_bytes(instream *s, char *to, size_t room, size_t *got) {
    la_ssize_t n;
    *got = 0;
    if (s->zstd) {
        wr_status status = zstd_bytes(s, to, room, got);
        return status < 0 ? status : *got ? WR_OK : WR_END;
    }
    if (s->archive) {
        n = archive_read_data(s->archive, to, room);
        if (n < 0) {
            return archive_failure(s);
        }
    } else if (s->block_ahead > 0) {
        n = (la_ssize_t)(s->block_ahead < room ? s->block_ahead : room);
        memcpy(to, s->block + s->block_used - s->block_ahead, (size_t)n);
        s->block_ahead -= (size_t)n;
        s->consumed += (uint64_t)n;
    } else {
        do {
            n = read(s->fd, to, room);
        } while (n < 0 && errno == EINTR);
        if (n < 0) {
            return wr_fail(WR_E_IO, "cannot read %s: %s", s->path, strerror(errno));
        }
        s->consumed += (uint64_t)n;
    }
    *got = (size_t)n;
    return n == 0 ? WR_END : WR_OK;
}

/* Appends decoded bytes to text; WR_END at the end of the member (no archive: of the file). */
static wr_status more_text(instream *s) {
    if (s->start > 0) {
        memmove(s->text, s->text + s->start, s->end - s->start);
        s->end -= s->start;
        s->scanned -= s->start;
        s->start = 0;
    }
    if (s->end > LINE_LIMIT) {
        return wr_fail(WR_E_FORMAT, "%s: line %zu is longer than 1 GiB", strbuf_str(&s->name), s->line_number + 1);
    }
    wr_status status = mem_reserve((void **)&s->text, &s->capacity, s->end + BLOCK_BYTES, 1);
    if (status < 0) {
        return status;
    }
    size_t n;
    status = more_bytes(s, s->text + s->end, s->capacity - s->end, &n);
    s->end += n;
    return status;
}

static void take_line(instream *s, size_t length, size_t with_newline, const char **line, size_t *n) {
    const char *text = s->text + s->start;
    s->start += with_newline;
    s->scanned = s->start;
    if (length > 0 && text[length - 1] == '\r') {
        length--;
    }
    if (s->line_number++ == 0 && length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3; /* byte order mark */
        length -= 3;
    }
    *line = text;
    *n = length;
}

static wr_status next_line(instream *s, const char **line, size_t *length) {
    for (;;) {
        if (s->archive && !s->in_member) {
            wr_status status = next_member(s);
            if (status != WR_OK) {
                return status;
            }
        }
        const char *newline = s->end > s->scanned ? memchr(s->text + s->scanned, '\n', s->end - s->scanned) : NULL;
        if (newline) {
            size_t n = (size_t)(newline - (s->text + s->start));
            take_line(s, n, n + 1, line, length);
            return WR_OK;
        }
        s->scanned = s->end;
        wr_status status = more_text(s);
        if (status < 0) {
            return status;
        }
        if (status == WR_END) {
            size_t left = s->end - s->start;
            s->in_member = false;
            if (left > 0) {
                take_line(s, left, left, line, length);
                return WR_OK;
            }
            if (!s->archive) {
                return WR_END;
            }
        }
    }
}

wr_status instream_line(instream *s, const char **line, size_t *length) {
    if (s->ended) {
        return WR_END;
    }
    if (s->failed) {
        return s->failed;
    }
    wr_status status = next_line(s, line, length);
    s->ended = status == WR_END;
    s->failed = status < 0 ? status : WR_OK;
    return status;
}

wr_status instream_member(instream *s) {
    wr_status status = s->failed;
    if (s->ended) {
        return WR_END;
    }
    if (status == WR_OK && s->archive) {
        s->in_member = false;
        status = next_member(s);
    } else if (status == WR_OK) {
        status = s->in_member ? WR_END : WR_OK;
        s->in_member = true;
    }
    s->ended = status == WR_END;
    s->failed = status < 0 ? status : WR_OK;
    return status;
}

wr_status instream_read(instream *s, void *to, size_t room, size_t *n) {
    *n = 0;
    if (s->failed) {
        return s->failed;
    }
    wr_status status = more_bytes(s, to, room, n);
    s->failed = status < 0 ? status : WR_OK;
    return status;
}

size_t instream_line_number(const instream *s) {
    return s->line_number;
}

const char *instream_name(const instream *s) {
    return strbuf_str(&s->name);
}

void instream_position(const instream *s, uint64_t *done, uint64_t *total) {
    *done = s->consumed;
    *total = s->total;
}
