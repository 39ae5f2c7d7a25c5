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

/* Of a sample that holds record i weight[user[i]] times (NULL: once): copies are records like others. order: order_by
 * of the scores. scratch (4K). auc (K-1): the chance that a record of label > k scores higher than one of label <= k,
 * ties half; NaN where there is no such pair. O(n K), and no sorting. */
void rank_figures_take(const predictions *p, const uint32_t *order, const uint32_t *weight, double *scratch,
                       rank_figures *out, double *auc);

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
