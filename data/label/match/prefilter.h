/* Which of many regexes can match a text at all. From each regex one or two lists of strings are taken of which every
 * match holds at least one each; all of them are found in one reading of the text. A regex of whose strings none is
 * there need not be run; one from which no strings can be told is always run. The answer is safe for any text, valid
 * UTF-8 or not: it may be a needless yes, never a wrong no. LOCAL; read-only after prefilter_build. */
#ifndef WR_DATA_LABEL_MATCH_PREFILTER_H
#define WR_DATA_LABEL_MATCH_PREFILTER_H

#include "base/mem.h"
#include <stdbool.h>

enum { PREFILTER_RULES = 1024, PREFILTER_WORDS = PREFILTER_RULES / 64, REGEX_NEEDS = 2 };
typedef struct rule_mask {
    uint64_t bits[PREFILTER_WORDS];
} rule_mask;
static inline bool rule_mask_has(const rule_mask *m, size_t rule) { return m->bits[rule / 64] >> (rule % 64) & 1; }

/* What every match of a regex (PCRE2, caseless) must hold. */
typedef struct literal {
    const char *text; /* folded: ASCII, Latin-1 and Cyrillic capitals made small */
    size_t n;
} literal;
typedef struct regex_needs {
    literal *any[REGEX_NEEDS]; /* at least one of each list; n_any == 0: nothing is known. In the arena */
    size_t n_any[REGEX_NEEDS];
    size_t digits; /* and at least so many ASCII digits */
} regex_needs;
wr_status regex_find_needs(arena *a, const char *regex, regex_needs *out);

typedef struct prefilter prefilter;
wr_status prefilter_create(prefilter **out);
void prefilter_free(prefilter *p); /* NULL is fine */
/* Rules are numbered from 0 in the order they are added, PREFILTER_RULES at most. */
wr_status prefilter_add(prefilter *p, const char *regex);
wr_status prefilter_build(prefilter *p);
/* Fills the bits of the rules there are. */
void prefilter_scan(const prefilter *p, const char *text, size_t n, rule_mask *candidates);

#endif
