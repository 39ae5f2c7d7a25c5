/* The numbers of a policy evaluation. LOCAL. */
#ifndef WR_EVALUATE_EVAL_SUMMARY_H
#define WR_EVALUATE_EVAL_SUMMARY_H

#include "rollout/rollout.h"

/* A mean and its 95 % interval, clustered: items of one cluster are averaged first, clusters are independent. The mean
 * is the mean of the cluster means; the interval is mean ± t x s/sqrt(n) with s the standard deviation over the n
 * clusters and t = 1.96 (normal approximation). NaN where empty; low = high = NaN for one cluster. */
typedef struct interval {
    double mean, low, high;
    size_t n;
} interval;
interval mean_interval(const double *cluster_means, size_t n);

/* {"kind":"policy", …}. groups: (prompts->n), by prompt. */
wr_status eval_summary_json(const char *model_dir, const char *reward_dir, const prompt_set *prompts,
                            const rollout_group *groups, strbuf *out, wr_status *verdict);

#endif
