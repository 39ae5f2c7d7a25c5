/* Regular expressions (PCRE2, UTF-8, letter case ignored). Text that is not valid UTF-8 never matches across the bad
 * bytes and never crashes; a match that takes too long counts as none. A pattern belongs to one thread. LOCAL. */
#ifndef WR_DATA_PATTERN_H
#define WR_DATA_PATTERN_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pattern pattern;
wr_status pattern_compile(const char *regex, pattern **out);
void pattern_free(pattern *p); /* NULL is fine */
/* First match at or behind `from`; start and end may be NULL. */
bool pattern_find(const pattern *p, const char *text, size_t n, size_t from, size_t *start, size_t *end);

/* Words of a text: runs of letters and digits; each Chinese, Japanese or Korean character counts as one. */
size_t text_words(const char *text, size_t n);
/* Characters (code points). */
size_t text_characters(const char *text, size_t n);
/* Share of CJK characters among the characters that are letters; *latin: share of ASCII letters. Looks at the first
 * 4,000 bytes. */
double text_cjk_share(const char *text, size_t n, double *latin);
bool is_cjk(int32_t code);

#endif
