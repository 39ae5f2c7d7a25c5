/* Online DPO: sample, score, pair, update, step after step. COLLECTIVE.
 *
 *   online.c       set-up, and what a step does; the loop around steps is trainer/run_loop.h's
 *   online_step.c  one step's plan on rank 0: which prompts, what comes back, pairs out
 *   dpo_train.c    the update                dpo_metrics.c  the numbers of a step
 *
 * Prompts of a step and all random numbers are pure functions of (seed, step), so that a checkpoint is the weights, the
 * optimizer and the step. */
#ifndef WR_DPO_ONLINE_H
#define WR_DPO_ONLINE_H

#include "dpo/dpo_train.h"
#include "trainer/checkpoint.h"
#include "trainer/run_options.h"
#include "rollout/rollout.h"

typedef struct dpo_options {
    const char *model_dir, *prompts;
    const run_terms *terms; /* what the run is begun with */
    run_options run;
    bool save_replies;
    size_t prompts_per_step, group; /* group: prompts of a SAMPLE task */
    rollout_options rollout;        /* without the policy's folder, which dpo_online fills in */
    dpo_train_options train;
    pair_options pairs;  /* its seed is that of the run */
    precision precision; /* of all models; the same on every rank */
    bool check_weights;  /* of the policy */
} dpo_options;

/* WR_E_INTERRUPTED after a stop signal, with a checkpoint saved. */
wr_status dpo_online(world *w, const dpo_options *o);

/* --- one step's plan (online_step.c) ------------------------------------------------------------------------------ */
/* Numbers about all replies of a step; NaN where there is nothing to average. */
typedef struct reply_stats {
    size_t replies;
    double reward_mean, reward_std, reward_length_corr; /* Pearson, over replies with a reward */
    double reward_margin;                               /* mean chosen - rejected reward */
    double reply_tokens, stop_share;
    double true_quality; /* practice prompts */
} reply_stats;

typedef struct step_plan {
    const dpo_options *o;
    const prompt_set *prompts;
    int64_t step;          /* 1 … steps */
    uint32_t *order;       /* (prompts_per_step) prompt of each draw */
    rollout_group *groups; /* (prompts_per_step) results, by draw */
    arena *memory;
    pair_counts counts;
    reply_stats stats;
    const char *replies_dir; /* --save-replies: rank 0 writes step-N.jsonl.zst there; NULL = off */
} step_plan;

/* Rank 0. first_draw = (step - 1) * prompts_per_step. */
wr_status step_plan_open(const dpo_options *o, const prompt_set *prompts, int64_t step, const char *replies_dir,
                         step_plan *out);
void step_plan_close(step_plan *p);
/* The plan for work_phase; its outcome is pairs_pack. */
work_plan step_work(step_plan *p);
/* Prompts of draws first … first+n-1: a seeded shuffle of the set per epoch, one epoch after another. LOCAL. */
wr_status prompt_order(uint64_t seed, size_t n_prompts, uint64_t first, size_t n, uint32_t *order);

/* --- numbers (dpo_metrics.c) -------------------------------------------------------------------------------------- */
void reply_stats_of(const rollout_group *groups, size_t n_groups, const dpo_pair *pairs, size_t n_pairs,
                    reply_stats *out);
typedef struct step_times {
    double sample_s, train_s, step_s;
    double coordinator_cpu_s; /* of the coordinator's thread */
} step_times;
/* One line of metrics.jsonl. */
void dpo_metrics_line(int64_t step, double lr, const reply_stats *replies, const pair_counts *counts,
                      const dpo_update_stats *update, const step_times *times, strbuf *out);
/* One line a reply, for --save-replies. */
void reply_line(int64_t step, const rollout_group *g, size_t sample, strbuf *out);

#endif
