/* Reading a reply: words, sentences, numbers. */
#include "data/practice/practice_text.h"
#include "data/practice/practice_world.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool word_byte(char c) { return isalnum((unsigned char)c) || c == '\''; }

bool text_word(span *rest, span *word) {
    const char *s = rest->s, *end = rest->s + rest->n;
    while (s < end && !word_byte(*s)) s++;
    const char *from = s;
    while (s < end && word_byte(*s)) s++;
    *rest = (span){s, (size_t)(end - s)};
    /* Quotes around a word are no part of it. */
    const char *to = s;
    while (from < to && *from == '\'') from++;
    while (to > from && to[-1] == '\'') to--;
    *word = (span){from, (size_t)(to - from)};
    return word->n > 0 || (s < end && text_word(rest, word));
}

static size_t full_width_end(const char *s, size_t n) {
    static const char *const marks[] = {"。", "！", "？", NULL};
    for (const char *const *m = marks; *m; m++)
        if (n >= 3 && memcmp(s, *m, 3) == 0) return 3;
    return 0;
}

bool text_sentence(span *rest, span *sentence) {
    const char *s = rest->s, *end = rest->s + rest->n;
    while (s < end && isspace((unsigned char)*s)) s++;
    if (s == end) return false;
    const char *from = s;
    while (s < end) {
        size_t wide = full_width_end(s, (size_t)(end - s));
        if (wide) {
            s += wide;
            break;
        }
        bool mark = *s == '.' || *s == '!' || *s == '?';
        bool line = *s == '\n';
        s++;
        if (line || (mark && (s == end || isspace((unsigned char)*s)))) break;
    }
    *sentence = (span){from, (size_t)(s - from)};
    *rest = (span){s, (size_t)(end - s)};
    return true;
}

span text_after_colon(span text, bool *found) {
    *found = false;
    span best = text;
    for (size_t i = 0; i < text.n; i++) {
        size_t width = text.s[i] == ':' ? 1 : text.n - i >= 3 && memcmp(text.s + i, "：", 3) == 0 ? 3 : 0;
        if (!width) continue;
        size_t j = i + width;
        while (j < text.n && isspace((unsigned char)text.s[j])) j++;
        if (j == text.n) break;
        *found = true;
        best = (span){text.s + j, text.n - j};
    }
    return best;
}

bool text_has(span text, const char *part) {
    const char *s = text.s, *end = text.s + text.n;
    for (; (s = memmem(s, (size_t)(end - s), part, strlen(part))) != NULL; s++)
        if (s == text.s || !isalnum((unsigned char)*part) || !isalnum((unsigned char)s[-1])) return true;
    return false;
}

bool span_is(span a, const char *s, size_t n, bool plural) {
    if (a.n < n || strncasecmp(a.s, s, n) != 0) return false;
    if (a.n == n) return true;
    return plural && ((a.n == n + 1 && a.s[n] == 's') || (a.n == n + 2 && a.s[n] == 'e' && a.s[n + 1] == 's'));
}

bool text_has_word(span text, const char *word, size_t n) {
    span w;
    while (text_word(&text, &w))
        if (span_is(w, word, n, true)) return true;
    return false;
}

bool text_has_any(span text, const char *const *parts) {
    for (; *parts; parts++)
        if (text_has(text, *parts)) return true;
    return false;
}

size_t text_occurrences(span text, const char *part) {
    size_t n = 0, length = strlen(part);
    const char *end = text.s + text.n, *s = text.s;
    while (length && (s = memmem(s, (size_t)(end - s), part, length)) != NULL) {
        n++;
        s += length;
    }
    return n;
}

bool span_number(span word, int64_t *out) {
    if (word.n == 0) return false;
    if (isdigit((unsigned char)word.s[0])) {
        int64_t v = 0;
        for (size_t i = 0; i < word.n; i++) {
            if (!isdigit((unsigned char)word.s[i]) || v > 1000000) return false;
            v = v * 10 + (word.s[i] - '0');
        }
        *out = v;
        return true;
    }
    for (int i = 0; practice_numbers[i]; i++)
        if (span_is(word, practice_numbers[i], strlen(practice_numbers[i]), false)) {
            *out = i;
            return true;
        }
    return false;
}
