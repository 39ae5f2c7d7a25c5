#include "text/tokenizer/regex_words.h"

#include <string.h>

const char words_gpt2_pattern[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
static const char qwen2[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
                            "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
static const char llama3[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
                             "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

word_pattern words_recognize(const char *pattern, size_t n) {
    static const struct {
        const char *text;
        size_t n;
        word_pattern p;
    } known[] = {
        {words_gpt2_pattern, sizeof words_gpt2_pattern - 1, WORDS_GPT2},
        {qwen2, sizeof qwen2 - 1, WORDS_QWEN2},
        {llama3, sizeof llama3 - 1, WORDS_LLAMA3},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].n == n && memcmp(known[i].text, pattern, n) == 0) return known[i].p;
    return WORDS_NONE;
}

static int class_at(const unicode_table *t, const char *s, size_t *length) {
    uint8_t c = (uint8_t)*s;
    if (c < 0x80) {
        *length = 1;
        return t->values[0][c] & UC_CLASS;
    }
    uint32_t code;
    *length = utf8_next(s, &code);
    return unicode_bits(t, code) & UC_CLASS;
}

/* End of the run of `class` from at, of `most` characters at most. */
static size_t run_end(const unicode_table *t, const char *text, size_t n, size_t at, int class, size_t most) {
    size_t length;
    for (; at < n && most && class_at(t, text + at, &length) == class; most--) at += length;
    return at;
}

/* Length of 's 't 're 've 'm 'll 'd at s[0] = ', or 0. With `any_case` also U+017F, which folds to s. */
static size_t contraction(const char *s, size_t n, bool any_case) {
    if (n < 2) return 0;
    char bit = any_case ? 0x20 : 0, a = s[1] | bit, b = n > 2 ? s[2] | bit : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
    return any_case && n > 2 && (uint8_t)s[1] == 0xC5 && (uint8_t)s[2] == 0xBF ? 3 : 0;
}

/* \s*[\r\n]+ (when `lines`), else \s+(?!\S), else \s+: the run goes up to its last line break; or, where a word
 * follows, gives its last character to that word if it has another. */
static size_t spaces_end(const unicode_table *t, const char *text, size_t n, size_t at, bool lines) {
    size_t end = at, last = at, break_end = at, length;
    while (end < n && class_at(t, text + end, &length) == UC_SPACE) {
        last = end;
        end += length;
        if (text[last] == '\n' || text[last] == '\r') break_end = end;
    }
    if (lines && break_end > at) return break_end;
    return end == n || last == at ? end : last;
}

size_t words_next(word_pattern p, const unicode_table *t, const char *text, size_t n, size_t at) {
    bool gpt2 = p == WORDS_GPT2;
    size_t length, next_length, all = n;
    char c = text[at];
    if (c == '\'' && (length = contraction(text + at, n - at, !gpt2))) return at + length;
    int class = class_at(t, text + at, &length);
    size_t after = at + length;
    if (class == UC_LETTER) return run_end(t, text, n, after, UC_LETTER, all);
    int next = after < n ? class_at(t, text + after, &next_length) : UC_SPACE;
    if (gpt2) {
        if (c == ' ' && next != UC_SPACE) return run_end(t, text, n, after, next, all);
        if (class == UC_SPACE) return spaces_end(t, text, n, at, false);
        return run_end(t, text, n, after, class, all);
    }
    if (class == UC_NUMBER) return p == WORDS_QWEN2 ? after : run_end(t, text, n, after, UC_NUMBER, 2);
    if (next == UC_LETTER && c != '\r' && c != '\n') return run_end(t, text, n, after, UC_LETTER, all);
    if (class == UC_OTHER || (c == ' ' && next == UC_OTHER)) {
        size_t end = run_end(t, text, n, after, UC_OTHER, all);
        while (end < n && (text[end] == '\r' || text[end] == '\n')) end++;
        return end;
    }
    return spaces_end(t, text, n, at, true);
}
