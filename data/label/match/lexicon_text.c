#include "data/label/match/lexicon_text.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SLACK = 16, QUOTE_LIMIT = 4000, SAME_LEAST = 20 };

void cleaned_text_free(cleaned_text *t) {
    free(t->data);
    *t = (cleaned_text){0};
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* A byte that is copied whatever stands around it: a letter, or one from # to ;. */
static bool is_plain(char c) {
    static const uint64_t plain[4] = {0x0FFFFFF800000000u, 0x07FFFFFE07FFFFFEu, 0, 0};
    return plain[(uint8_t)c / 64] >> ((uint8_t)c % 64) & 1;
}

/* Bytes of the quotation that begins at s, 0 when there is none (or its end is far away). */
static size_t quotation(const char *s, size_t n) {
    static const struct { const char *open, *close; } marks[] = {{"\"", "\""}, {"“", "”"}, {"「", "」"}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t a = strlen(marks[i].open), b = strlen(marks[i].close), look = n - (n < a ? n : a);
        if (n < a || memcmp(s, marks[i].open, a) != 0) continue;
        const char *end = memmem(s + a, look < QUOTE_LIMIT ? look : QUOTE_LIMIT, marks[i].close, b);
        return end ? (size_t)(end - s) + b : 0;
    }
    return 0;
}

bool cleaned_text_set(cleaned_text *t, const char *s, size_t n) {
    static const char gap[] = " … ";
    if (!t->data && !(t->data = malloc(CLEANED_LIMIT + SLACK))) return false;
    char *out = t->data, *const end = t->data + CLEANED_LIMIT;
    bool line_start = true;
    for (size_t i = 0; i < n && out < end;) {
        char c = s[i];
        size_t skip = 0;
        if (is_plain(c)) {
            do *out++ = s[i++];
            while (i < n && out < end && is_plain(s[i]));
            line_start = false;
            if (i + 1 < n && out < end && s[i] == ' ' && is_plain(s[i + 1])) *out++ = s[i++]; /* as most words end */
            continue;
        }
        if (c == '`' && n - i >= 3 && memcmp(s + i, "```", 3) == 0) {
            const char *close = memmem(s + i + 3, n - i - 3, "```", 3);
            skip = close ? (size_t)(close - s) + 3 - i : n - i;
        } else if (c == '>' && line_start) {
            const char *close = memchr(s + i, '\n', n - i);
            i = close ? (size_t)(close - s) : n;
            continue;
        } else if (c == '"' || c == (char)0xE2 || c == (char)0xE3) {
            skip = quotation(s + i, n - i);
            if (skip) line_start = false;
        }
        if (skip) {
            memcpy(out, gap, sizeof gap - 1);
            out += sizeof gap - 1;
            i += skip;
            continue;
        }
        line_start = c == '\n';
        if (line_start || !is_space(c))
            *out++ = c;
        else if (out > t->data && out[-1] != ' ' && out[-1] != '\n')
            *out++ = ' ';
        i++;
    }
    while (out > t->data && is_space(out[-1])) out--;
    *out = '\0';
    t->n = (size_t)(out - t->data);
    return true;
}

bool text_asks(const char *s, size_t n) {
    while (n && (is_space(s[n - 1]) || strchr("*_\")'", s[n - 1]))) n--;
    return n && (s[n - 1] == '?' || (n >= 3 && memcmp(s + n - 3, "？", 3) == 0));
}

/* Next byte that counts, made small; -1 at the end. */
static int next_byte(const char *s, size_t n, size_t *i) {
    while (*i < n && (is_space(s[*i]) || ispunct((unsigned char)s[*i]))) ++*i;
    return *i < n ? tolower((unsigned char)s[(*i)++]) : -1;
}

bool text_same(const char *a, size_t na, const char *b, size_t nb) {
    size_t i = 0, k = 0, same = 0;
    if (na < SAME_LEAST || nb < SAME_LEAST || na > nb + nb / 4 + 8 || nb > na + na / 4 + 8) return false;
    for (;; same++) {
        int x = next_byte(a, na, &i), y = next_byte(b, nb, &k);
        if (x != y) return false;
        if (x < 0) return same >= SAME_LEAST; /* letters */
    }
}
