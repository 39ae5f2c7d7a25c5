/* Characters and classes of characters in a regular expression: escapes, properties, brackets. */
#include "base/mem.h"
#include "base/utf8.h"
#include "text/tokenizer/regex_parse.h"
#include "text/tokenizer/unicode_class.h"
#include "text/tokenizer/unicode_property.h"

#include <string.h>

enum { MAX_CLASS_DEPTH = 30 };

uint32_t regex_next_code(regex_reader *p) {
    uint32_t code;
    p->at += utf8_next(p->at, &code);
    return code;
}

static int digit_value(char c, int base) {
    const int v = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : 99;
    return v < base ? v : -1;
}

/* Up to `most` digits; *n: how many there were. */
static uint32_t read_digits(regex_reader *p, int base, int most, int *n) {
    uint32_t value = 0;
    for (*n = 0; *n < most && p->at < p->end && digit_value(*p->at, base) >= 0; (*n)++)
        value = value * (uint32_t)base + (uint32_t)digit_value(*p->at++, base);
    return value;
}

static wr_status read_hexadecimal(regex_reader *p, uint32_t *code) {
    int n;
    const bool braces = p->at < p->end && *p->at == '{';
    if (braces) p->at++;
    *code = read_digits(p, 16, braces ? 8 : 2, &n);
    if (n == 0 || (braces && (p->at == p->end || *p->at++ != '}'))) return regex_unsupported("\\x without one number");
    if (!braces && *code > 127) return regex_unsupported("a byte above \\x7f");
    return WR_OK;
}

wr_status regex_read_escape(regex_reader *p, uint32_t *code, bool *found) {
    static const char names[] = "tnrfvae", values[] = "\t\n\r\f\v\a\x1b";
    wr_status status = WR_OK;
    const char c = *p->at;
    const char *name = c ? strchr(names, c) : NULL;
    int n;
    *found = true;
    if (name) {
        p->at++;
        *code = (uint8_t)values[name - names];
    } else if (c == 'x') {
        p->at++;
        TRY(read_hexadecimal(p, code));
    } else if (c == 'u') {
        p->at++;
        *code = read_digits(p, 16, 4, &n);
        if (n != 4) return regex_unsupported("\\u without four digits");
    } else if (c == '0') {
        p->at++;
        *code = read_digits(p, 8, 2, &n);
    } else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        *found = false;
        return WR_OK;
    } else {
        *code = regex_next_code(p);
    }
    if (*code > CODE_LAST || (*code >= 0xD800 && *code < 0xE000))
        return regex_unsupported("a number that is no character");
cleanup:
    return status;
}

/* \p{name}, \p{^name}; at stands behind the p. */
static wr_status read_property(regex_reader *p, bool bare, code_set *out, bool *inverted) {
    wr_status status = WR_OK;
    const char *close = memchr(p->at, '}', (size_t)(p->end - p->at));
    if (p->at == p->end || *p->at != '{' || !close) return regex_unsupported("\\p without {name}");
    const char *name = p->at + 1;
    if (*name == '^') {
        *inverted = !*inverted;
        name++;
    }
    size_t n = (size_t)(close - name);
    p->at = close + 1;
    if (bare && n == 4 && strncasecmp(name, "word", 4) == 0)
        TRY(unicode_add_word(true, out));
    else
        TRY(unicode_add_property(name, n, out));
cleanup:
    return status;
}

wr_status regex_read_kind(regex_reader *p, bool bare, code_set *out, bool *found) {
    static const char kinds[] = "dswhp";
    wr_status status = WR_OK;
    const char c = *p->at, kind = (char)(c | 0x20);
    bool inverted = c < 'a';
    *found = c >= 'A' && strchr(kinds, kind) != NULL;
    if (!*found) return WR_OK;
    p->at++;
    switch (kind) {
    case 'd':
        TRY(unicode_add_property("Nd", 2, out));
        break;
    case 's':
        TRY(unicode_add_posix("space", 5, out));
        break;
    case 'w':
        TRY(unicode_add_word(bare, out));
        break;
    case 'h':
        TRY(unicode_add_posix("xdigit", 6, out));
        break;
    default:
        TRY(read_property(p, bare, out, &inverted));
        break;
    }
    if (inverted) TRY(code_set_invert(out));
cleanup:
    return status;
}

/* [:name:] and [:^name:]; at stands behind the colon. */
static wr_status read_posix(regex_reader *p, code_set *sum) {
    wr_status status = WR_OK;
    code_set found = {0};
    const bool inverted = p->at < p->end && *p->at == '^';
    const char *name = p->at + inverted, *close = name < p->end ? memmem(name, (size_t)(p->end - name), ":]", 2) : NULL;
    if (!close) TRY(regex_unsupported("[: without :]"));
    TRY(unicode_add_posix(name, (size_t)(close - name), &found));
    if (inverted) TRY(code_set_invert(&found));
    TRY(code_set_unite(sum, &found));
    p->at = close + 2;
cleanup:
    code_set_free(&found);
    return status;
}

typedef enum item_state { AFTER_NOTHING, AFTER_CHARACTER, AFTER_RANGE, AFTER_SET } item_state;

/* A character, and what a '-' makes of it. */
static wr_status read_range(regex_reader *p, uint32_t first, code_set *sum, item_state *state) {
    wr_status status = WR_OK;
    uint32_t last = first;
    bool found = true;
    *state = AFTER_CHARACTER;
    if (p->end - p->at >= 2 && p->at[0] == '-' && p->at[1] != ']') {
        p->at++;
        if (*p->at == '[' || (p->end - p->at >= 2 && p->at[0] == '&' && p->at[1] == '&'))
            return regex_unsupported("a range in brackets that ends with a class");
        if (*p->at == '\\') {
            if (++p->at == p->end) return regex_unsupported("an unfinished class");
            if (*p->at == 'b') {
                p->at++;
                last = '\b';
            } else {
                TRY(regex_read_escape(p, &last, &found));
            }
        } else {
            last = regex_next_code(p);
        }
        if (!found) return regex_unsupported("a range in brackets that ends with a class");
        if (last < first) return regex_unsupported("a range in brackets that ends before it begins");
        *state = AFTER_RANGE;
    }
    TRY(code_set_add(sum, first, last));
cleanup:
    return status;
}

static wr_status read_brackets(regex_reader *p, int depth, code_set *out, bool *inverted);

/* What stands at `at`, which is neither the closing bracket nor &&. */
static wr_status read_item(regex_reader *p, int depth, code_set *sum, item_state *state) {
    wr_status status = WR_OK;
    code_set found = {0};
    bool inverted = false, known = false;
    uint32_t code = 0;
    const char c = *p->at;
    if (c == '-' && *state >= AFTER_RANGE && !(p->end - p->at >= 2 && p->at[1] == ']')) {
        if (*state == AFTER_SET || (p->end - p->at >= 2 && p->at[1] == '-'))
            TRY(regex_unsupported("a '-' in brackets behind a class"));
        p->at++;
        TRY(code_set_add(sum, '-', '-'));
        *state = AFTER_CHARACTER;
    } else if (c == '[') {
        p->at++;
        if (p->at < p->end && *p->at == ':') {
            p->at++;
            TRY(read_posix(p, sum));
        } else {
            TRY(read_brackets(p, depth + 1, &found, &inverted));
            if (inverted) TRY(code_set_invert(&found));
            TRY(code_set_unite(sum, &found));
        }
        *state = AFTER_SET;
    } else if (c == '\\') {
        if (++p->at == p->end) TRY(regex_unsupported("an unfinished class"));
        TRY(regex_read_kind(p, false, &found, &known));
        if (known) {
            TRY(code_set_unite(sum, &found));
            *state = AFTER_SET;
        } else {
            known = *p->at == 'b';
            if (known)
                code = '\b', p->at++;
            else
                TRY(regex_read_escape(p, &code, &known));
            if (!known) TRY(regex_unsupported("an escape in brackets"));
            TRY(read_range(p, code, sum, state));
        }
    } else {
        code = regex_next_code(p);
        TRY(read_range(p, code, sum, state));
    }
cleanup:
    code_set_free(&found);
    return status;
}

/* The members before the class is inverted. */
static wr_status read_brackets(regex_reader *p, int depth, code_set *out, bool *inverted) {
    wr_status status = WR_OK;
    code_set left = {0}, sum = {0};
    bool cut = false, first = true;
    item_state state = AFTER_NOTHING;
    if (depth > MAX_CLASS_DEPTH) TRY(regex_unsupported("a class of so many brackets"));
    *inverted = p->at < p->end && *p->at == '^';
    if (*inverted) p->at++;
    for (;; first = false) {
        if (p->at == p->end) TRY(regex_unsupported("an unfinished class"));
        if (*p->at == ']' && !first) break;
        if (p->end - p->at >= 2 && p->at[0] == '&' &&
            p->at[1] == '&') { /* all before and all behind, up to the next && */
            p->at += 2;
            if (cut)
                TRY(code_set_intersect(&left, &sum));
            else
                TRY(code_set_unite(&left, &sum));
            code_set_free(&sum);
            cut = true;
            state = AFTER_NOTHING;
            continue;
        }
        TRY(read_item(p, depth, &sum, &state));
    }
    p->at++;
    if (cut) TRY(code_set_intersect(&sum, &left));
    TRY(code_set_unite(out, &sum));
cleanup:
    code_set_free(&left);
    code_set_free(&sum);
    return status;
}

wr_status regex_read_class(regex_reader *p, code_set *out) {
    wr_status status = WR_OK;
    bool inverted;
    TRY(read_brackets(p, 0, out, &inverted));
    if (p->ignore_case) {
        for (size_t i = 0; i < out->n && !inverted; i++)
            for (size_t k = 0; k < unicode_n_long_folds; k++)
                if (out->ranges[i].first <= unicode_long_folds[k].last &&
                    unicode_long_folds[k].first <= out->ranges[i].last)
                    TRY(regex_unsupported(
                        "(?i) with a class of characters that equal several others in a row, as \xC3\x9F does"));
        TRY(unicode_close_case(out));
    }
    if (inverted) TRY(code_set_invert(out));
cleanup:
    return status;
}
