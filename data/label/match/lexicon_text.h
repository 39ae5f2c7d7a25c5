/* What data/label/match/lexicon.c looks at: a follow-up without what is not the user's own words. LOCAL. */
#ifndef WR_DATA_LABEL_MATCH_LEXICON_TEXT_H
#define WR_DATA_LABEL_MATCH_LEXICON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum { CLEANED_LIMIT = 2600 };
typedef struct cleaned_text {
    char *data; /* (n), NUL behind */
    size_t n;
} cleaned_text;
void cleaned_text_free(cleaned_text *t);
/* At most CLEANED_LIMIT bytes (and a few) of the message without code blocks, quotations and quoted lines, white space
 * collapsed but for line breaks. False when memory is out. */
bool cleaned_text_set(cleaned_text *t, const char *s, size_t n);

/* Does the text end with a question? */
bool text_asks(const char *s, size_t n);
/* Two messages of some length that are the same but for letter case, spaces and punctuation. */
bool text_same(const char *a, size_t na, const char *b, size_t nb);

#endif
