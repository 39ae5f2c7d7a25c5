/* Each resample is a set of its own, whose items are the drawn prompts' as often as they were drawn, and is judged by the
 * suite's own rule: what weighs sections or pairs prompts need not know of it. */
#include "evaluate/suites/suite_intervals.h"

#include "base/mem.h"
#include "evaluate/statistics/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OF_PROMPTS = 1 }; /* random numbers of bootstrap_intervals */

typedef struct resampling {
    const suite *kind;
    const suite_set *s;
    const double *scores;
    const suite_figures *whole;
    uint32_t *prompt; /* (s->n): 0 … n_prompts-1 */
    size_t n_prompts;
    suite_item *items; /* of the resample */
    size_t capacity;
    size_t *rows, *all; /* (n_groups): rows of the resample, and of the whole */
    wr_status status;
} resampling;

typedef struct placed {
    uint64_t prompt;
    size_t item;
} placed;

static int by_prompt(const void *a, const void *b) {
    const placed *x = a, *y = b;
    if (x->prompt != y->prompt) return x->prompt < y->prompt ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

/* Rows without a prompt are each one of their own. Prompts are numbered by their hashes. */
static wr_status number_prompts(resampling *r) {
    wr_status status = WR_OK;
    const size_t n = r->s->n;
    placed *order = mem_calloc(n + 1, sizeof *order);
    TRY_ALLOC(order);
    for (size_t i = 0; i < n; i++) order[i] = (placed){r->s->items[i].prompt, i};
    qsort(order, n, sizeof *order, by_prompt);
    for (size_t i = 0; i < n; i++) {
        const bool same = i && order[i].prompt && order[i].prompt == order[i - 1].prompt;
        r->n_prompts += !same;
        r->prompt[order[i].item] = (uint32_t)(r->n_prompts - 1);
    }
cleanup:
    free(order);
    return status;
}

static wr_status draw(resampling *r, const uint32_t *weight, suite_set *out) {
    wr_status status = WR_OK;
    size_t n = 0;
    *out = *r->s;
    for (size_t i = 0; i < r->s->n; i++) n += weight ? weight[r->prompt[i]] : 1;
    TRY(mem_reserve((void **)&r->items, &r->capacity, n + 1, sizeof *r->items));
    memset(r->rows, 0, r->s->n_groups * sizeof *r->rows);
    out->items = r->items;
    out->n = 0;
    for (size_t i = 0; i < r->s->n; i++)
        for (uint32_t k = 0; k < (weight ? weight[r->prompt[i]] : 1); k++) {
            out->items[out->n++] = r->s->items[i];
            r->rows[r->s->items[i].group]++;
        }
cleanup:
    return status;
}

static double figure_of(const suite_figures *f, const suite_figure *like) {
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->list[i].name, like->name) == 0 && strcmp(f->list[i].part, like->part) == 0)
            return f->list[i].value;
    return NAN;
}

/* values (whole->n + 1): the list's, then overall. */
static void take(void *context, const uint32_t *weight, double *values) {
    resampling *r = context;
    const size_t n = r->whole->n;
    suite_set sample;
    suite_figures f = {.sample = true};
    wr_status status = draw(r, weight, &sample);
    bool whole = status >= 0;
    for (size_t g = 0; g < r->s->n_groups && whole; g++) whole = r->rows[g] || !r->all[g];
    if (whole) status = r->kind->judge(&sample, r->scores, &f);
    for (size_t i = 0; i < n; i++) values[i] = whole ? figure_of(&f, &r->whole->list[i]) : NAN;
    values[n] = whole ? f.overall : NAN;
    if (status < 0) r->status = status;
    suite_figures_free(&f);
}

wr_status suite_intervals(const suite *kind, const suite_set *s, const double *scores, size_t resamples, uint64_t seed,
                          suite_figures *f) {
    wr_status status = WR_OK;
    resampling r = {.kind = kind, .s = s, .scores = scores, .whole = f};
    figure_interval *interval = mem_calloc(f->n + 1, sizeof *interval);
    TRY_ALLOC(interval);
    TRY_ALLOC(r.prompt = mem_calloc(s->n + 1, sizeof *r.prompt));
    TRY_ALLOC(r.rows = mem_calloc(s->n_groups + 1, sizeof *r.rows));
    TRY_ALLOC(r.all = mem_calloc(s->n_groups + 1, sizeof *r.all));
    for (size_t i = 0; i < s->n; i++) r.all[s->items[i].group]++;
    TRY(number_prompts(&r));
    TRY(bootstrap_intervals(r.n_prompts, f->n + 1, resamples, seed, OF_PROMPTS, take, &r, interval));
    TRY(r.status);
    for (size_t i = 0; i < f->n; i++) f->list[i].low = interval[i].low, f->list[i].high = interval[i].high;
    f->low = interval[f->n].low;
    f->high = interval[f->n].high;
    f->defined = interval[f->n].defined;
    f->resamples = resamples;
    f->seed = seed;
    f->prompts = r.n_prompts;
cleanup:
    free(interval);
    free(r.prompt);
    free(r.rows);
    free(r.all);
    free(r.items);
    return status;
}
