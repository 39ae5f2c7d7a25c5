/* Archives and compressed files made on the spot, and files read back as text. LOCAL. */
#ifndef WR_TESTS_SUPPORT_ARCHIVES_H
#define WR_TESTS_SUPPORT_ARCHIVES_H

#include "base/strbuf.h"
#include "tests/support/temp_folder.h"

#include <archive.h>
#include <stdbool.h>

typedef struct archive_member {
    const char *name;
    const char *bytes; /* NULL: a folder */
    size_t n;
} archive_member;

/* A file of the test's folder, by libarchive's filter and format. */
void put_archive(const char *name, int filter, int format, const archive_member *members, size_t n);

/* Lines {"n":I,"x":"..."} for I from `from` on. */
void append_rows(strbuf *b, int from, int count);
/* One member of gzip. name: NULL, or in its header; sum: a checksum of the header, and right. */
void append_gzip(strbuf *to, const char *text, size_t n, const char *name, bool sum);
/* One frame of zstd. window: its log, 0: zstd's choice, with the length stated. */
void append_zstd(strbuf *to, const char *text, size_t n, bool sum, int window);

/* All lines of a file, each with a newline behind, after what `out` holds: WR_END or why not. */
wr_status read_lines(const char *path, strbuf *out);

#endif
