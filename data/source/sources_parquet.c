/* Parquet files as sources: a block is a row group. */
#include "data/source/parquet.h"
#include "data/source/sources_internal.h"

#include <stdio.h>
#include <string.h>

static wr_status open_file(sources *s, size_t file) {
    if (s->open_file == file && s->parquet) return WR_OK;
    source_close_file(s);
    wr_status status = parquet_open_for(s->files[file].path, s->map, &s->o, &s->parquet);
    const field_map *second = field_map_second(s->o.fields);
    if (status == WR_E_FORMAT && second && strstr(wr_error(), "not a file of conversations")) {
        char why[512];
        snprintf(why, sizeof why, "%s", wr_error());
        status = parquet_open_for(s->files[file].path, second, &s->o, &s->parquet);
        if (status == WR_E_FORMAT && strstr(wr_error(), "not a file of conversations")) wr_fail(status, "%s", why);
    }
    if (status >= 0) s->open_file = file;
    return status;
}

wr_status source_parquet_blocks(sources *s, size_t file, size_t *n) {
    wr_status status = open_file(s, file);
    if (status >= 0) *n = parquet_row_groups(s->parquet);
    return status;
}

wr_status source_parquet_read(sources *s, size_t file, size_t block, source_row_fn fn, void *context, uint64_t *bytes) {
    wr_status status = open_file(s, file);
    if (status < 0) return status;
    if (block >= parquet_row_groups(s->parquet)) return WR_END;
    if (bytes) *bytes += parquet_bytes(s->parquet, block);
    status = parquet_read(s->parquet, block, &s->o, fn, context);
    if (status < 0) source_close_file(s);
    return status;
}
