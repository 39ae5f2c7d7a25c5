#include "data/label/agree/agreement.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { L = PATTERN_LEVELS, LL = L * L, MAX_PAIRS = PATTERN_ANNOTATORS * (PATTERN_ANNOTATORS - 1) / 2 };

/* `count` turns of a user with one pattern of answers; `pattern` is an index into agreement.patterns. */
typedef struct entry {
    uint32_t user, pattern;
    uint64_t count;
} entry;

struct agreement {
    size_t annotators, n_pairs;
    int32_t *index_of;  /* (6^annotators) -1: not met yet */
    uint32_t *patterns; /* (n_patterns) in order of first appearance */
    size_t n_patterns, pattern_capacity;
    entry *entries;
    size_t n_entries, entry_capacity;
    bool sorted;
    size_t *first; /* (n_users + 1) first entry of each user that has any */
    size_t n_users;
    size_t *compared; /* (n_compared) users with a turn that two answered: only they are drawn */
    size_t n_compared;
};

wr_status agreement_create(size_t annotators, agreement **out) {
    wr_status status = WR_OK;
    agreement *g = NULL;
    if (annotators < 2 || annotators > PATTERN_ANNOTATORS)
        return wr_fail(WR_E_USAGE, "agreement: %zu annotators; 2 to %d can be compared", annotators,
                       PATTERN_ANNOTATORS);
    TRY_ALLOC(g = mem_calloc(1, sizeof *g));
    g->annotators = annotators;
    g->n_pairs = annotators * (annotators - 1) / 2;
    size_t n = pattern_count(annotators);
    TRY_ALLOC(g->index_of = mem_calloc(n, sizeof *g->index_of));
    for (size_t i = 0; i < n; i++) g->index_of[i] = -1;
    *out = g;
    g = NULL;
cleanup:
    agreement_free(g);
    return status;
}

void agreement_free(agreement *g) {
    if (!g) return;
    free(g->index_of);
    free(g->patterns);
    free(g->entries);
    free(g->first);
    free(g->compared);
    free(g);
}

wr_status agreement_add(agreement *g, uint32_t user, const uint8_t *answers, uint64_t count) {
    wr_status status = WR_OK;
    for (size_t a = 0; a < g->annotators; a++) {
        if (answers[a] > L) return wr_fail(WR_E_USAGE, "agreement: level %d; levels are 1 to %d", answers[a], L);
    }
    uint32_t pattern = pattern_of(answers, g->annotators);
    if (g->index_of[pattern] < 0) {
        VEC_PUSH(g->patterns, g->n_patterns, g->pattern_capacity, pattern);
        g->index_of[pattern] = (int32_t)(g->n_patterns - 1);
    }
    VEC_PUSH(g->entries, g->n_entries, g->entry_capacity, ((entry){user, (uint32_t)g->index_of[pattern], count}));
    g->sorted = false;
cleanup:
    return status;
}

static int by_user(const void *x, const void *y) {
    const entry *a = x, *b = y;
    if (a->user != b->user) return a->user < b->user ? -1 : 1;
    return (a->pattern > b->pattern) - (a->pattern < b->pattern);
}

static size_t answered(const agreement *g, uint32_t pattern) {
    uint8_t answers[PATTERN_ANNOTATORS];
    size_t m = 0;
    pattern_answers(pattern, g->annotators, answers);
    for (size_t a = 0; a < g->annotators; a++) m += answers[a] > 0;
    return m;
}

/* Entries by user and pattern, equal ones merged. */
static wr_status sort_entries(agreement *g) {
    wr_status status = WR_OK;
    if (g->sorted) return WR_OK;
    if (g->n_entries) qsort(g->entries, g->n_entries, sizeof *g->entries, by_user);
    size_t n = 0, users = 0;
    for (size_t i = 0; i < g->n_entries; i++) {
        const entry *e = &g->entries[i];
        if (n && by_user(&g->entries[n - 1], e) == 0) {
            g->entries[n - 1].count += e->count;
            continue;
        }
        users += !n || g->entries[n - 1].user != e->user;
        g->entries[n++] = *e;
    }
    g->n_entries = n;
    free(g->first);
    TRY_ALLOC(g->first = mem_calloc(users + 1, sizeof *g->first));
    g->n_users = 0;
    for (size_t i = 0; i < n; i++) {
        if (!i || g->entries[i - 1].user != g->entries[i].user) g->first[g->n_users++] = i;
    }
    g->first[g->n_users] = n;
    free(g->compared);
    TRY_ALLOC(g->compared = mem_calloc(users + 1, sizeof *g->compared));
    g->n_compared = 0;
    for (size_t u = 0; u < users; u++) {
        bool any = false;
        for (size_t e = g->first[u]; e < g->first[u + 1] && !any; e++)
            any = answered(g, g->patterns[g->entries[e].pattern]) >= 2;
        if (any) g->compared[g->n_compared++] = u;
    }
    g->sorted = true;
cleanup:
    return status;
}

/* --- from pattern counts to figures --- */

typedef struct tables {
    double pair[MAX_PAIRS][LL];
    double coincidence[LL];
    double turns; /* with two answers or more */
} tables;

static void add_pattern(const agreement *g, uint32_t pattern, double weight, tables *t) {
    uint8_t answers[PATTERN_ANNOTATORS];
    double n[L] = {0};
    size_t m = 0, pair = 0;
    pattern_answers(pattern, g->annotators, answers);
    for (size_t a = 0; a < g->annotators; a++) {
        if (answers[a]) n[answers[a] - 1]++, m++;
        for (size_t b = a + 1; b < g->annotators; b++, pair++) {
            if (answers[a] && answers[b]) t->pair[pair][(answers[a] - 1) * L + answers[b] - 1] += weight;
        }
    }
    if (m < 2) return;
    t->turns += weight;
    for (size_t c = 0; c < L; c++) {
        for (size_t k = 0; k < L; k++) t->coincidence[c * L + k] += weight * n[c] * (n[k] - (c == k)) / (double)(m - 1);
    }
}

static void fill_tables(const agreement *g, const uint64_t *counts, tables *t) {
    memset(t, 0, sizeof *t);
    for (size_t p = 0; p < g->n_patterns; p++) {
        if (counts[p]) add_pattern(g, g->patterns[p], (double)counts[p], t);
    }
}

/* Levels 1–2, 3, 4–5. */
static void three_ways(const double *five, double *three) {
    static const size_t class_of[L] = {0, 0, 1, 2, 2};
    memset(three, 0, 9 * sizeof *three);
    for (size_t i = 0; i < L; i++) {
        for (size_t j = 0; j < L; j++) three[class_of[i] * 3 + class_of[j]] += five[i * L + j];
    }
}

static double total_of(const double *t, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += t[i];
    return sum;
}

/* figures: [n_pairs + 1][AGREEMENT_WAYS][AGREEMENT_FIGURES]; the last row is all annotators together. */
static void figures_of(const agreement *g, const tables *t, double *figures) {
    for (int way = 0; way < AGREEMENT_WAYS; way++) {
        size_t levels = way == FIVE_WAYS ? L : 3;
        double *all = figures + (g->n_pairs * AGREEMENT_WAYS + (size_t)way) * AGREEMENT_FIGURES, three[9];
        double equal = 0, answered = 0, sum[AGREEMENT_FIGURES] = {0};
        size_t defined[AGREEMENT_FIGURES] = {0};
        for (size_t p = 0; p < g->n_pairs; p++) {
            const double *table = t->pair[p];
            double *f = figures + (p * AGREEMENT_WAYS + (size_t)way) * AGREEMENT_FIGURES;
            if (way == THREE_WAYS) three_ways(t->pair[p], three), table = three;
            agreement_of_table(table, levels, f);
            answered += total_of(table, levels * levels);
            for (size_t i = 0; i < levels; i++) equal += table[i * levels + i];
            for (int k = AGREEMENT_KAPPA; k <= AGREEMENT_QUADRATIC; k++) {
                if (isfinite(f[k])) sum[k] += f[k], defined[k]++;
            }
        }
        const double *o = t->coincidence;
        if (way == THREE_WAYS) three_ways(t->coincidence, three), o = three;
        all[AGREEMENT_SHARE] = answered > 0 ? equal / answered : NAN;
        for (int k = AGREEMENT_KAPPA; k <= AGREEMENT_QUADRATIC; k++)
            all[k] = defined[k] ? sum[k] / (double)defined[k] : NAN;
        for (int k = AGREEMENT_NOMINAL; k <= AGREEMENT_INTERVAL; k++)
            all[k] = agreement_alpha(o, levels, (agreement_figure)k);
    }
}

static void count_all(const agreement *g, uint64_t *counts) {
    memset(counts, 0, (g->n_patterns + 1) * sizeof *counts);
    for (size_t i = 0; i < g->n_entries; i++) counts[g->entries[i].pattern] += g->entries[i].count;
}

/* As many users as there are, drawn with replacement. */
static void count_resample(const agreement *g, uint64_t seed, size_t resample, uint64_t *counts) {
    rng r = rng_make(seed, RNG_BOOTSTRAP, resample, g->annotators, 1);
    memset(counts, 0, (g->n_patterns + 1) * sizeof *counts);
    for (size_t i = 0; i < g->n_compared; i++) {
        size_t u = g->compared[rng_below(&r, g->n_compared)];
        for (size_t e = g->first[u]; e < g->first[u + 1]; e++) counts[g->entries[e].pattern] += g->entries[e].count;
    }
}

static int by_value(const void *x, const void *y) {
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double quantile(const double *sorted, size_t n, double q) {
    if (!n) return NAN;
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

/* Interval of figure number f out of the `row` figures of each resample. */
static void interval_of(const double *samples, size_t resamples, size_t row, size_t f, double *scratch, double *low,
                        double *high) {
    size_t n = 0;
    for (size_t s = 0; s < resamples; s++) {
        if (isfinite(samples[s * row + f])) scratch[n++] = samples[s * row + f];
    }
    if (n) qsort(scratch, n, sizeof *scratch, by_value);
    *low = quantile(scratch, n, 0.025);
    *high = quantile(scratch, n, 0.975);
}

static wr_status draw_resamples(const agreement *g, size_t resamples, uint64_t seed, size_t row, double *samples) {
    bool short_of_memory = false;
#pragma omp parallel
    {
        uint64_t *counts = mem_calloc(g->n_patterns + 1, sizeof *counts);
        tables *t = mem_calloc(1, sizeof *t);
#pragma omp for schedule(static)
        for (size_t s = 0; s < resamples; s++) {
            if (!counts || !t) continue;
            count_resample(g, seed, s, counts);
            fill_tables(g, counts, t);
            figures_of(g, t, samples + s * row);
        }
        if (!counts || !t) {
#pragma omp atomic write
            short_of_memory = true;
        }
        free(counts);
        free(t);
    }
    return short_of_memory ? wr_fail(WR_E_NOMEM, "out of memory for a bootstrap") : WR_OK;
}

wr_status agreement_measure(agreement *g, size_t resamples, uint64_t seed, agreement_result (*pairs)[AGREEMENT_WAYS],
                            agreement_result overall[AGREEMENT_WAYS]) {
    wr_status status = WR_OK;
    size_t row = (g->n_pairs + 1) * AGREEMENT_WAYS * AGREEMENT_FIGURES;
    double *samples = NULL, *scratch = NULL, *value = NULL;
    uint64_t *counts = NULL;
    tables *t = NULL;
    TRY(sort_entries(g));
    TRY_ALLOC(counts = mem_calloc(g->n_patterns + 1, sizeof *counts));
    TRY_ALLOC(t = mem_calloc(1, sizeof *t));
    TRY_ALLOC(value = mem_calloc(row, sizeof *value));
    TRY_ALLOC(scratch = mem_calloc(resamples + 1, sizeof *scratch));
    TRY_ALLOC(samples = mem_calloc(resamples * row + 1, sizeof *samples));
    count_all(g, counts);
    fill_tables(g, counts, t);
    figures_of(g, t, value);
    TRY(draw_resamples(g, resamples, seed, row, samples));
    for (size_t p = 0; p <= g->n_pairs; p++) {
        for (size_t way = 0; way < AGREEMENT_WAYS; way++) {
            agreement_result *r = p < g->n_pairs ? &pairs[p][way] : &overall[way];
            r->turns = p < g->n_pairs ? total_of(t->pair[p], LL) : t->turns;
            for (size_t k = 0; k < AGREEMENT_FIGURES; k++) {
                size_t f = (p * AGREEMENT_WAYS + way) * AGREEMENT_FIGURES + k;
                r->value[k] = value[f];
                interval_of(samples, resamples, row, f, scratch, &r->low[k], &r->high[k]);
            }
        }
    }
cleanup:
    free(samples);
    free(scratch);
    free(value);
    free(counts);
    free(t);
    return status;
}

size_t agreement_users(const agreement *g) { return g->n_compared; }

void agreement_table(const agreement *g, size_t a, size_t b, uint64_t table[PATTERN_LEVELS][PATTERN_LEVELS]) {
    uint8_t answers[PATTERN_ANNOTATORS];
    memset(table, 0, LL * sizeof **table);
    for (size_t i = 0; i < g->n_entries; i++) {
        pattern_answers(g->patterns[g->entries[i].pattern], g->annotators, answers);
        if (answers[a] && answers[b]) table[answers[a] - 1][answers[b] - 1] += g->entries[i].count;
    }
}

void agreement_histogram(const agreement *g, uint64_t *counts) {
    for (size_t i = 0; i < g->n_entries; i++) counts[g->patterns[g->entries[i].pattern]] += g->entries[i].count;
}
