/* What Python's str methods know of characters: Unicode 14.0, as Python 3.11 has it (tests/oracle/unicode_tables.py
 * makes the tables). Inside of text/chat. LOCAL; pure functions. */
#ifndef WR_TEXT_CHAT_JINJA_UNICODE_H
#define WR_TEXT_CHAT_JINJA_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum unicode_set {
    UNICODE_UPPERCASE,
    UNICODE_LOWERCASE,
    UNICODE_TITLECASE,
    UNICODE_IGNORABLE, /* looked past when a final sigma is looked for */
    UNICODE_ALPHABETIC,
    UNICODE_DIGIT,
    UNICODE_NUMERIC,
    UNICODE_SPACE,
    UNICODE_PRINTABLE
} unicode_set;
typedef enum unicode_case { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_FOLD } unicode_case;

bool unicode_is(unicode_set set, uint32_t code);
bool unicode_is_cased(uint32_t code);
bool unicode_is_alnum(uint32_t code);
int unicode_decimal(uint32_t code); /* 0…9, or -1 */
/* The full mapping of one character (a final sigma is the caller's matter); returns how many codes it has. */
size_t unicode_map(unicode_case how, uint32_t code, uint32_t out[3]);

#endif
