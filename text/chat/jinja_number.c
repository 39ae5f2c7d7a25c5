/* Numbers from text and to text, as Python's int(), float() and formats have them. */
#include "base/utf8.h"
#include "text/chat/jinja_number.h"
#include "text/chat/jinja_unicode.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT = 512 };

/* The text in ASCII without white space around it: digits of other scripts count. false: no number can be in it. */
static bool plain_text(value s, char out[NUMBER_TEXT]) {
    size_t n = 0;
    text_strip(s, NULL, true, true, &s);
    for (size_t i = 0; i < s.n;) {
        int32_t code;
        i += utf8_decode(s.text + i, s.n - i, &code);
        const int digit = code >= 0x80 ? unicode_decimal((uint32_t)code) : -1;
        if (n + 1 >= NUMBER_TEXT || code <= 0 || (code >= 0x80 && digit < 0)) return false;
        out[n++] = digit < 0 ? (char)code : (char)('0' + digit);
    }
    out[n] = 0;
    return n > 0;
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return isalpha((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : 99;
}

wr_status text_to_integer(value s, int64_t base, int64_t *out, bool *valid) {
    char text[NUMBER_TEXT];
    const char *p = text;
    *valid = false;
    if (s.n > NUMBER_TEXT / 2) return WR_OK;
    if (!plain_text(s, text) || (base != 0 && (base < 2 || base > 36))) return WR_OK;
    const bool negative = *p == '-';
    if (*p == '-' || *p == '+') p++;
    bool prefix = false;
    if (p[0] == '0' && p[1]) {
        const char c = (char)tolower((unsigned char)p[1]);
        const int64_t other = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 0;
        prefix = other && (base == 0 || base == other);
        if (prefix) base = other, p += 2;
    }
    const bool zeros_only = base == 0 && *p == '0'; /* 007 is no number in base 0 */
    if (base == 0) base = 10;
    if (prefix && *p == '_') p++;
    int64_t i = 0;
    bool over = false, digit = false;
    for (; *p; p++) {
        const int d = digit_of(*p);
        if (*p == '_' && digit && digit_of(p[1]) < base) {
            digit = false;
            continue;
        }
        if (d >= base || (zeros_only && d)) return WR_OK;
        digit = true;
        over = over || __builtin_mul_overflow(i, base, &i) || __builtin_add_overflow(i, d, &i);
    }
    if (!digit) return WR_OK;
    if (over) return wr_fail(WR_E_FORMAT, "an integer of more than 63 bits is not supported");
    *valid = true;
    *out = negative ? -i : i;
    return WR_OK;
}

bool text_to_real(value s, double *out) {
    static const char *const names[] = {"inf", "infinity", "nan", NULL};
    char text[NUMBER_TEXT], digits[NUMBER_TEXT], *end;
    size_t n = 0;
    if (!plain_text(s, text)) return false;
    const char *word = text + (*text == '-' || *text == '+');
    for (size_t i = 0; names[i]; i++)
        if (strcasecmp(word, names[i]) == 0) {
            *out = strtod(text, NULL);
            if (isnan(*out)) *out = NAN;
            return true;
        }
    for (const char *p = text; *p; p++) { /* what strtod knows beyond Python: hexadecimals, names */
        if (*p == '_' && p > text && isdigit((unsigned char)p[-1]) && isdigit((unsigned char)p[1])) continue;
        if (!isdigit((unsigned char)*p) && !strchr("+-.eE", *p)) return false;
        digits[n++] = *p;
    }
    digits[n] = 0;
    *out = strtod(digits, &end);
    return n && !*end;
}

/* Digits of an absolute value in a base. */
static void digits_of(uint64_t i, int base, bool upper, char out[72]) {
    char reversed[72];
    size_t n = 0;
    do {
        const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
        reversed[n++] = digits[i % (uint64_t)base];
        i /= (uint64_t)base;
    } while (i);
    for (size_t k = 0; k < n; k++) out[k] = reversed[n - 1 - k];
    out[n] = 0;
}

static void group_digits(char *text, size_t room, char separator, size_t every) {
    size_t digits = 0;
    while (isxdigit((unsigned char)text[digits])) digits++;
    char out[NUMBER_TEXT];
    size_t n = 0;
    for (size_t i = 0; text[i] && n + 2 < sizeof out; i++) {
        if (i && i < digits && (digits - i) % every == 0) out[n++] = separator;
        out[n++] = text[i];
    }
    out[n] = 0;
    if (n < room) memcpy(text, out, n + 1);
}

static wr_status real_digits(double x, const number_format *f, char *text, size_t room) {
    char spec[16];
    const char type = f->type == '%' ? 'f' : f->type;
    const int precision = f->precision < 0 ? 6 : f->precision;
    if (precision > 100) return wr_fail(WR_E_FORMAT, "a precision above 100 is not supported");
    if (isnan(x) || isinf(x)) {
        snprintf(text, room, "%s",
                 isnan(x) ? (isupper((unsigned char)type) ? "NAN" : "nan")
                          : (isupper((unsigned char)type) ? "INF" : "inf"));
    } else {
        snprintf(spec, sizeof spec, "%%%s.*%c", f->alternate ? "#" : "", type);
        snprintf(text, room, spec, precision, fabs(f->type == '%' ? x * 100 : x));
    }
    if (f->type == '%') strncat(text, "%", room - strlen(text) - 1);
    return WR_OK;
}

wr_status append_number(text_builder *b, value v, const number_format *f) {
    wr_status status = WR_OK;
    char text[NUMBER_TEXT] = "", prefix[4] = "";
    bool negative;
    if (strchr("eEfFgG%", f->type)) {
        const double x = value_number(v);
        negative = signbit(x) && !isnan(x);
        TRY(real_digits(x, f, text, sizeof text));
    } else {
        const int64_t i = value_integer(v);
        const int base = f->type == 'x' || f->type == 'X' ? 16 : f->type == 'o' ? 8 : f->type == 'b' ? 2 : 10;
        negative = i < 0;
        digits_of(negative ? -(uint64_t)i : (uint64_t)i, base, f->type == 'X', text);
        const size_t n = strlen(text);
        if (f->precision > 300) return wr_fail(WR_E_FORMAT, "a precision above 300 is not supported");
        if (f->precision > 0 && n < (size_t)f->precision) { /* %.5d: zeros before it */
            memmove(text + f->precision - n, text, n + 1);
            memset(text, '0', (size_t)f->precision - n);
        }
        if (f->alternate && base != 10) snprintf(prefix, sizeof prefix, "0%c", f->type);
    }
    if (f->group) group_digits(text, sizeof text, f->group, strchr("xXob", f->type) ? 4 : 3);
    const char sign[2] = {negative ? '-' : f->sign == '+' || f->sign == ' ' ? f->sign : 0, 0};
    const int64_t n = (int64_t)(strlen(sign) + strlen(prefix) + strlen(text)), pad = f->width > n ? f->width - n : 0;
    if (pad > 100000) return wr_fail(WR_E_FORMAT, "a width above 100000 is not supported");
    if (f->group && pad && f->align == '=')
        return wr_fail(WR_E_FORMAT, "digits in groups behind zeros are not supported");
    const int64_t left = f->align == '<' || f->align == '=' ? 0 : f->align == '^' ? pad / 2 : pad;
    for (int64_t i = 0; i < left; i++) TRY(text_append_value(b, f->fill));
    TRY(text_append_plain(b, sign));
    TRY(text_append_plain(b, prefix));
    for (int64_t i = 0; i < pad && f->align == '='; i++) TRY(text_append_value(b, f->fill));
    TRY(text_append_plain(b, text));
    for (int64_t i = left; i < pad && f->align != '='; i++) TRY(text_append_value(b, f->fill));
cleanup:
    return status;
}

wr_status append_padded(text_builder *b, value s, const number_format *f) {
    wr_status status = WR_OK;
    int64_t n = (int64_t)text_length(s);
    if (f->precision >= 0 && n > f->precision) {
        s = value_slice(s, 0, text_offset(s, (size_t)f->precision));
        n = f->precision;
    }
    const int64_t pad = f->width > n ? f->width - n : 0;
    if (pad > 100000) return wr_fail(WR_E_FORMAT, "a width above 100000 is not supported");
    const int64_t left = f->align == '>' ? pad : f->align == '^' ? pad / 2 : 0;
    for (int64_t i = 0; i < left; i++) TRY(text_append_value(b, f->fill));
    TRY(text_append_value(b, s));
    for (int64_t i = left; i < pad; i++) TRY(text_append_value(b, f->fill));
cleanup:
    return status;
}
