/* Quality filters, each by name, asked in this order; the first that applies drops the turn. LOCAL; one thread. */
#ifndef WR_DATA_FILTERS_H
#define WR_DATA_FILTERS_H

#include "base/status.h"
#include <stddef.h>

typedef enum filter {
    FILTER_KEEP,
    FILTER_UNLABELLED, /* the annotator gave no level */
    FILTER_NO_QUERY,   /* no user message before the reply */
    FILTER_NEUTRAL,
    FILTER_LANGUAGE,
    FILTER_IMAGE,
    FILTER_WEB,
    FILTER_IDENTITY,
    FILTER_FILE,
    FILTER_URL,
    FILTER_EMAIL,
    FILTER_PHONE,
    FILTER_LONG_HISTORY,
    FILTER_SHORT_REPLY,
    FILTER_SHORT_QUERY,
    FILTER_TOO_LONG, /* query and reply take more tokens than allowed; found when tokens are made */
    FILTERS
} filter;
const char *filter_name(filter f); /* "neutral", "language", …; NULL for FILTER_KEEP */

enum { FILTER_HISTORY_MESSAGES = 20 };

typedef struct filters filters;
wr_status filters_create(size_t min_reply_words, size_t min_query_words, filters **out);
void filters_free(filters *f);

typedef struct filter_turn {
    int level;            /* final */
    const char *language; /* of the row; "" = look at the text */
    const char *query;
    size_t query_length; /* NULL: none */
    const char *reply;
    size_t reply_length;
    size_t history; /* messages before the query */
} filter_turn;
filter filters_judge(const filters *f, const filter_turn *t);

#endif
