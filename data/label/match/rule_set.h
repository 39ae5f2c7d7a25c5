/* Rules of a file that are looked for together in a text: one reading of the text by data/label/match/prefilter.h, then
 * only the regexes that can match. LOCAL; a set belongs to one thread. */
#ifndef WR_DATA_LABEL_MATCH_RULE_SET_H
#define WR_DATA_LABEL_MATCH_RULE_SET_H

#include "data/label/match/prefilter.h"
#include "data/label/match/rules.h"

typedef struct rule_set rule_set;
typedef struct rule_match {
    const rule *rule;
    size_t start, end;
} rule_match;
wr_status rule_set_create(const rule_file *f, rule_set **out); /* the file is borrowed */
void rule_set_free(rule_set *s);                               /* NULL is fine */
/* Tag: any number; sets are searched in ascending order of (tag, place in the file), so rules are to be added in that
 * order. */
wr_status rule_set_add(rule_set *s, const rule *r, int tag);
wr_status rule_set_build(rule_set *s);
/* A match counts when `good` (NULL: always) says so. */
typedef bool (*rule_good)(const rule *r, const char *match, size_t n);
void rule_set_condition(rule_set *s, rule_good good);
/* First rule, in order, that matches and whose tag is not in the bit set `off`. */
bool rule_set_find(const rule_set *s, const char *text, size_t n, uint32_t off, int *tag, rule_match *out);
/* Off: every regex is run; slower, never another answer. For tests. */
void rule_set_use_prefilter(rule_set *s, bool on);
/* Checks the examples of the rules that `mine` (NULL: all) accepts; adds their number to *examples. */
wr_status rule_set_check(const rule_set *s, bool (*mine)(const rule *r), size_t *examples);

#endif
