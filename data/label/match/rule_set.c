#include "data/label/match/rule_set.h"

#include <stdlib.h>
#include <string.h>

typedef struct member {
    const rule *rule;
    pattern *pattern;
    int tag;
} member;
struct rule_set {
    const rule_file *file;
    member *members;
    size_t n, capacity;
    prefilter *prefilter;
    rule_good good;
    bool unfiltered;
};

void rule_set_free(rule_set *s) {
    if (!s) return;
    for (size_t i = 0; i < s->n; i++) pattern_free(s->members[i].pattern);
    free(s->members);
    prefilter_free(s->prefilter);
    free(s);
}

wr_status rule_set_create(const rule_file *f, rule_set **out) {
    wr_status status = WR_OK;
    rule_set *s = mem_calloc(1, sizeof *s);
    TRY_ALLOC(s);
    s->file = f;
    TRY(prefilter_create(&s->prefilter));
    *out = s;
    s = NULL;
cleanup:
    rule_set_free(s);
    return status;
}

wr_status rule_set_add(rule_set *s, const rule *r, int tag) {
    wr_status status = WR_OK;
    const char *regex;
    member m = {r, NULL, tag};
    TRY(rule_compile(s->file, r, ALL_ALTERNATIVES, RULE_FIND, &m.pattern, &regex));
    VEC_PUSH(s->members, s->n, s->capacity, m);
    m.pattern = NULL;
    TRY(prefilter_add(s->prefilter, regex));
cleanup:
    pattern_free(m.pattern);
    return status;
}

wr_status rule_set_build(rule_set *s) { return prefilter_build(s->prefilter); }
void rule_set_condition(rule_set *s, rule_good good) { s->good = good; }
void rule_set_use_prefilter(rule_set *s, bool on) { s->unfiltered = !on; }

static bool find_good(const rule_set *s, const member *m, const char *text, size_t n, rule_match *out) {
    size_t from = 0, start, end;
    while (pattern_find(m->pattern, text, n, from, &start, &end)) {
        if (!s->good || s->good(m->rule, text + start, end - start)) {
            if (out) *out = (rule_match){m->rule, start, end};
            return true;
        }
        from = end > from ? end : from + 1;
    }
    return false;
}

bool rule_set_find(const rule_set *s, const char *text, size_t n, uint32_t off, int *tag, rule_match *out) {
    rule_mask m;
    memset(&m, 0xFF, sizeof m);
    if (!s->unfiltered) prefilter_scan(s->prefilter, text, n, &m);
    for (size_t i = 0; i < s->n; i++) {
        const member *x = &s->members[i];
        if (!rule_mask_has(&m, i) || (off >> x->tag & 1) || !find_good(s, x, text, n, out)) continue;
        if (tag) *tag = x->tag;
        return true;
    }
    return false;
}

wr_status rule_set_check(const rule_set *s, bool (*mine)(const rule *r), size_t *examples) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < s->n; i++) {
        const member *m = &s->members[i];
        if (mine && !mine(m->rule)) continue;
        for (size_t k = 0; k < m->rule->n_examples; k++) {
            const rule_line *x = &m->rule->examples[k];
            bool here = find_good(s, m, x->text, strlen(x->text), NULL);
            if (here != (x->sign == '+')) {
                TRY(rule_fail(s->file, m->rule, x->line, "example \"%.200s\" %s found by it", x->text,
                              here ? "must not be, but is" : "must be, but is not"));
            }
            if (examples) ++*examples;
        }
    }
cleanup:
    return status;
}
