#include "model/regex_translate.h"

#include <string.h>

#define SPACES                                                                                                                            \
    "\\x{09}-\\x{0d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define WORDS "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}"

wr_status regex_translate(const char *pattern, size_t n, strbuf *out)
{
    bool in_class = false;
    size_t class_start = 0;
    for (size_t i = 0; i < n; i++) {
        char c = pattern[i];
        if (c == '\\' && i + 1 < n) {
            char e = pattern[++i];
            if (e == 's') strbuf_puts(out, in_class ? SPACES : "[" SPACES "]");
            else if (e == 'S' && !in_class) strbuf_puts(out, "[^" SPACES "]");
            else if (e == 'w') strbuf_puts(out, in_class ? WORDS : "[" WORDS "]");
            else if (e == 'W' && !in_class) strbuf_puts(out, "[^" WORDS "]");
            else if (e == 'd') strbuf_puts(out, "\\p{Nd}");
            else if (e == 'D') strbuf_puts(out, "\\P{Nd}");
            else {
                strbuf_putc(out, c);
                strbuf_putc(out, e);
            }
            continue;
        }
        if (in_class) {
            if (c == '&' && i + 1 < n && pattern[i + 1] == '&')
                return wr_fail(WR_E_FORMAT, "pre_tokenizer pattern uses && inside a character class, which is not supported");
            if (c == '[' && !(i + 1 < n && pattern[i + 1] == ':'))
                return wr_fail(WR_E_FORMAT, "pre_tokenizer pattern has a class inside a character class, which is not supported");
            if (c == '[') { /* [:name:] is copied whole */
                const char *end = memchr(pattern + i, ']', n - i);
                size_t length = end ? (size_t)(end - pattern) - i + 1 : 1;
                strbuf_append(out, pattern + i, length);
                i += length - 1;
                continue;
            }
            if (c == ']' && i != class_start) in_class = false;
        } else if (c == '[') {
            in_class = true;
            class_start = i + 1 + (i + 1 < n && pattern[i + 1] == '^');
        }
        strbuf_putc(out, c);
    }
    return strbuf_status(out);
}
