#include "text/chat/jinja_unicode.h"

typedef struct unicode_shift {
    uint32_t first, last, step;
    int32_t by;
} unicode_shift;
typedef struct unicode_special {
    uint32_t code, first, second, third; /* third 0: two codes */
} unicode_special;
typedef struct unicode_run {
    uint32_t first, last, step;
} unicode_run;

#include "text/chat/jinja_unicode_tables.inc"

#define TABLE(t) t, sizeof t / sizeof *t

/* Runs may interleave (steps of two), but are sorted by their first member. */
static bool in_runs(const unicode_run *runs, size_t n, uint32_t code) {
    size_t low = 0, high = n;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        if (runs[mid].first <= code)
            low = mid + 1;
        else
            high = mid;
    }
    if (!low) return false;
    const unicode_run *r = &runs[low - 1];
    return code <= r->last && (code - r->first) % r->step == 0;
}

bool unicode_is(unicode_set set, uint32_t code) {
    static const struct known {
        const unicode_run *runs;
        size_t n;
    } sets[] = {{TABLE(uppercase)}, {TABLE(lowercase)}, {TABLE(titlecase)}, {TABLE(ignorable)}, {TABLE(alphabetic)},
                {TABLE(digit)},     {TABLE(numeric)},   {TABLE(space)},     {TABLE(printable)}};
    if (set == UNICODE_PRINTABLE && code < 0x7f) return code >= 0x20;
    return in_runs(sets[set].runs, sets[set].n, code);
}

bool unicode_is_cased(uint32_t code) {
    return unicode_is(UNICODE_LOWERCASE, code) || unicode_is(UNICODE_UPPERCASE, code) ||
           unicode_is(UNICODE_TITLECASE, code);
}

int unicode_decimal(uint32_t code) {
    for (size_t i = 0; i < sizeof decimal_zeros / sizeof *decimal_zeros && decimal_zeros[i] <= code; i++)
        if (code < decimal_zeros[i] + 10) return (int)(code - decimal_zeros[i]);
    return -1;
}

bool unicode_is_alnum(uint32_t code) {
    if (code < 0x80) return (code >= '0' && code <= '9') || ((code | 0x20) >= 'a' && (code | 0x20) <= 'z');
    return unicode_is(UNICODE_ALPHABETIC, code) || unicode_decimal(code) >= 0 || unicode_is(UNICODE_DIGIT, code) ||
           unicode_is(UNICODE_NUMERIC, code);
}

size_t unicode_map(unicode_case how, uint32_t code, uint32_t out[3]) {
    static const struct known {
        const unicode_shift *shifts;
        size_t n_shifts;
        const unicode_special *specials;
        size_t n_specials;
    } maps[] = {{TABLE(upper_shifts), TABLE(upper_specials)},
                {TABLE(lower_shifts), TABLE(lower_specials)},
                {TABLE(title_shifts), TABLE(title_specials)},
                {TABLE(fold_shifts), TABLE(fold_specials)}};
    const struct known *m = &maps[how];
    out[0] = code;
    if (code < 0x80) {
        if (how == CASE_LOWER || how == CASE_FOLD ? code >= 'A' && code <= 'Z' : code >= 'a' && code <= 'z')
            out[0] = code ^ 0x20;
        return 1;
    }
    for (size_t i = 0; i < m->n_specials; i++) {
        if (m->specials[i].code != code) continue;
        out[0] = m->specials[i].first, out[1] = m->specials[i].second, out[2] = m->specials[i].third;
        return out[2] ? 3 : 2;
    }
    for (size_t i = 0; i < m->n_shifts && m->shifts[i].first <= code; i++) { /* few; runs interleave */
        const unicode_shift *s = &m->shifts[i];
        if (code > s->last || (code - s->first) % s->step != 0) continue;
        out[0] = (uint32_t)((int32_t)code + s->by);
        break;
    }
    return 1;
}
