#include "data/source/rows_text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static wr_status plain_bytes(text_rows *r, char *to, size_t room, size_t *n) {
    ssize_t got;
    *n = 0;
    if (r->read >= r->size) return WR_END;
    if (room > r->size - r->read) room = (size_t)(r->size - r->read);
    do {
        got = pread(r->fd, to, room, (off_t)r->read);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return wr_fail(WR_E_IO, "cannot read %s: %s", r->path, strerror(errno));
    if (got == 0) return wr_fail(WR_E_IO, "%s became shorter while it was read", r->path);
    *n = (size_t)got;
    r->read += *n;
    return WR_OK;
}

wr_status rows_fill(text_rows *r) {
    wr_status status = WR_OK;
    size_t n;
    if (r->start) {
        memmove(r->text, r->text + r->start, r->end - r->start);
        r->end -= r->start;
        r->scanned -= r->start;
        r->start = 0;
    }
    if (r->capacity - r->end < ROWS_READ_BYTES / 2)
        TRY(mem_reserve((void **)&r->text, &r->capacity, r->end + ROWS_READ_BYTES, 1));
    status = r->in ? instream_read(r->in, r->text + r->end, r->capacity - r->end, &n)
                   : plain_bytes(r, r->text + r->end, r->capacity - r->end, &n);
    TRY(status);
    r->member_ended = status == WR_END;
    r->end += n;
    status = WR_OK;
cleanup:
    return status;
}

size_t rows_newlines(const char *s, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += s[i] == '\n';
    return count;
}

void rows_consume(text_rows *r, size_t n, size_t lines) {
    r->start += n;
    r->offset += n;
    r->scanned = r->start;
    r->mark = 0;
    if (r->line) r->line += lines;
}

text_row rows_at_start(const text_rows *r, size_t length, row_fault fault) {
    return (text_row){
        .text = r->text + r->start, .length = length, .start = r->offset - r->mark, .line = r->line, .fault = fault};
}

void rows_forget(text_rows *r) {
    size_t n = r->end - r->start;
    r->offset += n;
    if (r->line) r->line += rows_newlines(r->text + r->start, n);
    r->start = r->scanned = r->end = r->mark = 0;
}

const char *text_rows_name(const text_rows *r) { return r->in ? instream_name(r->in) : r->path; }
