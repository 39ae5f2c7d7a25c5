/* Reading a reply for the checker: words, sentences, numbers. Text is lower-cased ASCII with UTF-8 left as it is.
 * LOCAL. */
#ifndef WR_DATA_PRACTICE_PRACTICE_TEXT_H
#define WR_DATA_PRACTICE_PRACTICE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct span {
    const char *s;
    size_t n;
} span;

/* Next run of ASCII letters, digits and apostrophes of *rest, which advances behind it. False at the end. */
bool text_word(span *rest, span *word);
/* Next sentence: up to . ! ? (before white space or the end), 。！？ or a line break, with its end mark. */
bool text_sentence(span *rest, span *sentence);
/* What follows the last colon (ASCII or full width) that has anything behind it; the whole text when there is none. */
span text_after_colon(span text, bool *found);
bool text_has(span text, const char *part); /* substring, at the start of a word where it begins with one */
bool text_has_word(span text, const char *word, size_t n); /* whole word; a plural s is fine */
bool text_has_any(span text, const char *const *parts);    /* any substring of a NULL-terminated list */
size_t text_occurrences(span text, const char *part);      /* without overlap */
bool span_is(span a, const char *s, size_t n,
             bool plural); /* equal but for letter case; plural: or with s, es behind */
/* Digits, or an English number word up to twenty. */
bool span_number(span word, int64_t *out);

#endif
