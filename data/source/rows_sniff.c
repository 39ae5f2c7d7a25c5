/* What a member of text is: lines, an array, CSV. */
#include "base/file_kind.h"
#include "data/source/rows_text.h"

#include <string.h>

/* Text that is not JSON: is it CSV? *state is left where it is not; CSV_MORE: it cannot be said yet. */
static wr_status sniff_csv(text_rows *r, size_t mark, rows_state *found, bool *more) {
    wr_status status = WR_OK;
    const char *name = text_rows_name(r), *s = r->text + r->start + mark;
    const size_t n = r->end - r->start - mark;
    const bool named = csv_name(name);
    csv_guess guess = CSV_NO;
    *more = false;
    if (!r->csv && (named || tsv_name(name)))
        TRY(wr_fail(WR_E_FORMAT,
                    "%s: CSV has no lists, and a chat is a list of messages: write rows as JSON lines or Parquet "
                    "(replies that were rated are read from CSV with --format "
                    "labelled)",
                    name));
    if (!r->csv) return WR_OK;
    if (!named) guess = csv_guess_of(r->csv, s, n, r->member_ended);
    if (guess == CSV_MORE && n < ROWS_SNIFF_BYTES) {
        *more = true;
        return WR_OK;
    }
    if (guess == CSV_OTHER_MARKS || tsv_name(name))
        TRY(wr_fail(WR_E_FORMAT,
                    "%s: its columns are not told apart by commas (tabs and semicolons have no one rule for quotes): "
                    "write it as CSV, JSON lines or Parquet",
                    name));
    if (!named && guess != CSV_YES) return WR_OK;
    *found = ROWS_CSV;
    TRY(csv_json_begin(r->fields, name));
cleanup:
    return status;
}

wr_status rows_sniff(text_rows *r, bool first) {
    wr_status status = WR_OK;
    if (!r->text) TRY(rows_fill(r));
    for (;;) {
        const char *s = r->text + r->start;
        size_t n = r->end - r->start, mark = first && n >= 3 && memcmp(s, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0, i = mark;
        while (i < n && rows_blank(s[i])) i++;
        size_t bracket = i;
        if (i < n && s[i] == '[') {
            for (i++; i < n && rows_blank(s[i]);) i++;
        }
        if ((i == n || n < 3) && !r->member_ended && n < ROWS_SNIFF_BYTES) {
            TRY(rows_fill(r));
            continue;
        }
        /* [1,2] on a line of its own is a row, if a useless one */
        bool array = r->in && bracket < n && s[bracket] == '[' && (i == n || s[i] == '{' || s[i] == ']'), more = false;
        r->state = array ? ROWS_FIRST : ROWS_LINES;
        if (r->in && first && !array && !looks_like_json(s + mark, n - mark)) TRY(sniff_csv(r, mark, &r->state, &more));
        if (more) {
            r->state = ROWS_SNIFF;
            TRY(rows_fill(r));
            continue;
        }
        if (array)
            rows_consume(r, bracket + 1, rows_newlines(s, bracket));
        else
            rows_consume(r, mark, 0), r->mark = mark;
        break;
    }
cleanup:
    return status;
}
