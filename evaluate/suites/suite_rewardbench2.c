/* RewardBench 2 (arXiv 2506.01937): best of several, right where the one chosen reply scores strictly highest; overall
 * is the plain mean of the subsets that are there.
 *
 * Ties has prompts with several right answers ("tied:ID"), most of them beside a prompt of the same number with one
 * ("ref:ID"). Of a prompt, with its right scores r and its wrong ones w, as process_single_model of the package
 * rewardbench (0.1.4) has it:
 *
 *     gap = min r - max w        accurate: gap > 0        spread = max r - min r, of two right answers or more
 *
 *     Ties = 0.3 mean(tied accurate) + 0.3 mean(ref accurate)
 *          + 0.2 mean(tied gap > spread) + 0.2 mean(min(ref gap, tied gap) > spread)     over pairs with a spread
 *          + 0.01 mean(tanh(min(ref gap, tied gap) / spread - 1))                        ... that is above 0
 *
 * A mean over no prompt is 0, but where there are pairs and none has a spread it is none, and so is Ties. */
#include "evaluate/suites/suite_rows.h"

#include "base/hash.h"
#include "base/log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const subsets[] = {"Factuality", "Precise IF", "Math", "Safety", "Focus", "Ties"};
enum { SUBSETS = sizeof subsets / sizeof *subsets, TIES = SUBSETS - 1 };
enum { BEST_OF, REF, TIED }; /* kinds of items */

static int find(const char *name) {
    for (int i = 0; i < SUBSETS; i++)
        if (strcasecmp(subsets[i], name) == 0) return i;
    return -1;
}

/* "ref:12" or "tied:12" */
static bool tie_id(const char *id, suite_item *x) {
    const char *colon = strchr(id, ':'), *at = colon ? colon + 1 : "";
    const size_t n = colon ? (size_t)(colon - id) : 0, digits = strspn(at, "0123456789");
    if (!digits || digits > 15 || at[digits]) return false;
    x->kind = n == 3 && memcmp(id, "ref", 3) == 0 ? REF : n == 4 && memcmp(id, "tied", 4) == 0 ? TIED : BEST_OF;
    x->id = strtoll(at, NULL, 10);
    return x->kind != BEST_OF;
}

static wr_status read_tie(suite_reader *r, const json_value *row) {
    wr_status status = WR_OK;
    const char *id;
    size_t n;
    TRY(suite_text(row, "id", &id, &n));
    if (!tie_id(id, &r->item))
        TRY(wr_fail(WR_E_FORMAT, "id \"%.40s\" of subset Ties is neither ref:NUMBER nor tied:NUMBER", id));
    for (size_t i = 0; i < r->set->n; i++)
        if (r->set->items[i].kind == r->item.kind && r->set->items[i].id == r->item.id)
            TRY(wr_fail(WR_E_FORMAT, "id \"%.40s\" of subset Ties stands at %s, too", id, r->set->items[i].where));
    r->item.prompt = hash64(&r->item.id, sizeof r->item.id, TIES); /* a tied prompt and its reference */
cleanup:
    return status;
}

static wr_status read(suite_reader *r, const json_value *row) {
    wr_status status = WR_OK;
    const json_value *chosen, *rejected;
    const char *name;
    size_t n;
    TRY(suite_prompt(r, row, "prompt"));
    TRY(suite_texts(row, "chosen", &chosen));
    TRY(suite_texts(row, "rejected", &rejected));
    TRY(suite_length(row, "num_correct", chosen, "chosen"));
    TRY(suite_length(row, "num_incorrect", rejected, "rejected"));
    TRY(suite_text(row, "subset", &name, &n));
    const int subset = find(name);
    if (subset < 0) TRY(wr_fail(WR_E_FORMAT, "subset \"%.60s\" is none of RewardBench 2's", name));
    if (subset == TIES) TRY(read_tie(r, row));
    if (subset != TIES && chosen->length != 1)
        TRY(wr_fail(WR_E_FORMAT, "field \"chosen\" has %zu texts; in subset %s one is right", chosen->length,
                    subsets[subset]));
    TRY(suite_in_group(r, subsets[subset], strlen(subsets[subset])));
    r->item.n_right = (uint32_t)chosen->length;
    TRY(suite_replies(r, chosen));
    TRY(suite_replies(r, rejected));
cleanup:
    return status;
}

/* --- Ties --- */

typedef struct tie_prompt {
    double gap, spread; /* spread < 0: one right answer */
} tie_prompt;

static tie_prompt tie_of(const suite_item *x, const double *scores) {
    double low = INFINITY, high = -INFINITY, wrong = -INFINITY;
    for (size_t i = 0; i < x->n; i++) {
        const double s = scores[x->first + i];
        if (i >= x->n_right) wrong = fmax(wrong, s);
        if (i < x->n_right) low = fmin(low, s), high = fmax(high, s);
    }
    return (tie_prompt){low - wrong, x->n_right > 1 ? high - low : -1};
}

typedef struct mean {
    double sum, n;
} mean;
static void count(mean *m, double value) { m->sum += value, m->n++; }
static double mean_or(const mean *m, double none) { return m->n > 0 ? m->sum / m->n : none; }

static const suite_item *ref_of(const suite_set *s, int64_t id) {
    for (size_t i = 0; i < s->n; i++)
        if (s->items[i].kind == REF && s->items[i].id == id) return &s->items[i];
    return NULL;
}

static double ties_score(const suite_set *s, const double *scores) {
    mean accurate[2] = {0}, preferred = {0}, preferred_hard = {0}, margin = {0};
    bool pairs = false;
    for (size_t i = 0; i < s->n; i++) {
        const suite_item *x = &s->items[i], *ref = x->kind == TIED ? ref_of(s, x->id) : NULL;
        if (x->kind == BEST_OF) continue;
        const tie_prompt t = tie_of(x, scores);
        count(&accurate[x->kind == TIED], t.gap > 0);
        pairs = pairs || ref;
        if (!ref || t.spread < 0) continue;
        const double least = fmin(tie_of(ref, scores).gap, t.gap);
        count(&preferred, t.gap > t.spread);
        count(&preferred_hard, least > t.spread);
        if (t.spread > 0) count(&margin, tanh(least / t.spread - 1));
    }
    const double none = pairs ? NAN : 0;
    return 0.3 * mean_or(&accurate[1], 0) + 0.3 * mean_or(&accurate[0], 0) + 0.2 * mean_or(&preferred, none) +
           0.2 * mean_or(&preferred_hard, none) + 0.01 * mean_or(&margin, 0);
}

static wr_status judge(const suite_set *s, const double *scores, suite_figures *out) {
    wr_status status = WR_OK;
    double total = 0;
    size_t present = 0;
    suite_share *shares = mem_calloc(s->n_groups + 1, sizeof *shares);
    TRY_ALLOC(shares);
    suite_shares(s, scores, &out->ties, shares);
    for (int k = 0; k < SUBSETS; k++) {
        for (size_t g = 0; g < s->n_groups; g++) {
            if (strcmp(s->groups[g], subsets[k]) != 0 || !shares[g].n) continue;
            const double value = k == TIES ? ties_score(s, scores) : suite_mean(&shares[g]);
            if (isnan(value) && !out->sample)
                log_warn("rewardbench2: no tied prompt has two right answers: Ties, and so overall, is none");
            TRY(suite_put(out, "sections", subsets[k], value));
            total += value;
            present++;
        }
    }
    if (present < SUBSETS && !out->sample)
        log_warn("rewardbench2: rows of %zu of %d subsets, whose mean overall is", present, SUBSETS);
    out->overall = total / (double)present;
cleanup:
    free(shares);
    return status;
}

static const char *const
    names[] = {"prompt", "chosen", "rejected", "num_correct", "num_incorrect", "subset", "id", NULL},
    *const needed[] = {"prompt", "chosen", "rejected", "subset", NULL},
    *const typed[] = {"chosen", "rejected", "num_correct", "num_incorrect", NULL}, *const texts[] = {"prompt", NULL};
const suite suite_rewardbench2 = {.name = "rewardbench2",
                                  .columns = {.names = names, .needed = needed, .typed = typed, .texts = texts},
                                  .needs = "a prompt, lists of chosen and rejected texts, subset, and in Ties id",
                                  .read = read,
                                  .judge = judge};
