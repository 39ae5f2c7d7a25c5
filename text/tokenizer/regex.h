/* Regular expressions of tokenizer.json, which mean what Oniguruma with Unicode 16 makes of them. A pattern tells few
 * kinds of characters apart: it is compiled for PCRE2 over these kinds, and a text is turned into one byte a character
 * first, so that every class, Unicode version and case is ours and exact while PCRE2 matches bytes. LOCAL; a regex is
 * immutable once compiled, a subject belongs to one thread. */
#ifndef WR_TEXT_TOKENIZER_REGEX_H
#define WR_TEXT_TOKENIZER_REGEX_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct regex regex;
/* WR_E_FORMAT: not a pattern, or one with a construct that is not supported, which it names. */
wr_status regex_compile(const char *pattern, size_t n, regex **out);
void regex_free(regex *r);

/* A text on its way through a regex, and the memory for it. */
typedef struct regex_subject {
    const char *text;
    size_t n;          /* characters */
    uint8_t *kinds;    /* (n) */
    uint32_t *offsets; /* (n + 1) where each begins in text */
    size_t kinds_capacity, offsets_capacity;
    bool ascii;      /* offsets are not filled: a character is a byte */
    size_t at;       /* where the next search begins */
    size_t last_end; /* of the match before; SIZE_MAX: none yet */
    struct pcre2_real_match_data_8 *match;
    struct pcre2_real_match_context_8 *context;
} regex_subject;
void regex_subject_free(regex_subject *s);
/* text: valid UTF-8, kept. */
wr_status regex_begin(const regex *r, regex_subject *s, const char *text, size_t n);
/* The next match, as bytes [*from, *to) of the text: leftmost, behind the one before, and not empty at its end. *found
 * false: no more. WR_E_FORMAT: the pattern needs too many steps on this text. */
wr_status regex_next(const regex *r, regex_subject *s, size_t *from, size_t *to, bool *found);

#endif
