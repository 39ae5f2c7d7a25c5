/* Lines from any file. base/decompress.c takes compression off; text that is no archive is read from there directly,
 * and archives go through libarchive (base/instream_archive.c). */
#include "base/stream.h"

#include "base/instream_archive.h"
#include "base/mem.h"
#include "base/decompress.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)256 << 10)
#define LINE_LIMIT ((size_t)1 << 30)

struct instream {
    char *path; /* as messages name it */
    uint64_t total;
    decompress *bytes;
    instream_archive *archive; /* NULL: text */
    bool in_member, ended;
    strbuf name;
    char first[FILE_KIND_BYTES]; /* of a member of an archive, looked at before they are given */
    size_t first_from, first_to;
    char *text; /* decoded bytes: [start, end) not returned yet, of which [start, scanned) hold no newline */
    size_t start, scanned, end, capacity;
    size_t line_number;
    wr_status failed; /* errors are sticky */
};

static bool has_suffix(const char *path, const char *suffix) {
    size_t n = strlen(path), k = strlen(suffix);
    return n > k && strcasecmp(path + n - k, suffix) == 0;
}

static bool has_suffix_of(const char *path, const char *const *suffixes) {
    while (*suffixes && !has_suffix(path, *suffixes)) {
        suffixes++;
    }
    return *suffixes != NULL;
}

/* The name promises a container: then the bytes must be one, or the file was cut, damaged in its first bytes, or is
 * another. */
static bool name_promises_compression(const char *path) {
    static const char *const suffixes[] = {".zst",  ".gz",   ".xz",  ".bz2", ".lz4", ".lzma", ".tgz", ".txz", ".tbz",
                                           ".tbz2", ".tzst", ".tlz", ".bgz", ".br",  ".lz",   ".lzo", ".z",   NULL};
    return has_suffix_of(path, suffixes);
}

static bool name_promises_tar(const char *path) {
    static const char *const suffixes[] = {".tar",     ".tgz",     ".txz",      ".tbz",    ".tbz2",
                                           ".tzst",    ".tlz",     ".tar.gz",   ".tar.xz", ".tar.bz2",
                                           ".tar.zst", ".tar.lz4", ".tar.lzma", NULL};
    return has_suffix_of(path, suffixes);
}

static bool name_promises_archive(const char *path) {
    static const char *const suffixes[] = {".zip", ".7z", ".rar", ".cpio", ".parquet", NULL};
    return name_promises_tar(path) || has_suffix_of(path, suffixes);
}

/* What stands in the file, told by its bytes, and whether that is what its name says. Text that starts like JSON is
 * text under any name. */
static wr_status look_inside(instream *s, bool standard, bool seekable) {
    wr_status status = WR_OK;
    const char *bytes, *path = s->path;
    size_t n;
    file_kind kind = decompress_kind(s->bytes);
    TRY(decompress_peek(s->bytes, 1, &bytes, &n));
    if (looks_like_json(bytes, n)) {
        return WR_OK;
    }
    if (n == 0 && decompress_layers(s->bytes) == 0) {
        bool promised = !standard && (name_promises_compression(path) || name_promises_archive(path));
        return promised
                   ? wr_fail(WR_E_FORMAT,
                             "cannot read %s: the file is empty, which is no valid compressed file or archive", path)
                   : WR_OK;
    }
    if (kind == KIND_OTHER && !standard && has_suffix(path, ".zip")) {
        kind = KIND_ZIP; /* one that begins with a program, which unpacks it */
    }
    if (kind == KIND_ZEROS && (standard || !name_promises_tar(path))) {
        TRY(wr_fail(WR_E_FORMAT,
                    "cannot read %s: it begins with zeros: blocks of it are missing (is the file complete?)", path));
    }
    TRY(file_kind_refuse(kind, path));
    if (file_kind_is_archive(kind)) {
        TRY(instream_archive_open(s->bytes, kind, path, seekable, s->total, &s->archive));
    } else if (!standard && ((decompress_layers(s->bytes) == 0 && name_promises_compression(path)) ||
                             (n && name_promises_archive(path)))) {
        TRY(wr_fail(WR_E_FORMAT, "cannot read %s: it is not what its name says (is the file complete?)", path));
    }
cleanup:
    return status;
}

wr_status instream_open(const char *path, instream **out) {
    wr_status status = WR_OK;
    struct stat info;
    int fd = -1;
    *out = NULL;
    bool standard = strcmp(path, "-") == 0, seekable = false;
    instream *s = mem_calloc(1, sizeof *s);
    if (!s) {
        return WR_E_NOMEM;
    }
    TRY_ALLOC(s->path = mem_strdup(standard ? "standard input" : path));
    strbuf_puts(&s->name, s->path);
    TRY(strbuf_status(&s->name));
    fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0) {
        TRY(wr_fail(WR_E_IO, "cannot open %s: %s", s->path, strerror(errno)));
    }
    if (S_ISDIR(info.st_mode)) {
        TRY(wr_fail(WR_E_IO, "cannot read %s: it is a folder", s->path));
    }
    if (S_ISREG(info.st_mode)) {
        s->total = (uint64_t)info.st_size;
        seekable = lseek(fd, 0, SEEK_CUR) == 0; /* else standard input that somebody has read from */
    }
    status = decompress_open(fd, s->path, &s->bytes);
    fd = -1;
    TRY(status);
    TRY(look_inside(s, standard, seekable));
    *out = s;
    s = NULL;
cleanup:
    if (fd >= 0) {
        close(fd);
    }
    instream_close(s);
    return status;
}

void instream_close(instream *s) {
    if (!s) {
        return;
    }
    instream_archive_close(s->archive);
    decompress_close(s->bytes);
    strbuf_free(&s->name);
    free(s->text);
    free(s->path);
    free(s);
}

/* Moves to the next member that holds data; WR_END after the last. What a member is must be known before its bytes are
 * given as text. */
static wr_status next_member(instream *s) {
    wr_status status = WR_OK;
    s->in_member = false;
    s->first_from = s->first_to = 0;
    wr_status got = instream_archive_next(s->archive, &s->name);
    if (got != WR_OK) {
        return got;
    }
    for (size_t n = 1; n > 0 && s->first_to < sizeof s->first; s->first_to += n) {
        TRY(instream_archive_read(s->archive, s->first + s->first_to, sizeof s->first - s->first_to, &n));
    }
    file_kind kind = looks_like_json(s->first, s->first_to) ? KIND_OTHER : file_kind_of(s->first, s->first_to);
    TRY(file_kind_refuse(kind, strbuf_str(&s->name)));
    if (file_kind_is_compressed(kind) || (file_kind_is_archive(kind) && kind != KIND_ZEROS)) {
        TRY(wr_fail(WR_E_FORMAT, "cannot read %s: it is %s within an archive: unpack the archive first",
                    strbuf_str(&s->name), file_kind_name(kind)));
    }
    s->in_member = true;
    s->line_number = 0;
cleanup:
    return status;
}

/* Up to `room` decoded bytes; WR_END at the end of the member (no archive: of the file). */
static wr_status more_bytes(instream *s, char *to, size_t room, size_t *got) {
    wr_status status;
    *got = 0;
    if (s->first_from < s->first_to) {
        *got = s->first_to - s->first_from < room ? s->first_to - s->first_from : room;
        memcpy(to, s->first + s->first_from, *got);
        s->first_from += *got;
        return WR_OK;
    }
    status = s->archive ? instream_archive_read(s->archive, to, room, got) : decompress_read(s->bytes, to, room, got);
    return status < 0 ? status : *got ? WR_OK : WR_END;
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

size_t instream_line_number(const instream *s) { return s->line_number; }

const char *instream_name(const instream *s) { return strbuf_str(&s->name); }

void instream_position(const instream *s, uint64_t *done, uint64_t *total) {
    *done = decompress_consumed(s->bytes);
    *total = s->total;
}
