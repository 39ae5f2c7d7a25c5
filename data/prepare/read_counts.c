#include "data/prepare/read_counts.h"

void read_counts_pack(const read_counts *c, strbuf *out) {
    const uint64_t numbers[] = {c->rows, c->bytes, c->messages, c->turns, c->conversations};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) bytes_put_u64(out, numbers[i]);
    for (int f = 0; f < ROW_FAULTS; f++) {
        bytes_put_u64(out, c->faults[f]);
        bytes_put_string(out, strbuf_str(&c->first[f]), c->first[f].len);
    }
}

wr_status read_counts_unpack(bytes_reader *r, read_counts *c) {
    uint64_t *numbers[] = {&c->rows, &c->bytes, &c->messages, &c->turns, &c->conversations};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) *numbers[i] = bytes_get_u64(r);
    for (int f = 0; f < ROW_FAULTS; f++) {
        size_t n;
        c->faults[f] = bytes_get_u64(r);
        const char *s = bytes_get_string(r, &n);
        strbuf_clear(&c->first[f]);
        strbuf_append(&c->first[f], s, n);
        if (strbuf_status(&c->first[f]) < 0) return WR_E_NOMEM;
    }
    return r->bad ? wr_fail(WR_E_FORMAT, "counts are damaged") : WR_OK;
}

void read_counts_free(read_counts *c) {
    for (int f = 0; f < ROW_FAULTS; f++) strbuf_free(&c->first[f]);
}
