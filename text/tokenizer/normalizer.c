#include "text/tokenizer/normalizer.h"

#include "base/mem.h"
#include "base/utf8.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

typedef enum norm_kind { NORM_NFC, NORM_NFD, NORM_NFKC, NORM_NFKD, NORM_PREPEND, NORM_REPLACE, NORM_STRIP } norm_kind;
/* REPLACE: the regex, or the string `from`. STRIP: at which ends. */
typedef struct norm_step {
    norm_kind kind;
    char *from, *to;
    size_t n_from, n_to;
    regex *regex;
    bool left, right;
} norm_step;

#define MAX_STEPS 8
#define MAX_GROWTH 64
struct normalizer {
    norm_step steps[MAX_STEPS];
    size_t n;
    const unicode_table *table;
};

/* --- loading ------------------------------------------------------------------------------------------------------ */

static wr_status copy_string(const json_value *config, const char *name, char **out, size_t *n) {
    const char *text;
    if (!json_get_string(config, name, &text, n))
        return wr_fail(WR_E_FORMAT, "normalizer lacks the string \"%s\"", name);
    return (*out = mem_strndup(text, *n)) ? WR_OK : WR_E_NOMEM;
}

static wr_status load_replace(norm_step *s, const json_value *config) {
    wr_status status = WR_OK;
    const json_value *pattern = json_get(config, "pattern");
    const char *text;
    size_t n;
    if (json_get_string(pattern, "Regex", &text, &n)) {
        if ((status = regex_compile(text, n, &s->regex)) < 0) return wr_context(status, "normalizer Replace");
    } else {
        TRY(copy_string(pattern, "String", &s->from, &s->n_from));
        if (s->n_from == 0)
            return wr_fail(WR_E_FORMAT, "normalizer Replace has an empty pattern, which is not supported");
    }
    TRY(copy_string(config, "content", &s->to, &s->n_to));
cleanup:
    return status;
}

static wr_status load_step(normalizer *m, const json_value *config) {
    static const char *const names[] = {"NFC", "NFD", "NFKC", "NFKD", "Prepend", "Replace", "Strip"};
    wr_status status = WR_OK;
    const char *type = "";
    size_t length, kind = 0;
    json_get_string(config, "type", &type, &length);
    if (strcmp(type, "Sequence") == 0) {
        const json_value *list = json_get(config, "normalizers");
        if (!json_is(list, JSON_ARRAY)) return wr_fail(WR_E_FORMAT, "normalizer Sequence has no list \"normalizers\"");
        for (const json_value *v = list->first; v; v = v->next) TRY(load_step(m, v));
        return WR_OK;
    }
    while (kind < sizeof names / sizeof *names && strcmp(type, names[kind]) != 0) kind++;
    if (kind == sizeof names / sizeof *names)
        return wr_fail(
            WR_E_FORMAT,
            "normalizer type \"%s\" is not supported (NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence, Strip are)",
            type);
    if (m->n == MAX_STEPS) return wr_fail(WR_E_FORMAT, "normalizer has more than %d steps", MAX_STEPS);
    norm_step *s = &m->steps[m->n++];
    s->kind = (norm_kind)kind;
    if (s->kind == NORM_PREPEND) TRY(copy_string(config, "prepend", &s->to, &s->n_to));
    if (s->kind == NORM_STRIP) {
        s->left = s->right = true;
        json_get_bool(config, "strip_left", &s->left);
        json_get_bool(config, "strip_right", &s->right);
    }
    if (s->kind == NORM_REPLACE) TRY(load_replace(s, config));
cleanup:
    return status;
}

wr_status normalizer_load(const json_value *config, const unicode_table *table, normalizer **out) {
    wr_status status = WR_OK;
    normalizer *m = mem_calloc(1, sizeof *m);
    TRY_ALLOC(m);
    m->table = table;
    if (config && config->kind != JSON_NULL) TRY(load_step(m, config));
    *out = m;
    m = NULL;
cleanup:
    normalizer_free(m);
    return status;
}

void normalizer_free(normalizer *m) {
    if (!m) return;
    for (size_t i = 0; i < m->n; i++) {
        free(m->steps[i].from);
        free(m->steps[i].to);
        regex_free(m->steps[i].regex);
    }
    free(m);
}

bool normalizer_is_identity(const normalizer *m) { return m->n == 0; }

bool normalizer_is_unicode(const normalizer *m) {
    for (size_t i = 0; i < m->n; i++)
        if (m->steps[i].kind >= NORM_PREPEND) return false;
    return true;
}

void normalize_scratch_free(normalize_scratch *s) {
    strbuf_free(&s->text[0]);
    strbuf_free(&s->text[1]);
    free(s->codes);
    free(s->sorted);
    regex_subject_free(&s->subject);
    *s = (normalize_scratch){0};
}

/* --- Unicode forms (UAX 15) --------------------------------------------------------------------------------------- */

static int combining_class(int32_t code) {
    return unicode_is_unnormalized((uint32_t)code) ? 0 : utf8proc_get_property(code)->combining_class;
}

static wr_status decompose(normalize_scratch *w, const char *s, size_t n, utf8proc_option_t options) {
    wr_status status = WR_OK;
    w->n = 0;
    for (size_t i = 0; i < n;) {
        uint32_t code;
        int last = 0;
        i += utf8_next(s + i, &code);
        enum { LONGEST = 32 }; /* one character becomes 18 at most (U+FDFA) */
        TRY(mem_reserve((void **)&w->codes, &w->capacity, w->n + LONGEST, sizeof *w->codes));
        utf8proc_ssize_t k = 1;
        if (unicode_is_unnormalized(code))
            w->codes[w->n] = (int32_t)code;
        else
            k = utf8proc_decompose_char((utf8proc_int32_t)code, w->codes + w->n, LONGEST, options, &last);
        if (k < 0 || k > LONGEST) TRY(wr_fail(WR_E_FORMAT, "U+%04X cannot be decomposed", code));
        w->n += (size_t)k;
    }
cleanup:
    return status;
}

/* Canonical order: each run of marks by combining class, equal ones as they were. By counting, as a run may be a
 * megabyte long. */
static wr_status order_run(normalize_scratch *w, size_t from, size_t to) {
    wr_status status = WR_OK;
    size_t count[257] = {0};
    int32_t *c = w->codes;
    if (to - from <= 16) {
        for (size_t i = from + 1; i < to; i++) {
            int32_t moving = c[i];
            size_t k = i;
            for (; k > from && combining_class(c[k - 1]) > combining_class(moving); k--) c[k] = c[k - 1];
            c[k] = moving;
        }
        return WR_OK;
    }
    TRY(mem_reserve((void **)&w->sorted, &w->sorted_capacity, to - from, sizeof *w->sorted));
    for (size_t i = from; i < to; i++) count[combining_class(c[i]) + 1]++;
    for (size_t k = 0; k < 256; k++) count[k + 1] += count[k];
    for (size_t i = from; i < to; i++) w->sorted[count[combining_class(c[i])]++] = c[i];
    memcpy(c + from, w->sorted, (to - from) * sizeof *c);
cleanup:
    return status;
}

static wr_status order(normalize_scratch *w) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < w->n;) {
        size_t from = i;
        while (i < w->n && combining_class(w->codes[i]) > 0) i++;
        if (i - from > 1) TRY(order_run(w, from, i));
        i += i == from;
    }
cleanup:
    return status;
}

static void put_codes(strbuf *out, const int32_t *codes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char bytes[4];
        strbuf_append(out, bytes, utf8_encode((uint32_t)codes[i], bytes));
    }
}

static wr_status append_form(norm_kind kind, normalize_scratch *w, const char *s, size_t n, strbuf *out) {
    wr_status status = WR_OK;
    bool compose = kind == NORM_NFC || kind == NORM_NFKC, compat = kind == NORM_NFKC || kind == NORM_NFKD;
    TRY(decompose(w, s, n, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE | (compat ? UTF8PROC_COMPAT : 0)));
    TRY(order(w));
    /* Characters the normaliser does not know compose with nothing, so the text is composed between them. */
    for (size_t i = 0; i < w->n;) {
        size_t from = i;
        while (i < w->n && !unicode_is_unnormalized((uint32_t)w->codes[i])) i++;
        utf8proc_ssize_t k = (utf8proc_ssize_t)(i - from);
        if (compose && k > 1) k = utf8proc_normalize_utf32(w->codes + from, k, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        if (k < 0) TRY(wr_fail(WR_E_FORMAT, "Unicode normalisation failed: %s", utf8proc_errmsg(k)));
        put_codes(out, w->codes + from, (size_t)k);
        if (i < w->n) put_codes(out, w->codes + i++, 1);
    }
    TRY(strbuf_status(out));
cleanup:
    return status;
}

/* A normal form of a text is that of its parts where each part begins with an inert character; only parts with another
 * one are worked on. */
static wr_status apply_form(const normalizer *m, norm_kind kind, normalize_scratch *w, const char *s, size_t n,
                            strbuf *out, bool *changed) {
    wr_status status = WR_OK;
    const unicode_table *table = kind == NORM_NFC ? m->table : NULL;
    size_t done = 0, before = 0; /* before: the latest inert character */
    *changed = false;
    for (size_t i = 0; i < n;) {
        uint64_t eight;
        while (i + 8 <= n && (memcpy(&eight, s + i, 8), (eight & UINT64_C(0x8080808080808080)) == 0)) {
            before = i + 7;
            i += 8;
        }
        if (i >= n) break;
        uint32_t code;
        size_t length = utf8_next(s + i, &code);
        if (code < 0x80 || (table && unicode_bits(table, code) & UC_NFC_INERT)) {
            before = i;
            i += length;
            continue;
        }
        do {
            i += length;
            if (i == n) break;
            length = utf8_next(s + i, &code);
        } while (code >= 0x80 && !(table && unicode_bits(table, code) & UC_NFC_INERT));
        size_t from = before < done ? done : before;
        if (!*changed) strbuf_clear(out);
        *changed = true;
        strbuf_append(out, s + done, from - done);
        TRY(append_form(kind, w, s + from, i - from, out));
        done = i;
    }
    if (*changed) strbuf_append(out, s + done, n - done);
    TRY(strbuf_status(out));
cleanup:
    return status;
}

/* --- strings ------------------------------------------------------------------------------------------------------ */

static wr_status apply_replace(const norm_step *st, const char *s, size_t n, size_t limit, strbuf *out, bool *changed) {
    const char *at = s, *end = s + n, *hit;
    *changed = false;
    while ((hit = memmem(at, (size_t)(end - at), st->from, st->n_from))) {
        if (!*changed) strbuf_clear(out);
        *changed = true;
        strbuf_append(out, at, (size_t)(hit - at));
        strbuf_append(out, st->to, st->n_to);
        at = hit + st->n_from;
        if (out->len > limit)
            return wr_fail(WR_E_FORMAT, "the normalizer's replacements make a text more than %d times longer",
                           MAX_GROWTH);
    }
    if (*changed) strbuf_append(out, at, (size_t)(end - at));
    return strbuf_status(out);
}

static wr_status apply_regex(const norm_step *st, regex_subject *subject, const char *s, size_t n, size_t limit,
                             strbuf *out, bool *changed) {
    wr_status status = WR_OK;
    size_t done = 0, from, to;
    bool found = n > 0;
    *changed = false;
    if (found) TRY(regex_begin(st->regex, subject, s, n));
    while (found) {
        TRY(regex_next(st->regex, subject, &from, &to, &found));
        if (!found) break;
        if (to == from)
            return wr_fail(WR_E_FORMAT,
                           "the normalizer's Replace matches nothing at all in a text, which is not supported");
        if (!*changed) strbuf_clear(out);
        *changed = true;
        strbuf_append(out, s + done, from - done);
        strbuf_append(out, st->to, st->n_to);
        done = to;
        if (out->len > limit)
            return wr_fail(WR_E_FORMAT, "the normalizer's replacements make a text more than %d times longer",
                           MAX_GROWTH);
    }
    if (*changed) strbuf_append(out, s + done, n - done);
    TRY(strbuf_status(out));
cleanup:
    return status;
}

static void strip(const norm_step *st, const char **s, size_t *n) {
    uint32_t code;
    while (st->left && *n > 0) {
        size_t length = utf8_next(*s, &code);
        if (!unicode_is_space(code)) break;
        *s += length;
        *n -= length;
    }
    while (st->right && *n > 0) {
        size_t at = *n - 1;
        while (at > 0 && ((uint8_t)(*s)[at] & 0xC0) == 0x80) at--;
        utf8_next(*s + at, &code);
        if (!unicode_is_space(code)) break;
        *n = at;
    }
}

static wr_status apply_prepend(const norm_step *st, const char *s, size_t n, strbuf *out, bool *changed) {
    *changed = n > 0;
    if (n == 0) return WR_OK;
    strbuf_clear(out);
    strbuf_append(out, st->to, st->n_to);
    strbuf_append(out, s, n);
    return strbuf_status(out);
}

wr_status normalize(const normalizer *m, normalize_scratch *scratch, const char *s, size_t n, const char **out,
                    size_t *n_out) {
    wr_status status = WR_OK;
    size_t limit = n * MAX_GROWTH + 65536;
    int turn = 0;
    for (size_t i = 0; i < m->n; i++) {
        const norm_step *st = &m->steps[i];
        strbuf *next = &scratch->text[turn];
        bool changed = false;
        if (st->kind == NORM_STRIP)
            strip(st, &s, &n);
        else if (st->kind == NORM_PREPEND)
            TRY(apply_prepend(st, s, n, next, &changed));
        else if (st->regex)
            TRY(apply_regex(st, &scratch->subject, s, n, limit, next, &changed));
        else if (st->kind == NORM_REPLACE)
            TRY(apply_replace(st, s, n, limit, next, &changed));
        else
            TRY(apply_form(m, st->kind, scratch, s, n, next, &changed));
        if (!changed) continue;
        s = strbuf_str(next);
        n = next->len;
        turn = !turn;
    }
    *out = s;
    *n_out = n;
cleanup:
    return status;
}
