#include "data/label/match/rules.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/strbuf.h"
#include "data/label/match/rules_builtin.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 4 << 20, NAME_LIMIT = 64, REGEX_LIMIT = 64 << 10 };

/* What a word is made of (see pattern_at_word_edge): PCRE2's \w is ASCII unless all of Unicode is switched on, which
 * costs speed everywhere. */
#define LETTER "[\\w\\x{C0}-\\x{24F}\\x{370}-\\x{52F}]"

static const struct builtin {
    const char *name;
    const unsigned char *bytes;
    const size_t *size;
    const char *keys[8];
} builtins[] = {
    [RULES_LEXICON] = {"data/rules/lexicon.txt",
                       rules_lexicon,
                       &rules_lexicon_size,
                       {"level", "weight", "place", "reply", "language", NULL}},
    [RULES_REFUSALS] = {"data/rules/refusals.txt", rules_refusals, &rules_refusals_size, {"kind", "language", NULL}},
    [RULES_FILTERS] = {"data/rules/filters.txt",
                       rules_filters,
                       &rules_filters_size,
                       {"filter", "where", "check", "language", NULL}},
};

void rules_free(rule_file *f) {
    if (!f) return;
    for (size_t i = 0; i < f->n; i++) {
        free(f->rules[i].alternatives);
        free(f->rules[i].fields);
        free(f->rules[i].examples);
    }
    free(f->rules);
    free(f->path);
    arena_free(f->memory);
    free(f);
}

wr_status rule_fail(const rule_file *f, const rule *r, size_t line, const char *format, ...) {
    char what[400];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    if (!line) line = r ? r->line : 0;
    return wr_fail(WR_E_USAGE, "%s:%zu: %s%s%s%s", f->path, line, r ? "rule " : "", r ? r->name : "", r ? ": " : "",
                   what);
}

/* --- reading --- */

typedef struct definition {
    const char *name, *text;
} definition;
typedef struct reader {
    rule_file *file;
    const char *const *keys;
    definition *defined;
    size_t n_defined, defined_capacity, line;
    strbuf text;
} reader;

static bool is_name(const char *s, size_t n) {
    if (!n || n > NAME_LIMIT) return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_') return false;
    }
    return true;
}

static rule *current(const reader *d) { return d->file->n ? &d->file->rules[d->file->n - 1] : NULL; }

/* {NAME} in a regex -> its definition. Braces that hold anything else (quantifiers, \x{…}, \p{…}) stay. */
static wr_status expand(reader *d, const char *s, const char **out) {
    wr_status status = WR_OK;
    strbuf_clear(&d->text);
    strbuf_puts(&d->text, "");
    for (size_t i = 0; s[i];) {
        size_t n = 0;
        bool brace =
            s[i] == '{' && isupper((unsigned char)s[i + 1]) && !(i >= 2 && s[i - 2] == '\\' && strchr("pPx", s[i - 1]));
        if (brace)
            while (isupper((unsigned char)s[i + 1 + n]) || isdigit((unsigned char)s[i + 1 + n]) || s[i + 1 + n] == '_')
                n++;
        if (!brace || s[i + 1 + n] != '}') {
            strbuf_putc(&d->text, s[i++]);
            continue;
        }
        const char *text = NULL;
        for (size_t k = 0; k < d->n_defined; k++) {
            if (strlen(d->defined[k].name) == n && memcmp(d->defined[k].name, s + i + 1, n) == 0)
                text = d->defined[k].text;
        }
        if (!text)
            TRY(rule_fail(d->file, current(d), d->line, "{%.*s} is not defined above this line", (int)n, s + i + 1));
        strbuf_puts(&d->text, text);
        i += n + 2;
        if (d->text.len > REGEX_LIMIT) break;
    }
    TRY(strbuf_status(&d->text));
    if (d->text.len > REGEX_LIMIT)
        TRY(rule_fail(d->file, current(d), d->line, "a regex of more than %d bytes after its {NAMES} are put in",
                      REGEX_LIMIT));
    TRY_ALLOC(*out = arena_strndup(d->file->memory, d->text.data, d->text.len));
cleanup:
    return status;
}

static wr_status read_definition(reader *d, const char *rest) {
    wr_status status = WR_OK;
    size_t n = strcspn(rest, " \t");
    definition x;
    bool good = n && n <= NAME_LIMIT && isupper((unsigned char)rest[0]);
    for (size_t i = 0; i < n; i++)
        good = good && (isupper((unsigned char)rest[i]) || isdigit((unsigned char)rest[i]) || rest[i] == '_');
    const char *text = rest + n + strspn(rest + n, " \t");
    if (!good || !*text) TRY(rule_fail(d->file, NULL, d->line, "'define' needs a NAME of capital letters and a regex"));
    TRY_ALLOC(x.name = arena_strndup(d->file->memory, rest, n));
    TRY(expand(d, text, &x.text));
    VEC_PUSH(d->defined, d->n_defined, d->defined_capacity, x);
cleanup:
    return status;
}

static wr_status begin_rule(reader *d, const char *name) {
    wr_status status = WR_OK;
    rule_file *f = d->file;
    if (!is_name(name, strlen(name)))
        TRY(rule_fail(f, NULL, d->line, "'rule' needs a name of letters, digits, - and _; not '%.60s'", name));
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->rules[i].name, name) == 0)
            TRY(rule_fail(f, NULL, d->line, "a rule named %s is already on line %zu", name, f->rules[i].line));
    }
    rule r = {.line = d->line};
    TRY_ALLOC(r.name = arena_strndup(f->memory, name, strlen(name)));
    VEC_PUSH(f->rules, f->n, f->capacity, r);
cleanup:
    return status;
}

static wr_status read_field(reader *d, rule *r, const char *key, size_t n, const char *value) {
    wr_status status = WR_OK;
    const char *known = NULL;
    for (size_t i = 0; d->keys[i]; i++) {
        if (strlen(d->keys[i]) == n && memcmp(d->keys[i], key, n) == 0) known = d->keys[i];
    }
    if (!known)
        TRY(rule_fail(d->file, r, d->line,
                      "'%.*s' is no key of this file; a line begins with define, rule, |, +, -, # or a key like %s",
                      n < 40 ? (int)n : 40, key, d->keys[0]));
    if (!*value) TRY(rule_fail(d->file, r, d->line, "'%s' needs a value", known));
    if (rule_field(r, known)) TRY(rule_fail(d->file, r, d->line, "'%s' is given twice", known));
    rule_line x = {.line = d->line, .key = known};
    TRY_ALLOC(x.text = arena_strndup(d->file->memory, value, strlen(value)));
    VEC_PUSH(r->fields, r->n_fields, r->field_capacity, x);
cleanup:
    return status;
}

static wr_status read_line(reader *d, const char *s) {
    wr_status status = WR_OK;
    size_t n = strcspn(s, " \t");
    const char *rest = s + n + strspn(s + n, " \t");
    if (!n || s[0] == '#') return WR_OK;
    if (n == 6 && memcmp(s, "define", 6) == 0) return read_definition(d, rest);
    if (n == 4 && memcmp(s, "rule", 4) == 0) return begin_rule(d, rest);
    rule *r = current(d);
    if (!r) TRY(rule_fail(d->file, NULL, d->line, "'%.40s' stands before the first 'rule NAME'", s));
    rule_line x = {.line = d->line, .sign = s[0]};
    if (n == 1 && s[0] == '|') {
        if (!*rest) TRY(rule_fail(d->file, r, d->line, "'|' needs a regex"));
        TRY(expand(d, rest, &x.text));
        VEC_PUSH(r->alternatives, r->n_alternatives, r->alternative_capacity, x);
    } else if (n == 1 && (s[0] == '+' || s[0] == '-')) {
        TRY_ALLOC(x.text = arena_strndup(d->file->memory, rest, strlen(rest)));
        VEC_PUSH(r->examples, r->n_examples, r->example_capacity, x);
    } else {
        TRY(read_field(d, r, s, n, rest));
    }
cleanup:
    return status;
}

static void take_fingerprint(rule_file *f) {
    uint64_t h = f->n;
    for (size_t i = 0; i < f->n; i++) {
        const rule *r = &f->rules[i];
        h = hash64(r->name, strlen(r->name) + 1, h);
        for (size_t k = 0; k < r->n_fields; k++) {
            h = hash64(r->fields[k].key, strlen(r->fields[k].key) + 1, h);
            h = hash64(r->fields[k].text, strlen(r->fields[k].text) + 1, h);
        }
        for (size_t k = 0; k < r->n_alternatives; k++)
            h = hash64(r->alternatives[k].text, strlen(r->alternatives[k].text) + 1, h);
    }
    f->fingerprint = h;
}

wr_status rules_parse(const char *path, const char *bytes, size_t n, const char *const *keys, rule_file **out) {
    wr_status status = WR_OK;
    reader d = {.keys = keys};
    strbuf line = {0};
    TRY_ALLOC(d.file = mem_calloc(1, sizeof *d.file));
    TRY_ALLOC(d.file->path = mem_strdup(path));
    TRY_ALLOC(d.file->memory = arena_create());
    for (size_t at = 0; at < n;) {
        const char *end = memchr(bytes + at, '\n', n - at);
        size_t length = end ? (size_t)(end - bytes) - at : n - at;
        const char *s = bytes + at;
        at += length + 1;
        d.line++;
        if (memchr(s, '\0', length)) TRY(rule_fail(d.file, NULL, d.line, "a NUL byte; this is not a text file"));
        while (length && isspace((unsigned char)s[length - 1])) length--;
        while (length && isspace((unsigned char)s[0])) s++, length--;
        strbuf_clear(&line);
        strbuf_append(&line, s, length);
        TRY(strbuf_status(&line));
        TRY(read_line(&d, strbuf_str(&line)));
    }
    take_fingerprint(d.file);
    *out = d.file;
    d.file = NULL;
cleanup:
    strbuf_free(&line);
    strbuf_free(&d.text);
    free(d.defined);
    rules_free(d.file);
    return status;
}

wr_status rules_read(rules_kind kind, const char *path, rule_file **out) {
    wr_status status = WR_OK;
    const struct builtin *b = &builtins[kind];
    char *bytes = NULL;
    size_t n;
    if (!path) return rules_parse(b->name, (const char *)b->bytes, *b->size, b->keys, out);
    TRY(file_read(path, FILE_LIMIT, &bytes, &n));
    TRY(rules_parse(path, bytes, n, b->keys, out));
cleanup:
    free(bytes);
    return status;
}

/* --- what is in a rule --- */

const rule_line *rule_field(const rule *r, const char *key) {
    for (size_t i = 0; i < r->n_fields; i++) {
        if (strcmp(r->fields[i].key, key) == 0) return &r->fields[i];
    }
    return NULL;
}

wr_status rule_choice(const rule_file *f, const rule *r, const char *key, const char *const *values, int otherwise,
                      int *out) {
    const rule_line *x = rule_field(r, key);
    char all[300] = "";
    *out = otherwise;
    if (!x) return WR_OK;
    for (int i = 0; values[i]; i++) {
        size_t n = strlen(all);
        if (strcmp(values[i], x->text) == 0) {
            *out = i;
            return WR_OK;
        }
        snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", values[i]);
    }
    return rule_fail(f, r, x->line, "%s '%.60s' is none of %s", key, x->text, all);
}

wr_status rule_number(const rule_file *f, const rule *r, const char *key, double least, double most, double otherwise,
                      double *out) {
    const rule_line *x = rule_field(r, key);
    char *end;
    *out = otherwise;
    if (!x) return WR_OK;
    *out = strtod(x->text, &end);
    if (*end || !isfinite(*out) || *out < least || *out > most)
        return rule_fail(f, r, x->line, "%s '%.60s' is no number from %g to %g", key, x->text, least, most);
    return WR_OK;
}

wr_status rule_compile(const rule_file *f, const rule *r, size_t alternative, rule_anchor anchor, pattern **out,
                       const char **regex) {
    /* The end is looked at by the regex, since another alternative may end elsewhere; the beginning after a match,
     * since it costs at every place. */
    static const struct {
        const char *before, *after;
    } around[] = {
        [RULE_FIND] = {"(?:", ")(?:(?<!" LETTER ")|(?!" LETTER "))"},
        [RULE_HERE] = {"\\G(?:", ")(?:(?<!" LETTER ")|(?!" LETTER "))"},
        [RULE_WHOLE] = {"^[\\s\\p{P}]*(?:", ")[\\s\\p{P}\\p{So}]*$"},
        [RULE_END] = {"(?:", ")$"},
    };
    wr_status status = WR_OK;
    strbuf all = {0};
    char what[160];
    size_t at;
    if (!r->n_alternatives) TRY(rule_fail(f, r, 0, "has no regex: give at least one line '| REGEX'"));
    size_t first = alternative == ALL_ALTERNATIVES ? 0 : alternative,
           end = alternative == ALL_ALTERNATIVES ? r->n_alternatives : alternative + 1;
    strbuf_puts(&all, around[anchor].before);
    for (size_t i = first; i < end; i++) strbuf_printf(&all, "%s(?:%s)", i > first ? "|" : "", r->alternatives[i].text);
    strbuf_puts(&all, around[anchor].after);
    TRY(strbuf_status(&all));
    for (size_t i = first; i < end; i++) { /* each must be good alone: "a)(b" is not, though it may be in company */
        const rule_line *x = &r->alternatives[i];
        if (!pattern_check(x->text, what, sizeof what, &at)) {
            TRY(rule_fail(f, r, x->line, "regex: %s at byte %zu: %.60s <-- here", what, at,
                          at > 60 ? x->text + at - 60 : x->text));
        }
    }
    if (pattern_compile(all.data, out) < 0) TRY(rule_fail(f, r, 0, "%s", wr_error()));
    if (anchor == RULE_FIND || anchor == RULE_END) pattern_at_word_edge(*out);
    if (regex) TRY_ALLOC(*regex = arena_strndup(f->memory, all.data, all.len));
cleanup:
    strbuf_free(&all);
    return status;
}
