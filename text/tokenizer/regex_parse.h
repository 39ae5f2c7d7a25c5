/* Reads a regular expression of tokenizer.json, which is Oniguruma's Ruby syntax, into one for PCRE2 that knows sets of
 * characters and no modes: what Unicode, case and lines have to do with is written out. LOCAL. */
#ifndef WR_TEXT_TOKENIZER_REGEX_PARSE_H
#define WR_TEXT_TOKENIZER_REGEX_PARSE_H

#include "base/strbuf.h"
#include "text/tokenizer/code_set.h"

/* text: PCRE2 syntax in ASCII; a set stands as three bytes, REGEX_SET and its index in two of seven bits each with the
 * highest bit set. */
enum { REGEX_SET = 1, REGEX_MAX_SETS = 512 };
typedef struct regex_parts {
    strbuf text;
    code_set *sets;
    size_t n, capacity;
} regex_parts;
void regex_parts_free(regex_parts *p);

/* WR_E_FORMAT: not a valid pattern, or a construct that is not supported, which it names. */
wr_status regex_parse(const char *pattern, size_t n, regex_parts *out);

/* --- shared by regex_parse.c (grammar), regex_class.c (classes and escapes) and regex_put.c (what is written)
 * ------- */
typedef struct regex_reader {
    const char *at, *end;
    regex_parts *out;
    bool ignore_case, dot_all, extended;
    uint32_t previous; /* the character that stands just before, where case is ignored; 0: none */
    int depth;
} regex_reader;

wr_status regex_unsupported(const char *what);
wr_status regex_put_set(regex_reader *p, code_set *s); /* takes what s has */
wr_status regex_put_literal(regex_reader *p, uint32_t code);
wr_status regex_put_any(regex_reader *p, bool lines); /* any character, or any but a line feed */
wr_status regex_put_line_end(regex_reader *p);        /* \R */
/* What an escape or a sign that is a place means, for regex_put_place; NULL: none. */
const char *regex_place(char c, bool escaped);
wr_status regex_put_place(regex_reader *p, const char *form);

uint32_t regex_next_code(regex_reader *p); /* at < end */
/* The character of an escape, `at` behind the backslash; *found false (and nothing read) where it is not one. */
wr_status regex_read_escape(regex_reader *p, uint32_t *code, bool *found);
/* A set of \d \s \w \h \p{…} and their capitals; the same. bare: outside of brackets. */
wr_status regex_read_kind(regex_reader *p, bool bare, code_set *out, bool *found);
/* A bracketed class, `at` behind the bracket. */
wr_status regex_read_class(regex_reader *p, code_set *out);

#endif
