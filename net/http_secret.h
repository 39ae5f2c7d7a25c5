/* A key that a server says back, in whatever writing, does not get further. LOCAL. */
#ifndef WR_NET_HTTP_SECRET_H
#define WR_NET_HTTP_SECRET_H

#include <stddef.h>

enum { SECRET_LEAST = 8 }; /* shorter keys (e.g. "none") are words of everyday text and stay */

/* Overwrites the key by asterisks wherever it stands in text (n bytes): as it is; with characters as JSON escapes
 * (\u0041, \/, also with the backslashes doubled by JSON in JSON), percent-encoded or as HTML entities, in any mixture;
 * and in base64 or base64url, also as a part of something longer. NULL key: nothing. */
void secret_scrub(const char *key, char *text, size_t n);

#endif
