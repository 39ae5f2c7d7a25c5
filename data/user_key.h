/* What a user is called, the same from every source. LOCAL. */
#ifndef WR_DATA_USER_KEY_H
#define WR_DATA_USER_KEY_H

#include "base/strbuf.h"

/* Appends ip (n bytes), and where header is not NULL "+" and 16 hex digits of that JSON object's text: compact, members
 * in source order, nulls included. Without an ip (n = 0) the conversation is a user of its own: "conversation:ID". */
void user_key(strbuf *out, const char *id, const char *ip, size_t n, const strbuf *header);

#endif
