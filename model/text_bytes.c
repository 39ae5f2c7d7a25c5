#include "model/text_bytes.h"

#include "base/utf8.h"
#include <utf8proc.h>

int utf8_read(const char *s, size_t n, uint32_t *code)
{
    int32_t value;
    int length = (int)utf8_decode(s, n, &value);
    *code = value < 0 ? 0xFFFD : (uint32_t)value;
    return value < 0 ? -length : length;
}

bool utf8_is_valid(const char *s, size_t n)
{
    return utf8_valid_prefix(s, n) == n;
}

void utf8_clean(strbuf *out, const char *s, size_t n)
{
    size_t begin = 0;
    for (size_t i = 0; i < n;) {
        if ((uint8_t)s[i] < 0x80) {
            i++;
            continue;
        }
        uint32_t code;
        int length = utf8_read(s + i, n - i, &code);
        if (length > 0) {
            i += (size_t)length;
            continue;
        }
        strbuf_append(out, s + begin, i - begin);
        strbuf_append(out, "\xEF\xBF\xBD", 3);
        i += (size_t)-length;
        begin = i;
    }
    strbuf_append(out, s + begin, n - begin);
}

void utf8_put(strbuf *out, uint32_t code)
{
    char bytes[4];
    strbuf_append(out, bytes, utf8_encode(code, bytes));
}

uint32_t byte_to_char(uint8_t b)
{
    if (b <= 32) return 256u + b;
    if (b >= 127 && b <= 160) return 256u + 33u + (b - 127u);
    if (b == 173) return 256u + 67u;
    return b;
}

int char_to_byte(uint32_t code)
{
    if (code >= 256 && code < 256 + 33) return (int)(code - 256);
    if (code >= 256 + 33 && code < 256 + 67) return (int)(code - 256 - 33 + 127);
    if (code == 256 + 67) return 173;
    return code < 256 && byte_to_char((uint8_t)code) == code ? (int)code : -1;
}

bool unicode_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool unicode_is_word(uint32_t c)
{
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT: case UTF8PROC_CATEGORY_LM: case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_MC: case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND: case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        /* Join_Control, and the circled and squared letters, which are Alphabetic though symbols. */
        return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
               (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
    }
}

bool unicode_is_numeric(uint32_t c)
{
    if (c < 0x80) return c >= '0' && c <= '9';
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
}
