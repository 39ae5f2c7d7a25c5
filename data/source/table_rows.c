#include "data/source/table_rows.h"

#include "base/file.h"
#include "data/source/parquet.h"
#include "data/source/sources_rows.h"

#include <stdio.h>
#include <string.h>

typedef struct row_taker {
    table_row_fn fn;
    void *context;
} row_taker;

/* Lines, elements of an array, rows of CSV. */
static wr_status each_text_row(row_taker *t, text_rows *rows) {
    wr_status status = WR_OK;
    char where[PATH_CAP + 32];
    for (;;) {
        text_row row;
        const wr_status got = text_rows_next(rows, UINT64_MAX, &row);
        TRY(got);
        if (got == WR_END) break;
        snprintf(where, sizeof where, "%s:%zu", text_rows_name(rows), row.line);
        TRY(t->fn(t->context, row.text, row.length, row.fault, where));
    }
cleanup:
    return status;
}

static bool is_parquet(const char *path) {
    char head[4] = "";
    FILE *f = fopen(path, "rbe");
    const bool parquet =
        f && fread(head, 1, 4, f) == 4 && (memcmp(head, "PAR1", 4) == 0 || memcmp(head, "PARE", 4) == 0);
    if (f) fclose(f);
    return parquet;
}

static wr_status take_parquet_row(void *context, const char *line, size_t n, bool utf8, const char *where) {
    const row_taker *t = context;
    return t->fn(t->context, line, n, utf8 ? ROW_GOOD : ROW_UTF8, where);
}

wr_status table_rows_each(const char *path, const csv_columns *columns, const char *json_text, table_row_fn fn,
                          void *context) {
    wr_status status = WR_OK;
    row_taker t = {fn, context};
    text_rows *rows = NULL;
    if (is_parquet(path)) return parquet_each_line(path, columns->names, json_text, take_parquet_row, &t);
    TRY(text_rows_open(path, ROW_LIMIT, columns, &rows));
    TRY(each_text_row(&t, rows));
cleanup:
    text_rows_close(rows);
    return status;
}
