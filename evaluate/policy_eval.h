/* Evaluation of a policy on a set of prompts: replies are sampled as pulled work (EVALUATE tasks, the rollout of online
 * DPO), checked by the practice world's checkers where the prompts carry a task, and scored when a reward model is
 * given. COLLECTIVE. */
#ifndef WR_EVALUATE_POLICY_EVAL_H
#define WR_EVALUATE_POLICY_EVAL_H

#include "model/kernels/precision.h"
#include "mpi/world.h"
#include "reward/reward_model.h"
#include "sampler/sampler.h"

typedef struct policy_eval_options {
    const char *model_dir;       /* policy: a Hugging Face directory with an LM head */
    const char *prompts;         /* FILE (JSONL) or a prepared DIR, as prompts_load */
    const char *reward_dir;      /* NULL: no reward */
    const struct options *given; /* for the reward functions' own options (rollout_options) */
    reward_reading reading;      /* how that model reads replies */
    const char *chat_template;   /* file instead of the policy's own chat template, may be NULL */
    const char *out_path;        /* JSON, written atomically; "-" or NULL = stdout */
    size_t limit;                /* prompts at most, 0 = all */
    sampling_options sampling;
    size_t max_prompt_tokens; /* 0 = 1024 */
    size_t group;             /* prompts a task, 0 = 8 */
    size_t score_tokens;      /* tokens of a scoring batch, 0 = 8192 */
    precision precision;      /* of policy and reward model */
    bool check_weights;       /* of the policy */
    const char *adapter_dir;  /* LoRA adapter for the policy, NULL: none */
} policy_eval_options;

/* Rank 0 writes {"kind":"policy", …} with means and 95 % intervals clustered by prompt (normal approximation on the
 * per-prompt means). */
wr_status policy_eval_run(world *w, const policy_eval_options *o);

#endif
