#include "tests/support/parquet_text.h"

#include <stdio.h>

void describe_row(const conversation *c, row_fault fault, strbuf *out) {
    json_writer w = json_writer_make(out);
    if (!c) {
        strbuf_printf(out, "%s\n", row_fault_name(fault));
        return;
    }
    const char *const texts[] = {c->id, c->user, c->language, c->model, c->timestamp};
    json_begin_array(&w);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) json_string(&w, texts[i]);
    json_bool(&w, c->toxic);
    json_bool(&w, c->redacted);
    for (size_t i = 0; i < c->n; i++) {
        json_string(&w, c->messages[i].role);
        json_int(&w, c->turns[i]);
        json_string_n(&w, c->messages[i].content, c->messages[i].length);
    }
    json_end_array(&w);
    strbuf_putc(out, '\n');
}

wr_status take_row(void *context, const conversation *c, row_fault fault, const char *where) {
    sink *s = context;
    assert_true((c != NULL) == (fault == ROW_GOOD));
    describe_row(c, fault, &s->text);
    snprintf(s->where, sizeof s->where, "%s", where);
    return ++s->rows == s->limit ? wr_fail(WR_E_FAILED, "enough") : WR_OK;
}

wr_status read_parquet(const char *path, const field_map *map, const source_options *o, sink *s) {
    wr_status status = WR_OK;
    parquet_file *f = NULL;
    TRY(parquet_open(path, map, &f));
    for (size_t g = 0; g < parquet_row_groups(f); g++) TRY(parquet_read(f, g, o, take_row, s));
cleanup:
    parquet_close(f);
    return status;
}
