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
    {"skipped", "steps in a row up to this one that were skipped, since loss or gradient was not finite", NULL},
    {"tokens_shared", "tokens computed with another record's", NULL},
    {"target_tokens", "tokens learned in the step", NULL},
    {"records", "records in the step", NULL},
    {"epoch", "passes over the data", NULL},
    {"accuracy", "share of the step's labels met", "pairs that the policy ranks as the reward does"},
    {"eval_loss", "loss on held-out records", NULL},
    {"eval_perplexity", "perplexity on held-out records", NULL},
    {"eval_accuracy", "share of held-out labels met", NULL},
    {"eval_mae", "mean distance from held-out labels", NULL},
    {"eval_quadratic_kappa", "agreement with held-out labels beyond chance, misses counted by their square", NULL},
    {"eval_kendall_tau_b", "held-out pairs in order less pairs out of order, by all that could be", NULL},
    {"eval_pairwise_accuracy", "share of held-out pairs of different label in order", NULL},
    {"eval_log_loss", "mean of -log P(held-out label)", NULL},
    {"eval_brier", "mean of (P(y > k) - [y > k])^2 on held-out records", NULL},
    {"eval_ece", "calibration error on held-out records", NULL},
    {"eval_auc",
     "mean over thresholds k of the chance that a held-out record above k scores higher than one that is not", NULL},
    {"eval_users", "users of the held-out records", NULL},
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

/* What evaluate writes about a reward model, and of several. docs/metrics.md has the same words:
 * tests/e2e/evaluation.sh compares both, and fails where a member of its result is missing here. */
static const struct {
    const char *name, *meaning;
} evaluated[] = {
    {"records", "records evaluated"},
    {"users", "their users: the clusters of every interval"},
    {"score_rule", "how the score follows from the model's outputs"},
    {"loss", "the objective's loss, a mean over its terms"},
    {"accuracy", "share of records whose class is the label; of pairs: share in the labels' order"},
    {"mae", "mean distance of score and label"},
    {"spearman", "rank correlation of score and label"},
    {"quadratic_kappa", "agreement of class and label beyond chance, misses counted by their square"},
    {"rank_violations", "records whose P(better than k) rises with k somewhere"},
    {"spread", "mean standard deviation of the level that the outputs say"},
    {"mean_score_by_label", "mean score of the records of each label"},
    {"records_by_label", "records of each label"},
    {"kendall_tau_b", "pairs in order less pairs out of order, by all that could be, ties allowed for"},
    {"pairwise_accuracy", "of two records of different label, share whose scores are in the same order"},
    {"log_loss", "mean of -log P(label)"},
    {"brier", "mean of (P(y > k) - [y > k])^2, over the thresholds"},
    {"ece", "expected calibration error: mean distance of P(y > k) and the share true, in bins of equal width"},
    {"adaptive_ece", "the same in bins of equal count"},
    {"bootstrap", "how the intervals were made, and how many resamples defined each figure"},
    {"confusion", "records of each label (row) and class (column)"},
    {"by_class", "figures of each class"},
    {"precision", "of the records predicted as the class, share of its label"},
    {"recall", "of the records of the label, share predicted as it"},
    {"f1", "harmonic mean of precision and recall"},
    {"by_threshold", "figures of each question: is the label above k?"},
    {"auc", "chance that a record above k scores higher than one that is not, ties half"},
    {"reliability", "bins of P(y > k): records, mean probability, share true"},
    {"calibration", "probabilities mended by what other users' records teach"},
    {"temperature", "T of sigma(logit P / T), one for all thresholds"},
    {"platt", "a and b of sigma(a logit P + b), of each threshold"},
    {"confidence_curve", "pairs whose scores differ by at least so much: share of all, share right"},
    {"coverage", "share of the pairs of different label"},
    {"consistency", "pairwise accuracy by where the two records come from"},
    {"same_prompt", "of two replies to one prompt; interval by resampled prompts"},
    {"across_prompts", "of two records of different prompts"},
    {"same_user", "of two records of one user"},
    {"across_users", "of two records of different users"},
    {"length_bias", "what the score has to do with the reply's characters"},
    {"score_length_spearman", "rank correlation of score and length"},
    {"label_length_spearman", "rank correlation of label and length"},
    {"spearman_given_length", "rank correlation of score and label with length held fixed (partial)"},
    {"length_alone", "pairwise accuracy of a score that is the reply's length, of all pairs and of one prompt's"},
    {"own_users", "users whom the model was trained on"},
    {"new_users", "users whom it was not trained on"},
    {"own_minus_new", "difference of the two, in the same resamples"},
    {"missing", "why a figure is null"},
    {"per_record", "what --compare reads: id, user, label, score, class, log-loss"},
    {"difference", "first less second"},
    {"p", "twice the smaller share of resampled differences on either side of 0; of mcnemar: exact"},
    {"p_adjusted", "p by Holm, for the number of pairs of models"},
    {"told_apart", "p_adjusted is below 0.05"},
    {"mcnemar", "records that only one of the two has right"},
    {"cannot_be_told_apart", "groups of neighbours, best first, no two of which are told apart"},
};

run_kind metrics_run_kind(const metrics_table *t) { return metrics_find(t, "pairs") ? RUN_DPO : RUN_TRAIN; }

const char *metric_meaning(const char *name, run_kind kind) {
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (strcmp(meanings[i].name, name) == 0)
            return kind == RUN_DPO && meanings[i].dpo ? meanings[i].dpo : meanings[i].meaning;
    return NULL;
}

const char *evaluation_meaning(const char *name) {
    const size_t n = strlen(name);
    if (n > 4 && strcmp(name + n - 4, "_low") == 0) return "lower end of its 95 % interval";
    if (n > 5 && strcmp(name + n - 5, "_high") == 0) return "upper end";
    for (size_t i = 0; i < sizeof evaluated / sizeof *evaluated; i++)
        if (strcmp(evaluated[i].name, name) == 0) return evaluated[i].meaning;
    return NULL;
}
