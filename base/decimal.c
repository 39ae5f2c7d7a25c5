#include "base/decimal.h"

#include <stddef.h>
#include <string.h>

static size_t digits(const char *s) { return strspn(s, "0123456789"); }

/* The length of a sign and decimal digits without a leading zero; 0 when there are none. */
static size_t whole_part(const char *s) {
    size_t sign = *s == '-' || *s == '+', n = digits(s + sign);
    return n == 0 || (n > 1 && s[sign] == '0') ? 0 : sign + n;
}

static bool leading_zero(const char *s) {
    s += *s == '-' || *s == '+';
    return s[0] == '0' && digits(s) > 1;
}

bool decimal_whole(const char *s) {
    size_t n = whole_part(s);
    return n > 0 && s[n] == '\0';
}

bool decimal_real(const char *s) {
    size_t sign = *s == '-' || *s == '+', whole = whole_part(s), fraction = 0;
    if (leading_zero(s)) {
        return false;
    }
    s += whole ? whole : sign;
    if (*s == '.') {
        fraction = digits(s + 1);
        s += 1 + fraction;
    }
    if (whole == 0 && fraction == 0) {
        return false;
    }
    if (*s == 'e' || *s == 'E') {
        s += 1 + (s[1] == '-' || s[1] == '+');
        size_t n = digits(s);
        return n > 0 && s[n] == '\0';
    }
    return *s == '\0';
}

const char *decimal_hint(const char *value) {
    return leading_zero(value)                           ? "; write it without the leading 0"
           : strchr(value, '_')                          ? "; write it without _"
           : strpbrk(value, "xX")                        ? "; write it in decimal digits"
           : value[strspn(value, " \t\r\n")] != value[0] ? "; leave out the blanks"
                                                         : "";
}
