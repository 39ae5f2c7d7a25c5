#include "base/utf8.h"

#include <string.h>

size_t utf8_decode(const void *bytes, size_t n, int32_t *code) {
    const unsigned char *s = bytes;
    unsigned char lead = s[0];
    *code = -1;
    if (lead < 0x80) {
        *code = lead;
        return 1;
    }
    if (lead < 0xC2 || lead > 0xF4) {
        return 1;
    }
    /* Only the second byte has a range that depends on the first (table 3-7). */
    size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    int32_t value = lead & (length == 2 ? 0x1F : length == 3 ? 0x0F : 0x07);
    for (size_t i = 1; i < length; i++) {
        if (i >= n || s[i] < low || s[i] > high) {
            return i;
        }
        value = value << 6 | (s[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    *code = value;
    return length;
}

/* Length of the ASCII prefix, up to 7 bytes short of it. */
static size_t ascii_prefix(const char *s, size_t n) {
    uint64_t word[4];
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        memcpy(word, s + i, 32);
        if ((word[0] | word[1] | word[2] | word[3]) & 0x8080808080808080u) break;
    }
    for (; i + 8 <= n; i += 8) {
        memcpy(word, s + i, 8);
        if (word[0] & 0x8080808080808080u) break;
    }
    return i;
}

size_t utf8_valid_prefix(const void *bytes, size_t n) {
    const char *s = bytes;
    size_t i = 0;
    while (i < n) {
        i += ascii_prefix(s + i, n - i);
        /* Then one script's letters: as long as they go on, and the few ASCII letters between them. */
        for (size_t ascii = 0; i < n && ascii < 8;) {
            const unsigned char *u = (const unsigned char *)s + i;
            if (u[0] < 0x80) {
                ascii++, i++;
                continue;
            }
            ascii = 0;
            if (n - i >= 3 && u[0] > 0xE0 && u[0] < 0xED && (u[1] & 0xC0) == 0x80 && (u[2] & 0xC0) == 0x80) {
                i += 3;
                continue;
            }
            if (n - i >= 2 && u[0] >= 0xC2 && u[0] < 0xE0 && (u[1] & 0xC0) == 0x80) {
                i += 2;
                continue;
            }
            int32_t code;
            size_t length = utf8_decode(u, n - i, &code);
            if (code < 0) {
                return i;
            }
            i += length;
        }
    }
    return n;
}

size_t utf8_encode(uint32_t code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}
