#include "base/printable.h"

#include "base/utf8.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool is_hidden(int32_t c) {
    static const int32_t ranges[][2] = {{0x00AD, 0x00AD}, {0x061C, 0x061C},   {0x180E, 0x180E},   {0x200B, 0x200B},
                                        {0x200E, 0x200F}, {0x2028, 0x202E},   {0x2060, 0x206F},   {0xFEFF, 0xFEFF},
                                        {0xFFF0, 0xFFFB}, {0x1D173, 0x1D17A}, {0xE0000, 0xE007F}, {0xFFFE, 0xFFFF}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i][0] && c <= ranges[i][1]) return true;
    return false;
}

size_t printable(const char *text, size_t n, char *out, size_t cap) {
    size_t used = 0;
    for (size_t i = 0; i < n;) {
        const unsigned char *s = (const unsigned char *)text + i;
        char piece[16];
        int32_t code;
        size_t length = utf8_decode(s, n - i, &code), k = 0;
        if (code == '\t' || code == '\n' || code == '\r') {
            piece[k++] = ' ';
        } else if (code < 0) { /* each byte of what is no UTF-8 */
            for (size_t b = 0; b < length; b++) k += (size_t)snprintf(piece + k, sizeof piece - k, "\\x%02x", s[b]);
        } else if (code < 0x20 || (code >= 0x7F && code < 0xA0)) {
            k = (size_t)snprintf(piece, sizeof piece, "\\x%02x", (unsigned)code);
        } else if (is_hidden(code)) {
            k = (size_t)snprintf(piece, sizeof piece, code > 0xFFFF ? "\\U%08x" : "\\u%04x", (unsigned)code);
        } else {
            memcpy(piece, s, length);
            k = length;
        }
        if (used + k >= cap) break;
        memcpy(out + used, piece, k);
        used += k;
        i += length;
    }
    while (used > 0 && out[used - 1] == ' ') used--;
    out[used] = '\0';
    return used;
}

const char *printable_string(const char *text, char *out, size_t cap) {
    printable(text, strlen(text), out, cap);
    return out;
}
