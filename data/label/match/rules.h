/* Rule files: the words and regular expressions by which follow-ups, refusals and filters are told, as text a person
 * can edit. The files of data/rules/ are compiled into the program; a file given by the user replaces one of them. One
 * thing a line, leading white space is ignored:
 *
 *   # a comment
 *   define BE (?:is|are)       {BE} in the regexes below stands for (?:is|are); names are capital letters, digits and _
 *   rule wrong-answer          begins a rule
 *   level 2                    a field: KEY VALUE; which keys there are is the reader's business
 *   | th(?:at|is) {BE} wrong   one alternative, a PCRE2 regex; letter case is ignored; it matches whole words only
 *   + that is wrong            a text in which the rule must find something
 *   - right or wrong?          a text in which it must not
 *
 * Whole words: a match neither begins nor ends inside a word of Latin or Cyrillic letters, so "draw" is not in
 * "withdraw"; Chinese has no such edges. Every error names file, line and rule. LOCAL; a rule_file is read-only after
 * rules_read. */
#ifndef WR_DATA_LABEL_MATCH_RULES_H
#define WR_DATA_LABEL_MATCH_RULES_H

#include "base/mem.h"
#include "data/label/match/pattern.h"

typedef struct rule_line { /* an alternative, a field ("key value" split), or an example */
    size_t line;
    const char *key; /* fields only */
    const char *text;
    char sign; /* examples: '+' or '-' */
} rule_line;
typedef struct rule {
    const char *name;
    size_t line;
    rule_line *alternatives, *fields, *examples; /* owned by the file's arena but for the arrays */
    size_t n_alternatives, n_fields, n_examples;
    size_t alternative_capacity, field_capacity, example_capacity;
} rule;
typedef struct rule_file {
    arena *memory;
    char *path; /* as error messages name it */
    rule *rules;
    size_t n, capacity;
    uint64_t fingerprint; /* of names, fields and regexes; not of comments, examples or layout */
} rule_file;

typedef enum rules_kind { RULES_LEXICON, RULES_REFUSALS, RULES_FILTERS } rules_kind;
/* Reads `path`, or the built-in file of that kind when path is NULL. WR_E_IO, WR_E_USAGE (file:line: what is wrong). */
wr_status rules_read(rules_kind kind, const char *path, rule_file **out);
void rules_free(rule_file *f); /* NULL is fine */
/* The same from memory; path only names it in messages. keys: NULL-terminated list of the fields allowed. */
wr_status rules_parse(const char *path, const char *bytes, size_t n, const char *const *keys, rule_file **out);

/* Value of a field, or NULL. */
const rule_line *rule_field(const rule *r, const char *key);
/* Index of the field's value in a NULL-terminated list; `otherwise` when the rule has no such field. */
wr_status rule_choice(const rule_file *f, const rule *r, const char *key, const char *const *values, int otherwise,
                      int *out);
wr_status rule_number(const rule_file *f, const rule *r, const char *key, double least, double most, double otherwise,
                      double *out);
/* "file:line: rule NAME: …", returns WR_E_USAGE. line 0: the rule's. */
wr_status rule_fail(const rule_file *f, const rule *r, size_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* How much around the alternatives must match. */
typedef enum rule_anchor {
    RULE_FIND,
    RULE_HERE /* at the place where the search begins */,
    RULE_WHOLE /* all but punctuation */,
    RULE_END
} rule_anchor;
/* One alternative, or all as one pattern (ALL_ALTERNATIVES); the rule must have at least one. *regex (NULL: not
 * wanted): its text, in the file's arena. */
#define ALL_ALTERNATIVES SIZE_MAX
wr_status rule_compile(const rule_file *f, const rule *r, size_t alternative, rule_anchor anchor, pattern **out,
                       const char **regex);

#endif
