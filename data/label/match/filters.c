#include "data/label/match/filters.h"

#include "base/hash.h"
#include "base/options.h"
#include "base/strbuf.h"
#include "data/label/match/languages.h"
#include "data/label/match/private_number.h"
#include "data/label/match/rule_set.h"

#include <stdlib.h>
#include <string.h>

/* Part of the fingerprint: raise it when the same rules drop other turns than before. */
enum { METHOD = 2 };
enum { FIRST_RULED = FILTER_IMAGE, LAST_RULED = FILTER_IBAN };

static const char *const names[FILTERS + 1] = {
    [FILTER_KEEP] = "",
    [FILTER_UNLABELLED] = "unlabelled",
    [FILTER_NO_QUERY] = "no_query",
    [FILTER_NEUTRAL] = "neutral",
    [FILTER_LANGUAGE] = "language",
    [FILTER_IMAGE] = "image",
    [FILTER_WEB] = "web_search",
    [FILTER_IDENTITY] = "identity",
    [FILTER_FILE] = "file",
    [FILTER_MEDIA] = "media",
    [FILTER_URL] = "url",
    [FILTER_EMAIL] = "email",
    [FILTER_PHONE] = "phone",
    [FILTER_IP] = "ip_address",
    [FILTER_CARD] = "card",
    [FILTER_IBAN] = "iban",
    [FILTER_LONG_HISTORY] = "long_history",
    [FILTER_SHORT_REPLY] = "short_reply",
    [FILTER_SHORT_QUERY] = "short_query",
    [FILTER_TOO_LONG] = "too_long",
    [FILTERS] = NULL,
};
static const char *const places[] = {"query", "both", NULL};

struct filters {
    filter_options options;
    uint64_t fingerprint;
    language_set languages;
    rule_file *file;
    rule_set *query, *reply; /* the reply's are those of where both */
};

const char *filter_name(filter f) { return f == FILTER_KEEP || f >= FILTERS ? NULL : names[f]; }

static bool filter_switchable(filter f) { return f >= FILTER_LANGUAGE && f <= FILTER_SHORT_QUERY; }

uint32_t filters_switchable(void) {
    uint32_t bits = 0;
    for (int f = 0; f < FILTERS; f++) bits |= filter_switchable((filter)f) ? 1u << f : 0;
    return bits;
}

wr_status filter_by_name(const char *name, filter *out) {
    for (int f = FILTER_KEEP + 1; f < FILTERS; f++) {
        if (strcmp(names[f], name) == 0) {
            *out = (filter)f;
            return WR_OK;
        }
    }
    const char *near = nearest_name(name, names + 1);
    return wr_fail(WR_E_USAGE, "no filter is named '%.60s'%s%s%s", name, near ? "; did you mean '" : "",
                   near ? near : "", near ? "'?" : "");
}

wr_status filter_list_parse(const char *list, uint32_t *bits) {
    wr_status status = WR_OK;
    *bits = 0;
    if (strcmp(list, "none") == 0) return WR_OK;
    for (const char *s = list; *s;) {
        size_t n = strcspn(s, ",");
        char name[64];
        filter f = FILTER_KEEP;
        if (n == 0 || n >= sizeof name)
            TRY(wr_fail(WR_E_USAGE, "'%.60s' is no list of filters: names with commas between, or none", list));
        memcpy(name, s, n);
        name[n] = '\0';
        TRY(filter_by_name(name, &f));
        if (!filter_switchable(f))
            TRY(wr_fail(WR_E_USAGE, "filter '%s' cannot be switched off: such a turn makes no instance", name));
        *bits |= 1u << f;
        s += n + (s[n] == ',');
    }
cleanup:
    return status;
}

filter_options filter_options_default(void) {
    return (filter_options){.languages = "en,zh", .min_reply_words = 10, .min_query_words = 5, .max_history = 20};
}

void filters_free(filters *f) {
    if (!f) return;
    rule_set_free(f->query);
    rule_set_free(f->reply);
    rules_free(f->file);
    free(f);
}

/* The `check` of a rule. */
static bool good_match(const rule *r, const char *match, size_t n) {
    const rule_line *x = rule_field(r, "check");
    if (!x) return true;
    if (strcmp(x->text, "luhn") == 0) return luhn_holds(match, n);
    if (strcmp(x->text, "iban") == 0) return iban_holds(match, n);
    return ipv4_is_public(match, n);
}

/* Rules in the order of their filters, so that the first match is the first filter's. */
static wr_status add_rules(filters *f) {
    static const char *const checks[] = {"luhn", "iban", "ipv4", NULL};
    wr_status status = WR_OK;
    const char *const *ruled = names + FIRST_RULED;
    const char *allowed[LAST_RULED - FIRST_RULED + 2] = {NULL};
    memcpy(allowed, ruled, (LAST_RULED - FIRST_RULED + 1) * sizeof *allowed);
    for (int k = FIRST_RULED; k <= LAST_RULED; k++) {
        for (size_t i = 0; i < f->file->n; i++) {
            const rule *r = &f->file->rules[i];
            int which, where, check;
            if (!rule_field(r, "filter"))
                TRY(rule_fail(f->file, r, 0, "has no filter: give 'filter image' or another of %s, …",
                              names[FILTER_WEB]));
            TRY(rule_choice(f->file, r, "filter", allowed, 0, &which));
            TRY(rule_choice(f->file, r, "where", places, 0, &where));
            TRY(rule_choice(f->file, r, "check", checks, 0, &check));
            if (which + FIRST_RULED != k) continue;
            TRY(rule_set_add(f->query, r, k));
            if (where == 1) TRY(rule_set_add(f->reply, r, k));
        }
    }
cleanup:
    return status;
}

static wr_status take_fingerprint(filters *f) {
    wr_status status = WR_OK;
    strbuf all = {0};
    const filter_options *o = &f->options;
    strbuf_printf(&all, "%d %llx %x %zu %zu %zu %llx %x", METHOD, (unsigned long long)f->file->fingerprint, o->off,
                  o->min_reply_words, o->min_query_words, o->max_history, (unsigned long long)f->languages.bits,
                  f->languages.all);
    TRY(strbuf_status(&all));
    f->fingerprint = hash64(all.data, all.len, 0);
cleanup:
    strbuf_free(&all);
    return status;
}

wr_status filters_create(const filter_options *o, filters **out) {
    wr_status status = WR_OK;
    filters *f = mem_calloc(1, sizeof *f);
    TRY_ALLOC(f);
    f->options = *o;
    f->options.off &= filters_switchable();
    TRY(language_set_parse(o->languages, &f->languages));
    TRY(rules_read(RULES_FILTERS, o->file, &f->file));
    TRY(rule_set_create(f->file, &f->query));
    TRY(rule_set_create(f->file, &f->reply));
    rule_set_condition(f->query, good_match);
    rule_set_condition(f->reply, good_match);
    TRY(add_rules(f));
    TRY(rule_set_build(f->query));
    TRY(rule_set_build(f->reply));
    TRY(take_fingerprint(f));
    if (o->file) TRY(filters_check(f, NULL));
    f->options.file = f->options.languages = NULL; /* the caller's */
    *out = f;
    f = NULL;
cleanup:
    filters_free(f);
    return status;
}

uint64_t filters_fingerprint(const filters *f) { return f->fingerprint; }

wr_status filters_check(const filters *f, size_t *examples) {
    if (examples) *examples = 0;
    return rule_set_check(f->query, NULL, examples);
}

void filters_use_prefilter(filters *f, bool on) {
    rule_set_use_prefilter(f->query, on);
    rule_set_use_prefilter(f->reply, on);
}

static bool asked(const filters *f, filter k) { return !(f->options.off >> k & 1); }

static filter_verdict because(filter k) { return (filter_verdict){k, "", NULL, 0}; }

static filter_verdict ruled(const filters *f, const filter_turn *t) {
    int in_query = FILTERS, in_reply = FILTERS;
    rule_match q, r;
    bool a = rule_set_find(f->query, t->query, t->query_length, f->options.off, &in_query, &q);
    if (a && in_query < FILTER_URL)
        return (filter_verdict){(filter)in_query, q.rule->name, t->query + q.start, q.end - q.start};
    bool b = rule_set_find(f->reply, t->reply, t->reply_length, f->options.off, &in_reply, &r);
    if (a && in_query <= in_reply)
        return (filter_verdict){(filter)in_query, q.rule->name, t->query + q.start, q.end - q.start};
    if (b) return (filter_verdict){(filter)in_reply, r.rule->name, t->reply + r.start, r.end - r.start};
    return because(FILTER_KEEP);
}

filter_verdict filters_judge(const filters *f, const filter_turn *t) {
    if (t->level == 0) return because(FILTER_UNLABELLED);
    if (!t->query) return because(FILTER_NO_QUERY);
    if (t->level == 3) return because(FILTER_NEUTRAL);
    if (asked(f, FILTER_LANGUAGE) && !language_accepted(&f->languages, t->language, t->query, t->query_length))
        return because(FILTER_LANGUAGE);
    filter_verdict v = ruled(f, t);
    if (v.reason != FILTER_KEEP) return v;
    if (asked(f, FILTER_LONG_HISTORY) && t->history > f->options.max_history) return because(FILTER_LONG_HISTORY);
    if (asked(f, FILTER_SHORT_REPLY) && !text_has_words(t->reply, t->reply_length, f->options.min_reply_words))
        return because(FILTER_SHORT_REPLY);
    if (asked(f, FILTER_SHORT_QUERY) && !text_has_words(t->query, t->query_length, f->options.min_query_words))
        return because(FILTER_SHORT_QUERY);
    return because(FILTER_KEEP);
}
