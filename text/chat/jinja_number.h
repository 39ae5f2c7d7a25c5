/* Numbers and strings laid out as Python's % and format() lay them out. Inside of text/chat/jinja_*.c. LOCAL. */
#ifndef WR_TEXT_CHAT_JINJA_NUMBER_H
#define WR_TEXT_CHAT_JINJA_NUMBER_H

#include "text/chat/jinja_run.h"

typedef struct number_format {
    value fill;     /* one character */
    char align;     /* < > ^ =, the last one: between sign and digits */
    char sign;      /* +, space, or 0 */
    bool alternate; /* # */
    char group;     /* , or _, or 0 */
    char type;      /* d b o x X, e E f F g G %; s of strings */
    int64_t width;
    int precision; /* -1: not given */
} number_format;

wr_status append_number(text_builder *b, value v, const number_format *f);
wr_status append_padded(text_builder *b, value s, const number_format *f); /* a string, cut to the precision */

#endif
