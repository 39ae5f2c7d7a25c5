/* Text as byte-level BPE sees it: UTF-8 cleaning, the byte <-> printable character map of GPT-2's vocabulary files.
 * LOCAL; pure functions. */
#ifndef WR_TEXT_TOKENIZER_TEXT_BYTES_H
#define WR_TEXT_TOKENIZER_TEXT_BYTES_H

#include "base/strbuf.h"
#include <stdbool.h>
#include <stdint.h>

/* Reads one character of s (n >= 1 bytes): returns its length and code point. For an invalid sequence returns minus the
 * length of its maximal subpart (Unicode, section 3.9), which one U+FFFD replaces. */
int utf8_read(const char *s, size_t n, uint32_t *code);
bool utf8_is_valid(const char *s, size_t n);
/* Appends s with every invalid sequence replaced by U+FFFD. */
void utf8_clean(strbuf *out, const char *s, size_t n);
void utf8_put(strbuf *out, uint32_t code);

/* GPT-2 writes byte b as a printable character: 33…126, 161…172, 174…255 stand for themselves, the other 68 bytes, in
 * order, for U+0100…U+0143. */
uint32_t byte_to_char(uint8_t b);
int char_to_byte(uint32_t code); /* -1: no such character in the map */

#endif
