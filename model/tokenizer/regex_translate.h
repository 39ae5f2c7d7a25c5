/* Rewrites a tokenizer.json pattern, which means what Oniguruma makes of it, for PCRE2. LOCAL. */
#ifndef WR_MODEL_REGEX_TRANSLATE_H
#define WR_MODEL_REGEX_TRANSLATE_H

#include "base/strbuf.h"

/* \s is White_Space (PCRE2 would add U+180E), \d is Nd, \w also holds marks and connectors; all of these and \p{..} of a general category are
 * Unicode 16's. Negated ones inside a class stay PCRE2's. Set operations inside a class are WR_E_FORMAT. */
wr_status regex_translate(const char *pattern, size_t n, strbuf *out);

#endif
