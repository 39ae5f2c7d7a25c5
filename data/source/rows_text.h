/* The text of data/source/sources_rows.h: a buffer [start, end) in front of a file or stream, and a state that says
 * what the next row is. Of [start, scanned) it is known that the row that begins at start does not end there, so that
 * nothing is looked at twice, however the text arrives.
 *
 *   text      |  taken  |  row at hand ...                |  room
 *             0       start ......... scanned ......... end        capacity
 *   whole text:       offset            looked at  not yet
 *
 * Only data/source/rows_*.c and sources_rows.c include this. LOCAL. */
#ifndef WR_DATA_SOURCE_ROWS_TEXT_H
#define WR_DATA_SOURCE_ROWS_TEXT_H

#include "base/stream.h"
#include "data/source/sources_rows.h"

enum { ROWS_READ_BYTES = 256 << 10, ROWS_SNIFF_BYTES = 1 << 16 };

typedef enum rows_state {
    ROWS_NO_MEMBER,
    ROWS_SNIFF, /* before lines or an array */
    ROWS_LINES,
    ROWS_REST,    /* of a line that began before the place sought */
    ROWS_FIRST,   /* behind the bracket that opens an array */
    ROWS_ELEMENT, /* behind a comma in it */
    ROWS_CSV,
} rows_state;

struct text_rows {
    char *path;
    instream *in;  /* NULL: plain lines */
    int fd;        /* of plain lines */
    uint64_t size; /* as many bytes of it are read */
    uint64_t read; /* so many have been */
    size_t limit;
    rows_state state;
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

static inline bool rows_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Appends text; sets member_ended where there is no more. */
wr_status rows_fill(text_rows *r);
size_t rows_newlines(const char *s, size_t n);
/* Goes n bytes on. lines: line ends among them. */
void rows_consume(text_rows *r, size_t n, size_t lines);
/* Forgets the text of the row that begins at start, but not where that was. */
void rows_forget(text_rows *r);
/* The row of `length` bytes at start. */
text_row rows_at_start(const text_rows *r, size_t length, row_fault fault);

/* What the blanks, the byte order mark and the bytes behind them say. first: of the member. */
wr_status rows_sniff(text_rows *r, bool first);
/* One row each, or none when the state has changed. The line's end behind a row that is too long, or that began before
 * the place sought: */
wr_status rows_skip_line(text_rows *r, uint64_t bound);
wr_status rows_next_line(text_rows *r, uint64_t bound, text_row *out);
wr_status rows_next_element(text_rows *r, uint64_t bound, text_row *out);
wr_status rows_next_csv(text_rows *r, uint64_t bound, text_row *out);

#endif
