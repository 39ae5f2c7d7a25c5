#include "model/tokenizer/regex_translate.h"

#include "model/tokenizer/unicode_class.h"
#include <string.h>

#define SPACES                                                                                                                            \
    "\\x{09}-\\x{0d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"

/* Appends \p{category} and what Unicode has since PCRE2's tables; inside a class only the members. */
static void put_category(strbuf *out, const char *category, size_t n)
{
    strbuf_printf(out, "\\p{%.*s}", (int)n, category);
    unicode_newer_ranges(category, n, out);
}

static void put_words(strbuf *out)
{
    static const char *const categories[] = {"L", "M", "Nd", "Nl", "Pc"};
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++) put_category(out, categories[i], strlen(categories[i]));
    strbuf_puts(out, "\\x{24b6}-\\x{24e9}");
}

typedef enum class_kind { KIND_NONE, KIND_SPACE, KIND_WORD, KIND_DIGIT, KIND_PROPERTY } class_kind;

/* \s \w \d \p{…} and, with `negated`, their capitals. *used: bytes of the pattern after the backslash. A property of more than two letters (a
 * script, say) and one with ^ are PCRE2's business. */
static class_kind read_kind(const char *at, size_t n, bool *negated, size_t *used)
{
    *used = 1;
    *negated = at[0] >= 'A' && at[0] <= 'Z';
    switch (at[0] | 0x20) {
    case 's': return KIND_SPACE;
    case 'w': return KIND_WORD;
    case 'd': return KIND_DIGIT;
    case 'p': break;
    default: return KIND_NONE;
    }
    size_t length = 2;
    while (length < n && length <= 5 && at[length] != '}') length++;
    if (n < 4 || at[1] != '{' || length < 3 || length > 4 || length >= n || at[2] == '^') return KIND_NONE;
    *used = length + 1;
    return KIND_PROPERTY;
}

static void put_kind(strbuf *out, class_kind kind, const char *at, size_t used)
{
    if (kind == KIND_SPACE) strbuf_puts(out, SPACES);
    else if (kind == KIND_WORD) put_words(out);
    else if (kind == KIND_DIGIT) put_category(out, "Nd", 2);
    else put_category(out, at + 2, used - 3);
}

wr_status regex_translate(const char *pattern, size_t n, strbuf *out)
{
    bool in_class = false;
    size_t class_start = 0;
    for (size_t i = 0; i < n; i++) {
        char c = pattern[i];
        if (c == '\\' && i + 1 < n) {
            bool negated;
            size_t used;
            class_kind kind = read_kind(pattern + i + 1, n - i - 1, &negated, &used);
            if (kind == KIND_NONE || (in_class && negated)) {
                strbuf_append(out, pattern + i, 2);
                i++;
            } else {
                if (!in_class) strbuf_puts(out, negated ? "[^" : "[");
                put_kind(out, kind, pattern + i + 1, used);
                if (!in_class) strbuf_putc(out, ']');
                i += used;
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
