/* Regular expressions (PCRE2, UTF-8, letter case ignored). Text that is not valid UTF-8 never matches across the bad
 * bytes and never crashes; a match that takes too long counts as none. A pattern belongs to one thread. LOCAL. */
#ifndef WR_DATA_LABEL_MATCH_PATTERN_H
#define WR_DATA_LABEL_MATCH_PATTERN_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pattern pattern;
wr_status pattern_compile(const char *regex, pattern **out);
void pattern_free(pattern *p); /* NULL is fine */
/* Is the regex good by itself? If not: what is wrong, and at which byte. */
bool pattern_check(const char *regex, char *what, size_t capacity, size_t *at);
/* From now on only matches count that do not begin inside a word of Latin, Greek or Cyrillic letters, digits and _. */
void pattern_at_word_edge(pattern *p);
/* First match at or behind `from`; start and end may be NULL. */
bool pattern_find(const pattern *p, const char *text, size_t n, size_t from, size_t *start, size_t *end);
/* The same, of matches that begin at `last` or before; SIZE_MAX = anywhere. */
bool pattern_find_before(const pattern *p, const char *text, size_t n, size_t from, size_t last, size_t *start,
                         size_t *end);

/* Words of a text: runs of letters and digits; each Chinese, Japanese or Korean character counts as one. */
size_t text_words(const char *text, size_t n);
/* Characters (code points). */
size_t text_characters(const char *text, size_t n);
/* text_words(text, n) >= least, without reading further than that takes. */
bool text_has_words(const char *text, size_t n, size_t least);
/* Shares of the letters of a text by script; ASCII letters count as Latin, and a text without letters is all Latin.
 * Looks at the first 4,000 bytes. */
typedef struct script_share {
    double latin, cjk, cyrillic, other;
} script_share;
script_share text_scripts(const char *text, size_t n);
bool is_cjk(int32_t code);

#endif
