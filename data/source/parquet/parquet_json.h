/* Rows of a Parquet file as JSON objects, for readers to whom a row is more than its texts: columns of any nesting of
 * structs and lists. One rule for both forms then: whoever reads the JSON judges the row. LOCAL. */
#ifndef WR_DATA_SOURCE_PARQUET_PARQUET_JSON_H
#define WR_DATA_SOURCE_PARQUET_PARQUET_JSON_H

#include "base/json.h"
#include "base/strbuf.h"
#include "data/source/parquet/parquet_column.h"

typedef struct parquet_json parquet_json;
/* What of the file is read. member: NULL asks for a column as such; else a member of the structs in it or in its
 * list. */
typedef bool (*parquet_json_want)(const void *context, const parquet_node *column, const parquet_node *member);

/* Plans the columns wanted. json_text: a column whose text is JSON (writers without lists keep messages so), or NULL.
 * time: the column of a time, or NULL. path and footer must outlive it. WR_E_FORMAT names the column that cannot be
 * JSON. Release with parquet_json_free. */
wr_status parquet_json_plan(const parquet_footer *f, const char *path, parquet_json_want want, const void *context,
                            const char *json_text, const char *time, parquet_json **out);
void parquet_json_free(parquet_json *j); /* NULL is fine */
/* The leaves to read the footer's groups with. */
const parquet_node *const *parquet_json_leaves(const parquet_json *j, size_t *n);
wr_status parquet_json_start(parquet_json *j, int fd, uint64_t limit, size_t group, const parquet_group *g);
/* The next row: its text is put in place of what is in `line`. *utf8: all texts are UTF-8. */
wr_status parquet_json_next(parquet_json *j, strbuf *line, bool *utf8);
/* A number that is not whole, or larger than whole ones are told apart: all its digits; null where it is not finite. */
void parquet_put_real(json_writer *w, double v);
/* Behind the group's last row: WR_E_FORMAT where a column has more. */
wr_status parquet_json_finish(const parquet_json *j);

#endif
