/* The input of prepare: files, folders and patterns of chats as one list of blocks, whatever the format. A block is a
 * row group of a Parquet file, or the rows that begin in block_bytes of text: of a JSONL file, or of any container that
 * libarchive opens (its members one behind the other, each of them JSONL or one JSON array). What is in a block depends
 * on the file and block_bytes alone; it may be nothing. The order of rows is (file, block, row). LOCAL; a handle
 * belongs to one thread; every rank opens its own. */
#ifndef WR_DATA_SOURCE_SOURCES_H
#define WR_DATA_SOURCE_SOURCES_H

#include "data/source/conversation.h"

typedef struct source_options {
    bool user_key_header; /* user = ip + header */
    bool drop_toxic;      /* rows with toxic = true are ROW_TOXIC */
    bool drop_redacted;
    /* field map of JSON rows: NULL or "wildchat", "lmsys", "sharegpt", or a YAML file; see docs/data.md */
    const char *fields;
    size_t block_bytes;      /* 0: 8 MiB */
    bool csv;                /* files of CSV count among those of a folder */
    const chat_names *shown; /* members of messages that are kept for a chat template; NULL: none */
} source_options;

typedef struct sources sources;
/* Files as they are, folders as their chat files in name order (those of subfolders in place), patterns as the shell
 * would. WR_E_IO names what is missing. WR_E_USAGE: "-" and whatever is no regular file, for rows are found by their
 * place; a wrong field map. */
wr_status sources_open(const char *const *paths, size_t n, const source_options *o, sources **out);
void sources_close(sources *s); /* NULL is fine */
size_t sources_files(const sources *s);
const char *sources_path(const sources *s, size_t file);
/* Name, size and modification time of every file and every option, so that a resumed run knows its input again. */
uint64_t sources_fingerprint(const sources *s);
/* Blocks of a file where that can be told without reading it (Parquet, plain JSONL); SIZE_MAX elsewhere. */
wr_status sources_blocks(sources *s, size_t file, size_t *n);

/* c is NULL unless fault is ROW_GOOD. where: "file:line", "archive: member:line", "file: byte 123" (of a plain file
 * beyond its first block, where lines are not counted; `tail -c +123 file | head -n 1` shows the row), or "file: row
 * group 2, row 17". c and where last until fn returns. */
typedef wr_status (*source_row_fn)(void *context, const conversation *c, row_fault fault, const char *where);
/* Reads one block; WR_END when the file has fewer blocks. Where a file cannot be entered in the middle (anything but
 * Parquet and plain JSONL), asking for ascending blocks goes through it once. *bytes (may be NULL) += uncompressed
 * bytes of the block. An error of fn ends the block and is returned. WR_E_FORMAT: a damaged container, by file and
 * member; WR_E_IO. */
wr_status sources_read(sources *s, size_t file, size_t block, source_row_fn fn, void *context, uint64_t *bytes);

#endif
