#include "data/source/csv_json.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { COLUMNS = 1 << 16, FIELD_BLOCK = 64 << 10, NAMES_SHOWN = 300 };

typedef struct cell {
    strbuf text;
    bool given;
} cell;

struct csv_json {
    const csv_columns *columns;
    const char *name;
    struct csv_parser parser;
    bool ready; /* parser is initialised */
    size_t wanted;
    cell *cells; /* (wanted) of the row */
    bool *seen;  /* (wanted) in the header */
    int *slots;  /* (n_columns) which cell each is, or -1 */
    size_t n_columns, slot_capacity;
    size_t at;                  /* fields of the row so far */
    unsigned long names_in_row; /* which of the needed names stand in the row as fields */
    bool header, within, ended, returns, utf8, nul;
    bool failed;  /* out of memory in a callback */
    strbuf found; /* names of the header, for messages */
    strbuf line, wrong;
    const char *twice;
};

static size_t count_of(const char *const *names) {
    size_t n = 0;
    while (names[n]) n++;
    return n;
}

static int place_of(const char *const *names, const char *s, size_t n) {
    for (int i = 0; names[i]; i++)
        if (strlen(names[i]) == n && memcmp(names[i], s, n) == 0) return i;
    return -1;
}

/* Which of the needed columns this is, or -1. One that has alternatives names them all: "response|text". */
static int needed_of(const csv_columns *columns, const char *s, size_t n) {
    for (int i = 0; columns->needed[i]; i++) {
        const char *name = columns->needed[i];
        for (size_t k; *name; name += k + (name[k] == '|')) {
            k = strcspn(name, "|");
            if (k == n && memcmp(name, s, n) == 0) return i;
        }
    }
    return -1;
}

static unsigned long all_needed(const csv_columns *columns) { return (1ul << count_of(columns->needed)) - 1; }

/* --- what is CSV --- */

static bool ends_in(const char *s, size_t n, const char *end) {
    const size_t k = strlen(end);
    return n >= k && strncasecmp(s + n - k, end, k) == 0;
}

/* The name without the endings that compression adds. */
static size_t bare_length(const char *name) {
    static const char *const packed[] = {".gz", ".bz2", ".xz", ".lzma", ".lz4", ".zst", NULL};
    size_t n = strlen(name);
    for (size_t i = 0; packed[i];) {
        if (ends_in(name, n, packed[i])) {
            n -= strlen(packed[i]);
            i = 0;
        } else {
            i++;
        }
    }
    return n;
}

bool csv_name(const char *name) { return ends_in(name, bare_length(name), ".csv"); }

bool tsv_name(const char *name) {
    return ends_in(name, bare_length(name), ".tsv") || ends_in(name, bare_length(name), ".tab");
}

static int no_space(unsigned char c) {
    (void)c;
    return 0;
}

static bool start_parser(struct csv_parser *p, unsigned char mark) {
    if (csv_init(p, CSV_STRICT | CSV_STRICT_FINI | CSV_EMPTY_IS_NULL) != 0) return false;
    csv_set_space_func(p, no_space);
    csv_set_blk_size(p, FIELD_BLOCK);
    csv_set_delim(p, mark);
    return true;
}

typedef struct first_row {
    const csv_columns *columns;
    unsigned long needed; /* those that were met */
    bool done;
} first_row;

static void guess_field(void *text, size_t n, void *context) {
    first_row *f = context;
    const int needed = !f->done && text ? needed_of(f->columns, text, n) : -1;
    if (needed >= 0) f->needed |= 1ul << needed;
}

static void guess_row(int end, void *context) {
    (void)end;
    ((first_row *)context)->done = true;
}

static csv_guess guess(const csv_columns *columns, const char *bytes, size_t n, bool whole, unsigned char mark) {
    struct csv_parser p;
    first_row f = {.columns = columns};
    bool right = true;
    if (!start_parser(&p, mark)) return CSV_NO;
    for (size_t i = 0; i < n && right && !f.done;) { /* line by line: the header is short, and the rest not asked for */
        const char *newline = memchr(bytes + i, '\n', n - i);
        const size_t k = newline ? (size_t)(newline - bytes) + 1 - i : n - i;
        right = csv_parse(&p, bytes + i, k, guess_field, guess_row, &f) == k;
        i += k;
    }
    if (right && !f.done && whole) right = csv_fini(&p, guess_field, guess_row, &f) == 0;
    csv_free(&p);
    if (f.done) return f.needed == all_needed(columns) ? CSV_YES : CSV_NO;
    return right && !whole ? CSV_MORE : CSV_NO;
}

csv_guess csv_guess_of(const csv_columns *columns, const char *bytes, size_t n, bool whole) {
    const csv_guess commas = guess(columns, bytes, n, whole, CSV_COMMA);
    if (commas != CSV_NO) return commas;
    for (size_t i = 0; i < 3; i++)
        if (guess(columns, bytes, n, whole, (unsigned char)"\t;|"[i]) == CSV_YES) return CSV_OTHER_MARKS;
    return CSV_NO;
}

/* --- the handle --- */

wr_status csv_json_create(const csv_columns *columns, csv_json **out) {
    wr_status status = WR_OK;
    csv_json *c = NULL;
    *out = NULL;
    TRY_ALLOC(c = mem_calloc(1, sizeof *c));
    c->columns = columns;
    c->wanted = count_of(columns->names);
    TRY_ALLOC(c->cells = mem_calloc(c->wanted + 1, sizeof *c->cells));
    TRY_ALLOC(c->seen = mem_calloc(c->wanted + 1, sizeof *c->seen));
    *out = c;
    c = NULL;
cleanup:
    csv_json_free(c);
    return status;
}

void csv_json_free(csv_json *c) {
    if (!c) return;
    for (size_t i = 0; c->cells && i < c->wanted; i++) strbuf_free(&c->cells[i].text);
    if (c->ready) csv_free(&c->parser);
    strbuf_free(&c->found);
    strbuf_free(&c->line);
    strbuf_free(&c->wrong);
    free(c->cells);
    free(c->seen);
    free(c->slots);
    free(c);
}

wr_status csv_json_begin(csv_json *c, const char *name) {
    if (c->ready) csv_free(&c->parser);
    c->ready = start_parser(&c->parser, CSV_COMMA);
    if (!c->ready) return wr_fail(WR_E_NOMEM, "out of memory");
    for (size_t i = 0; i < c->wanted; i++) c->seen[i] = false;
    c->name = name;
    c->n_columns = c->at = 0;
    c->header = true;
    c->within = c->ended = c->returns = c->failed = false;
    c->twice = NULL;
    strbuf_clear(&c->found);
    return WR_OK;
}

bool csv_json_within_row(const csv_json *c) { return c->within; }

bool csv_json_returns(const csv_json *c) { return c->returns; }

/* --- rows --- */

static void begin_row(csv_json *c) {
    c->at = 0;
    c->names_in_row = 0;
    c->utf8 = true;
    c->nul = false;
    for (size_t i = 0; i < c->wanted; i++) {
        strbuf_clear(&c->cells[i].text);
        c->cells[i].given = false;
    }
}

static void take_name(csv_json *c, const char *text, size_t n) {
    const int slot = place_of(c->columns->names, text, n);
    if (slot >= 0 && c->seen[slot]) c->twice = c->columns->names[slot];
    if (slot >= 0) c->seen[slot] = true;
    if (c->n_columns < COLUMNS &&
        mem_reserve((void **)&c->slots, &c->slot_capacity, c->n_columns + 1, sizeof *c->slots) < 0)
        c->failed = true;
    if (c->failed || c->n_columns >= COLUMNS) return;
    c->slots[c->n_columns++] = slot;
    if (c->found.len < NAMES_SHOWN) {
        strbuf_puts(&c->found, c->found.len ? ", " : "");
        strbuf_append(&c->found, text, n < NAMES_SHOWN ? n : NAMES_SHOWN);
        if (c->found.len >= NAMES_SHOWN) strbuf_puts(&c->found, ", …");
    }
}

static void on_field(void *text, size_t n, void *context) {
    csv_json *c = context;
    const bool empty = !text;
    if (empty) text = "", n = 0;
    c->utf8 = c->utf8 && utf8_valid_prefix(text, n) == n;
    c->nul = c->nul || memchr(text, '\0', n);
    if (c->header) {
        c->at++;
        take_name(c, text, n);
        return;
    }
    const int name = needed_of(c->columns, text, n);
    if (name >= 0) c->names_in_row |= 1ul << name;
    const int slot = c->at < c->n_columns ? c->slots[c->at] : -1;
    c->at++;
    if (slot < 0) return;
    c->cells[slot].given =
        n > 0 || (!empty && place_of(c->columns->texts, c->columns->names[slot], strlen(c->columns->names[slot])) >= 0);
    strbuf_append(&c->cells[slot].text, text, n);
}

static void on_row(int end, void *context) {
    (void)end;
    ((csv_json *)context)->ended = true;
}

static wr_status check_header(csv_json *c, size_t line) {
    wr_status status = WR_OK;
    if (!c->utf8 || c->nul)
        TRY(wr_fail(WR_E_FORMAT, "%s:%zu: the header is no UTF-8 text: convert the file, `iconv -t UTF-8`", c->name,
                    line));
    if (c->at > COLUMNS) TRY(wr_fail(WR_E_FORMAT, "%s:%zu: a header of over %d columns", c->name, line, COLUMNS));
    if (c->twice)
        TRY(wr_fail(WR_E_FORMAT, "%s:%zu: the header names the column \"%s\" twice", c->name, line, c->twice));
    TRY(strbuf_status(&c->found));
    unsigned long met = 0;
    for (size_t i = 0; i < c->wanted; i++) {
        const char *name = c->columns->names[i];
        const int needed = c->seen[i] ? needed_of(c->columns, name, strlen(name)) : -1;
        if (needed >= 0) met |= 1ul << needed;
    }
    for (size_t i = 0; c->columns->needed[i]; i++) {
        const char *name = c->columns->needed[i], *other = strchr(name, '|');
        if (met >> i & 1) continue;
        TRY(wr_fail(WR_E_FORMAT,
                    "%s:%zu: the header has no column \"%.*s\"%s%s%s; it has: %s (the first row of CSV names its "
                    "columns, commas between them)",
                    c->name, line, (int)strcspn(name, "|"), name, other ? " or \"" : "", other ? other + 1 : "",
                    other ? "\"" : "", strbuf_str(&c->found)));
    }
cleanup:
    return status;
}

/* libcsv has told whether a row ended. */
static wr_status settle(csv_json *c, size_t line, bool returns, bool *row) {
    wr_status status = WR_OK;
    if (c->failed) TRY(wr_fail(WR_E_NOMEM, "out of memory"));
    if (!c->ended) return WR_OK;
    c->ended = c->within = false;
    if (c->header) {
        TRY(check_header(c, line));
        c->header = false;
        c->returns = returns;
    } else {
        if (c->names_in_row == all_needed(c->columns))
            TRY(wr_fail(WR_E_FORMAT, "%s:%zu: a second header: give files of CSV one by one, not joined", c->name,
                        line));
        *row = true;
    }
cleanup:
    return status;
}

wr_status csv_json_feed(csv_json *c, const char *bytes, size_t n, size_t line, bool *row) {
    wr_status status = WR_OK;
    const bool returns = n && bytes[n - 1] == '\r', fed = n && bytes[n - 1] == '\n', header = c->header;
    *row = false;
    if (!c->within) begin_row(c);
    c->within = true;
    if (csv_parse(&c->parser, bytes, n, on_field, on_row, c) != n) {
        if (csv_error(&c->parser) != CSV_EPARSE)
            TRY(wr_fail(WR_E_NOMEM, "out of memory in the row that begins at %s:%zu", c->name, line));
        TRY(wr_fail(WR_E_FORMAT,
                    "%s:%zu: in the row that begins here a quote neither begins nor ends a field: write the field in "
                    "quotes and each quote in it twice (RFC 4180)",
                    c->name, line));
    }
    if (c->ended && !header && (returns || fed) && returns != c->returns)
        TRY(wr_fail(WR_E_FORMAT,
                    "%s:%zu: the row that begins here ends with a %s alone, the header otherwise: write one kind of "
                    "line end, and fields that hold one in quotes",
                    c->name, line, returns ? "carriage return" : "line feed"));
    TRY(settle(c, line, returns, row));
cleanup:
    return status;
}

wr_status csv_json_end(csv_json *c, size_t line, bool *row) {
    wr_status status = WR_OK;
    *row = false;
    if (c->within && csv_fini(&c->parser, on_field, on_row, c) != 0)
        TRY(wr_fail(WR_E_FORMAT,
                    "%s:%zu: the row that begins here ends within quotes: the file is cut, or a quote is missing",
                    c->name, line));
    if (!c->within && c->header)
        TRY(wr_fail(WR_E_FORMAT, "%s: no row that names its columns, as the first row of CSV does", c->name));
    TRY(settle(c, line, false, row));
cleanup:
    return status;
}

wr_status csv_json_row(csv_json *c, const char **text, size_t *n, const char **wrong, bool *utf8) {
    strbuf_clear(&c->line);
    strbuf_clear(&c->wrong);
    *wrong = NULL;
    *utf8 = c->utf8;
    if (c->at != c->n_columns)
        strbuf_printf(&c->wrong, "%zu fields, the header has %zu", c->at, c->n_columns);
    else if (c->nul)
        strbuf_puts(&c->wrong, "a NUL byte");
    if (c->wrong.len) *wrong = strbuf_str(&c->wrong);
    json_writer w = json_writer_make(&c->line);
    json_begin_object(&w);
    for (size_t i = 0; i < c->wanted && !*wrong; i++) {
        const cell *x = &c->cells[i];
        const char *name = c->columns->names[i];
        if (!x->given) continue;
        json_key(&w, name);
        if (place_of(c->columns->typed, name, strlen(name)) >= 0)
            json_of_text(&w, x->text.data, x->text.len);
        else
            json_string_n(&w, strbuf_str(&x->text), x->text.len);
        if (x->text.failed) return wr_fail(WR_E_NOMEM, "out of memory");
    }
    json_end_object(&w);
    *text = c->line.data;
    *n = c->line.len;
    return c->wrong.failed ? strbuf_status(&c->wrong) : strbuf_status(&c->line);
}
