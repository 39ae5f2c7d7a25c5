/* Letters of strings: Python's upper, lower, title and the like, and what is asked about characters. */
#include "base/utf8.h"
#include "text/chat/jinja_run.h"
#include "text/chat/jinja_unicode.h"

#include <string.h>

/* One character becomes `n` codes, all from where it came from. */
static wr_status put(text_builder *b, const uint32_t *codes, size_t n, const uint16_t *origin) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < n; i++) {
        char bytes[4];
        uint16_t from[4];
        const size_t length = utf8_encode(codes[i], bytes);
        for (size_t k = 0; k < length; k++) from[k] = origin ? *origin : 0;
        TRY(text_append(b, bytes, length, origin ? from : NULL));
    }
cleanup:
    return status;
}

/* The code before byte i. */
static int32_t code_before(value s, size_t *i) {
    int32_t code;
    size_t n = 1;
    while (n < *i && n < 4 && ((unsigned char)s.text[*i - n] & 0xc0) == 0x80) n++;
    *i -= n;
    utf8_decode(s.text + *i, n, &code);
    return code;
}

/* The sigma at byte i ends a word: a letter with case before it, none behind it, whatever marks lie between. */
static bool sigma_is_final(value s, size_t i, size_t n) {
    int32_t code = -1;
    bool before = false;
    for (size_t at = i; at && !before;) {
        code = code_before(s, &at);
        if (unicode_is(UNICODE_IGNORABLE, (uint32_t)code)) continue;
        before = unicode_is_cased((uint32_t)code);
        if (!before) break;
    }
    if (!before) return false;
    for (size_t at = i + n; at < s.n;) {
        at += utf8_decode(s.text + at, s.n - at, &code);
        if (unicode_is(UNICODE_IGNORABLE, (uint32_t)code)) continue;
        return !unicode_is_cased((uint32_t)code);
    }
    return true;
}

static size_t lower_at(value s, size_t i, size_t n, uint32_t code, uint32_t out[3]) {
    if (code == 0x3a3) {
        out[0] = sigma_is_final(s, i, n) ? 0x3c2 : 0x3c3;
        return 1;
    }
    return unicode_map(CASE_LOWER, code, out);
}

static size_t swap_at(value s, size_t i, size_t n, uint32_t code, uint32_t out[3]) {
    if (unicode_is(UNICODE_UPPERCASE, code)) return lower_at(s, i, n, code, out);
    if (unicode_is(UNICODE_LOWERCASE, code)) return unicode_map(CASE_UPPER, code, out);
    out[0] = code;
    return 1;
}

wr_status text_case(run *r, value s, const char *method, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    bool inside = false; /* of a word */
    for (size_t i = 0, n; i < s.n; i += n) {
        int32_t code;
        uint32_t to[3];
        size_t count;
        n = utf8_decode(s.text + i, s.n - i, &code);
        if (code < 0) return wr_fail(WR_E_FORMAT, "'%s' of what is not UTF-8", method);
        const uint32_t c = (uint32_t)code;
        if (*method == 'u')
            count = unicode_map(CASE_UPPER, c, to);
        else if (*method == 's')
            count = swap_at(s, i, n, c, to);
        else if (strcmp(method, "casefold") == 0)
            count = unicode_map(CASE_FOLD, c, to);
        else if (*method == 'l' || (*method == 'c' ? i > 0 : inside))
            count = lower_at(s, i, n, c, to);
        else
            count = unicode_map(CASE_TITLE, c, to);
        inside = unicode_is_cased(c);
        TRY(put(&b, to, count, s.origin ? s.origin + i : NULL));
    }
    *out = text_done(&b);
    out->markup = s.markup;
cleanup:
    return status;
}

wr_status text_lower(run *r, value s, value *out) {
    bool changes = false; /* what has no capitals is as it is */
    for (size_t i = 0; i < s.n && !changes; i++) changes = (s.text[i] >= 'A' && s.text[i] <= 'Z') || s.text[i] & 0x80;
    *out = s;
    return changes ? text_case(r, s, "lower", out) : WR_OK;
}

/* isupper and islower: some letter with case, and none of the other one; istitle: capitals begin words, and only they.
 */
static bool is_case(value s, char how) {
    bool any = false, inside = false;
    for (size_t i = 0; i < s.n;) {
        int32_t code;
        i += utf8_decode(s.text + i, s.n - i, &code);
        const bool upper = unicode_is(UNICODE_UPPERCASE, (uint32_t)code),
                   lower = unicode_is(UNICODE_LOWERCASE, (uint32_t)code),
                   title = unicode_is(UNICODE_TITLECASE, (uint32_t)code);
        if (how == 'u' && (lower || title)) return false;
        if (how == 'l' && (upper || title)) return false;
        if (how == 't' && (((upper || title) && inside) || (lower && !inside))) return false;
        any = any || (how == 'u' ? upper : how == 'l' ? lower : upper || lower || title);
        inside = upper || lower || title;
    }
    return any;
}

static bool holds(const char *method, uint32_t code) {
    if (strcmp(method, "isalpha") == 0) return unicode_is(UNICODE_ALPHABETIC, code);
    if (strcmp(method, "isalnum") == 0) return unicode_is_alnum(code);
    if (strcmp(method, "isdigit") == 0) return unicode_is(UNICODE_DIGIT, code);
    if (strcmp(method, "isdecimal") == 0) return unicode_decimal(code) >= 0;
    if (strcmp(method, "isnumeric") == 0) return unicode_is(UNICODE_NUMERIC, code);
    if (strcmp(method, "isspace") == 0) return unicode_is(UNICODE_SPACE, code);
    if (strcmp(method, "isascii") == 0) return code < 0x80;
    return unicode_is(UNICODE_PRINTABLE, code);
}

wr_status text_predicate(value s, const char *method, bool *out, bool *known) {
    static const char *const each[] = {"isalpha",   "isalnum", "isdigit", "isdecimal",
                                       "isnumeric", "isspace", "isascii", "isprintable"};
    *known = true;
    if (strcmp(method, "isupper") == 0 || strcmp(method, "islower") == 0 || strcmp(method, "istitle") == 0) {
        *out = is_case(s, method[2]);
        return WR_OK;
    }
    if (strcmp(method, "isidentifier") == 0) { /* of ASCII */
        *out = s.n && !(s.text[0] >= '0' && s.text[0] <= '9');
        for (size_t i = 0; i < s.n; i++) {
            const unsigned char c = (unsigned char)s.text[i];
            if (c >= 0x80) return wr_fail(WR_E_FORMAT, "isidentifier of other than ASCII letters is not supported");
            if (c != '_' && !unicode_is_alnum(c)) *out = false;
        }
        return WR_OK;
    }
    *known = false;
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) *known = *known || strcmp(each[i], method) == 0;
    if (!*known) return WR_OK;
    *out = s.n || strcmp(method, "isascii") == 0 || strcmp(method, "isprintable") == 0; /* true of nothing */
    for (size_t i = 0; i < s.n && *out;) {
        int32_t code;
        i += utf8_decode(s.text + i, s.n - i, &code);
        *out = holds(method, (uint32_t)code);
    }
    return WR_OK;
}
