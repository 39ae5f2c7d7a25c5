#include "net/http_secret.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

enum {
    MOST_ENCODED = 9
}; /* backslashes, or letters of %252525: a body of nothing else must not take the square of its length */

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* `digits` hexadecimal ones at s; -1 when they are not. */
static long hex(const char *s, size_t n, size_t digits) {
    long value = 0;
    if (n < digits) return -1;
    for (size_t i = 0; i < digits; i++) {
        if (hex_digit(s[i]) < 0) return -1;
        value = value * 16 + hex_digit(s[i]);
    }
    return value;
}

/* &#65; &#x41; &amp; and the like. */
static size_t entity(const char *s, size_t n, unsigned char c) {
    static const struct {
        const char *name;
        char means;
    } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        size_t k = strlen(named[i].name);
        if (named[i].means == (char)c && n >= k && strncasecmp(s, named[i].name, k) == 0) return k;
    }
    if (n < 4 || s[1] != '#') return 0;
    bool sixteen = s[2] == 'x' || s[2] == 'X';
    size_t i = sixteen ? 3 : 2;
    long value = 0;
    for (; i < n && i < 12 && s[i] != ';'; i++) {
        int d = hex_digit(s[i]);
        if (d < 0 || (!sixteen && d > 9)) return 0;
        value = value * (sixteen ? 16 : 10) + d;
    }
    return i < n && s[i] == ';' && value == c ? i + 1 : 0;
}

/* How many bytes at s write the character c; 0: they do not. */
static size_t written(const char *s, size_t n, unsigned char c) {
    if (n == 0) return 0;
    if (s[0] == '\\') {
        size_t k = 1;
        while (k < n && k < MOST_ENCODED && s[k] == '\\') k++;
        if (c == '\\') return k;
        if (k < n && s[k] == 'u' && hex(s + k + 1, n - k - 1, 4) == c) return k + 5;
        if (k < n && s[k] == 'x' && hex(s + k + 1, n - k - 1, 2) == c) return k + 3;
        return k < n && (unsigned char)s[k] == c ? k + 1 : 0;
    }
    if (s[0] == '%') {
        size_t k = 1; /* %2541: percent-encoded twice */
        while (k + 1 < n && k < MOST_ENCODED && s[k] == '2' && s[k + 1] == '5') k += 2;
        if (hex(s + k, n - k, 2) == c) return k + 2;
    }
    if (s[0] == '&') {
        size_t k = entity(s, n, c);
        if (k) return k;
    }
    return (unsigned char)s[0] == c;
}

static void scrub_written(const char *key, char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t at = i, k;
        const char *c = key;
        for (; *c && (k = written(text + at, n - at, (unsigned char)*c)) > 0; c++) at += k;
        if (!*c) {
            memset(text + i, '*', at - i);
            i = at - 1;
        }
    }
}

/* Base64 writes three bytes as four letters, so a key within something longer looks like one of three words, but for
 * the letters at its ends, which also hold bits of what stands beside. */
static void scrub_base64(const char *key, size_t length, char *text, size_t n) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char word[1024];
    if (length > 700) length = 700;
    for (size_t before = 0; before < 3; before++) {
        size_t bits = (before + length) * 8, used = 0, first = before == 0 ? 0 : before + 1;
        for (size_t bit = first * 6; bit + 6 <= bits; bit += 6) {
            unsigned value = 0;
            for (size_t b = bit; b < bit + 6; b++) {
                size_t byte = b / 8;
                unsigned char c = byte < before ? 0 : (unsigned char)key[byte - before];
                value = value << 1 | (c >> (7 - b % 8) & 1);
            }
            word[used++] = letters[value];
        }
        for (size_t i = 0; used >= 8 && i + used <= n; i++) {
            size_t k = 0;
            for (; k < used; k++) {
                char c = text[i + k];
                c = c == '-' ? '+' : c == '_' ? '/' : c;
                if (c != word[k]) break;
            }
            if (k == used) memset(text + i, '*', used);
        }
    }
}

void secret_scrub(const char *key, char *text, size_t n) {
    size_t length = key ? strlen(key) : 0;
    if (length < SECRET_LEAST) return;
    scrub_written(key, text, n);
    scrub_base64(key, length, text, n);
}
