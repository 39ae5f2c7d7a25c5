/* Text of others, made fit for a terminal and for one line of a log. LOCAL. */
#ifndef WR_BASE_PRINTABLE_H
#define WR_BASE_PRINTABLE_H

#include <stddef.h>

/* Writes text (n bytes) into out (capacity cap > 0, NUL-terminated), as much of it as fits, and returns its length.
 * What a terminal would obey or hide becomes visible: control characters (C0, DEL, C1) and bytes that are no UTF-8 as
 * \x1b, marks of direction (U+061C, U+200E, U+200F, U+202A…E, U+2066…9), line and paragraph separators, the byte order
 * mark, invisible tags and the like as \u202e. Tabs and line ends become blanks, blanks at the end go. Other text stays
 * as it is, backslashes too, so cleaning twice changes nothing. For what is printed, never for what is stored. */
size_t printable(const char *text, size_t n, char *out, size_t cap);
/* The same of a NUL-terminated text, for an argument of printf: returns out. */
const char *printable_string(const char *text, char *out, size_t cap);

#endif
