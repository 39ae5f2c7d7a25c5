#include "tests/support/seen_rows.h"

#include "tests/support/temp_folder.h"

wr_status note(void *context, const conversation *c, row_fault fault, const char *where) {
    seen *s = context;
    if ((c != NULL) != (fault == ROW_GOOD)) return wr_fail(WR_E_FAILED, "a row of fault %d", fault);
    if (s->stop_at && s->rows == s->stop_at) return wr_fail(WR_E_FAILED, "stopped");
    s->rows++;
    strbuf_printf(&s->ids, "%s ", c ? c->id : row_fault_name(fault));
    strbuf_printf(&s->places, "%s\n", where);
    return WR_OK;
}

void seen_free(seen *s) {
    strbuf_free(&s->ids);
    strbuf_free(&s->places);
    *s = (seen){0};
}

sources *open_one(const char *name, size_t block_bytes) {
    sources *s;
    const char *paths[] = {in_folder(name)};
    assert_ok(sources_open(paths, 1, &(source_options){.block_bytes = block_bytes}, &s));
    return s;
}

size_t read_all(sources *s, size_t file, seen *all, uint64_t *bytes) {
    for (size_t block = 0;; block++) {
        wr_status status = sources_read(s, file, block, note, all, bytes);
        assert_ok(status);
        if (status == WR_END) return block;
    }
}

void append_row(strbuf *out, const char *id, size_t length) {
    strbuf_printf(out, "{\"conversation_hash\":\"%s\",\"conversation\":[{\"role\":\"user\",\"content\":\"", id);
    for (size_t i = 0; i < length; i++)
        strbuf_puts(out, i % 9 == 8 ? "\\\"" : i % 11 == 10 ? "," : i % 13 == 12 ? "]" : "x");
    strbuf_puts(out, "\"}]}");
}
