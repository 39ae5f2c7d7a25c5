#include "text/chat/white_space.h"

#include "base/utf8.h"
#include "text/chat/jinja_unicode.h"

size_t white_space_at(const char *text, size_t n) {
    int32_t code;
    const size_t length = utf8_decode(text, n, &code);
    return code >= 0 && unicode_is(UNICODE_SPACE, (uint32_t)code) ? length : 0;
}

/* Where the character that ends at n begins, if it is one. */
static size_t last_character(const char *text, size_t n) {
    size_t back = 1;
    while (back < n && back < 4 && ((unsigned char)text[n - back] & 0xc0) == 0x80) back++;
    return n - back;
}

void white_space_strip(const char **text, size_t *n, bool left, bool right) {
    size_t length;
    while (left && *n && (length = white_space_at(*text, *n)) != 0) *text += length, *n -= length;
    while (right && *n) {
        const size_t last = last_character(*text, *n);
        if (white_space_at(*text + last, *n - last) != *n - last) break; /* another, or one with loose bytes behind */
        *n = last;
    }
}
