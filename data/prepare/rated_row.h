/* One rated reply, as a row of --format labelled or of --format wildfb gives it, whatever form it came in, and the line
 * that keeps it in the spill file. LOCAL. */
#ifndef WR_DATA_PREPARE_RATED_ROW_H
#define WR_DATA_PREPARE_RATED_ROW_H

#include "base/json.h"
#include "data/prepare/prepare.h"
#include "data/source/conversation.h"
#include "data/source/csv_json.h"

enum { RATED_LARGEST_LABEL = 1000, RATED_TEXT_LIMIT = 16 << 20 };

/* Texts and lists are the arena's or the row's. */
typedef struct rated_row {
    const char *id, *user, *query, *response;
    size_t query_length, response_length;
    const char *text; /* ready made; NULL: the template writes it of the others */
    size_t text_length;
    int64_t label;
    chat_message *history;
    size_t n_history;
    bool test;         /* of a published split: on which side */
    const char *wrong; /* of a row that is ROW_FIELD: the field, and how */
} rated_row;

typedef struct rated_format {
    const char *name;
    csv_columns columns;   /* that are read, of CSV and of Parquet */
    const char *json_text; /* the Parquet column that may hold JSON as text */
    int classes;           /* where --classes is not given; 0: the largest label seen */
    bool published_split;  /* the data set's own, not one by user */
    const char *needs;     /* of a row, for the message where none can be used */
    /* Reads a row's members. A wrong one is told in out->wrong or *fault; errors are the program's own. */
    wr_status (*take)(arena *a, const prepare_options *o, const json_value *v, rated_row *out, row_fault *fault);
} rated_format;
extern const rated_format labelled_rows, wildfb_rows;
const rated_format *rated_format_of(const char *name); /* NULL: rows of this format are chats, or there is none */

/* number: of the row, which names it and its user where it does not say. */
wr_status rated_row_read(const rated_format *f, arena *a, const prepare_options *o, const char *line, size_t n,
                         uint64_t number, rated_row *out, row_fault *fault);
void rated_row_spill(const rated_row *r, json_writer *w);
wr_status rated_row_respilled(arena *a, const char *line, size_t n, rated_row *out);

/* For the formats' take. An optional text: absent and null are none; false: something else. */
bool rated_text(const json_value *m, const char **s, size_t *n);
bool rated_name(const json_value *m, const char **s); /* a text without NUL characters */
/* A text that is written already: which is wrong with it, or NULL. Absent and null: none. */
const char *rated_ready_text(const json_value *m, rated_row *out);
/* Messages of the list; what is wrong with it is told in *fault or *wrong. */
wr_status rated_messages(arena *a, const json_value *list, const char *name, chat_message **out, size_t *n,
                         row_fault *fault, const char **wrong);
/* Which is wrong with the label, or NULL. classes 0: any number. */
const char *rated_label(const json_value *label, int classes, int64_t *out);

#endif
