/* Numbers as people write them, in the one form that every reader takes for the same number: no leading 0 (017 is 15 or
 * 17), no 0x10, no 1_000, no blanks, no inf or nan, and a whole number has no point or exponent. LOCAL. */
#ifndef WR_BASE_DECIMAL_H
#define WR_BASE_DECIMAL_H

#include <stdbool.h>

bool decimal_whole(const char *text); /* sign and digits */
bool decimal_real(const char *text);  /* also with a point and an exponent */
/* What to do about a text that is neither: "; write it without the leading 0", or "". */
const char *decimal_hint(const char *text);

#endif
