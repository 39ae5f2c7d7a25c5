#include "data/lexicon.h"

#include "base/mem.h"
#include "base/strbuf.h"
#include "data/lexicon_rules.h"
#include "data/pattern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_AT = 4000 };
static const double found = 0.5; /* strength from which a sign counts */

struct lexicon {
    pattern **rules;
    pattern *filler, *negation;
    strbuf text; /* cleaned copy */
};

void lexicon_free(lexicon *l) {
    if (!l) return;
    for (size_t i = 0; l->rules && i < lexicon_rule_count; i++) pattern_free(l->rules[i]);
    free(l->rules);
    pattern_free(l->filler);
    pattern_free(l->negation);
    strbuf_free(&l->text);
    free(l);
}

static wr_status compile_rule(const lexicon_rule *rule, pattern **out) {
    wr_status status = WR_OK;
    strbuf regex = {0};
    switch (rule->place) {
    case PLACE_OPENING:
        strbuf_printf(&regex, "\\G(?:%s)", rule->regex);
        break;
    case PLACE_WHOLE:
        strbuf_printf(&regex, "^[\\s\\p{P}]*(?:%s)[\\s\\p{P}\\p{So}]*$", rule->regex);
        break;
    default:
        strbuf_printf(&regex, "(?:%s)", rule->regex);
        break;
    }
    TRY(strbuf_status(&regex));
    TRY(wr_context(pattern_compile(regex.data, out), "lexicon rule %s", rule->name));
cleanup:
    strbuf_free(&regex);
    return status;
}

wr_status lexicon_create(lexicon **out) {
    wr_status status = WR_OK;
    lexicon *l = mem_calloc(1, sizeof *l);
    TRY_ALLOC(l);
    TRY_ALLOC(l->rules = mem_calloc(lexicon_rule_count, sizeof *l->rules));
    for (size_t i = 0; i < lexicon_rule_count; i++) TRY(compile_rule(&lexicon_rules[i], &l->rules[i]));
    TRY(pattern_compile(
        "\\G(?:ok(?:ay)?|oh|ah|hm+|um+|uh|er|well|so|but|and|yes|yeah|yep|sorry|hey|hi|now|actually|alright|all "
        "right|wait|lol|haha|"
        "man|dude|bro|gpt|chat ?gpt|嗯+|哦|啊|呃|那|但是?|可是|好的?|额)(?:\\b|(?<=[^ -~]))[\\s,.!…:;，。！、-]*",
        &l->filler));
    TRY(pattern_compile("(?:\\b(?:not|never|no|nothing|hardly|isn|aren|wasn|don|doesn|didn|can|won|couldn|without|"
                        "cannot)(?:['’]?t)?\\s+(?:\\w+\\s+){0,2}|"
                        "n['’]t (?:\\w+ ){0,2}|不(?:太|是|怎么)?|没有?|并非)$",
                        &l->negation));
    *out = l;
    l = NULL;
cleanup:
    lexicon_free(l);
    return status;
}

/* Appends at most LOOK_AT bytes of the message without code blocks, quotations, quoted lines and addresses, white space
 * collapsed but for line breaks. */
static void clean(strbuf *out, const char *s, size_t n) {
    bool line_start = true;
    for (size_t i = 0; i < n && out->len < LOOK_AT;) {
        if (n - i >= 3 && memcmp(s + i, "```", 3) == 0) {
            const char *end = memmem(s + i + 3, n - i - 3, "```", 3);
            i = end ? (size_t)(end - s) + 3 : n;
            strbuf_puts(out, " … ");
            continue;
        }
        if (line_start && s[i] == '>') {
            while (i < n && s[i] != '\n') i++;
            continue;
        }
        size_t open = 0, close_length = 1;
        const char *close = NULL;
        if (s[i] == '"')
            open = 1, close = "\"";
        else if (n - i >= 3 && memcmp(s + i, "“", 3) == 0)
            open = 3, close = "”", close_length = 3;
        else if (n - i >= 3 && memcmp(s + i, "「", 3) == 0)
            open = 3, close = "」", close_length = 3;
        if (open) {
            const char *end = memmem(s + i + open, n - i - open, close, close_length);
            if (end) {
                strbuf_puts(out, " … ");
                i = (size_t)(end - s) + close_length;
                line_start = false;
                continue;
            }
        }
        line_start = s[i] == '\n';
        bool space = isspace((unsigned char)s[i]);
        if (s[i] == '\n')
            strbuf_putc(out, '\n');
        else if (!space)
            strbuf_putc(out, s[i]);
        else if (out->len && out->data[out->len - 1] != ' ' && out->data[out->len - 1] != '\n')
            strbuf_putc(out, ' ');
        i++;
    }
    while (out->len && isspace((unsigned char)out->data[out->len - 1])) out->data[--out->len] = '\0';
}

static double place_factor(rule_place place, size_t at) {
    switch (place) {
    case PLACE_EARLY:
        return at <= 160 ? 1 : at <= 400 ? 0.5 : 0;
    case PLACE_ANYWHERE:
        return at <= 600 ? 1 : at <= 2000 ? 0.5 : 0;
    default:
        return 1;
    }
}

/* Strength of a rule in the text; opening[]: where the message begins, and where it begins behind filler words. */
static double strength(lexicon *l, size_t rule, const char *text, size_t n, const size_t *openings, size_t n_openings) {
    const lexicon_rule *r = &lexicon_rules[rule];
    size_t at = 0;
    if (r->place == PLACE_OPENING) {
        for (size_t i = 0; i < n_openings; i++) {
            if (pattern_find(l->rules[rule], text, n, openings[i], &at, NULL)) return r->weight;
        }
        return 0;
    }
    if (!pattern_find(l->rules[rule], text, n, 0, &at, NULL)) return 0;
    if (r->level >= 4 && r->place != PLACE_WHOLE && at) {
        size_t from = at > 24 ? at - 24 : 0;
        if (pattern_find(l->negation, text + from, at - from, 0, NULL, NULL)) return 0;
    }
    return r->weight * place_factor(r->place, at);
}

/* The same message but for white space at its ends. */
static bool same_text(const char *a, size_t na, const char *b, size_t nb) {
    while (na && isspace((unsigned char)a[na - 1])) na--;
    while (nb && isspace((unsigned char)b[nb - 1])) nb--;
    return na > 8 && na == nb && memcmp(a, b, na) == 0;
}

wr_status lexicon_judge(lexicon *l, const char *query, size_t query_length, const char *reply, size_t reply_length,
                        const char *followup, size_t followup_length, verdict *out) {
    (void)reply;
    (void)reply_length;
    *out = (verdict){.rule = ""};
    strbuf_clear(&l->text);
    strbuf_puts(&l->text, "");
    clean(&l->text, followup, followup_length);
    if (l->text.failed) return wr_fail(WR_E_NOMEM, "out of memory in the lexicon");
    if (followup_length == 0) return WR_OK;
    const char *text = strbuf_str(&l->text);
    size_t n = l->text.len, openings[4] = {0}, n_openings = 1, start, end;
    while (n_openings < 4 && pattern_find(l->filler, text, n, openings[n_openings - 1], &start, &end) && end > start) {
        openings[n_openings++] = end;
    }
    const lexicon_rule *no = NULL, *yes = NULL;
    for (size_t i = 0; i < lexicon_rule_count; i++) {
        const lexicon_rule *r = &lexicon_rules[i];
        double s = strength(l, i, text, n, openings, n_openings);
        if (s < found) continue;
        if (r->level <= 2 && s > out->negative) out->negative = s, no = r;
        if (r->level >= 4 && s > out->positive) out->positive = s, yes = r;
    }
    /* The same question again: the reply did not do. */
    if (same_text(query, query_length, followup, followup_length) && out->positive == 0 && out->negative < 0.6) {
        *out = (verdict){2, 0.6, 0, "repeated"};
        return WR_OK;
    }
    const lexicon_rule *decides = no && (!yes || out->negative >= out->positive - 0.25) ? no : yes;
    out->level = decides ? decides->level : 3;
    out->rule = decides ? decides->name : "";
    return WR_OK;
}
