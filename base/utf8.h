/* UTF-8 as of Unicode 15, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF. LOCAL. */
#ifndef WR_BASE_UTF8_H
#define WR_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the longest valid prefix; == n when all of it is valid. */
size_t utf8_valid_prefix(const void *bytes, size_t n);
/* Decodes the sequence at the start of bytes (n > 0). Returns its length and sets *code, or, when it is invalid,
 * returns the number of bytes that one U+FFFD replaces (the "maximal subpart", as Python and the WHATWG decoder do) and
 * sets *code = -1. */
size_t utf8_decode(const void *bytes, size_t n, int32_t *code);
/* Writes up to 4 bytes, returns their number. code must be a scalar value. */
size_t utf8_encode(uint32_t code, char out[4]);

#endif
