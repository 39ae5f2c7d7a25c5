#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/tokenizer/regex.h"

#include "base/mem.h"
#include "text/tokenizer/regex_parse.h"
#include "text/tokenizer/unicode_class.h"
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

/* A pattern that backtracks without end is given up; those of published files stay far below. */
#define MATCH_LIMIT 20000000
#define HEAP_LIMIT_KIB (256 * 1024)
enum { KINDS = 256, WORDS = REGEX_MAX_SETS / 64, BLOCK = 128 };

/* Kind of each code point: blocks of 128, equal ones stored once; values[0] is ASCII. */
struct regex {
    pcre2_code *code;
    uint16_t block[0x110000 / BLOCK];
    uint8_t (*values)[BLOCK];
    size_t n, capacity;
};

/* Which sets hold the characters of a kind. */
typedef struct kind_set {
    uint64_t bits[KINDS][WORDS];
    size_t n;
} kind_set;

void regex_free(regex *r) {
    if (!r) return;
    pcre2_code_free(r->code);
    free(r->values);
    free(r);
}

void regex_subject_free(regex_subject *s) {
    free(s->kinds);
    free(s->offsets);
    pcre2_match_data_free(s->match);
    pcre2_match_context_free(s->context);
    *s = (regex_subject){0};
}

/* --- kinds of characters ------------------------------------------------------------------------------------------ */

static int ascending(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Where the sets' ranges begin and end: between two neighbours all characters are of one kind. */
static wr_status find_edges(const regex_parts *p, uint32_t **edges, size_t *n) {
    wr_status status = WR_OK;
    size_t total = 2, k = 0;
    for (size_t i = 0; i < p->n; i++) total += 2 * p->sets[i].n;
    TRY_ALLOC(*edges = mem_calloc(total, sizeof **edges));
    (*edges)[k++] = 0;
    for (size_t i = 0; i < p->n; i++) {
        for (size_t j = 0; j < p->sets[i].n; j++) {
            (*edges)[k++] = p->sets[i].ranges[j].first;
            (*edges)[k++] = p->sets[i].ranges[j].last + 1;
        }
    }
    (*edges)[k++] = CODE_LAST + 1;
    qsort(*edges, k, sizeof **edges, ascending);
    *n = 1;
    for (size_t i = 1; i < k; i++)
        if ((*edges)[i] != (*edges)[*n - 1]) (*edges)[(*n)++] = (*edges)[i];
cleanup:
    return status;
}

static wr_status kind_of(const regex_parts *p, uint32_t code, kind_set *kinds, uint8_t *out) {
    uint64_t bits[WORDS] = {0};
    size_t k = 0;
    for (size_t i = 0; i < p->n; i++)
        if (code_set_has(&p->sets[i], code)) bits[i / 64] |= UINT64_C(1) << (i % 64);
    while (k < kinds->n && memcmp(kinds->bits[k], bits, sizeof bits) != 0) k++;
    if (k == KINDS) return regex_unsupported("more than 256 kinds of characters");
    if (k == kinds->n) memcpy(kinds->bits[kinds->n++], bits, sizeof bits);
    *out = (uint8_t)k;
    return WR_OK;
}

static wr_status put_block(regex *r, const uint8_t *values, uint16_t *out) {
    wr_status status = WR_OK;
    size_t k = r->n;
    while (k > 0 && memcmp(r->values[k - 1], values, BLOCK) != 0)
        k--; /* the newest first: most blocks repeat the one before */
    if (k == 0) {
        TRY(mem_reserve((void **)&r->values, &r->capacity, r->n + 1, sizeof *r->values));
        memcpy(r->values[r->n++], values, BLOCK);
        k = r->n;
    }
    *out = (uint16_t)(k - 1);
cleanup:
    return status;
}

static wr_status make_kinds(regex *r, const regex_parts *p, kind_set *kinds) {
    wr_status status = WR_OK;
    uint32_t *edges = NULL;
    size_t n = 0, next = 0;
    uint8_t kind = 0, values[BLOCK];
    TRY(find_edges(p, &edges, &n));
    for (uint32_t code = 0; code <= CODE_LAST; code++) {
        if (next < n && edges[next] == code) {
            TRY(kind_of(p, code, kinds, &kind));
            next++;
        }
        values[code % BLOCK] = kind;
        if (code % BLOCK == BLOCK - 1) TRY(put_block(r, values, &r->block[code / BLOCK]));
    }
cleanup:
    free(edges);
    return status;
}

/* --- compiling ---------------------------------------------------------------------------------------------------- */

static void put_class(strbuf *out, const kind_set *kinds, size_t set) {
    strbuf_putc(out, '[');
    for (size_t k = 0; k < kinds->n; k++)
        if (kinds->bits[k][set / 64] >> (set % 64) & 1) strbuf_printf(out, "\\x%02x", (unsigned)k);
    strbuf_putc(out, ']');
}

static wr_status compile(regex *r, const regex_parts *p, const kind_set *kinds) {
    wr_status status = WR_OK;
    strbuf text = {0};
    int error = 0;
    PCRE2_SIZE at = 0;
    for (size_t i = 0; i < p->text.len; i++) {
        const uint8_t *s = (const uint8_t *)p->text.data + i;
        if (*s != REGEX_SET) {
            strbuf_putc(&text, (char)*s);
            continue;
        }
        put_class(&text, kinds, (size_t)(s[1] & 127) << 7 | (s[2] & 127));
        i += 2;
    }
    TRY(strbuf_status(&text));
    r->code = pcre2_compile((PCRE2_SPTR)strbuf_str(&text), text.len, PCRE2_ALLOW_EMPTY_CLASS, &error, &at, NULL);
    if (!r->code) {
        PCRE2_UCHAR message[128];
        pcre2_get_error_message(error, message, sizeof message);
        TRY(wr_fail(WR_E_FORMAT, "the pattern is not supported: %s", (char *)message));
    }
    pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* without JIT support the interpreter is used */
cleanup:
    strbuf_free(&text);
    return status;
}

wr_status regex_compile(const char *pattern, size_t n, regex **out) {
    wr_status status = WR_OK;
    regex_parts parts = {0};
    kind_set *kinds = mem_calloc(1, sizeof *kinds);
    regex *r = mem_calloc(1, sizeof *r);
    TRY_ALLOC(kinds && r);
    TRY(regex_parse(pattern, n, &parts));
    TRY(make_kinds(r, &parts, kinds));
    TRY(compile(r, &parts, kinds));
    *out = r;
    r = NULL;
cleanup:
    regex_parts_free(&parts);
    free(kinds);
    regex_free(r);
    return status;
}

/* --- matching ----------------------------------------------------------------------------------------------------- */

static wr_status read_rest(const regex *r, regex_subject *s, size_t n, size_t done) {
    wr_status status = WR_OK;
    size_t k = done;
    TRY(mem_reserve((void **)&s->offsets, &s->offsets_capacity, n + 1, sizeof *s->offsets));
    for (size_t i = 0; i < done; i++) s->offsets[i] = (uint32_t)i;
    for (size_t i = done; i < n; k++) {
        uint32_t code;
        s->offsets[k] = (uint32_t)i;
        i += utf8_next(s->text + i, &code);
        s->kinds[k] = r->values[r->block[code / BLOCK]][code % BLOCK];
    }
    s->offsets[k] = (uint32_t)n;
    s->n = k;
    s->ascii = false;
cleanup:
    return status;
}

wr_status regex_begin(const regex *r, regex_subject *s, const char *text, size_t n) {
    wr_status status = WR_OK;
    const uint8_t *ascii = r->values[r->block[0]];
    if (n >= UINT32_MAX) return wr_fail(WR_E_FORMAT, "a text of %zu bytes is too long for the tokenizer's pattern", n);
    if (!s->match) {
        TRY_ALLOC(s->match = pcre2_match_data_create(1, NULL));
        TRY_ALLOC(s->context = pcre2_match_context_create(NULL));
        pcre2_set_match_limit(s->context, MATCH_LIMIT);
        pcre2_set_heap_limit(s->context, HEAP_LIMIT_KIB);
    }
    TRY(mem_reserve((void **)&s->kinds, &s->kinds_capacity, n + 1, sizeof *s->kinds));
    s->text = text;
    s->at = 0;
    s->last_end = SIZE_MAX;
    s->n = n;
    s->ascii = true;
    size_t i = 0;
    for (; i < n && (uint8_t)text[i] < 128; i++) s->kinds[i] = ascii[(uint8_t)text[i]];
    if (i < n) TRY(read_rest(r, s, n, i));
cleanup:
    return status;
}

/* A subject on which the JIT code's stack is too small goes through the interpreter, whose memory is the heap's. */
static int match_at(const regex *r, const regex_subject *s) {
    int rc = pcre2_match(r->code, s->kinds, s->n, s->at, 0, s->match, s->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(r->code, s->kinds, s->n, s->at, PCRE2_NO_JIT, s->match, s->context);
    return rc;
}

wr_status regex_next(const regex *r, regex_subject *s, size_t *from, size_t *to, bool *found) {
    *found = false;
    while (s->at <= s->n) {
        int rc = match_at(r, s);
        if (rc == PCRE2_ERROR_NOMATCH) return WR_OK;
        if (rc < 0)
            return wr_fail(WR_E_FORMAT, "the tokenizer's pattern gives up on a text of %zu characters (PCRE2 error %d)",
                           s->n, rc);
        const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(s->match);
        if (bounds[0] == bounds[1] &&
            bounds[1] == s->last_end) { /* looked for again one character on, as the onig package does */
            s->at++;
            continue;
        }
        s->at = s->last_end = bounds[1];
        *from = s->ascii ? bounds[0] : s->offsets[bounds[0]];
        *to = s->ascii ? bounds[1] : s->offsets[bounds[1]];
        *found = true;
        return WR_OK;
    }
    return WR_OK;
}
