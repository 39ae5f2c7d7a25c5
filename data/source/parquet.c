#include "data/source/parquet.h"

#include "data/source/parquet_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct parquet_file {
    char *path;
    int fd;
    parquet_footer footer;
    parquet_columns columns;
    row_reader rows;
    bool readable; /* rows has been initialised */
};

wr_status parquet_open(const char *path, const field_map *map, parquet_file **out) {
    wr_status status = WR_OK;
    parquet_file *f = NULL;
    *out = NULL;
    TRY_ALLOC(f = mem_calloc(1, sizeof *f));
    f->fd = -1;
    TRY_ALLOC(f->path = mem_strdup(path));
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0) TRY(wr_fail(WR_E_IO, "cannot open %s: %s", path, strerror(errno)));
    TRY(parquet_footer_read(f->fd, path, &f->footer));
    if (!map) TRY(field_map_open(NULL, &map)); /* built in: nothing to close */
    TRY(parquet_columns_find(&f->footer, path, map, f->footer.memory, &f->columns));
    TRY(parquet_footer_groups(&f->footer, path, f->columns.leaves, f->columns.n));
    f->readable = true;
    TRY(row_reader_init(&f->rows, f->path, map, &f->columns));
    *out = f;
    f = NULL;
cleanup:
    parquet_close(f);
    return status;
}

void parquet_close(parquet_file *f) {
    if (!f) return;
    if (f->readable) row_reader_free(&f->rows);
    parquet_footer_free(&f->footer);
    if (f->fd >= 0) close(f->fd);
    free(f->path);
    free(f);
}

size_t parquet_row_groups(const parquet_file *f) { return f->footer.n_groups; }

uint64_t parquet_rows(const parquet_file *f, size_t group) { return f->footer.groups[group].rows; }

uint64_t parquet_bytes(const parquet_file *f, size_t group) {
    uint64_t sum = 0;
    for (int w = 0; w < WANT_MESSAGE_IP; w++) {
        int slot = f->columns.slots[w];
        if (slot != NO_SLOT) sum += f->footer.groups[group].chunks[slot].uncompressed;
    }
    return sum;
}

/* The number at the end of `where` is the only part of it that changes from row to row. */
static void put_number(char *at, uint64_t v) {
    char digits[24];
    int n = 0;
    do digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n > 0) *at++ = digits[--n];
    *at = '\0';
}

wr_status parquet_read(parquet_file *f, size_t group, const source_options *o, source_row_fn fn, void *context) {
    wr_status status = WR_OK;
    char *where = NULL;
    size_t cap = strlen(f->path) + 80;
    if (group >= f->footer.n_groups) return WR_END;
    TRY_ALLOC(where = mem_calloc(cap, 1));
    int head = snprintf(where, cap, "%s: row group %zu, row ", f->path, group);
    TRY(row_reader_start(&f->rows, f->fd, f->footer.limit, group, &f->footer.groups[group], o->user_key_header));
    for (uint64_t row = 0; row < f->footer.groups[group].rows; row++) {
        conversation c;
        row_fault fault;
        TRY(row_reader_next(&f->rows, row, &c, &fault));
        if (fault == ROW_GOOD && o->drop_toxic && c.toxic) fault = ROW_TOXIC;
        if (fault == ROW_GOOD && o->drop_redacted && c.redacted) fault = ROW_REDACTED;
        put_number(where + head, row);
        TRY(fn(context, fault == ROW_GOOD ? &c : NULL, fault, where));
    }
    TRY(row_reader_finish(&f->rows));
cleanup:
    free(where);
    return status;
}
