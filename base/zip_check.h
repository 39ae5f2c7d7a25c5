/* What libarchive does not compare in a zip file: its directory with the members. LOCAL. */
#ifndef WR_BASE_ZIP_CHECK_H
#define WR_BASE_ZIP_CHECK_H

#include "base/status.h"
#include <stdint.h>

/* `size` bytes by pread from fd. Every entry of the directory at the file's end is there and says of name, method,
 * checksum and sizes what the member's own header says. WR_E_FORMAT names path (and member). *members: entries of the
 * directory. */
wr_status zip_check(int fd, const char *path, uint64_t size, uint64_t *members);

#endif
