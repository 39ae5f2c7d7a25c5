/* What data/source/sources.c (which files there are), sources_read.c (blocks of text) and sources_parquet.c share.
 * LOCAL. */
#ifndef WR_DATA_SOURCE_SOURCES_INTERNAL_H
#define WR_DATA_SOURCE_SOURCES_INTERNAL_H

#include "data/source/fields.h"
#include "data/source/sources.h"
#include "data/source/sources_rows.h"

typedef enum source_kind { SOURCE_PARQUET, SOURCE_PLAIN, SOURCE_STREAM } source_kind;

typedef struct source_file {
    char *path;
    source_kind kind;
    uint64_t size;
    int64_t seconds, nanoseconds; /* of its last change */
} source_file;

typedef struct parquet_file parquet_file;

struct sources {
    source_options o;
    char *fields; /* o.fields points here */
    uint64_t fields_hash;
    const field_map *map;
    source_file *files;
    size_t n_files, capacity;
    arena *memory; /* of one row */
    strbuf where;
    /* The file that was read last stays open. */
    size_t open_file; /* SIZE_MAX: none */
    text_rows *rows;
    uint64_t done; /* rows that begin before this have been read from `rows` */
    parquet_file *parquet;
};

/* sources.c. Closes the file that is open, if one is. */
void source_close_file(sources *s);

wr_status source_parquet_blocks(sources *s, size_t file, size_t *n);
wr_status source_parquet_read(sources *s, size_t file, size_t block, source_row_fn fn, void *context, uint64_t *bytes);

#endif
