/* Parquet files of conversations, as WildChat publishes them: footer, row groups, pages (v1, v2; plain, dictionary,
 * RLE, delta and byte-stream-split encodings; uncompressed, snappy, gzip, zstd). What the reader does not know is
 * WR_E_FORMAT naming file, column and feature. LOCAL; a handle belongs to one thread. */
#ifndef WR_DATA_SOURCE_PARQUET_H
#define WR_DATA_SOURCE_PARQUET_H

#include "data/source/fields.h"
#include "data/source/sources.h"

typedef struct parquet_file parquet_file;
/* map: which columns a conversation is made of; it must outlive the file. NULL: WildChat's. */
wr_status parquet_open(const char *path, const field_map *map, parquet_file **out);
/* The same for sources_read with these options: rows of which a chat template may show more than texts, messages that
 * are JSON text and contents in parts are put together as JSON, and judged as such rows are. */
wr_status parquet_open_for(const char *path, const field_map *map, const source_options *o, parquet_file **out);
/* Every row of a file of any table as one JSON object of the named columns (a NULL ends them); json_text: the one among
 * them that may be JSON as text. utf8: all its texts are UTF-8. */
typedef wr_status (*parquet_line_fn)(void *context, const char *line, size_t n, bool utf8, const char *where);
wr_status parquet_each_line(const char *path, const char *const *columns, const char *json_text, parquet_line_fn fn,
                            void *context);
void parquet_close(parquet_file *f); /* NULL is fine */
size_t parquet_row_groups(const parquet_file *f);
uint64_t parquet_rows(const parquet_file *f, size_t group);
uint64_t parquet_bytes(const parquet_file *f, size_t group); /* uncompressed, of the columns that are read */
/* Rows of one group in order, as sources_read gives them; groups in any order. WR_END where there is no such group. Row
 * groups and rows count from 0 in `where`. Memory: a page a column, and the pages that one row spans. */
wr_status parquet_read(parquet_file *f, size_t group, const source_options *o, source_row_fn fn, void *context);

#endif
