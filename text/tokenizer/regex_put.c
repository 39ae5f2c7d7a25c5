/* What the parser writes: sets of characters, and places between them. */
#include "base/mem.h"
#include "text/tokenizer/regex_parse.h"
#include "text/tokenizer/unicode_property.h"

#include <stdlib.h>

void regex_parts_free(regex_parts *p) {
    for (size_t i = 0; i < p->n; i++) code_set_free(&p->sets[i]);
    free(p->sets);
    strbuf_free(&p->text);
    *p = (regex_parts){0};
}

wr_status regex_unsupported(const char *what) {
    return wr_fail(WR_E_FORMAT, "the pattern has %s, which is not supported", what);
}

wr_status regex_put_set(regex_reader *p, code_set *s) {
    wr_status status = WR_OK;
    regex_parts *out = p->out;
    size_t k = 0;
    while (k < out->n && !code_set_equal(&out->sets[k], s)) k++;
    if (k == REGEX_MAX_SETS) return regex_unsupported("more than 512 kinds of characters");
    if (k == out->n) {
        VEC_PUSH(out->sets, out->n, out->capacity, *s);
        *s = (code_set){0};
    }
    strbuf_putc(&out->text, REGEX_SET);
    strbuf_putc(&out->text, (char)(0x80 | k >> 7));
    strbuf_putc(&out->text, (char)(0x80 | (k & 127)));
cleanup:
    return status;
}

static wr_status put_range(regex_reader *p, uint32_t first, uint32_t last) {
    wr_status status = WR_OK;
    code_set s = {0};
    TRY(code_set_add(&s, first, last));
    TRY(regex_put_set(p, &s));
cleanup:
    code_set_free(&s);
    return status;
}

/* A run of letters may equal fewer ones when case is ignored ("ss" and the sharp s); groups between them change nothing
 * in that. */
wr_status regex_put_literal(regex_reader *p, uint32_t code) {
    wr_status status = WR_OK;
    code_set s = {0};
    TRY(code_set_add(&s, code, code));
    if (p->ignore_case) {
        if (unicode_folds_long(code) || (p->previous && unicode_folds_pair(p->previous, code)))
            TRY(regex_unsupported("(?i) with letters that equal more or fewer others, as \xC3\x9F equals ss"));
        TRY(unicode_close_case(&s));
    }
    p->previous = p->ignore_case ? code : 0;
    TRY(regex_put_set(p, &s));
cleanup:
    code_set_free(&s);
    return status;
}

/* --- places ------------------------------------------------------------------------------------------------------- */

/* Puts a template in which W stands for word characters and N for a line feed. */
wr_status regex_put_place(regex_reader *p, const char *form) {
    wr_status status = WR_OK;
    code_set words = {0};
    for (; *form; form++) {
        if (*form == 'W') {
            TRY(unicode_add_word(true, &words));
            TRY(regex_put_set(p, &words));
            code_set_free(&words);
        } else if (*form == 'N') {
            TRY(put_range(p, '\n', '\n'));
        } else {
            strbuf_putc(&p->out->text, *form);
        }
    }
cleanup:
    code_set_free(&words);
    return status;
}

/* What an escape or a sign that is a place means; NULL: none. Lines end at line feeds alone, and one at the very end
 * begins no further line. */
const char *regex_place(char c, bool escaped) {
    if (!escaped) return c == '^' ? "(?:\\A|(?<=N)(?!\\z))" : c == '$' ? "(?:\\z|(?=N))" : NULL;
    switch (c) {
    case 'A':
        return "\\A";
    case 'z':
        return "\\z";
    case 'Z':
        return "(?=N?\\z)";
    case 'G':
        return "\\G";
    case 'b':
        return "(?:(?<=W)(?!W)|(?<!W)(?=W))";
    case 'B':
        return "(?:(?<=W)(?=W)|(?<!W)(?!W))";
    default:
        return NULL;
    }
}

wr_status regex_put_line_end(regex_reader *p) {
    static const unicode_range breaks[] = {{10, 13}, {0x85, 0x85}, {0x2028, 0x2029}};
    wr_status status = WR_OK;
    code_set s = {0};
    for (size_t i = 0; i < 3; i++) TRY(code_set_add(&s, breaks[i].first, breaks[i].last));
    strbuf_puts(&p->out->text, "(?>");
    TRY(put_range(p, '\r', '\r'));
    TRY(put_range(p, '\n', '\n'));
    strbuf_putc(&p->out->text, '|');
    TRY(regex_put_set(p, &s));
    strbuf_putc(&p->out->text, ')');
cleanup:
    code_set_free(&s);
    return status;
}

/* Any character, or any but a line feed. */
wr_status regex_put_any(regex_reader *p, bool lines) {
    wr_status status = WR_OK;
    code_set s = {0};
    TRY(code_set_add(&s, 0, CODE_LAST));
    if (!lines) {
        code_set_free(&s);
        TRY(code_set_add(&s, '\n', '\n'));
        TRY(code_set_invert(&s));
    }
    TRY(regex_put_set(p, &s));
cleanup:
    code_set_free(&s);
    return status;
}
