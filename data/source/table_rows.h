/* The rows of a table in one file, whatever it is written in, as JSON objects: lines of JSONL, elements of a JSON
 * array, rows of CSV, rows of Parquet; compressed or in an archive as base/stream.h reads them. One rule for all forms
 * then: whoever reads the JSON judges the row. LOCAL. */
#ifndef WR_DATA_SOURCE_TABLE_ROWS_H
#define WR_DATA_SOURCE_TABLE_ROWS_H

#include "data/source/conversation.h"
#include "data/source/csv_json.h"

/* One row. fault: what the reader found; the text of a ROW_CSV says what is wrong. where: "file:line", "archive:
 * member:line" or "file: row group 2, row 17", until fn returns. */
typedef wr_status (*table_row_fn)(void *context, const char *line, size_t n, row_fault fault, const char *where);
/* Every row in order, of one file. columns: those that are read of CSV and of Parquet; JSON comes whole. json_text: the
 * Parquet column that may hold JSON as text, or NULL. An error of fn ends the reading and is returned. */
wr_status table_rows_each(const char *path, const csv_columns *columns, const char *json_text, table_row_fn fn,
                          void *context);

#endif
