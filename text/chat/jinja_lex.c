/* Text between blocks, with the white space that blocks swallow, and the tokens inside of them. */
#include "text/chat/jinja_ast.h"

#include "base/utf8.h"
#include "text/chat/jinja_unicode.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

wr_status lex_fail(const lexer *x, const char *format, ...) {
    char what[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return wr_fail(WR_E_FORMAT, "line %d: %s", x->line, what);
}

bool lex_is(const lexer *x, const char *sign_or_name) {
    return (x->kind == TOKEN_SIGN || x->kind == TOKEN_NAME) && strcmp(x->text, sign_or_name) == 0;
}

wr_status lex_skip_if(lexer *x, const char *sign_or_name, bool *skipped) {
    *skipped = lex_is(x, sign_or_name);
    return *skipped ? lex_next(x) : WR_OK;
}

wr_status lex_expect(lexer *x, const char *sign) {
    if (!lex_is(x, sign))
        return lex_fail(x, "'%s' is missing%s%.30s", sign, x->text ? " before " : "", x->text ? x->text : "");
    return lex_next(x);
}

static void count_lines(lexer *x, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) x->line += x->s[i] == '\n';
}

/* Bytes of the white space at `at`, 0: there is none. */
static size_t space_at(const lexer *x, size_t at) {
    int32_t code;
    if (at >= x->n) return 0;
    const size_t n = utf8_decode(x->s + at, x->n - at, &code);
    return code >= 0 && unicode_is(UNICODE_SPACE, (uint32_t)code) ? n : 0;
}

static size_t skip_spaces(const lexer *x, size_t at) {
    for (size_t n; (n = space_at(x, at)) != 0;) at += n;
    return at;
}

/* Where the white space before `to` begins. */
static size_t spaces_before(const lexer *x, size_t from, size_t to) {
    while (to > from) {
        size_t n = 1;
        while (n < to - from && n < 4 && ((unsigned char)x->s[to - n] & 0xc0) == 0x80) n++;
        if (space_at(x, to - n) != n) break;
        to -= n;
    }
    return to;
}

/* Behind the end of a block or comment: "-" swallows all white space, otherwise one line break goes (trim_blocks)
 * unless "+" keeps it. */
static void after_block(lexer *x, char sign, bool trim) {
    const size_t from = x->at;
    if (sign == '-')
        x->at = skip_spaces(x, x->at);
    else if (trim && sign != '+' && x->at < x->n && x->s[x->at] == '\n')
        x->at++;
    count_lines(x, from, x->at);
    x->line_starting = x->at > from && x->s[x->at - 1] == '\n';
}

/* The end of the text from … to before a block: all its white space goes for "-"; for statements and comments what
 * stands before them on their line (lstrip_blocks). */
static size_t strip_before(const lexer *x, size_t from, size_t to, char sign, bool own_line) {
    if (sign == '-') return spaces_before(x, from, to);
    if (!own_line || sign == '+') return to;
    size_t line = to;
    while (line > from && x->s[line - 1] != '\n') line--;
    if (line == from && !x->line_starting) return to;
    return spaces_before(x, line, to) == line ? line : to;
}

/* "raw" and the end of its tag behind "{%" and a sign; *end is behind it. */
static bool raw_tag(const lexer *x, size_t at, const char *name, char *sign, size_t *end) {
    const size_t n = strlen(name);
    at = skip_spaces(x, at);
    if (x->n - at < n || memcmp(x->s + at, name, n) != 0) return false;
    at = skip_spaces(x, at + n);
    *sign = at < x->n && (x->s[at] == '-' || x->s[at] == '+') ? x->s[at] : 0;
    at += *sign != 0;
    *end = at + 2;
    return x->n - at >= 2 && x->s[at] == '%' && x->s[at + 1] == '}';
}

/* x->at is behind a raw tag: its text up to endraw. */
static wr_status lex_raw(lexer *x, text_builder *text) {
    wr_status status = WR_OK;
    for (size_t open = x->at; open + 1 < x->n; open++) {
        size_t end;
        char last;
        if (x->s[open] != '{' || x->s[open + 1] != '%') continue;
        const char sign = open + 2 < x->n && (x->s[open + 2] == '-' || x->s[open + 2] == '+') ? x->s[open + 2] : 0;
        if (!raw_tag(x, open + 2 + (sign != 0), "endraw", &last, &end)) continue;
        const size_t kept = strip_before(x, x->at, open, sign, true);
        TRY(text_append(text, x->s + x->at, kept - x->at, NULL));
        count_lines(x, x->at, end);
        x->at = end;
        after_block(x, last, true);
        return WR_OK;
    }
    return lex_fail(x, "a raw block has no end");
cleanup:
    return status;
}

static wr_status skip_comment(lexer *x) {
    const char *close = x->at < x->n ? memmem(x->s + x->at, x->n - x->at, "#}", 2) : NULL;
    if (!close) return lex_fail(x, "a comment {# has no end");
    const size_t to = (size_t)(close - x->s);
    count_lines(x, x->at, to);
    const char last = to > x->at ? x->s[to - 1] : 0;
    x->at = to + 2;
    after_block(x, last, true);
    return WR_OK;
}

wr_status lex_text(lexer *x, text_builder *text, block_kind *next) {
    wr_status status = WR_OK;
    for (;;) {
        size_t open = x->at, end;
        char last;
        while (open + 1 < x->n && !(x->s[open] == '{' && x->s[open + 1] && strchr("{%#", x->s[open + 1]))) open++;
        if (open + 1 >= x->n) {
            TRY(text_append(text, x->s + x->at, x->n - x->at, NULL));
            x->at = x->n;
            *next = BLOCK_EOF;
            return WR_OK;
        }
        const char kind = x->s[open + 1];
        const char sign = open + 2 < x->n && (x->s[open + 2] == '-' || x->s[open + 2] == '+') ? x->s[open + 2] : 0;
        const size_t kept = strip_before(x, x->at, open, sign, kind != '{');
        TRY(text_append(text, x->s + x->at, kept - x->at, NULL));
        count_lines(x, x->at, open);
        x->at = open + 2 + (sign != 0);
        x->line_starting = false;
        if (kind == '#') {
            TRY(skip_comment(x));
            continue;
        }
        if (kind == '%' && raw_tag(x, x->at, "raw", &last, &end) && last != '+') {
            count_lines(x, x->at, end);
            x->at = end;
            after_block(x, last, false);
            TRY(lex_raw(x, text));
            continue;
        }
        *next = kind == '{' ? BLOCK_PRINT : BLOCK_STATEMENT;
        x->in_statement = kind == '%';
        return lex_next(x);
    }
cleanup:
    return status;
}

static wr_status copy_text(lexer *x, const char *s, size_t n) {
    wr_status status = WR_OK;
    TRY_ALLOC(x->text = arena_strndup(x->a, s, n));
    x->length = n;
cleanup:
    return status;
}

/* \xhh, \uhhhh, \Uhhhhhhhh at s[*i], the letter; up to three octal digits. */
static wr_status lex_code(lexer *x, const char *s, size_t n, size_t *i, char *text, size_t *length) {
    const char c = s[*i];
    const bool octal = c >= '0' && c <= '7';
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
    char hex[9] = {0}, *rest;
    if (octal) {
        for (digits = 0; digits < 3 && *i + digits < n && s[*i + digits] >= '0' && s[*i + digits] <= '7';) digits++;
        memcpy(hex, s + *i, digits);
        *i += digits - 1;
    } else {
        if (*i + digits >= n) return lex_fail(x, "\\%c needs %zu hexadecimal digits", c, digits);
        memcpy(hex, s + *i + 1, digits);
        *i += digits;
    }
    const unsigned long code = strtoul(hex, &rest, octal ? 8 : 16);
    if (*rest || !isxdigit((unsigned char)*hex) || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return lex_fail(x, "\\%c%s is no character", c, hex);
    *length += utf8_encode((uint32_t)code, text + *length);
    return WR_OK;
}

/* A string literal, with the escapes that Python knows. */
static wr_status lex_string(lexer *x) {
    wr_status status = WR_OK;
    const char quote = x->s[x->at++];
    const size_t from = x->at;
    size_t n = 0;
    while (x->at < x->n && x->s[x->at] != quote) x->at += 1 + (x->s[x->at] == '\\');
    if (x->at >= x->n) return lex_fail(x, "a string has no end");
    char *text = arena_alloc(x->a, x->at - from + 8);
    TRY_ALLOC(text);
    for (size_t i = from; i < x->at; i++) {
        static const char letters[] = "ntrbfav\\'\"", meanings[] = "\n\t\r\b\f\a\v\\'\"";
        char c = x->s[i];
        if (c != '\\') {
            text[n++] = c;
            continue;
        }
        c = x->s[++i];
        const char *known = c ? strchr(letters, c) : NULL;
        if (c == '\n') continue; /* a line that goes on */
        if (c == 'N') return lex_fail(x, "\\N{…} in a string is not supported");
        if (c == 'x' || c == 'u' || c == 'U' || (c >= '0' && c <= '7')) {
            TRY(lex_code(x, x->s, x->at, &i, text, &n));
        } else if (known) {
            text[n++] = meanings[known - letters];
        } else {
            text[n++] = '\\';
            text[n++] = c;
        }
    }
    count_lines(x, from, x->at);
    x->at++;
    text[n] = 0;
    x->kind = TOKEN_STRING;
    x->text = text;
    x->length = n;
cleanup:
    return status;
}

/* Behind digits of the base with single underscores between them: "12", "1_000". 0: there are none. */
static size_t digits_at(const lexer *x, size_t at, int base, bool leading) {
    const size_t from = at;
    for (;;) {
        const bool under = at < x->n && x->s[at] == '_' && (at > from || leading);
        const char c = at + under < x->n ? x->s[at + under] : 0;
        const int digit = isdigit((unsigned char)c)    ? c - '0'
                          : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                                       : 99;
        if (digit >= base) return at > from ? at : 0;
        at += 1 + under;
    }
}

static wr_status lex_number(lexer *x) {
    char digits[80];
    size_t n = 0, to = digits_at(x, x->at, 10, false), more;
    int base = 10;
    bool real = false;
    if (to < x->n && x->s[to] == '.' && x->s[x->at - 1] != '.' && (more = digits_at(x, to + 1, 10, false)) != 0) {
        to = more;
        real = true;
    }
    if (to < x->n && (x->s[to] == 'e' || x->s[to] == 'E') && x->s[x->at - 1] != '.') {
        const bool sign = to + 1 < x->n && (x->s[to + 1] == '+' || x->s[to + 1] == '-');
        if ((more = digits_at(x, to + 1 + sign, 10, false)) != 0) to = more, real = true;
    }
    if (!real && x->s[x->at] == '0') { /* 0x1f, or zeros only */
        const char letter = x->at + 1 < x->n ? (char)tolower((unsigned char)x->s[x->at + 1]) : 0;
        const int other = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
        more = other ? digits_at(x, x->at + 2, other, true) : 0;
        if (more) {
            base = other;
            to = more;
            x->at += 2;
        } else {
            to = digits_at(x, x->at, 1, false);
        }
    }
    for (; x->at < to && n + 1 < sizeof digits; x->at++)
        if (x->s[x->at] != '_') digits[n++] = x->s[x->at];
    digits[n] = 0;
    const unsigned long long all = real ? 0 : strtoull(digits, NULL, base);
    if (x->at < to || all > INT64_MAX) return lex_fail(x, "the number %.40s… is too large", digits);
    x->kind = real ? TOKEN_FLOAT : TOKEN_INT;
    x->integer = (int64_t)all;
    x->real = strtod(digits, NULL);
    x->text = NULL;
    return WR_OK;
}

/* Brackets must match: a }} inside of them ends no block. */
static wr_status count_bracket(lexer *x, char c) {
    if (c == '(' || c == '[' || c == '{') {
        if (x->open == BRACKETS_MAX) return lex_fail(x, "an expression is nested too deeply");
        x->brackets[x->open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (!x->open || x->brackets[x->open - 1] != c) return lex_fail(x, "unexpected '%c'", c);
        x->open--;
    }
    return WR_OK;
}

wr_status lex_next(lexer *x) {
    static const char *const signs[] = {"==", "!=", "<=", ">=", "//", "**", NULL};
    wr_status status = WR_OK;
    const size_t from = x->at;
    x->at = skip_spaces(x, x->at);
    count_lines(x, from, x->at);
    if (x->at >= x->n) return lex_fail(x, "a block has no end");
    const char *s = x->s + x->at;
    const size_t left = x->n - x->at;
    const char sign = *s == '-' || (*s == '+' && x->in_statement) ? *s : 0;
    const char *close = s + (sign != 0);
    if (!x->open && left >= 2u + (sign != 0) && close[1] == '}' && *close == (x->in_statement ? '%' : '}')) {
        x->at += 2 + (sign != 0);
        x->kind = TOKEN_END;
        x->text = x->in_statement ? "%}" : "}}";
        after_block(x, sign, x->in_statement);
        return WR_OK;
    }
    if (*s == '\'' || *s == '"') return lex_string(x);
    if (isdigit((unsigned char)*s)) return lex_number(x);
    if (isalpha((unsigned char)*s) || *s == '_') {
        size_t n = 1;
        while (n < left && (isalnum((unsigned char)s[n]) || s[n] == '_')) n++;
        if (n < left && (unsigned char)s[n] >= 0x80)
            return lex_fail(x, "a name with other than ASCII letters is not supported");
        x->kind = TOKEN_NAME;
        x->at += n;
        return copy_text(x, s, n);
    }
    size_t n = 1;
    for (size_t i = 0; signs[i]; i++)
        if (left >= 2 && memcmp(s, signs[i], 2) == 0) n = 2;
    if (!*s || (n == 1 && !strchr("+-*/%~<>=()[]{}.,:|;", *s)))
        return lex_fail(x, "the character '%c' is not understood", isprint((unsigned char)*s) ? *s : '?');
    TRY(count_bracket(x, *s));
    x->kind = TOKEN_SIGN;
    x->at += n;
    TRY(copy_text(x, s, n));
cleanup:
    return status;
}
