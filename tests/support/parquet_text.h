/* The rows of a Parquet file as lines of text. LOCAL. */
#ifndef WR_TESTS_SUPPORT_PARQUET_TEXT_H
#define WR_TESTS_SUPPORT_PARQUET_TEXT_H

#include "data/source/parquet.h"
#include "tests/support/asserts.h"

/* One line a row: everything a conversation says, or the fault. */
void describe_row(const conversation *c, row_fault fault, strbuf *out);

typedef struct sink {
    strbuf text;
    size_t rows, limit; /* limit 0: none */
    char where[200];
} sink;

wr_status take_row(void *context, const conversation *c, row_fault fault, const char *where); /* of a sink */
wr_status read_parquet(const char *path, const field_map *map, const source_options *o, sink *s);

#endif
