/* How far annotators agree on the level of the same turns: share of equal answers, Cohen's kappa (Cohen 1960; weighted,
 * Cohen 1968), Krippendorff's alpha (Krippendorff 2004, chapter 11: missing answers allowed), on the five levels and on
 * three (1–2 negative, 3 neutral, 4–5 positive), with percentile intervals of a bootstrap over users: turns of one
 * person are not independent, so whole users are drawn with replacement. Only counts of answer patterns by user are
 * kept, so a resample costs as many additions as there are (user, pattern) combinations. LOCAL. */
#ifndef WR_DATA_LABEL_AGREE_AGREEMENT_H
#define WR_DATA_LABEL_AGREE_AGREEMENT_H

#include "base/status.h"
#include "data/label/annotate/answer_pattern.h"

typedef enum agreement_figure {
    AGREEMENT_SHARE,     /* of pairs of answers to one turn, how many are equal */
    AGREEMENT_KAPPA,     /* Cohen's; of more than two annotators the mean over pairs (Light 1971) */
    AGREEMENT_LINEAR,    /* weighted by |i - j| */
    AGREEMENT_QUADRATIC, /* weighted by (i - j)^2 */
    AGREEMENT_NOMINAL,   /* Krippendorff's alpha */
    AGREEMENT_ORDINAL,
    AGREEMENT_INTERVAL,
    AGREEMENT_FIGURES
} agreement_figure;
const char *agreement_figure_name(agreement_figure f); /* "agreement", "kappa", "kappa_linear", …, "alpha_interval" */

/* NaN where a figure is undefined (no turn that two answered; all answers equal, so that no disagreement is expected).
 */
typedef struct agreement_result {
    double turns; /* that at least two of the annotators answered */
    double value[AGREEMENT_FIGURES], low[AGREEMENT_FIGURES], high[AGREEMENT_FIGURES];
} agreement_result;
typedef enum agreement_ways { FIVE_WAYS, THREE_WAYS, AGREEMENT_WAYS } agreement_ways;

typedef struct agreement agreement;
/* 2 … PATTERN_ANNOTATORS annotators. WR_E_USAGE otherwise. */
wr_status agreement_create(size_t annotators, agreement **out);
void agreement_free(agreement *g); /* NULL is fine */
/* `count` turns of one user (numbers from 0; any order) with these answers ((annotators), 0 = none). WR_E_USAGE for a
 * level above 5. */
wr_status agreement_add(agreement *g, uint32_t user, const uint8_t *answers, uint64_t count);
/* pairs: [n_pairs][AGREEMENT_WAYS], pair (a, b), a < b, at agreement_pair(a, b, annotators); overall: all annotators
 * together. resamples 0: no intervals. The resamples are a function of the seed and of the users' numbers (users of
 * whom no turn has two answers aside). Intervals are 2.5 % and 97.5 % quantiles (linear between order statistics) of
 * the resamples where the figure is defined. */
wr_status agreement_measure(agreement *g, size_t resamples, uint64_t seed, agreement_result (*pairs)[AGREEMENT_WAYS],
                            agreement_result overall[AGREEMENT_WAYS]);
static inline size_t agreement_pair(size_t a, size_t b, size_t annotators) {
    return a * annotators - a * (a + 1) / 2 + (b - a - 1);
}
/* Users with a turn that at least two annotators answered; these are drawn. After agreement_measure. */
size_t agreement_users(const agreement *g);
/* table[i][j]: turns with level i + 1 by annotator a and j + 1 by b. */
void agreement_table(const agreement *g, size_t a, size_t b, uint64_t table[PATTERN_LEVELS][PATTERN_LEVELS]);
/* Adds how often each pattern occurs to counts[pattern_count(annotators)]: the input of dawid_skene_fit. */
void agreement_histogram(const agreement *g, uint64_t *counts);

/* The figures of one table of two annotators, `levels` x `levels`, row-major. */
void agreement_of_table(const double *table, size_t levels, double figures[AGREEMENT_FIGURES]);
/* Krippendorff's alpha from a coincidence matrix (levels x levels, symmetric); metric: AGREEMENT_NOMINAL, _ORDINAL or
 * _INTERVAL. */
double agreement_alpha(const double *coincidence, size_t levels, agreement_figure metric);

#endif
