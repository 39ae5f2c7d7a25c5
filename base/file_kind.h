/* What a file is, told by its first bytes and never by its name. LOCAL, without side effects. */
#ifndef WR_BASE_FILE_KIND_H
#define WR_BASE_FILE_KIND_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

typedef enum file_kind {
    KIND_OTHER, /* text, for all that can be told */
    /* compressed */
    KIND_GZIP,
    KIND_BZIP2,
    KIND_XZ,
    KIND_LZMA,
    KIND_LZ4,
    KIND_ZSTD,
    KIND_SKIPPABLE, /* a frame of user data before one of zstd or lz4 */
    /* archives */
    KIND_TAR,
    KIND_ZEROS, /* blocks of zeros: an empty tar, or a hole */
    KIND_CPIO,
    KIND_ZIP,
    KIND_7ZIP,
    KIND_RAR,
    /* neither text nor a container of text */
    KIND_PARQUET,
    KIND_UTF16,
    KIND_UTF32,
    KIND_LFS_POINTER,
} file_kind;

enum { FILE_KIND_BYTES = 512 }; /* so many bytes decide; a file that is shorter is given whole */
file_kind file_kind_of(const void *bytes, size_t n);
bool file_kind_is_compressed(file_kind k);
bool file_kind_is_archive(file_kind k);
const char *file_kind_name(file_kind k); /* "gzip"; as a message writes it */
/* Does it start like an object of JSON? Then it is text, without any further look. */
bool looks_like_json(const char *s, size_t n);
/* WR_E_FORMAT with the cure for what is no text and no container of text: Git LFS pointers, UTF-16, a Parquet file
 * within another. WR_OK for everything else. `name` is for the message. */
wr_status file_kind_refuse(file_kind k, const char *name);
/* The same for Git LFS pointers alone: for files of every other kind. */
wr_status lfs_pointer_refuse(const void *bytes, size_t n, const char *name);

#endif
