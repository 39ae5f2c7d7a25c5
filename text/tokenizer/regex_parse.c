#include "text/tokenizer/regex_parse.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 60, MAX_REPEAT = 65535 };

static wr_status read_alternatives(regex_reader *p);

static wr_status read_escaped(regex_reader *p, bool *repeatable) {
    wr_status status = WR_OK;
    code_set s = {0};
    bool found;
    uint32_t code;
    if (++p->at == p->end) TRY(regex_unsupported("a backslash at its end"));
    const char c = *p->at, *form = regex_place(c, true);
    if (form) {
        p->at++;
        *repeatable = false;
        TRY(regex_put_place(p, form));
        goto cleanup;
    }
    TRY(regex_read_kind(p, true, &s, &found));
    if (found) {
        p->previous = 0;
        TRY(regex_put_set(p, &s));
    } else if (c == 'R' || c == 'N' || c == 'O') {
        p->at++;
        p->previous = 0;
        TRY(c == 'R' ? regex_put_line_end(p) : regex_put_any(p, c == 'O'));
    } else {
        TRY(regex_read_escape(p, &code, &found));
        if (!found) TRY(wr_fail(WR_E_FORMAT, "the pattern has \\%c, which is not supported", c));
        TRY(regex_put_literal(p, code));
    }
cleanup:
    code_set_free(&s);
    return status;
}

/* --- groups ------------------------------------------------------------------------------------------------------- */

/* (?imx-imx) and (?imx-imx:…); at stands behind the question mark. *alone: the first, which goes on to the end of the
 * group around it. */
static wr_status read_options(regex_reader *p, bool *alone) {
    bool on = true;
    for (; p->at < p->end; p->at++) {
        switch (*p->at) {
        case 'i':
            p->ignore_case = on;
            break;
        case 'm':
            p->dot_all = on;
            break;
        case 'x':
            p->extended = on;
            break;
        case '-':
            on = false;
            break;
        case ':':
        case ')':
            *alone = *p->at++ == ')';
            return WR_OK;
        default:
            return wr_fail(WR_E_FORMAT, "the pattern has the group (?%c, which is not supported", *p->at);
        }
    }
    return regex_unsupported("an unfinished group");
}

static wr_status skip_name(regex_reader *p, char close) {
    const char *end = memchr(p->at, close, (size_t)(p->end - p->at));
    if (!end || end == p->at) return regex_unsupported("a group's name without an end");
    p->at = end + 1;
    return WR_OK;
}

/* What begins a group, `at` behind its bracket. */
static wr_status begin_group(regex_reader *p, bool *alone, bool *repeatable) {
    static const char *const plain[] = {"?:", "?=", "?!", "?>", "?<=", "?<!"};
    wr_status status = WR_OK;
    size_t left = (size_t)(p->end - p->at);
    strbuf_putc(&p->out->text, '(');
    for (size_t i = 0; i < 6; i++) {
        size_t n = strlen(plain[i]);
        if (left < n || memcmp(p->at, plain[i], n) != 0) continue;
        p->at += n;
        *repeatable = i == 0 || i == 3;
        strbuf_puts(&p->out->text, plain[i]);
        return WR_OK;
    }
    strbuf_puts(&p->out->text, "?:"); /* no other group's number or name is ever asked for */
    if (left && *p->at == '*') return regex_unsupported("(*");
    if (!left || *p->at != '?') return WR_OK;
    p->at++;
    if (left > 2 && (*p->at == '<' || *p->at == '\'')) {
        const char close = *p->at++ == '<' ? '>' : '\'';
        return skip_name(p, close);
    }
    TRY(read_options(p, alone));
cleanup:
    return status;
}

static wr_status read_group(regex_reader *p, bool *repeatable) {
    wr_status status = WR_OK;
    const bool ignore_case = p->ignore_case, dot_all = p->dot_all, extended = p->extended;
    bool alone = false;
    if (p->end - p->at >= 3 && p->at[1] == '?' && p->at[2] == '#') {
        while (p->at < p->end && *p->at != ')') p->at += *p->at == '\\' ? 2 : 1;
        if (p->at >= p->end) return regex_unsupported("an unfinished comment");
        p->at++;
        strbuf_puts(&p->out->text, "(?:)");
        *repeatable = false;
        return WR_OK;
    }
    if (++p->depth > MAX_DEPTH) return regex_unsupported("groups so deep in each other");
    p->at++;
    TRY(begin_group(p, &alone, repeatable));
    TRY(read_alternatives(p));
    strbuf_putc(&p->out->text, ')');
    p->depth--;
    if (alone) { /* its end is that of the group around it, which puts the modes back */
        *repeatable = false;
        return WR_OK;
    }
    if (p->at == p->end) return regex_unsupported("an unfinished group");
    p->at++;
    p->ignore_case = ignore_case;
    p->dot_all = dot_all;
    p->extended = extended;
cleanup:
    return status;
}

/* --- repetition --------------------------------------------------------------------------------------------------- */

/* high -1: without end. */
typedef struct interval {
    long low, high;
    bool exact;
    size_t length; /* 0: what stands in the braces is text */
} interval;

static bool read_number(const char **s, const char *end, long *value) {
    *value = -1;
    while (*s < end && **s >= '0' && **s <= '9' && *value <= MAX_REPEAT)
        *value = (*value < 0 ? 0 : *value) * 10 + (*(*s)++ - '0');
    return *value >= 0;
}

/* {n}, {n,}, {,m} and {n,m}. */
static interval find_interval(const regex_reader *p) {
    interval v = {.exact = true};
    const char *s = p->at + 1;
    const bool first = read_number(&s, p->end, &v.low);
    bool second = false;
    if (s < p->end && *s == ',') {
        s++;
        v.exact = false;
        second = read_number(&s, p->end, &v.high);
    } else {
        v.high = v.low;
    }
    if (s < p->end && *s == '}' && (first || second)) v.length = (size_t)(s + 1 - p->at);
    if (!first) v.low = 0;
    return v;
}

/* Puts brackets around what was written from byte `from` on. */
static void enclose(regex_reader *p, size_t from) {
    strbuf *t = &p->out->text;
    strbuf_puts(t, "(?:)");
    if (t->failed) return;
    memmove(t->data + from + 3, t->data + from, t->len - 4 - from);
    memcpy(t->data + from, "(?:", 3);
    t->data[t->len - 1] = ')';
}

static bool repeats(const regex_reader *p) {
    if (p->at == p->end) return false;
    return *p->at == '{' ? find_interval(p).length > 0 : strchr("?*+", *p->at) != NULL;
}

/* The repetition behind what was written from byte `from` on. A '+' behind braces repeats once more, and so does a '?'
 * behind {n}. */
static wr_status read_repetition(regex_reader *p, size_t from, bool repeatable) {
    wr_status status = WR_OK;
    strbuf *text = &p->out->text;
    if (!repeats(p)) return WR_OK;
    if (!repeatable) return regex_unsupported("a repetition of a place");
    if (*p->at == '{') {
        const interval v = find_interval(p);
        if (v.low > MAX_REPEAT || v.high > MAX_REPEAT || (v.high >= 0 && v.high < v.low))
            return regex_unsupported("a repetition of so many times, or {n,m} with n above m");
        if (v.high < 0)
            strbuf_printf(text, "{%ld,}", v.low);
        else
            strbuf_printf(text, "{%ld,%ld}", v.low, v.high);
        p->at += v.length;
        const char next = (char)(p->at < p->end ? *p->at : 0);
        if (next == '+' || (next == '?' && v.exact)) enclose(p, from);
        if (next == '+' || next == '?') strbuf_putc(text, *p->at++);
    } else {
        strbuf_putc(text, *p->at++);
        if (p->at < p->end && (*p->at == '?' || *p->at == '+')) strbuf_putc(text, *p->at++);
    }
    if (repeats(p)) TRY(regex_unsupported("a repetition of a repetition"));
cleanup:
    return status;
}

static void skip_blanks(regex_reader *p) {
    while (p->extended && p->at < p->end && (strchr(" \t\n\r\f", *p->at) || *p->at == '#')) {
        if (*p->at == '#')
            while (p->at < p->end && *p->at != '\n') p->at++;
        else
            p->at++;
    }
}

static wr_status read_branch(regex_reader *p) {
    wr_status status = WR_OK;
    code_set s = {0};
    for (skip_blanks(p); p->at < p->end && *p->at != '|' && *p->at != ')'; skip_blanks(p)) {
        const size_t from = p->out->text.len;
        const char c = *p->at, *form = regex_place(c, false);
        bool repeatable = true;
        if (c == '\\') {
            TRY(read_escaped(p, &repeatable));
        } else if (c == '(') {
            TRY(read_group(p, &repeatable));
        } else if (c == '[') {
            p->at++;
            p->previous = 0;
            TRY(regex_read_class(p, &s));
            TRY(regex_put_set(p, &s));
            code_set_free(&s);
        } else if (c == '.') {
            p->at++;
            p->previous = 0;
            TRY(regex_put_any(p, p->dot_all));
        } else if (form) {
            p->at++;
            repeatable = false;
            TRY(regex_put_place(p, form));
        } else if (repeats(p)) {
            TRY(regex_unsupported("a repetition of nothing"));
        } else {
            TRY(regex_put_literal(p, regex_next_code(p)));
        }
        skip_blanks(p);
        TRY(read_repetition(p, from, repeatable));
    }
cleanup:
    code_set_free(&s);
    return status;
}

static wr_status read_alternatives(regex_reader *p) {
    wr_status status = WR_OK;
    for (;;) {
        TRY(read_branch(p));
        if (p->at == p->end || *p->at != '|') return WR_OK;
        p->at++;
        p->previous = 0;
        strbuf_putc(&p->out->text, '|');
    }
cleanup:
    return status;
}

wr_status regex_parse(const char *pattern, size_t n, regex_parts *out) {
    wr_status status = WR_OK;
    regex_reader p = {.at = pattern, .end = pattern + n, .out = out};
    if (memchr(pattern, '\0', n)) return regex_unsupported("a NUL");
    TRY(read_alternatives(&p));
    if (p.at < p.end) TRY(regex_unsupported("a closing bracket too many"));
    TRY(strbuf_status(&out->text));
cleanup:
    return status;
}
