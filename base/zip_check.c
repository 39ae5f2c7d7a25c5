/* APPNOTE.TXT of PKWARE: 4.3.7 (header of a member), 4.3.12 (entry of the directory), 4.3.14 – 4.3.16 (end of the
 * directory). */
#include "base/zip_check.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCAL = 30, ENTRY = 46, END = 22, END64 = 56, LOCATOR = 20, COMMENT_MOST = 0xFFFF, LINK_MOST = 4096 };
#define SATURATED 0xFFFFFFFFu

typedef struct zip_file {
    int fd;
    const char *path;
    uint64_t size;
    uint64_t members, directory, directory_bytes; /* directory: where in the file */
    uint64_t before;                              /* bytes that stand before the zip file proper */
} zip_file;

typedef struct zip_entry {
    unsigned system, flags, method;
    uint32_t crc, attributes;
    uint64_t packed, size, header;
    const char *name;
    size_t name_length;
} zip_entry;

static uint64_t number(const void *at, unsigned bytes) {
    const unsigned char *s = at;
    uint64_t v = 0;
    for (unsigned i = bytes; i-- > 0;) v = v << 8 | s[i];
    return v;
}

static wr_status damaged(const zip_file *z, const char *what) {
    return wr_fail(WR_E_FORMAT, "cannot read %s: zip: %s (is the file complete?)", z->path, what);
}

static wr_status bad_member(const zip_file *z, const zip_entry *e, const char *what) {
    return wr_fail(WR_E_FORMAT, "cannot read %s: zip: %.*s: %s", z->path, (int)e->name_length, e->name, what);
}

static bool read_at(const zip_file *z, void *to, uint64_t n, uint64_t at) {
    if (at > z->size || n > z->size - at) return false;
    for (size_t have = 0; have < n;) {
        ssize_t got = pread(z->fd, (char *)to + have, (size_t)n - have, (off_t)(at + have));
        if (got <= 0) return false;
        have += (size_t)got;
    }
    return true;
}

/* --- the end of the directory --- */

static wr_status read_end64(zip_file *z, uint64_t end) {
    unsigned char at[LOCATOR], record[END64];
    if (end < LOCATOR || !read_at(z, at, LOCATOR, end - LOCATOR) || memcmp(at, "PK\6\7", 4) != 0 ||
        !read_at(z, record, END64, number(at + 8, 8)) || memcmp(record, "PK\6\6", 4) != 0)
        return damaged(z, "the end of its directory is damaged");
    z->members = number(record + 32, 8);
    z->directory_bytes = number(record + 40, 8);
    z->directory = number(record + 48, 8);
    return WR_OK;
}

static wr_status find_end(zip_file *z) {
    wr_status status = WR_OK;
    unsigned char *tail = NULL;
    uint64_t n = z->size < END + COMMENT_MOST ? z->size : END + COMMENT_MOST, at;
    TRY_ALLOC(tail = mem_calloc(n + 1, 1));
    if (n < END || !read_at(z, tail, n, z->size - n)) TRY(damaged(z, "truncated"));
    for (at = n - END; memcmp(tail + at, "PK\5\6", 4) != 0 || number(tail + at + 20, 2) != n - END - at; at--)
        if (at == 0) TRY(damaged(z, "its directory has no end"));
    const unsigned char *end = tail + at;
    uint64_t place = z->size - n + at;
    z->members = number(end + 10, 2);
    z->directory_bytes = number(end + 12, 4);
    z->directory = number(end + 16, 4);
    if (number(end + 4, 2) != 0 || number(end + 6, 2) != 0 || number(end + 8, 2) != z->members)
        TRY(damaged(z, "it is one of several parts, or the end of its directory is damaged"));
    if (z->members == 0xFFFF || z->directory_bytes == SATURATED || z->directory == SATURATED)
        TRY(read_end64(z, place));
    else if (z->directory_bytes > place || z->directory > place - z->directory_bytes)
        TRY(damaged(z, "the end of its directory is damaged"));
    else
        z->before = place - z->directory_bytes - z->directory;
    if (z->directory > z->size || z->directory_bytes > z->size - z->directory)
        TRY(damaged(z, "the end of its directory is damaged"));
    z->directory += z->before;
cleanup:
    free(tail);
    return status;
}

/* --- entries --- */

/* Numbers that found no room stand in an extra field, in this order. */
static bool take_extra64(zip_entry *e, const unsigned char *extra, size_t n) {
    enum { ZIP64 = 1 };
    while (n >= 4) {
        uint64_t length = number(extra + 2, 2);
        if (length > n - 4) return false;
        if (number(extra, 2) == ZIP64) {
            uint64_t *const wanted[] = {&e->size, &e->packed, &e->header};
            const unsigned char *at = extra + 4;
            for (int i = 0; i < 3; i++) {
                if (*wanted[i] != SATURATED) continue;
                if ((uint64_t)(at - extra - 4) + 8 > length) return false;
                *wanted[i] = number(at, 8);
                at += 8;
            }
        }
        extra += 4 + length;
        n -= 4 + (size_t)length;
    }
    return true;
}

static wr_status check_kind(const zip_file *z, const zip_entry *e, uint64_t data) {
    enum { DOS = 0, UNIX = 3, DOS_FOLDER = 0x10 };
    char target[LINK_MOST];
    mode_t type = e->system == UNIX ? (mode_t)(e->attributes >> 16) & S_IFMT : 0;
    if (e->system == DOS && e->attributes & DOS_FOLDER) type = S_IFDIR;
    if (type == S_IFDIR && e->size)
        return bad_member(z, e, "marked as a folder, but it holds data: its directory entry is damaged");
    if (type == 0 || type == S_IFREG || type == S_IFDIR) return WR_OK;
    if (type == S_IFLNK && e->size <= LINK_MOST && e->method == 0 && e->packed == e->size &&
        read_at(z, target, e->size, data) && !memchr(target, '\n', e->size) && !memchr(target, '{', e->size))
        return WR_OK;
    return bad_member(z, e,
                      "marked as no plain file, but it holds data: its directory entry is damaged, or unpack it first");
}

/* With bit 3 of the flags the numbers stand behind the data, and the header may leave them out. */
static bool agrees(uint64_t in_header, uint64_t in_entry, bool behind) {
    return in_header == in_entry || in_header == SATURATED || (behind && in_header == 0);
}

static wr_status check_member(const zip_file *z, const zip_entry *e) {
    wr_status status = WR_OK;
    enum { ENCRYPTED = 1, BEHIND = 8 };
    unsigned char h[LOCAL];
    char *name = NULL;
    uint64_t at = e->header + z->before;
    if (!read_at(z, h, LOCAL, at) || memcmp(h, "PK\3\4", 4) != 0)
        TRY(bad_member(z, e, "it is not where the directory says"));
    unsigned flags = (unsigned)number(h + 6, 2);
    bool behind = flags & BEHIND;
    if ((flags ^ e->flags) & (ENCRYPTED | BEHIND) || number(h + 8, 2) != e->method ||
        number(h + 26, 2) != e->name_length || !(number(h + 14, 4) == e->crc || (behind && number(h + 14, 4) == 0)) ||
        !agrees(number(h + 18, 4), e->packed, behind) || !agrees(number(h + 22, 4), e->size, behind))
        TRY(bad_member(z, e, "its header and the directory differ"));
    TRY_ALLOC(name = mem_calloc(e->name_length + 1, 1));
    if (!read_at(z, name, e->name_length, at + LOCAL) || memcmp(name, e->name, e->name_length) != 0)
        TRY(bad_member(z, e, "its header and the directory differ"));
    TRY(check_kind(z, e, at + LOCAL + e->name_length + number(h + 28, 2)));
cleanup:
    free(name);
    return status;
}

wr_status zip_check(int fd, const char *path, uint64_t size, uint64_t *members) {
    wr_status status = WR_OK;
    zip_file z = {.fd = fd, .path = path, .size = size};
    unsigned char *directory = NULL;
    TRY(find_end(&z));
    TRY_ALLOC(directory = mem_calloc(z.directory_bytes + 1, 1));
    if (!read_at(&z, directory, z.directory_bytes, z.directory)) TRY(damaged(&z, "truncated"));
    const unsigned char *at = directory, *end = directory + z.directory_bytes;
    for (uint64_t i = 0; i < z.members; i++) {
        if (end - at < ENTRY || memcmp(at, "PK\1\2", 4) != 0)
            TRY(damaged(&z, "an entry of its directory is damaged or missing"));
        zip_entry e = {.system = at[5],
                       .flags = (unsigned)number(at + 8, 2),
                       .method = (unsigned)number(at + 10, 2),
                       .crc = (uint32_t)number(at + 16, 4),
                       .packed = number(at + 20, 4),
                       .size = number(at + 24, 4),
                       .name_length = (size_t)number(at + 28, 2),
                       .attributes = (uint32_t)number(at + 38, 4),
                       .header = number(at + 42, 4),
                       .name = (const char *)at + ENTRY};
        size_t extra = (size_t)number(at + 30, 2), comment = (size_t)number(at + 32, 2);
        if ((size_t)(end - at) - ENTRY < e.name_length + extra + comment ||
            !take_extra64(&e, at + ENTRY + e.name_length, extra))
            TRY(damaged(&z, "an entry of its directory is damaged"));
        TRY(check_member(&z, &e));
        at += ENTRY + e.name_length + extra + comment;
    }
    if (at != end) TRY(damaged(&z, "its directory has more entries than its end says"));
    *members = z.members;
cleanup:
    free(directory);
    return status;
}
