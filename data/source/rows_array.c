/* Rows that are elements of a JSON array. */
#include "base/json_scan.h"
#include "data/source/rows_text.h"

/* Goes on to the comma or bracket behind the element; false when that is not there yet. Brackets are only counted:
 * whether they match, whoever reads the element finds out. */
static bool element_end(text_rows *r) {
    const char *end = r->text + r->end, *at = r->text + r->scanned;
    bool found = false;
    while (at < end && !found) {
        if (r->after_backslash) {
            r->after_backslash = false;
            at++;
        } else if (r->in_string) {
            if ((at = json_scan_quote(at, end)) == end) break;
            if (*at == '"')
                r->in_string = false;
            else
                r->after_backslash = true;
            at++;
        } else {
            char c = *at;
            if (c == '"') r->in_string = true;
            if (c == '{' || c == '[') r->depth++;
            if (r->depth == 0 && (c == ',' || c == ']')) found = true;
            if (r->depth && (c == '}' || c == ']')) r->depth--;
            at += !found;
        }
    }
    r->scanned = (size_t)(at - r->text);
    return found;
}

/* Behind an element, or where one is missing. */
static void behind_element(text_rows *r) {
    r->state = r->text[r->start] == ',' ? ROWS_ELEMENT : ROWS_SNIFF;
    rows_consume(r, 1, 0);
}

wr_status rows_next_element(text_rows *r, uint64_t bound, text_row *out) {
    wr_status status = WR_OK;
    bool huge = false;
    for (;;) { /* blanks before it */
        const char *s = r->text + r->start;
        size_t n = r->end - r->start, i = 0;
        while (i < n && rows_blank(s[i])) i++;
        rows_consume(r, i, rows_newlines(s, i));
        if (i < n) break;
        if (r->offset > bound) return WR_END;
        if (r->member_ended) { /* the bracket is missing; the place of that is the last byte, so that it has one */
            *out = rows_at_start(r, 0, ROW_JSON);
            out->start--;
            r->state = ROWS_NO_MEMBER;
            return WR_OK;
        }
        TRY(rows_fill(r));
    }
    if (r->offset >= bound) return WR_END;
    char c = r->text[r->start];
    if (c == ']' && r->state == ROWS_FIRST) {
        behind_element(r);
        return WR_OK;
    }
    *out = rows_at_start(r, 0, ROW_JSON);
    if (c == ',' || c == ']') {
        behind_element(r);
        return WR_OK;
    }
    r->depth = 0;
    r->in_string = r->after_backslash = false;
    while (!element_end(r)) {
        if (r->member_ended) { /* cut off: what is there is no whole element, or the bracket is missing */
            r->state = ROWS_NO_MEMBER;
            size_t n = huge ? 0 : r->end - r->start;
            row_fault fault = huge ? ROW_HUGE : ROW_JSON;
            *out = (text_row){
                .text = r->text + r->start, .length = n, .start = out->start, .line = out->line, .fault = fault};
            rows_forget(r);
            return WR_OK;
        }
        if (huge || r->end - r->start > r->limit) {
            huge = true;
            rows_forget(r);
        }
        TRY(rows_fill(r));
    }
    size_t n = r->scanned - r->start;
    huge |= n > r->limit;
    *out = (text_row){.text = r->text + r->start,
                      .length = huge ? 0 : n,
                      .start = out->start,
                      .line = out->line,
                      .fault = huge ? ROW_HUGE : ROW_GOOD};
    rows_consume(r, n, rows_newlines(r->text + r->start, n));
    behind_element(r);
cleanup:
    return status;
}
