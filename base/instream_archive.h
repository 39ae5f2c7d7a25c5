/* The members of an archive, one behind the other, from the bytes of base/decompress.h. Only base/instream.c includes
 * this. LOCAL. */
#ifndef WR_BASE_INSTREAM_ARCHIVE_H
#define WR_BASE_INSTREAM_ARCHIVE_H

#include "base/strbuf.h"
#include "base/decompress.h"

typedef struct instream_archive instream_archive;
/* u stays the caller's and must outlive the handle. seekable, total: of the file; zip and 7z are refused where it
 * cannot be entered anywhere. */
wr_status instream_archive_open(decompress *u, file_kind kind, const char *path, bool seekable, uint64_t total,
                                instream_archive **out);
void instream_archive_close(instream_archive *a); /* NULL is fine */
/* Goes to the next member that holds data and writes "PATH: MEMBER" to name. Folders, links and hidden files (what some
 * systems add to archives of their own accord) are passed over. WR_END behind the last, when all that the archive and
 * its compression carry of checksums and end marks has been verified. */
wr_status instream_archive_next(instream_archive *a, strbuf *name);
/* 1 … room bytes of the member; none at its end. */
wr_status instream_archive_read(instream_archive *a, void *to, size_t room, size_t *n);

#endif
