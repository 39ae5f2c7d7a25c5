/* Rows that are lines. */
#include "data/source/rows_text.h"

#include <string.h>

wr_status rows_skip_line(text_rows *r, uint64_t bound) {
    wr_status status = WR_OK;
    for (;;) {
        const char *s = r->text + r->start, *newline = r->end > r->start ? memchr(s, '\n', r->end - r->start) : NULL;
        if (newline) {
            rows_consume(r, (size_t)(newline - s) + 1, 1);
            r->state = ROWS_LINES;
            break;
        }
        rows_forget(r);
        if (r->member_ended) {
            r->state = ROWS_LINES;
            break;
        }
        if (r->offset >= bound) return WR_END; /* still in the line: the next row begins behind the bound */
        TRY(rows_fill(r));
    }
cleanup:
    return status;
}

wr_status rows_next_line(text_rows *r, uint64_t bound, text_row *out) {
    wr_status status = WR_OK;
    while (r->offset - r->mark < bound) {
        const char *s = r->text + r->start,
                   *newline = r->end > r->scanned ? memchr(r->text + r->scanned, '\n', r->end - r->scanned) : NULL;
        size_t n = newline ? (size_t)(newline - s) : r->end - r->start;
        if (!newline) {
            r->scanned = r->end;
            if (n > r->limit) {
                text_row huge;
                huge = rows_at_start(r, 0, ROW_HUGE);
                TRY(rows_skip_line(r, UINT64_MAX));
                *out = huge;
                return WR_OK;
            }
            if (!r->member_ended) {
                TRY(rows_fill(r));
                continue;
            }
            if (!n) {
                r->state = ROWS_NO_MEMBER;
                return WR_OK;
            }
        }
        size_t blank = 0;
        while (blank < n && rows_blank(s[blank])) blank++;
        if (blank < n) {
            *out = rows_at_start(r, n - (s[n - 1] == '\r'), n > r->limit ? ROW_HUGE : ROW_GOOD);
            if (n > r->limit) out->length = 0;
        }
        rows_consume(r, n + (newline != NULL), newline != NULL);
        if (blank < n) return WR_OK;
    }
    return WR_END;
cleanup:
    return status;
}
