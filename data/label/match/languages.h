/* Languages by code or by the English name that WildChat's rows use, and the look of a text whose language nobody says.
 * LOCAL. */
#ifndef WR_DATA_LABEL_MATCH_LANGUAGES_H
#define WR_DATA_LABEL_MATCH_LANGUAGES_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct language_set {
    uint64_t bits; /* of the table in the .c */
    bool all;
} language_set;
/* "en,zh", "English,Chinese" or "all". WR_E_USAGE names what is not known. */
wr_status language_set_parse(const char *list, language_set *out);
/* Is the row's language ("English"; a code will do) in the set? "" or NULL: do nine tenths of the text's letters belong
 * to scripts of the set's languages? */
bool language_accepted(const language_set *s, const char *language, const char *text, size_t n);

#endif
