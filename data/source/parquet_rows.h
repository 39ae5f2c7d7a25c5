/* Rows of one row group, put together from its columns. LOCAL. */
#ifndef WR_DATA_SOURCE_PARQUET_ROWS_H
#define WR_DATA_SOURCE_PARQUET_ROWS_H

#include "data/source/parquet/parquet_column.h"
#include "data/source/parquet_fields.h"
#include "data/source/sources.h"

enum { PARQUET_ENTRIES_LIMIT = 1 << 20 }; /* messages of a row; above, the file is taken for damaged */

/* The entries of one message column in one row, in the order of messages. */
typedef struct list_entries {
    enum { LIST_NULL, LIST_EMPTY, LIST_FULL } state;
    size_t n; /* all of them; those from ROW_MESSAGES_LIMIT on are not kept */
    uint8_t first_def;
    parquet_value *value; /* (ROW_MESSAGES_LIMIT) */
    uint8_t *present;
} list_entries;

typedef struct row_reader {
    const char *path;
    const field_map *map;
    const parquet_fields *columns;
    bool user_key_header;
    size_t group;
    column_reader *readers; /* (columns->n) */
    uint64_t *rows_read;    /* (columns->n) */
    page_pool pool;
    page_codec codec;
    list_entries content, role, turn, other;
    chat_message *messages; /* (ROW_MESSAGES_LIMIT) */
    int64_t *turns;
    arena *memory;   /* of the row */
    char own_id[33]; /* of a row without an id */
    strbuf header;
    char timestamp[PARQUET_TIMESTAMP];
} row_reader;

/* path, map and columns must outlive it. Release with row_reader_free, after a failure too. */
wr_status row_reader_init(row_reader *r, const char *path, const field_map *map, const parquet_fields *columns);
wr_status row_reader_start(row_reader *r, int fd, uint64_t limit, size_t group, const parquet_group *g,
                           bool user_key_header);
/* The rows in ascending order. *out is good until the next call; its messages are the reader's. */
wr_status row_reader_next(row_reader *r, uint64_t row, conversation *out, row_fault *fault);
/* After the last row: WR_E_FORMAT where columns have more. */
wr_status row_reader_finish(row_reader *r);
void row_reader_free(row_reader *r);

#endif
