/* The bytes of a file, unpacked: gzip, bzip2, xz, lzma, zstd and lz4, found by content, one within another too. The end
 * is only reported when every member or frame has been read and whatever the formats carry of checksums and lengths
 * agrees; behind the last one nothing may follow (gzip: zeros may). Only base/instream.c and tests include this. LOCAL;
 * a handle belongs to one thread. */
#ifndef WR_BASE_DECOMPRESS_H
#define WR_BASE_DECOMPRESS_H

#include "base/file_kind.h"
#include <stdint.h>

typedef struct decompress decompress;
/* The descriptor becomes the handle's, after a failure too. path: for messages, which name it and what to do. */
wr_status decompress_open(int fd, const char *path, decompress **out);
void decompress_close(decompress *u); /* NULL is fine */
/* Layers of compression, and what the bytes below them are. Told by the first bytes, which are not taken by that. */
size_t decompress_layers(const decompress *u);
file_kind decompress_kind(const decompress *u);
/* `want` bytes (or what there is, at the end of the file) without taking them. Valid until the next call. */
wr_status decompress_peek(decompress *u, size_t want, const char **bytes, size_t *n);
/* Takes 1 … room bytes; none at the end. */
wr_status decompress_read(decompress *u, void *to, size_t room, size_t *n);
/* The same without a copy: the bytes are valid until the next call. */
wr_status decompress_block(decompress *u, const char **bytes, size_t *n);
/* Files without a layer only: where the next byte is read, as lseek; -1 and errno. */
int64_t decompress_seek(decompress *u, int64_t offset, int whence);
int decompress_descriptor(const decompress *u); /* of the file, for pread */
/* Bytes of the file itself that have been used. */
uint64_t decompress_consumed(const decompress *u);

#endif
