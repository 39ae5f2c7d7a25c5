#include "data/label/match/private_number.h"

#include <ctype.h>
#include <stdio.h>

bool luhn_holds(const char *s, size_t n) {
    unsigned sum = 0, seen = 0;
    for (size_t i = n; i > 0; i--) {
        if (!isdigit((unsigned char)s[i - 1])) continue;
        unsigned d = (unsigned)(s[i - 1] - '0');
        if (seen++ % 2) d = d * 2 > 9 ? d * 2 - 9 : d * 2;
        sum += d;
    }
    return seen >= 13 && seen <= 19 && sum % 10 == 0;
}

bool iban_holds(const char *s, size_t n) {
    char plain[40];
    size_t length = 0;
    unsigned rest = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == ' ') continue;
        if (!isalnum((unsigned char)s[i]) || length == sizeof plain) return false;
        plain[length++] = (char)toupper((unsigned char)s[i]);
    }
    if (length < 15 || length > 34) return false;
    for (size_t i = 0; i < length; i++) { /* country and check digits go to the end; letters are 10 … 35 */
        char c = plain[(i + 4) % length];
        rest = isdigit((unsigned char)c) ? (rest * 10 + (unsigned)(c - '0')) % 97
                                         : (rest * 100 + (unsigned)(c - 'A' + 10)) % 97;
    }
    return rest == 1;
}

bool ipv4_is_public(const char *s, size_t n) {
    unsigned part[4] = {0}, k = 0, digits = 0;
    for (size_t i = 0; i < n; i++) {
        if (isdigit((unsigned char)s[i])) {
            part[k] = part[k] * 10 + (unsigned)(s[i] - '0');
            if (++digits > 3 || part[k] > 255) return false;
        } else if (s[i] == '.' && digits && k < 3) {
            k++, digits = 0;
        } else {
            return false;
        }
    }
    if (k != 3 || !digits) return false;
    unsigned a = part[0], b = part[1], c = part[2];
    bool private = a == 0 || a == 10 || a == 127 || a >= 224 || (a == 100 && b >= 64 && b < 128) ||
                   (a == 169 && b == 254) || (a == 172 && b >= 16 && b < 32) || (a == 192 && b == 168);
    bool example = (a == 192 && b == 0 && (c == 0 || c == 2)) || (a == 198 && (b == 18 || b == 19)) ||
                   (a == 198 && b == 51 && c == 100) || (a == 203 && b == 0 && c == 113);
    return !private && !example;
}
