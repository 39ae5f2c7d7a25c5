#include "report/metric_names.h"

#include <string.h>

/* One row a name that trainer/, evaluate/ and dpo/ write into metrics.jsonl; tests/e2e/demo.sh fails where one is
 * missing. dpo: where a run of DPO means something else by it. */
static const struct {
    const char *name, *meaning, *dpo;
} meanings[] = {
    {"loss", "training loss", NULL},
    {"lr", "learning rate", NULL},
    {"grad_norm", "gradient norm before clipping", NULL},
    {"tokens", "tokens in the step", NULL},
    {"target_tokens", "tokens learned in the step", NULL},
    {"records", "records in the step", NULL},
    {"epoch", "passes over the data", NULL},
    {"accuracy", "share of the step's labels met", "pairs that the policy ranks as the reward does"},
    {"eval_loss", "loss on held-out records", NULL},
    {"eval_perplexity", "perplexity on held-out records", NULL},
    {"eval_accuracy", "share of held-out labels met", NULL},
    {"eval_mae", "mean distance from held-out labels", NULL},
    {"eval_rank_violations", "held-out records whose P(better than k) rises with k", NULL},
    {"eval_spread", "spread of the level predicted of a held-out record", NULL},
    {"eval_spearman", "rank correlation with held-out labels", NULL},
    {"eval_records", "held-out records", NULL},
    {"eval_tokens", "held-out tokens", NULL},
    {"reward_mean", "reward of sampled replies", NULL},
    {"reward_std", "spread of their rewards", NULL},
    {"reward_margin", "reward, chosen − rejected", NULL},
    {"true_quality", "checked quality of sampled replies", NULL},
    {"chosen_logratio", "log π/ρ of chosen replies", NULL},
    {"rejected_logratio", "log π/ρ of rejected replies", NULL},
    {"h_mean", "mean of the DPO margin h", NULL},
    {"h_max_abs", "largest |h|", NULL},
    {"kl", "divergence from the reference, a reply", NULL},
    {"sampler_gap", "log-probabilities, sampler against trainer", NULL},
    {"reply_tokens", "tokens a reply", NULL},
    {"stop_share", "share of replies that end by themselves", NULL},
    {"reward_length_corr", "correlation of reward and length", NULL},
    {"replies", "replies in the step", NULL},
    {"pairs", "pairs in the step", NULL},
    {"ties", "prompts whose replies tie", NULL},
    {"low_margin", "prompts whose rewards differ too little", NULL},
    {"too_few", "prompts with fewer than two replies", NULL},
    {"missing_rewards", "replies without a reward", NULL},
    {"skipped_prompts", "prompts that do not fit", NULL},
    {"step_time_s", "seconds a step", NULL},
};

run_kind metrics_run_kind(const metrics_table *t) { return metrics_find(t, "pairs") ? RUN_DPO : RUN_TRAIN; }

const char *metric_meaning(const char *name, run_kind kind) {
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (strcmp(meanings[i].name, name) == 0)
            return kind == RUN_DPO && meanings[i].dpo ? meanings[i].dpo : meanings[i].meaning;
    return NULL;
}
