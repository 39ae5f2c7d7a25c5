/* Published suites of comparisons that reward models are measured on. One file and one row of SUITES for each: how a
 * row of its files becomes replies to score, and how scores become sections and one number. Reading, scoring and
 * writing know no more of a suite than this interface. docs/suites.md states every rule. LOCAL.
 *
 * An item is a row of which something can be right: replies to one prompt, the right ones first.
 *
 *     texts   … | chosen | rejected | chosen | chosen | rejected | rejected | …
 *     items       first=4  n=2        first=6  n=4  n_right=2 */
#ifndef WR_EVALUATE_SUITES_SUITE_H
#define WR_EVALUATE_SUITES_SUITE_H

#include "data/source/csv_json.h"
#include "text/chat/chat_message.h"
#include "text/tokenizer/tokenizer.h"

/* The table. X(function, name): suite_FUNCTION is defined in evaluate/suites/suite_FUNCTION.c; the name is that of
 * --suite. */
#define SUITES(X)                                                                                                      \
    X(rewardbench, "rewardbench")                                                                                      \
    X(rewardbench2, "rewardbench2")                                                                                    \
    X(rm_bench, "rm-bench")                                                                                            \
    X(judgebench, "judgebench")                                                                                        \
    X(ppe, "ppe")                                                                                                      \
    X(rmb, "rmb")                                                                                                      \
    X(pairs, "pairs")

typedef struct suite_item {
    uint32_t group;        /* subset, domain, source, file: among the set's groups */
    size_t first;          /* of its replies, among the texts */
    uint32_t n, n_right;   /* replies; the right ones are the first (0: `right` says which) */
    bool tie_right;        /* equal scores are an answer, which is the right one */
    int kind;              /* what else a suite tells its rows apart by */
    int64_t id;            /* of what belongs together */
    const double *right;   /* (n) how right each reply is; NULL */
    const uint32_t *pairs; /* (n_pairs, 2) replies that are compared, the better one first; NULL */
    size_t n_pairs;
    uint64_t prompt;   /* hash of what the replies answer: rows of one prompt are drawn together; 0: the row alone */
    const char *where; /* its row: "file:line" */
} suite_item;

typedef struct suite_set {
    arena *memory; /* names, lists, places */
    suite_item *items;
    token_ids *texts;
    const char **groups;
    size_t n, n_texts, n_groups;
    size_t undecided; /* rows without a verdict, which are no items */
    size_t left_out;  /* rows that the model cannot read */
    size_t items_capacity, texts_capacity, groups_capacity;
} suite_set;
wr_status suite_set_init(suite_set *s);
void suite_set_free(suite_set *s); /* of one that is all zero, too */
/* Index of a group, made when new. */
wr_status suite_group(suite_set *s, const char *name, size_t n, uint32_t *group);

/* What scores say. part: the object of the result that holds the value, "" for the result itself. Names are the set's
 * or constants. */
typedef struct suite_figure {
    const char *part, *name;
    double value;     /* NaN where there is none */
    double low, high; /* its interval, NaN: none */
} suite_figure;
typedef struct suite_figures {
    double overall;
    size_t ties; /* comparisons of equal scores */
    suite_figure *list;
    size_t n, capacity;
    bool sample; /* of resampled rows: a judge warns of nothing */
    /* suite_intervals'; resamples 0: there are none */
    double low, high; /* of overall */
    size_t resamples, defined, prompts;
    uint64_t seed;
} suite_figures;
void suite_figures_free(suite_figures *f);
wr_status suite_put(suite_figures *f, const char *part, const char *name, double value);

typedef struct suite_reader suite_reader; /* evaluate/suites/suite_rows.h */
typedef struct suite {
    const char *name;
    csv_columns columns; /* that are read, of CSV and of Parquet */
    const char *needs;   /* of a row, for messages: "prompt, chosen, rejected and …" */
    /* Reads a row into the reader's item. WR_E_FORMAT: what is wrong with it. */
    wr_status (*read)(suite_reader *r, const json_value *row);
    /* scores (n_texts). At least one item. */
    wr_status (*judge)(const suite_set *s, const double *scores, suite_figures *out);
} suite;

#define SUITE_DECLARE(function, name_) extern const suite suite_##function;
SUITES(SUITE_DECLARE)
#undef SUITE_DECLARE

/* "rewardbench|…": the values of --suite. */
#define SUITE_OR_NAME(function, name_) "|" name_
#define SUITE_NAMES (&(SUITES(SUITE_OR_NAME))[1])

const suite *suite_find(const char *name); /* NULL: there is none of this name */
const suite *suite_at(size_t i);           /* in the order of the table; NULL behind the last */

#endif
