/* Rows of CSV: lines, but that a quoted field may hold line ends. */
#include "data/source/rows_text.h"

#include <string.h>

/* The bytes up to and with the next line end ("\r\n" is one), or a part of a line that is long. 0: more has to be
 * read. */
static size_t line_piece(const text_rows *r) {
    enum { PIECE_BYTES = 64 << 10 };
    const char *s = r->text + r->start;
    const size_t n = r->end - r->start;
    const char *newline = memchr(s, '\n', n), *end = newline ? newline : s + n,
               *carriage = memchr(s, '\r', (size_t)(end - s));
    if (carriage && carriage + 1 == s + n && !r->member_ended) return 0;
    if (carriage) return (size_t)(carriage - s) + 1 + (carriage + 1 == newline);
    if (newline) return (size_t)(newline - s) + 1;
    return n >= PIECE_BYTES || r->member_ended ? n : 0;
}

static wr_status csv_row(text_rows *r, text_row *out) {
    wr_status status = WR_OK;
    const char *wrong;
    bool utf8;
    *out = (text_row){.start = r->row_start, .line = r->row_line};
    TRY(csv_json_row(r->fields, &out->text, &out->length, &wrong, &utf8));
    if (wrong) out->text = wrong, out->length = strlen(wrong);
    out->fault = !utf8 ? ROW_UTF8 : wrong ? ROW_CSV : ROW_GOOD;
cleanup:
    return status;
}

wr_status rows_next_csv(text_rows *r, uint64_t bound, text_row *out) {
    wr_status status = WR_OK;
    bool row = false;
    for (;;) {
        const char *s = r->text + r->start;
        const bool within = csv_json_within_row(r->fields);
        if (!within && r->offset - r->mark >= bound) return WR_END;
        const size_t n = line_piece(r);
        if (!n && !r->member_ended) {
            TRY(rows_fill(r));
            continue;
        }
        if (!n) {
            r->state = ROWS_NO_MEMBER;
            TRY(csv_json_end(r->fields, r->row_line, &row));
            if (row) TRY(csv_row(r, out));
            return WR_OK;
        }
        size_t blank = 0;
        while (!within && blank < n && rows_blank(s[blank])) blank++;
        if (!within) r->row_start = r->offset - r->mark, r->row_line = r->line;
        if (r->offset + n - r->row_start > r->limit)
            TRY(wr_fail(WR_E_FORMAT, "%s:%zu: the row that begins here has over %zu MiB: is a quote missing?",
                        text_rows_name(r), r->row_line, r->limit >> 20));
        if (blank < n) TRY(csv_json_feed(r->fields, s, n, r->row_line, &row));
        rows_consume(r, n, s[n - 1] == '\n' || (s[n - 1] == '\r' && csv_json_returns(r->fields)));
        if (row) TRY(csv_row(r, out));
        if (row) return WR_OK;
    }
cleanup:
    return status;
}
