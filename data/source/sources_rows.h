/* Rows of one file of text: the lines of JSONL, the elements of a JSON array, or the rows of CSV, of a plain file or of
 * every member of a compressed one or an archive. Only where rows begin and end is found here, not what they hold. A
 * row's place is the position of its first byte in the uncompressed text of the whole file. Only data/source/sources*.c
 * and tests include this. LOCAL. */
#ifndef WR_DATA_SOURCE_SOURCES_ROWS_H
#define WR_DATA_SOURCE_SOURCES_ROWS_H

#include "data/source/csv_json.h"
#include "data/source/conversation.h"

#define ROW_LIMIT ((size_t)256 << 20) /* bytes of a row; longer ones are ROW_HUGE */

typedef struct text_row {
    const char *text; /* valid until the next call; of ROW_CSV: what is wrong with it */
    size_t length;
    uint64_t start;
    size_t line; /* where it begins, 1-based, in its member; 0: not known (text_rows_seek) */
    /* ROW_GOOD; ROW_HUGE; ROW_JSON where an array has no element or does not end; ROW_CSV, ROW_UTF8 of CSV */
    row_fault fault;
} text_row;

typedef struct text_rows text_rows;
/* A container, an array, or any other file, from its start on. limit: ROW_LIMIT, or less in tests. csv: the columns of
 * CSV that are read, as JSON objects; what is not named .csv is CSV only when its first row has the needed ones. NULL:
 * CSV is refused, when a row is asked for. */
wr_status text_rows_open(const char *path, size_t limit, const csv_columns *csv, text_rows **out);
/* Plain lines of the file's first `size` bytes; can be entered anywhere. */
wr_status text_rows_open_plain(const char *path, uint64_t size, size_t limit, text_rows **out);
void text_rows_close(text_rows *r); /* NULL is fine */
/* Plain lines only: the next row is the first one that begins at or behind `offset`. */
wr_status text_rows_seek(text_rows *r, uint64_t offset);
/* The next row that is not blank. WR_END when it begins at or behind `bound` (it stays the next one) or the text has
 * ended. */
wr_status text_rows_next(text_rows *r, uint64_t bound, text_row *out);
/* No row begins before this that was not returned: where the next one begins, or blanks before it. */
uint64_t text_rows_position(const text_rows *r);
bool text_rows_ended(const text_rows *r);
const char *text_rows_name(const text_rows *r); /* "FILE", or "FILE: MEMBER" */

#endif
