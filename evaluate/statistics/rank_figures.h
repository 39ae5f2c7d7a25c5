/* Figures of order: how the scores put the records in line with their labels. LOCAL. */
#ifndef WR_EVALUATE_STATISTICS_RANK_FIGURES_H
#define WR_EVALUATE_STATISTICS_RANK_FIGURES_H

#include "base/status.h"
#include "evaluate/statistics/predictions.h"

typedef struct rank_figures {
    double spearman, kendall; /* of score and label; NaN where a side is constant. Kendall's tau-b */
    double pairwise;          /* of two records of different label, the share whose scores have the labels' order
                               * strictly; NaN: there are none */
} rank_figures;

/* Doubles of scratch for K classes. */
static inline size_t rank_scratch_size(int K) { return 4 * (size_t)K + 1; }
/* Of a sample that holds record i weight[i] times: copies are records like others. p: records by rising score; tie_end
 * (n): behind the last record with the same score. auc (K-1): the chance that a record of label > k scores higher than
 * one of label <= k, ties half; NaN where there is no such pair. rank (n): of the scores, less their mean. O(n K), and
 * no sorting. */
void rank_figures_take(const predictions *p, const uint32_t *tie_end, const double *weight, double *scratch,
                       double *rank, rank_figures *out, double *auc);

typedef struct length_figures {
    double score, label; /* rank correlation with length; NaN where a side is constant */
    double held;         /* of score and label with length held fixed: partial correlation of the ranks */
} length_figures;
/* Behind rank_figures_take of the same sample, whose rank, scratch and spearman it takes. by_length (n): records by
 * rising length, tie_end (n) along them. */
void length_figures_take(const predictions *p, const uint32_t *by_length, const uint32_t *tie_end, const double *weight,
                         const double *rank, const double *scratch, double spearman, length_figures *out);

typedef struct pair_count {
    double pairs, right;
} pair_count;
/* Pairs of different label within each group: of_group (n_groups). group (n), records of group NO_PROMPT or beyond
 * n_groups in none. A pair is right where the scores have the labels' order strictly. O(n K). */
wr_status pairs_within(const predictions *p, const uint32_t *order, const uint32_t *group, size_t n_groups,
                       pair_count *of_group);

/* The confidence curve of arXiv 2602.08829: of all pairs of different label, those whose scores differ by at least
 * k/steps (k = 0 … steps), and which of them are right. out (steps + 1). O(n K) a point, counted whole. */
enum { CURVE_STEPS = 20 };
wr_status confidence_curve(const predictions *p, const uint32_t *order, pair_count out[CURVE_STEPS + 1]);

#endif
