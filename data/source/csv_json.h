/* Rows of CSV (RFC 4180) as JSON objects, by libcsv: one rule for all forms then, whoever reads the JSON judges the
 * row. The first row names the columns. A field without quotes that is empty is no value, as in PostgreSQL's COPY: its
 * member is left out. Blanks belong to a field; a quote within one is doubled, and the field quoted. Anything else is
 * refused, for no rule says where rows begin behind it. LOCAL; a handle belongs to one thread. */
#ifndef WR_DATA_SOURCE_CSV_JSON_H
#define WR_DATA_SOURCE_CSV_JSON_H

#include "base/strbuf.h"
#include <stdbool.h>
#include <stddef.h>

/* Which columns are read; others are passed over. Each list ends with NULL. */
typedef struct csv_columns {
    const char *const *names;
    const char *const *needed; /* those among them that a header must have; "a|b": one of the two */
    const char *const *typed;  /* those whose text is JSON: a number, a list; text that is no JSON becomes a string */
    const char *const *texts;  /* those of which "" is an empty text; elsewhere it is no value either */
} csv_columns;

/* Does the file's name promise CSV (.csv, or that and a compression), or tab-separated values? */
bool csv_name(const char *name);
bool tsv_name(const char *name);

typedef enum csv_guess { CSV_NO, CSV_MORE, CSV_YES, CSV_OTHER_MARKS } csv_guess;
/* Is this the beginning of a CSV whose header has all needed columns? CSV_MORE: its first row is not whole yet.
 * CSV_OTHER_MARKS: it would be one if its fields were told apart by commas. */
csv_guess csv_guess_of(const csv_columns *columns, const char *bytes, size_t n, bool whole);

typedef struct csv_json csv_json;
wr_status csv_json_create(const csv_columns *columns, csv_json **out); /* columns must outlive it */
void csv_json_free(csv_json *c);                                       /* NULL is fine */
/* A new text, whose name messages show; it must live as long as the text is read. */
wr_status csv_json_begin(csv_json *c, const char *name);
/* The next bytes: a line end ("\n", "\r\n" or "\r") may stand at their end only. line: on which the row began. *row: a
 * row of data ended with them. WR_E_FORMAT with file and line: a header without a needed column or with one twice;
 * quotes out of place. */
wr_status csv_json_feed(csv_json *c, const char *bytes, size_t n, size_t line, bool *row);
/* The text has ended; *row as above, for a last line without an end. */
wr_status csv_json_end(csv_json *c, size_t line, bool *row);
bool csv_json_within_row(const csv_json *c);
/* Rows end with a carriage return alone. */
bool csv_json_returns(const csv_json *c);
/* The row that ended: its object, or in *wrong why it is none (NULL otherwise). Valid until the next call. */
wr_status csv_json_row(csv_json *c, const char **text, size_t *n, const char **wrong, bool *utf8);

#endif
