#include "text/chat/chat_names.h"

#include <ctype.h>

enum { NAME_MAX_BYTES = 64 };

typedef struct finder {
    arena *a;
    const char **names;
    size_t *lengths, n, capacity;
} finder;

static bool starts_name(char c) { return c == '_' || isalpha((unsigned char)c); }
static bool in_name(char c) { return c == '_' || isalnum((unsigned char)c); }

static bool known(const finder *f, const char *text, size_t n) {
    for (size_t i = 0; i < f->n; i++)
        if (f->lengths[i] == n && memcmp(f->names[i], text, n) == 0) return true;
    return (n == 4 && memcmp(text, "role", n) == 0) || (n == 7 && memcmp(text, "content", n) == 0);
}

static wr_status add(finder *f, const char *text, size_t n) {
    wr_status status = WR_OK;
    if (n > NAME_MAX_BYTES || known(f, text, n)) return WR_OK;
    if (f->n == f->capacity) {
        const size_t capacity = 2 * f->capacity + 32;
        const char **names = arena_alloc(f->a, capacity * sizeof *names);
        size_t *lengths = arena_alloc(f->a, capacity * sizeof *lengths);
        TRY_ALLOC(names && lengths);
        if (f->n) memcpy(names, f->names, f->n * sizeof *names), memcpy(lengths, f->lengths, f->n * sizeof *lengths);
        f->names = names, f->lengths = lengths, f->capacity = capacity;
    }
    TRY_ALLOC(f->names[f->n] = arena_strndup(f->a, text, n));
    f->lengths[f->n++] = n;
cleanup:
    return status;
}

/* Is s[from, to) names joined by points, in quotes? */
static bool quoted(const char *s, size_t n, size_t from, size_t to) {
    while (from && (in_name(s[from - 1]) || s[from - 1] == '.')) from--;
    while (to < n && (in_name(s[to]) || s[to] == '.')) to++;
    return from && to < n && (s[from - 1] == '"' || s[from - 1] == '\'') && s[to] == s[from - 1];
}

static bool behind_point(const char *s, size_t at) {
    while (at && isspace((unsigned char)s[at - 1])) at--;
    return at && s[at - 1] == '.';
}

wr_status chat_names_find(arena *a, const char *s, size_t n, chat_names *out) {
    static const char *const reasoning[] = {"reasoning_content", "thinking", "reasoning"};
    wr_status status = WR_OK;
    finder f = {.a = a};
    bool thinks = false;
    *out = (chat_names){0};
    for (size_t i = 0, to; i < n; i = to) {
        for (to = i + 1; starts_name(s[i]) && to < n && in_name(s[to]); to++) {
        }
        if (!starts_name(s[i]) || (i && isdigit((unsigned char)s[i - 1]))) continue;
        if (behind_point(s, i) || quoted(s, n, i, to)) TRY(add(&f, s + i, to - i));
    }
    for (size_t i = 0; i < 3; i++) thinks = thinks || known(&f, reasoning[i], strlen(reasoning[i]));
    for (size_t i = 0; i < 3 && thinks; i++) TRY(add(&f, reasoning[i], strlen(reasoning[i])));
    for (size_t i = 0; i < f.n; i++) out->may |= chat_names_bit(f.names[i], f.lengths[i]);
    out->names = f.names, out->lengths = f.lengths, out->n = f.n;
cleanup:
    return status;
}
