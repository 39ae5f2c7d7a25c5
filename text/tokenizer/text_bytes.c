#include "text/tokenizer/text_bytes.h"

#include "base/utf8.h"

int utf8_read(const char *s, size_t n, uint32_t *code) {
    int32_t value;
    int length = (int)utf8_decode(s, n, &value);
    *code = value < 0 ? 0xFFFD : (uint32_t)value;
    return value < 0 ? -length : length;
}

bool utf8_is_valid(const char *s, size_t n) { return utf8_valid_prefix(s, n) == n; }

void utf8_clean(strbuf *out, const char *s, size_t n) {
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

void utf8_put(strbuf *out, uint32_t code) {
    char bytes[4];
    strbuf_append(out, bytes, utf8_encode(code, bytes));
}

uint32_t byte_to_char(uint8_t b) {
    if (b <= 32) return 256u + b;
    if (b >= 127 && b <= 160) return 256u + 33u + (b - 127u);
    if (b == 173) return 256u + 67u;
    return b;
}

int char_to_byte(uint32_t code) {
    if (code >= 256 && code < 256 + 33) return (int)(code - 256);
    if (code >= 256 + 33 && code < 256 + 67) return (int)(code - 256 - 33 + 127);
    if (code == 256 + 67) return 173;
    return code < 256 && byte_to_char((uint8_t)code) == code ? (int)code : -1;
}
