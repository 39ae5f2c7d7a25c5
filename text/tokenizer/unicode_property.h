/* What the names in regular expressions of tokenizer.json stand for: \p{…}, POSIX brackets, \w and its kin, and the
 * characters that are equal when case is ignored; as Oniguruma with Unicode 16 has them. LOCAL. */
#ifndef WR_TEXT_TOKENIZER_UNICODE_PROPERTY_H
#define WR_TEXT_TOKENIZER_UNICODE_PROPERTY_H

#include "text/tokenizer/code_set.h"

/* Adds the characters of a general category (short or long name), script, or one of the properties known here. Case,
 * spaces, '_' and '-' in a name do not count. WR_E_FORMAT: another name. */
wr_status unicode_add_property(const char *name, size_t n, code_set *out);
/* Adds those of [:name:]; `name` as written. WR_E_FORMAT: another name. */
wr_status unicode_add_posix(const char *name, size_t n, code_set *out);
/* Adds \w. Outside of brackets (`bare`), and for \b, the superscript digits and fractions of Latin-1 belong to it, too.
 */
wr_status unicode_add_word(bool bare, code_set *out);
/* Adds all that equals a member of the set when case is ignored. */
wr_status unicode_close_case(code_set *s);
/* The character equals several in a row (ß: ss), or the two in a row may be part of what one equals: what is not
 * handled here. */
bool unicode_folds_long(uint32_t code);
bool unicode_folds_pair(uint32_t first, uint32_t second);

#endif
