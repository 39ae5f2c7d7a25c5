/* What the suites' files share: reading the fields of a row, and judging an item. Only evaluate/suites/ and tests
 * include this. LOCAL. */
#ifndef WR_EVALUATE_SUITES_SUITE_ROWS_H
#define WR_EVALUATE_SUITES_SUITE_ROWS_H

#include "evaluate/suites/suite.h"

/* Who writes a chat, or a text that is ready made, as ids. WR_E_FORMAT: this one cannot be read. row: what a chat
 * template sees beside the messages, or NULL. */
typedef struct suite_encoder {
    const void *context;
    wr_status (*chat)(const void *context, const chat_message *messages, size_t n, const json_value *row,
                      token_ids *out);
    wr_status (*text)(const void *context, const char *text, size_t n, token_ids *out);
    bool whole; /* messages are shown with all their members */
} suite_encoder;

struct suite_reader {
    suite_set *set;
    const suite_encoder *encoder; /* NULL: rows are looked at, and nothing is made of their texts */
    const char *path;             /* of the file */
    arena *row;                   /* memory of the row */
    suite_item item;              /* what the row becomes */
    bool none;                    /* the row is no item, though nothing is wrong with it */
    const char *refused;          /* why the model cannot read it, in `row`; NULL */
    const chat_message *before;   /* the chat that the replies answer */
    size_t n_before;
    const json_value *variables; /* of the row, for a chat template; NULL */
};

/* Adds the items of a file. WR_E_FORMAT with file, line and field: a row that is none of the suite's, a file without
 * rows. limit: of rows in the set, 0: all. */
wr_status suite_read_file(const suite *kind, const char *path, const suite_encoder *encoder, size_t limit,
                          suite_set *set);

/* --- fields of a row. WR_E_FORMAT names the field --- */

const json_value *suite_field(const json_value *row, const char *name); /* NULL: absent or null */
wr_status suite_text(const json_value *row, const char *name, const char **text, size_t *n);
/* A list of at least one text; *list is its array. */
wr_status suite_texts(const json_value *row, const char *name, const json_value **list);
/* Where the row says how long the list is: it must be so long. */
wr_status suite_length(const json_value *row, const char *name, const json_value *list, const char *list_name);
/* What the replies answer: a text of the user, or a chat. */
wr_status suite_prompt(suite_reader *r, const json_value *row, const char *name);
/* One more reply to it. */
wr_status suite_reply(suite_reader *r, const char *text, size_t n);
wr_status suite_replies(suite_reader *r, const json_value *list);
/* One more text of the item, written already, or a chat that ends with the reply. */
wr_status suite_ready(suite_reader *r, const char *text, size_t n);
wr_status suite_chat(suite_reader *r, const chat_message *messages, size_t n);
wr_status suite_in_group(suite_reader *r, const char *name, size_t n);
/* The file's name without its folder, up to the first point. */
void suite_file_stem(const char *path, const char **stem, size_t *n);

/* --- scores --- */

/* Of its item: 1 where every right reply scores above every wrong one, else 0; ties (of the worst right one and the
 * best wrong one) are counted, and are wrong unless the item says otherwise. */
double suite_won(const suite_item *x, const double *scores, size_t *ties);
typedef struct suite_share {
    size_t n;
    double right; /* sum of suite_won */
} suite_share;
/* shares (n_groups): of each group's items. */
void suite_shares(const suite_set *s, const double *scores, size_t *ties, suite_share *shares);
double suite_mean(const suite_share *share); /* NaN: of none */
/* A suite's judge where all rows count alike: a section for each group, overall the share of all. */
wr_status suite_judge_rows(const suite_set *s, const double *scores, suite_figures *out);

#endif
