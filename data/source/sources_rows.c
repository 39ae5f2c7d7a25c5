/* A buffer of text [start, end) in front of a file or stream, and a state that says what the next row is. Of [start,
 * scanned) it is known that the row that begins at start does not end there, so that nothing is looked at twice,
 * however the text arrives. */
#include "data/source/sources_rows.h"

#include "base/file_kind.h"
#include "base/json_scan.h"
#include "base/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 256 << 10, SNIFF_BYTES = 1 << 16 };

typedef enum state {
    NO_MEMBER,
    SNIFF, /* before lines or an array */
    LINES,
    REST,    /* of a line that began before the place sought */
    FIRST,   /* behind the bracket that opens an array */
    ELEMENT, /* behind a comma in it */
    CSV,
} state;

struct text_rows {
    char *path;
    instream *in;  /* NULL: plain lines */
    int fd;        /* of plain lines */
    uint64_t size; /* as many bytes of it are read */
    uint64_t read; /* so many have been */
    size_t limit;
    state state;
    bool member_ended, ended;
    char *text;
    size_t start, scanned, end, capacity;
    uint64_t offset; /* of text[start] in the whole text */
    size_t line;     /* of text[start]; 0: unknown */
    size_t mark;     /* bytes before text[start] that belong to its line: a byte order mark */
    size_t depth;    /* of the element at start, at `scanned` */
    bool in_string, after_backslash;
    const csv_columns *csv;
    csv_json *fields;
    uint64_t row_start; /* of the row of CSV that is being read */
    size_t row_line;
};

static wr_status create(const char *path, size_t limit, text_rows **out) {
    wr_status status = WR_OK;
    text_rows *r = mem_calloc(1, sizeof *r);
    if (!r) return WR_E_NOMEM;
    r->fd = -1;
    r->limit = limit;
    TRY_ALLOC(r->path = mem_strdup(path));
    *out = r;
    r = NULL;
cleanup:
    text_rows_close(r);
    return status;
}

wr_status text_rows_open(const char *path, size_t limit, const csv_columns *csv, text_rows **out) {
    wr_status status = create(path, limit, out);
    if (status >= 0) status = instream_open(path, &(*out)->in);
    if (status >= 0 && csv) status = csv_json_create(csv, &(*out)->fields);
    if (status >= 0) (*out)->csv = csv;
    if (status < 0) text_rows_close(*out), *out = NULL;
    return status;
}

wr_status text_rows_open_plain(const char *path, uint64_t size, size_t limit, text_rows **out) {
    wr_status status = create(path, limit, out);
    if (status < 0) return status;
    (*out)->size = size;
    (*out)->fd = open(path, O_RDONLY | O_CLOEXEC);
    if ((*out)->fd < 0) status = wr_fail(WR_E_IO, "cannot open %s: %s", path, strerror(errno));
    if (status >= 0) status = text_rows_seek(*out, 0);
    if (status < 0) text_rows_close(*out), *out = NULL;
    return status;
}

void text_rows_close(text_rows *r) {
    if (!r) return;
    instream_close(r->in);
    csv_json_free(r->fields);
    if (r->fd >= 0) close(r->fd);
    free(r->text);
    free(r->path);
    free(r);
}

/* The line in which the byte before `offset` lies is skipped: where that byte ends a line, the next row begins at
 * `offset` itself. */
wr_status text_rows_seek(text_rows *r, uint64_t offset) {
    r->start = r->scanned = r->end = 0;
    r->read = r->offset = offset ? offset - 1 : 0;
    r->line = offset ? 0 : 1;
    r->state = offset ? REST : SNIFF;
    r->mark = 0;
    r->ended = r->member_ended = false;
    return WR_OK;
}

/* --- text --------------------------------------------------------------------------------------------------------- */

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

/* Appends text; sets member_ended where there is no more. */
static wr_status fill(text_rows *r) {
    wr_status status = WR_OK;
    size_t n;
    if (r->start) {
        memmove(r->text, r->text + r->start, r->end - r->start);
        r->end -= r->start;
        r->scanned -= r->start;
        r->start = 0;
    }
    if (r->capacity - r->end < READ_BYTES / 2)
        TRY(mem_reserve((void **)&r->text, &r->capacity, r->end + READ_BYTES, 1));
    status = r->in ? instream_read(r->in, r->text + r->end, r->capacity - r->end, &n)
                   : plain_bytes(r, r->text + r->end, r->capacity - r->end, &n);
    TRY(status);
    r->member_ended = status == WR_END;
    r->end += n;
    status = WR_OK;
cleanup:
    return status;
}

static size_t newlines(const char *s, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += s[i] == '\n';
    return count;
}

/* Goes n bytes on. lines: line ends among them. */
static void consume(text_rows *r, size_t n, size_t lines) {
    r->start += n;
    r->offset += n;
    r->scanned = r->start;
    r->mark = 0;
    if (r->line) r->line += lines;
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Text that is not JSON: is it CSV? *state is left where it is not; CSV_MORE: it cannot be said yet. */
static wr_status sniff_csv(text_rows *r, size_t mark, state *found, bool *more) {
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
    if (guess == CSV_MORE && n < SNIFF_BYTES) {
        *more = true;
        return WR_OK;
    }
    if (guess == CSV_OTHER_MARKS || tsv_name(name))
        TRY(wr_fail(WR_E_FORMAT,
                    "%s: its columns are not told apart by commas (tabs and semicolons have no one rule for quotes): "
                    "write it as CSV, JSON lines or Parquet",
                    name));
    if (!named && guess != CSV_YES) return WR_OK;
    *found = CSV;
    TRY(csv_json_begin(r->fields, name));
cleanup:
    return status;
}

/* What the blanks, the byte order mark and the bytes behind them say. */
static wr_status sniff(text_rows *r, bool first) {
    wr_status status = WR_OK;
    if (!r->text) TRY(fill(r));
    for (;;) {
        const char *s = r->text + r->start;
        size_t n = r->end - r->start, mark = first && n >= 3 && memcmp(s, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0, i = mark;
        while (i < n && is_blank(s[i])) i++;
        size_t bracket = i;
        if (i < n && s[i] == '[') {
            for (i++; i < n && is_blank(s[i]);) i++;
        }
        if ((i == n || n < 3) && !r->member_ended && n < SNIFF_BYTES) {
            TRY(fill(r));
            continue;
        }
        /* [1,2] on a line of its own is a row, if a useless one */
        bool array = r->in && bracket < n && s[bracket] == '[' && (i == n || s[i] == '{' || s[i] == ']'), more = false;
        r->state = array ? FIRST : LINES;
        if (r->in && first && !array && !looks_like_json(s + mark, n - mark)) TRY(sniff_csv(r, mark, &r->state, &more));
        if (more) {
            r->state = SNIFF;
            TRY(fill(r));
            continue;
        }
        if (array)
            consume(r, bracket + 1, newlines(s, bracket));
        else
            consume(r, mark, 0), r->mark = mark;
        break;
    }
cleanup:
    return status;
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static void give(const text_rows *r, size_t length, row_fault fault, text_row *out) {
    *out = (text_row){
        .text = r->text + r->start, .length = length, .start = r->offset - r->mark, .line = r->line, .fault = fault};
}

/* Forgets the text of the row that begins at start, but not where that was. */
static void forget(text_rows *r) {
    size_t n = r->end - r->start;
    r->offset += n;
    if (r->line) r->line += newlines(r->text + r->start, n);
    r->start = r->scanned = r->end = r->mark = 0;
}

/* The line's end behind a row that is too long, or that began before the place sought. */
static wr_status skip_line(text_rows *r, uint64_t bound) {
    wr_status status = WR_OK;
    for (;;) {
        const char *s = r->text + r->start, *newline = r->end > r->start ? memchr(s, '\n', r->end - r->start) : NULL;
        if (newline) {
            consume(r, (size_t)(newline - s) + 1, 1);
            r->state = LINES;
            break;
        }
        forget(r);
        if (r->member_ended) {
            r->state = LINES;
            break;
        }
        if (r->offset >= bound) return WR_END; /* still in the line: the next row begins behind the bound */
        TRY(fill(r));
    }
cleanup:
    return status;
}

static wr_status next_line(text_rows *r, uint64_t bound, text_row *out) {
    wr_status status = WR_OK;
    while (r->offset - r->mark < bound) {
        const char *s = r->text + r->start,
                   *newline = r->end > r->scanned ? memchr(r->text + r->scanned, '\n', r->end - r->scanned) : NULL;
        size_t n = newline ? (size_t)(newline - s) : r->end - r->start;
        if (!newline) {
            r->scanned = r->end;
            if (n > r->limit) {
                text_row huge;
                give(r, 0, ROW_HUGE, &huge);
                TRY(skip_line(r, UINT64_MAX));
                *out = huge;
                return WR_OK;
            }
            if (!r->member_ended) {
                TRY(fill(r));
                continue;
            }
            if (!n) {
                r->state = NO_MEMBER;
                return WR_OK;
            }
        }
        size_t blank = 0;
        while (blank < n && is_blank(s[blank])) blank++;
        if (blank < n) {
            give(r, n - (s[n - 1] == '\r'), n > r->limit ? ROW_HUGE : ROW_GOOD, out);
            if (n > r->limit) out->length = 0;
        }
        consume(r, n + (newline != NULL), newline != NULL);
        if (blank < n) return WR_OK;
    }
    return WR_END;
cleanup:
    return status;
}

/* --- arrays ------------------------------------------------------------------------------------------------------- */

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
    r->state = r->text[r->start] == ',' ? ELEMENT : SNIFF;
    consume(r, 1, 0);
}

static wr_status next_element(text_rows *r, uint64_t bound, text_row *out) {
    wr_status status = WR_OK;
    bool huge = false;
    for (;;) { /* blanks before it */
        const char *s = r->text + r->start;
        size_t n = r->end - r->start, i = 0;
        while (i < n && is_blank(s[i])) i++;
        consume(r, i, newlines(s, i));
        if (i < n) break;
        if (r->offset > bound) return WR_END;
        if (r->member_ended) { /* the bracket is missing; the place of that is the last byte, so that it has one */
            give(r, 0, ROW_JSON, out);
            out->start--;
            r->state = NO_MEMBER;
            return WR_OK;
        }
        TRY(fill(r));
    }
    if (r->offset >= bound) return WR_END;
    char c = r->text[r->start];
    if (c == ']' && r->state == FIRST) {
        behind_element(r);
        return WR_OK;
    }
    give(r, 0, ROW_JSON, out);
    if (c == ',' || c == ']') {
        behind_element(r);
        return WR_OK;
    }
    r->depth = 0;
    r->in_string = r->after_backslash = false;
    while (!element_end(r)) {
        if (r->member_ended) { /* cut off: what is there is no whole element, or the bracket is missing */
            r->state = NO_MEMBER;
            size_t n = huge ? 0 : r->end - r->start;
            row_fault fault = huge ? ROW_HUGE : ROW_JSON;
            *out = (text_row){
                .text = r->text + r->start, .length = n, .start = out->start, .line = out->line, .fault = fault};
            forget(r);
            return WR_OK;
        }
        if (huge || r->end - r->start > r->limit) {
            huge = true;
            forget(r);
        }
        TRY(fill(r));
    }
    size_t n = r->scanned - r->start;
    huge |= n > r->limit;
    *out = (text_row){.text = r->text + r->start,
                      .length = huge ? 0 : n,
                      .start = out->start,
                      .line = out->line,
                      .fault = huge ? ROW_HUGE : ROW_GOOD};
    consume(r, n, newlines(r->text + r->start, n));
    behind_element(r);
cleanup:
    return status;
}

/* --- CSV ---------------------------------------------------------------------------------------------------------- */

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

static wr_status next_csv(text_rows *r, uint64_t bound, text_row *out) {
    wr_status status = WR_OK;
    bool row = false;
    for (;;) {
        const char *s = r->text + r->start;
        const bool within = csv_json_within_row(r->fields);
        if (!within && r->offset - r->mark >= bound) return WR_END;
        const size_t n = line_piece(r);
        if (!n && !r->member_ended) {
            TRY(fill(r));
            continue;
        }
        if (!n) {
            r->state = NO_MEMBER;
            TRY(csv_json_end(r->fields, r->row_line, &row));
            if (row) TRY(csv_row(r, out));
            return WR_OK;
        }
        size_t blank = 0;
        while (!within && blank < n && is_blank(s[blank])) blank++;
        if (!within) r->row_start = r->offset - r->mark, r->row_line = r->line;
        if (r->offset + n - r->row_start > r->limit)
            TRY(wr_fail(WR_E_FORMAT, "%s:%zu: the row that begins here has over %zu MiB: is a quote missing?",
                        text_rows_name(r), r->row_line, r->limit >> 20));
        if (blank < n) TRY(csv_json_feed(r->fields, s, n, r->row_line, &row));
        consume(r, n, s[n - 1] == '\n' || (s[n - 1] == '\r' && csv_json_returns(r->fields)));
        if (row) TRY(csv_row(r, out));
        if (row) return WR_OK;
    }
cleanup:
    return status;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static wr_status next_member(text_rows *r) {
    r->start = r->scanned = r->end = 0;
    if (!r->in) { /* one member, which has been read */
        r->ended = true;
        return WR_END;
    }
    wr_status status = instream_member(r->in);
    r->ended = status == WR_END;
    r->state = r->ended ? NO_MEMBER : SNIFF;
    r->member_ended = false;
    r->line = 1;
    return status;
}

wr_status text_rows_next(text_rows *r, uint64_t bound, text_row *out) {
    wr_status status = WR_OK;
    *out = (text_row){0};
    bool first = r->state == SNIFF && r->offset == 0; /* plain lines start here */
    while (!out->text) {
        if (r->ended) return WR_END;
        switch (r->state) {
        case NO_MEMBER:
            status = next_member(r);
            first = true;
            break;
        case SNIFF:
            status = sniff(r, first);
            break;
        case REST:
            status = skip_line(r, bound);
            break;
        case LINES:
            status = next_line(r, bound, out);
            break;
        case CSV:
            status = next_csv(r, bound, out);
            break;
        default:
            status = next_element(r, bound, out);
        }
        if (status != WR_OK) return status;
        if (r->state != SNIFF) first = false;
    }
    return WR_OK;
}

uint64_t text_rows_position(const text_rows *r) { return r->offset; }

bool text_rows_ended(const text_rows *r) { return r->ended; }

const char *text_rows_name(const text_rows *r) { return r->in ? instream_name(r->in) : r->path; }
