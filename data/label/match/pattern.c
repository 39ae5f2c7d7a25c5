#define PCRE2_CODE_UNIT_WIDTH 8
#include "data/label/match/pattern.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdlib.h>

enum { MATCH_LIMIT = 200000 };

struct pattern {
    pcre2_code *code;
    /* compiled to machine code, which is done at the first search: most of several hundred rules are seldom or never
     * searched for */
    bool *jit;
    pcre2_match_data *match;
    pcre2_match_context *context;
    bool at_edge;
};

void pattern_free(pattern *p) {
    if (!p) return;
    pcre2_match_context_free(p->context);
    pcre2_match_data_free(p->match);
    pcre2_code_free(p->code);
    free(p->jit);
    free(p);
}

enum { OPTIONS = PCRE2_CASELESS | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_USE_OFFSET_LIMIT };

bool pattern_check(const char *regex, char *what, size_t capacity, size_t *at) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, OPTIONS, &error, &offset, NULL);
    bool good = code != NULL;
    if (!good) pcre2_get_error_message(error, (PCRE2_UCHAR *)what, capacity);
    *at = offset;
    pcre2_code_free(code);
    return good;
}

wr_status pattern_compile(const char *regex, pattern **out) {
    wr_status status = WR_OK;
    int error = 0;
    PCRE2_SIZE at = 0;
    pattern *p = mem_calloc(1, sizeof *p);
    TRY_ALLOC(p);
    p->code = pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, OPTIONS, &error, &at, NULL);
    if (!p->code) {
        PCRE2_UCHAR message[128] = {0};
        pcre2_get_error_message(error, message, sizeof message);
        TRY(wr_fail(WR_E_USAGE, "pattern \"%s\": %s at byte %zu", regex, (const char *)message, (size_t)at));
    }
    TRY_ALLOC(p->jit = mem_calloc(1, sizeof *p->jit));
    TRY_ALLOC(p->match = pcre2_match_data_create_from_pattern(p->code, NULL));
    TRY_ALLOC(p->context = pcre2_match_context_create(NULL));
    pcre2_set_match_limit(p->context, MATCH_LIMIT);
    *out = p;
    p = NULL;
cleanup:
    pattern_free(p);
    return status;
}

void pattern_at_word_edge(pattern *p) { p->at_edge = true; }

static bool is_word(int32_t c) {
    return c < 0x80 ? c == '_' || (c >= 0 && isalnum(c)) : (c >= 0xC0 && c <= 0x24F) || (c >= 0x370 && c <= 0x52F);
}

/* Do the characters before and at `at` belong to one word? */
static bool inside_word(const char *text, size_t n, size_t at) {
    int32_t here, before;
    size_t back = 1;
    if (at == 0 || at >= n) return false;
    while (back < 4 && back < at && ((unsigned char)text[at - back] & 0xC0) == 0x80) back++;
    utf8_decode(text + at - back, back, &before);
    if (!is_word(before)) return false;
    utf8_decode(text + at, n - at, &here);
    return is_word(here);
}

bool pattern_find_before(const pattern *p, const char *text, size_t n, size_t from, size_t last, size_t *start,
                         size_t *end) {
    if (!*p->jit) {
        pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* without a JIT the interpreter does the same */
        *p->jit = true;
    }
    while (from <= n && from <= last) {
        pcre2_set_offset_limit(p->context, last < n ? last : n);
        if (pcre2_match(p->code, (PCRE2_SPTR)text, n, from, 0, p->match, p->context) < 1) return false;
        const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(p->match);
        if (p->at_edge && inside_word(text, n, bounds[0])) {
            from = bounds[0] + 1;
            continue;
        }
        if (start) *start = bounds[0];
        if (end) *end = bounds[1];
        return true;
    }
    return false;
}

bool pattern_find(const pattern *p, const char *text, size_t n, size_t from, size_t *start, size_t *end) {
    return pattern_find_before(p, text, n, from, SIZE_MAX, start, end);
}

bool is_cjk(int32_t c) {
    return (c >= 0x3400 && c <= 0x9FFF) || (c >= 0x3040 && c <= 0x30FF) || (c >= 0xAC00 && c <= 0xD7AF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3134F);
}

/* Characters above ASCII that do not belong to words: general punctuation, CJK punctuation, full-width marks. */
static bool is_mark(int32_t c) {
    return c < 0xC0 || (c >= 0x2000 && c <= 0x2BFF) || (c >= 0x3000 && c <= 0x303F) || (c >= 0xFE30 && c <= 0xFE4F) ||
           (c >= 0xFF00 && c <= 0xFF0F) || (c >= 0xFF1A && c <= 0xFF20) || c >= 0x1F000;
}

static size_t count_words(const char *text, size_t n, size_t enough) {
    size_t words = 0;
    bool inside = false;
    for (size_t i = 0; i < n && words < enough;) {
        int32_t c;
        i += utf8_decode(text + i, n - i, &c);
        if (is_cjk(c)) {
            words++;
            inside = false;
        } else {
            bool letter = c < 0x80 ? c >= 0 && isalnum(c) : !is_mark(c);
            if (c == '\'' && inside) letter = true; /* don't is one word */
            if (letter && !inside) words++;
            inside = letter;
        }
    }
    return words;
}

size_t text_words(const char *text, size_t n) { return count_words(text, n, SIZE_MAX); }
bool text_has_words(const char *text, size_t n, size_t least) { return count_words(text, n, least) >= least; }

size_t text_characters(const char *text, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

script_share text_scripts(const char *text, size_t n) {
    size_t cjk = 0, latin = 0, cyrillic = 0, letters = 0;
    if (n > 4000) n = 4000;
    for (size_t i = 0; i < n;) {
        int32_t c;
        i += utf8_decode(text + i, n - i, &c);
        bool ascii = c >= 0 && c < 0x80;
        if (ascii ? !isalpha(c) : is_mark(c) && !is_cjk(c)) continue;
        letters++;
        cjk += is_cjk(c);
        cyrillic += c >= 0x400 && c < 0x530;
        latin += ascii;
    }
    if (!letters) return (script_share){.latin = 1};
    double all = (double)letters;
    return (script_share){(double)latin / all, (double)cjk / all, (double)cyrillic / all,
                          (double)(letters - latin - cjk - cyrillic) / all};
}
