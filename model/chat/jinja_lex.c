/* Text between blocks, with the white space that blocks swallow, and the tokens inside of them. */
#include "model/chat/jinja_ast.h"

#include "model/tokenizer/text_bytes.h"

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

static void count_lines(lexer *x, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) x->line += x->s[i] == '\n';
}

static bool space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Behind the end of a block or comment: "-" swallows all white space, otherwise one line break goes (trim_blocks)
 * unless "+" keeps it. */
static void after_block(lexer *x, char sign, bool trim) {
    size_t from = x->at;
    if (sign == '-')
        while (x->at < x->n && space(x->s[x->at])) x->at++;
    else if (trim && sign != '+' && x->at < x->n && x->s[x->at] == '\n')
        x->at++;
    count_lines(x, from, x->at);
    x->after_block_newline = x->at > from && x->s[x->at - 1] == '\n';
}

/* White space before a block: all of it for "-"; for statements and comments what stands before them on their line
 * (lstrip_blocks). */
static size_t strip_before(const lexer *x, size_t from, size_t to, char sign, bool own_line) {
    size_t end = to;
    if (sign == '-') {
        while (end > from && space(x->s[end - 1])) end--;
    } else if (own_line && sign != '+') {
        while (end > from && space(x->s[end - 1]) && x->s[end - 1] != '\n') end--;
        const bool whole = end > from ? x->s[end - 1] == '\n' : x->after_block_newline;
        if (!whole) end = to;
    }
    return end;
}

wr_status lex_text(lexer *x, text_builder *text, block_kind *next) {
    wr_status status = WR_OK;
    for (;;) {
        size_t open = x->at;
        while (open + 1 < x->n && !(x->s[open] == '{' && strchr("{%#", x->s[open + 1]))) open++;
        if (open + 1 >= x->n) {
            TRY(text_append(text, x->s + x->at, x->n - x->at, NULL));
            x->at = x->n;
            *next = BLOCK_EOF;
            return WR_OK;
        }
        const char kind = x->s[open + 1], sign = open + 2 < x->n ? x->s[open + 2] : 0;
        const size_t end = strip_before(x, x->at, open, sign, kind != '{');
        TRY(text_append(text, x->s + x->at, end - x->at, NULL));
        count_lines(x, x->at, open);
        x->at = open + 2 + (sign == '-' || sign == '+');
        if (kind == '#') {
            const char *close = x->at < x->n ? memmem(x->s + x->at, x->n - x->at, "#}", 2) : NULL;
            if (!close) TRY(lex_fail(x, "a comment {# has no end"));
            const size_t to = (size_t)(close - x->s);
            count_lines(x, x->at, to);
            const char last = to > x->at ? x->s[to - 1] : 0;
            x->at = to + 2;
            after_block(x, last, true);
            continue;
        }
        *next = kind == '{' ? BLOCK_PRINT : BLOCK_STATEMENT;
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

static void put_code(char *out, size_t *n, uint32_t code) {
    strbuf b = {0};
    utf8_put(&b, code);
    memcpy(out + *n, strbuf_str(&b), b.len);
    *n += b.len;
    strbuf_free(&b);
}

/* A string literal, with the escapes that Python knows. */
static wr_status lex_string(lexer *x) {
    wr_status status = WR_OK;
    const char quote = x->s[x->at++];
    size_t from = x->at, n = 0;
    while (x->at < x->n && x->s[x->at] != quote) x->at += 1 + (x->s[x->at] == '\\');
    if (x->at >= x->n) return lex_fail(x, "a string has no end");
    char *text = arena_alloc(x->a, x->at - from + 1);
    TRY_ALLOC(text);
    for (size_t i = from; i < x->at; i++) {
        char c = x->s[i];
        if (c != '\\') {
            text[n++] = c;
            continue;
        }
        static const char letters[] = "ntrbfav0\\'\"\n", meanings[] = "\n\t\r\b\f\a\v\0\\'\"";
        c = x->s[++i];
        const char *known = strchr(letters, c);
        if (c == '\n') continue; /* a line that goes on */
        if (c == 'x' || c == 'u' || c == 'U') {
            const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
            char hex[9] = {0}, *rest;
            if (i + digits >= x->at) return lex_fail(x, "\\%c needs %zu hexadecimal digits", c, digits);
            memcpy(hex, x->s + i + 1, digits);
            const unsigned long code = strtoul(hex, &rest, 16);
            if (*rest || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
                return lex_fail(x, "\\%c%s is no character", c, hex);
            put_code(text, &n, (uint32_t)code);
            i += digits;
        } else if (known && c) {
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

static wr_status lex_number(lexer *x) {
    char digits[40];
    size_t n = 0;
    bool real = false;
    while (x->at < x->n && n + 1 < sizeof digits) {
        const char c = x->s[x->at];
        if (c == '.' && !real && x->at + 1 < x->n && isdigit((unsigned char)x->s[x->at + 1]))
            real = true;
        else if (!isdigit((unsigned char)c) && c != '_')
            break;
        if (c != '_') digits[n++] = c;
        x->at++;
    }
    digits[n] = 0;
    if (n > 18 && !real) return lex_fail(x, "the number %s is too large", digits);
    x->kind = real ? TOKEN_FLOAT : TOKEN_INT;
    x->integer = real ? 0 : strtoll(digits, NULL, 10);
    x->real = strtod(digits, NULL);
    return WR_OK;
}

wr_status lex_next(lexer *x) {
    static const char *const signs[] = {"==", "!=", "<=", ">=", "//", "**", NULL};
    wr_status status = WR_OK;
    size_t from = x->at;
    while (x->at < x->n && space(x->s[x->at])) x->at++;
    count_lines(x, from, x->at);
    if (x->at >= x->n) return lex_fail(x, "a block has no end");
    const char *s = x->s + x->at;
    const size_t left = x->n - x->at;
    const char sign = *s == '-' || *s == '+' ? *s : 0;
    const char *close = s + (sign != 0);
    if (!x->open && left >= 2u + (sign != 0) && close[1] == '}' && (*close == '%' || (*close == '}' && sign != '+'))) {
        x->at += 2 + (sign != 0);
        x->kind = TOKEN_END;
        x->text = *close == '%' ? "%}" : "}}";
        after_block(x, sign, *close == '%');
        return WR_OK;
    }
    if (*s == '\'' || *s == '"') return lex_string(x);
    if (isdigit((unsigned char)*s)) return lex_number(x);
    if (isalpha((unsigned char)*s) || *s == '_') {
        size_t n = 1;
        while (n < left && (isalnum((unsigned char)s[n]) || s[n] == '_')) n++;
        x->kind = TOKEN_NAME;
        x->at += n;
        return copy_text(x, s, n);
    }
    size_t n = 1;
    for (size_t i = 0; signs[i]; i++)
        if (left >= 2 && memcmp(s, signs[i], 2) == 0) n = 2;
    if (n == 1 && !strchr("+-*/%~<>=()[]{}.,:|", *s))
        return lex_fail(x, "the character '%c' is not understood", isprint((unsigned char)*s) ? *s : '?');
    if (strchr("([{", *s)) x->open++;
    if (strchr(")]}", *s) && x->open) x->open--;
    x->kind = TOKEN_SIGN;
    x->at += n;
    TRY(copy_text(x, s, n));
cleanup:
    return status;
}
