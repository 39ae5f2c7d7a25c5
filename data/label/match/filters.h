/* Quality filters, each by name and each switchable, asked in the order below; the first that applies drops the turn.
 * What they look for in words is in a rule file (data/rules/filters.txt is built in); whole words only. LOCAL; one
 * thread. */
#ifndef WR_DATA_LABEL_MATCH_FILTERS_H
#define WR_DATA_LABEL_MATCH_FILTERS_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum filter {
    FILTER_KEEP,
    FILTER_UNLABELLED, /* the annotator gave no level; cannot be switched off */
    FILTER_NO_QUERY,   /* no user message before the reply; cannot be switched off */
    FILTER_NEUTRAL,    /* level 3 has no class; cannot be switched off */
    FILTER_LANGUAGE,
    FILTER_IMAGE,
    FILTER_WEB,
    FILTER_IDENTITY,
    FILTER_FILE,
    FILTER_MEDIA,
    FILTER_URL,
    FILTER_EMAIL,
    FILTER_PHONE,
    FILTER_IP,   /* of a public host */
    FILTER_CARD, /* payment card number with its check digit */
    FILTER_IBAN, /* bank account number with its check digits */
    FILTER_LONG_HISTORY,
    FILTER_SHORT_REPLY,
    FILTER_SHORT_QUERY,
    FILTER_TOO_LONG, /* query and reply take more tokens than allowed; found when tokens are made; cannot be switched
                        off */
    FILTERS
} filter;
const char *filter_name(filter f); /* "neutral", "language", …; NULL for FILTER_KEEP */
/* WR_E_USAGE with the nearest name. */
wr_status filter_by_name(const char *name, filter *out);
/* "url,phone" or "none" -> a bit set (1 << filter) of switchable filters. Errors name what is wrong. */
wr_status filter_list_parse(const char *list, uint32_t *bits);
/* All that can be switched: off = filters_switchable() & ~on keeps only those of `on`. */
uint32_t filters_switchable(void);

typedef struct filter_options {
    const char *file;                        /* rule file that replaces the built-in one, or NULL */
    uint32_t off;                            /* bit set of filters that are not asked */
    const char *languages;                   /* accepted: codes or English names with commas ("en,zh"), or "all" */
    size_t min_reply_words, min_query_words; /* Chinese, Japanese and Korean: characters */
    size_t max_history;                      /* messages before the query */
} filter_options;
filter_options filter_options_default(void); /* en,zh; 10; 5; 20 */

typedef struct filters filters;
wr_status filters_create(const filter_options *o, filters **out); /* strings of o are copied */
void filters_free(filters *f);                                    /* NULL is fine */
uint64_t filters_fingerprint(const filters *f); /* of the rules and options: equal ones drop the same turns */
wr_status filters_check(const filters *f,
                        size_t *examples);       /* the rules' examples; files of a user are checked when read */
void filters_use_prefilter(filters *f, bool on); /* off: slower, never another answer. For tests */

typedef struct filter_turn {
    int level;            /* final */
    const char *language; /* of the row, as WildChat names it; "" = look at the text */
    const char *query;
    size_t query_length; /* NULL: none */
    const char *reply;
    size_t reply_length;
    size_t history; /* messages before the query */
} filter_turn;
typedef struct filter_verdict {
    filter reason;     /* FILTER_KEEP: none applies */
    const char *rule;  /* name of the rule that found it, "" for filters without words */
    const char *match; /* what was found, inside the query or the reply; NULL for filters without words */
    size_t match_length;
} filter_verdict;
filter_verdict filters_judge(const filters *f, const filter_turn *t);

#endif
