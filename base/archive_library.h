/* libarchive, loaded when the first file is met that it reads (base/shared_library.h): it brings libxml2 and ICU.
 * LOCAL. */
#ifndef WR_BASE_ARCHIVE_LIBRARY_H
#define WR_BASE_ARCHIVE_LIBRARY_H

#include "base/status.h"

#include <archive.h>
#include <archive_entry.h>

#define ARCHIVE_FUNCTIONS(X)                                                                                           \
    X(archive_entry_filetype)                                                                                          \
    X(archive_entry_hardlink)                                                                                          \
    X(archive_entry_pathname)                                                                                          \
    X(archive_errno)                                                                                                   \
    X(archive_error_string)                                                                                            \
    X(archive_filter_bytes)                                                                                            \
    X(archive_filter_count)                                                                                            \
    X(archive_read_data)                                                                                               \
    X(archive_read_free)                                                                                               \
    X(archive_read_header_position)                                                                                    \
    X(archive_read_new)                                                                                                \
    X(archive_read_next_header)                                                                                        \
    X(archive_read_open1)                                                                                              \
    X(archive_read_set_callback_data)                                                                                  \
    X(archive_read_set_read_callback)                                                                                  \
    X(archive_read_set_seek_callback)                                                                                  \
    X(archive_read_support_filter_bzip2)                                                                               \
    X(archive_read_support_filter_lz4)                                                                                 \
    X(archive_read_support_filter_lzma)                                                                                \
    X(archive_read_support_filter_xz)                                                                                  \
    X(archive_read_support_format_7zip)                                                                                \
    X(archive_read_support_format_cpio)                                                                                \
    X(archive_read_support_format_empty)                                                                               \
    X(archive_read_support_format_rar)                                                                                 \
    X(archive_read_support_format_rar5)                                                                                \
    X(archive_read_support_format_raw)                                                                                 \
    X(archive_read_support_format_tar)                                                                                 \
    X(archive_read_support_format_zip_seekable)                                                                        \
    X(archive_set_error)

/* What archive.h calls f is libarchive.f here. */
typedef struct archive_library {
#define ARCHIVE_MEMBER(name) __typeof__(name) *name;
    ARCHIVE_FUNCTIONS(ARCHIVE_MEMBER)
#undef ARCHIVE_MEMBER
} archive_library;

/* Filled by archive_library_load(). */
extern archive_library libarchive;
/* WR_E_FAILED: it is not there, or lacks a function. */
wr_status archive_library_load(void);

#endif
