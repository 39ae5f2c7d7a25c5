#include "data/label/match/lexicon.h"

#include "base/hash.h"
#include "data/label/match/lexicon_text.h"
#include "data/label/match/prefilter.h"
#include "data/label/match/rules.h"

#include <stdlib.h>
#include <string.h>

/* Part of the fingerprint: raise it when the same rules give other verdicts than before. */
enum { METHOD = 2 };
enum { NEAR = 640 };             /* bytes that all rules but those of place anywhere see */
enum { UNDONE_REACH = 24 };      /* bytes before a sign in which it can be undone */
static const double found = 0.5; /* strength from which a sign counts */

typedef enum rule_place {
    PLACE_OPENING,  /* the message, or its first sentence behind a filler word (ok, oh, hmm, but …), starts with it */
    PLACE_EARLY,    /* anywhere in the first 160 bytes; half the weight up to 400 */
    PLACE_ANYWHERE, /* the first 600 bytes; half the weight up to 2000 */
    PLACE_WHOLE,    /* nothing else in the message but punctuation */
    PLACE_FILLER,   /* no sign: words that may stand before an opening */
    PLACE_NEGATION, /* no sign: what takes its force from praise right behind it */
    PLACE_CONDITION /* no sign: the same for complaints */
} rule_place;
static const char *const place_names[] = {"opening", "early",    "anywhere",  "whole",
                                          "filler",  "negation", "condition", NULL};

/* Which replies a rule is for: "no" answers a question of the assistant, and corrects a statement. */
typedef enum reply_kind { REPLY_ANY, REPLY_STATEMENT, REPLY_QUESTION } reply_kind;
static const char *const reply_names[] = {"any", "statement", "question", NULL};

typedef struct sign { /* one alternative of a rule: the less a regex can match, the more seldom it is run */
    const rule *rule;
    int level;
    double weight;
    rule_place place;
    reply_kind reply;
    pattern *pattern;
} sign;

struct lexicon {
    rule_file *file;
    sign *signs;
    size_t n, capacity;
    pattern *filler, *negation, *condition;
    prefilter *near, *far;                  /* of all signs; of those with place anywhere */
    size_t *far_signs, n_far, far_capacity; /* the signs of `far` */
    bool unfiltered;
    cleaned_text text;
};

void lexicon_free(lexicon *l) {
    if (!l) return;
    for (size_t i = 0; i < l->n; i++) pattern_free(l->signs[i].pattern);
    free(l->signs);
    pattern_free(l->filler);
    pattern_free(l->negation);
    pattern_free(l->condition);
    prefilter_free(l->near);
    prefilter_free(l->far);
    free(l->far_signs);
    rules_free(l->file);
    cleaned_text_free(&l->text);
    free(l);
}

/* A word that only steers the others. */
static wr_status add_part(lexicon *l, const rule *r, rule_place place) {
    wr_status status = WR_OK;
    pattern **slot = place == PLACE_FILLER ? &l->filler : place == PLACE_NEGATION ? &l->negation : &l->condition;
    if (*slot) TRY(rule_fail(l->file, r, 0, "a second rule with place %s; there can be one", place_names[place]));
    if (rule_field(r, "level") || rule_field(r, "weight"))
        TRY(rule_fail(l->file, r, 0, "a rule with place %s has no level and no weight", place_names[place]));
    TRY(rule_compile(l->file, r, ALL_ALTERNATIVES, place == PLACE_FILLER ? RULE_HERE : RULE_END, slot, NULL));
cleanup:
    return status;
}

static wr_status add_sign(lexicon *l, const rule *r, rule_place place) {
    static const char *const levels[] = {"1", "2", "4", "5", NULL};
    static const int values[] = {1, 2, 4, 5};
    wr_status status = WR_OK;
    sign s = {.rule = r, .place = place};
    const char *regex;
    int level, reply;
    if (!rule_field(r, "level")) TRY(rule_fail(l->file, r, 0, "has no level: give 'level 1', 2, 4 or 5"));
    if (!r->n_alternatives) TRY(rule_fail(l->file, r, 0, "has no regex: give at least one line '| REGEX'"));
    TRY(rule_choice(l->file, r, "level", levels, 0, &level));
    TRY(rule_choice(l->file, r, "reply", reply_names, REPLY_ANY, &reply));
    TRY(rule_number(l->file, r, "weight", 0, 1, 1, &s.weight));
    s.level = values[level];
    s.reply = (reply_kind)reply;
    for (size_t i = 0; i < r->n_alternatives; i++) {
        TRY(mem_reserve((void **)&l->signs, &l->capacity, l->n + 1, sizeof *l->signs));
        TRY(rule_compile(l->file, r, i,
                         place == PLACE_OPENING ? RULE_HERE
                         : place == PLACE_WHOLE ? RULE_WHOLE
                                                : RULE_FIND,
                         &s.pattern, &regex));
        l->signs[l->n++] = s;
        TRY(prefilter_add(l->near, regex));
        if (place != PLACE_ANYWHERE) continue;
        TRY(prefilter_add(l->far, regex));
        VEC_PUSH(l->far_signs, l->n_far, l->far_capacity, l->n - 1);
    }
cleanup:
    return status;
}

wr_status lexicon_create(const char *file, lexicon **out) {
    wr_status status = WR_OK;
    lexicon *l = mem_calloc(1, sizeof *l);
    TRY_ALLOC(l);
    TRY(rules_read(RULES_LEXICON, file, &l->file));
    TRY(prefilter_create(&l->near));
    TRY(prefilter_create(&l->far));
    for (size_t i = 0; i < l->file->n; i++) {
        const rule *r = &l->file->rules[i];
        int place;
        TRY(rule_choice(l->file, r, "place", place_names, PLACE_EARLY, &place));
        if (place >= PLACE_FILLER)
            TRY(add_part(l, r, (rule_place)place));
        else
            TRY(add_sign(l, r, (rule_place)place));
    }
    if (!l->n) TRY(wr_fail(WR_E_USAGE, "%s: no rule in it", l->file->path));
    TRY(prefilter_build(l->near));
    TRY(prefilter_build(l->far));
    if (file) TRY(lexicon_check(l, NULL));
    *out = l;
    l = NULL;
cleanup:
    lexicon_free(l);
    return status;
}

uint64_t lexicon_fingerprint(const lexicon *l) {
    return hash64(&l->file->fingerprint, sizeof l->file->fingerprint, METHOD);
}
void lexicon_use_prefilter(lexicon *l, bool on) { l->unfiltered = !on; }

/* How far from the start a place still counts for something, and for how much. */
static size_t place_reach(rule_place place) {
    return place == PLACE_EARLY ? 400 : place == PLACE_ANYWHERE ? 2000 : SIZE_MAX;
}
static double place_factor(rule_place place, size_t at) {
    if (place == PLACE_EARLY) return at <= 160 ? 1 : 0.5;
    if (place == PLACE_ANYWHERE) return at <= 600 ? 1 : 0.5;
    return 1;
}

/* The text at hand, and where it may be said to begin. */
typedef struct judged {
    const char *text;
    size_t n, near;           /* bytes; those that most rules see */
    size_t at[4], n_openings; /* of the message, and behind filler words; none before they are asked for */
} judged;

static void find_openings(const lexicon *l, judged *j) {
    size_t start, end;
    j->n_openings = 1; /* at[0] is 0 */
    while (l->filler && j->n_openings < 4 &&
           pattern_find(l->filler, j->text, j->near, j->at[j->n_openings - 1], &start, &end) && end > start)
        j->at[j->n_openings++] = end;
}

/* Strength of a sign in the text. */
static double strength(const lexicon *l, const sign *s, judged *j) {
    size_t at = 0;
    if (s->place == PLACE_OPENING) {
        if (!j->n_openings) find_openings(l, j);
        for (size_t i = 0; i < j->n_openings; i++) {
            if (pattern_find(s->pattern, j->text, j->near, j->at[i], NULL, NULL)) return s->weight;
        }
        return 0;
    }
    if (s->place == PLACE_WHOLE && j->n > NEAR) return 0;
    if (!pattern_find_before(s->pattern, j->text, s->place == PLACE_ANYWHERE ? j->n : j->near, 0, place_reach(s->place),
                             &at, NULL))
        return 0;
    const pattern *undone = s->level >= 4 ? l->negation : l->condition;
    if (s->place != PLACE_WHOLE && at && undone) {
        size_t from = at > UNDONE_REACH ? at - UNDONE_REACH : 0;
        if (pattern_find(undone, j->text + from, at - from, 0, NULL, NULL)) return 0;
    }
    return s->weight * place_factor(s->place, at);
}

static judged judge_text(const cleaned_text *t) {
    return (judged){.text = t->data, .n = t->n, .near = t->n < NEAR ? t->n : NEAR};
}

/* Which signs may be in the text. */
static rule_mask candidates(const lexicon *l, const judged *j) {
    rule_mask m, far;
    if (l->unfiltered) {
        memset(&m, 0xFF, sizeof m);
        return m;
    }
    prefilter_scan(l->near, j->text, j->near, &m);
    if (j->n == j->near) return m;
    prefilter_scan(l->far, j->text, j->n, &far);
    for (size_t i = 0; i < l->n_far; i++) {
        if (rule_mask_has(&far, i)) m.bits[l->far_signs[i] / 64] |= 1ull << (l->far_signs[i] % 64);
    }
    return m;
}

wr_status lexicon_judge(lexicon *l, const char *query, size_t query_length, const char *reply, size_t reply_length,
                        const char *followup, size_t followup_length, verdict *out) {
    *out = (verdict){.rule = ""};
    if (followup_length == 0) return WR_OK;
    if (!cleaned_text_set(&l->text, followup, followup_length))
        return wr_fail(WR_E_NOMEM, "out of memory in the lexicon");
    judged j = judge_text(&l->text);
    const sign *no = NULL, *yes = NULL;
    rule_mask m = candidates(l, &j);
    reply_kind kind = text_asks(reply, reply_length) ? REPLY_QUESTION : REPLY_STATEMENT;
    for (size_t w = 0; w * 64 < l->n; w++) {
        for (uint64_t bits = m.bits[w]; bits; bits &= bits - 1) {
            size_t i = w * 64 + (size_t)__builtin_ctzll(bits);
            if (i >= l->n) break;
            const sign *s = &l->signs[i];
            double *best = s->level <= 2 ? &out->negative : &out->positive;
            if ((s->reply != REPLY_ANY && s->reply != kind) || s->weight <= *best)
                continue; /* it is not asked, or could not win */
            double x = strength(l, s, &j);
            if (x < found || x <= *best) continue;
            *best = x;
            *(s->level <= 2 ? &no : &yes) = s;
        }
    }
    /* The same question again: the reply did not do. ("Please continue" again is none: it is too short.) */
    if (out->positive == 0 && out->negative < 0.6 && text_same(query, query_length, followup, followup_length)) {
        *out = (verdict){2, 0.6, 0, "repeated"};
        return WR_OK;
    }
    const sign *decides = no && (!yes || out->negative >= out->positive - 0.25) ? no : yes;
    out->level = decides ? decides->level : 3;
    out->rule = decides ? decides->rule->name : "";
    return WR_OK;
}

/* Signs first … end - 1 are those of one rule. Is one of them found in its examples, whatever the reply? */
static wr_status check_rule(lexicon *l, size_t first, size_t end, size_t *examples) {
    wr_status status = WR_OK;
    const rule *r = l->signs[first].rule;
    for (size_t i = 0; i < r->n_examples; i++) {
        const rule_line *x = &r->examples[i];
        if (!cleaned_text_set(&l->text, x->text, strlen(x->text)))
            TRY(wr_fail(WR_E_NOMEM, "out of memory in the lexicon"));
        judged j = judge_text(&l->text);
        rule_mask m = candidates(l, &j);
        bool here = false;
        for (size_t k = first; k < end; k++)
            here = here || (rule_mask_has(&m, k) && strength(l, &l->signs[k], &j) >= found);
        if (here != (x->sign == '+'))
            TRY(rule_fail(l->file, r, x->line, "example \"%.200s\" %s found by it", x->text,
                          here ? "must not be, but is" : "must be, but is not"));
        if (examples) ++*examples;
    }
cleanup:
    return status;
}

wr_status lexicon_check(lexicon *l, size_t *examples) {
    wr_status status = WR_OK;
    if (examples) *examples = 0;
    for (size_t first = 0, end; first < l->n; first = end) {
        for (end = first + 1; end < l->n && l->signs[end].rule == l->signs[first].rule;) end++;
        TRY(check_rule(l, first, end, examples));
    }
cleanup:
    return status;
}
