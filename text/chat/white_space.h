/* White space at the ends of a text as Python's str.strip() takes it away: Unicode's, and the four ASCII separators.
 * What is no UTF-8 stays. LOCAL; pure functions. */
#ifndef WR_TEXT_CHAT_WHITE_SPACE_H
#define WR_TEXT_CHAT_WHITE_SPACE_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the white-space character that the n > 0 bytes begin with; 0: they begin with another. */
size_t white_space_at(const char *text, size_t n);
/* Narrows text[0 … n) to what is left. */
void white_space_strip(const char **text, size_t *n, bool left, bool right);

#endif
