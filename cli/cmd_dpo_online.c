/* wildreward dpo online: online direct preference optimisation of a policy against a reward model. */
#include "cli/lm_tool.h"
#include "cli/memory_check.h"
#include "cli/model_options.h"
#include "cli/resume.h"
#include "dpo/online.h"
#include "rollout/reward_function.h"
#include "sampler/sampling.h"

typedef struct dpo_call {
    dpo_options d;
    arithmetic_options arithmetic;
} dpo_call;

static const option_spec dpo_rows[] = {
    OPTION_TEXT(dpo_options, model_dir, "model", NULL, "DIR",
                "policy to start from, which is also the frozen reference", .required = true, .input = INPUT_WHOLE,
                .resume = RESUME_CONTENT),
    OPTION_TEXT(dpo_options, rollout.reward_dir, "reward", NULL, "DIR", "reward model that scores the replies",
                .required = true, .input = INPUT_WHOLE, .resume = RESUME_CONTENT),
    OPTION_TEXT(dpo_options, prompts, "prompts", NULL, "FILE|DIR",
                "JSONL with \"messages\" or \"prompt\", or a folder made by prepare", .required = true,
                .input = INPUT_PARTS, .resume = RESUME_CONTENT),
    OPTION_TEXT(dpo_options, run.out, "out", NULL, "RUN",
                "run folder: config.yaml, metrics.jsonl, checkpoints/, model/", .required = true,
                .resume = RESUME_FREE),
    OPTION_INT(dpo_options, run.steps, "steps", NULL, "N", 1, 1e9, "updates", .required = true,
               .resume = RESUME_LENGTH),
    OPTION_FLAG(dpo_options, run.resume, "resume", NULL,
                "go on from the newest checkpoint of RUN (or start where there is none)", .resume = RESUME_FREE),
    OPTION_INT(dpo_options, run.seed, "seed", "0", "S", 0, 9e15, "prompt order and sampling"),
    OPTION_INT(dpo_options, rollout.sampling.n, "n", "8", "N", 2, 4096, "replies a prompt"),
    OPTION_INT(dpo_options, prompts_per_step, "prompts-per-step", "64", "N", 1, 1e6, "prompts a step"),
    OPTION_INT(dpo_options, rollout.sampling.max_tokens, "max-tokens", "256", "N", 1, 1e6, "tokens of a reply"),
    OPTION_INT(dpo_options, rollout.max_prompt_tokens, "max-prompt-tokens", "1024", "N", 1, 1e6,
               "tokens of a prompt: the oldest history goes first"),
    {0},
};
static const option_spec rate_rows[] = {
    OPTION_FLOAT(dpo_options, train.update.adam.lr, "lr", "5e-7", "LR", 0, 10, "peak learning rate"),
    {0},
};
/* What dpo's help has called its optimizer from the first. */
static const option_spec update_of_dpo[] = {
    {.name = "weight-decay", .arg = "W", .help = "AdamW's decoupled weight decay"},
    {.name = "beta1", .arg = "B", .help = "AdamW's first moment"},
    {.name = "beta2", .arg = "B", .help = "AdamW's second moment"},
    {.name = "eps", .arg = "E", .help = "AdamW's epsilon"},
    {.name = "grad-clip", .default_value = "1", .arg = "G", .help = "largest global norm of the gradient; 0 = off"},
    {.name = "reduce-slice", .help = "slice of the gradient reduction; 0 = default; never changes a bit"},
    {0},
};
static const option_spec step_rows[] = {
    OPTION_INT(dpo_options, train.micro_tokens, "micro-tokens", "4096", "N", 1, 1e9,
               "tokens of a micro-batch (a longer pair is alone)"),
    OPTION_INT(dpo_options, group, "group", "4", "N", 1, 1e6, "prompts of one sampling task", .resume = RESUME_FREE),
    OPTION_INT(dpo_options, rollout.score_tokens, "score-tokens", "8192", "N", 1, 1e9, "tokens of a scoring batch"),
    {0},
};
static const option_spec saving_of_dpo[] = {
    {.name = "checkpoint-every", .min = 0, .max = 1e9, .help = "steps between checkpoints; 0 = at the end only"},
    {.name = "keep", .help = "checkpoints to keep"},
    {0},
};
static const option_spec reply_rows[] = {
    OPTION_FLAG(dpo_options, save_replies, "save-replies", NULL, "write every reply to RUN/replies/step-N.jsonl.zst",
                .resume = RESUME_FREE),
    {0},
};
static const option_group dpo_groups[] = {
    OPTION_GROUP(dpo_rows, dpo_call, d),
    OPTION_GROUP(dpo_loss_rows, dpo_call, d.train.loss),
    DPO_LOSS_GROUPS OPTION_GROUP(pair_rows, dpo_call, d.pairs),
    PAIR_GROUPS OPTION_GROUP(rate_rows, dpo_call, d),
    OPTION_GROUP(schedule_rows, dpo_call, d.run),
    OPTION_GROUP(optimizer_rows, dpo_call, d.train.update, .varied = update_of_dpo),
    OPTION_GROUP(step_rows, dpo_call, d),
    OPTION_GROUP(reduce_rows, dpo_call, d.train.update, .varied = update_of_dpo),
    OPTION_GROUP(saving_rows, dpo_call, d.run, .varied = saving_of_dpo),
    OPTION_GROUP(reward_reading_rows, dpo_call, d.rollout.reading),
    OPTION_GROUP(reply_rows, dpo_call, d),
    REWARD_GROUPS OPTION_GROUP(chat_rows, dpo_call, d.rollout.chat_template),
    OPTION_GROUP(sampling_rows, dpo_call, d.rollout.sampling),
    OPTION_GROUP(arithmetic_rows, dpo_call, arithmetic),
    OPTION_GROUP(tuning_rows, dpo_call, d.run),
    {0},
};

/* The policy is each rank's, its frozen copy and the reward model the host's. */
static wr_status check_memory(world *w, const dpo_options *d) {
    const bool whole = d->run.lora.rank == 0;
    const memory_part parts[] = {
        {.dir = d->model_dir,
         .load = {.head = HEAD_LM},
         .use = MEMORY_LOADED | MEMORY_PACKED | (whole ? MEMORY_TRAINED | MEMORY_IMAGE_HOST : 0)},
        {.dir = d->rollout.reward_dir, .load = {.head = HEAD_SCORE, .frozen = true}, .use = MEMORY_LOADED_HOST}};
    return memory_check(
        w, &(memory_plan){.parts = parts, .n = 2, .p = d->precision, .may_lora = whole, .update = &d->train.update});
}

static wr_status run_dpo_online(const options *o, world *w) {
    wr_status status = WR_OK;
    dpo_call c = {0};
    dpo_options *d = &c.d;
    resume_terms terms = {0};
    TRY(options_fill(o, &c, sizeof c));
    TRY(choose_precision(c.arithmetic.precision, NULL, w, &d->precision));
    TRY(resume_terms_make(o, w, d->precision, &terms));
    terms.terms.same_bits = d->train.update.same_bits;
    d->terms = &terms.terms;
    d->check_weights = c.arithmetic.check_weights;
    d->train.recompute = d->run.recompute;
    d->rollout.sampling.seed = d->pairs.seed = d->run.seed;
    TRY(dpo_loss_from_options(o, &d->train.loss));
    TRY(pair_rule_from_options(o, &d->pairs));
    d->rollout.given = o;
    TRY(sampling_options_check(&d->rollout.sampling));
    if (d->rollout.sampling.temperature == 0)
        TRY(wr_fail(WR_E_USAGE,
                    "--temperature 0 gives a prompt equal replies, and so no pair to learn from; give one above 0"));
    TRY(run_options_check(o, &d->run));
    TRY(update_options_check(&d->train.update, w));
    TRY(check_memory(w, d));
    TRY(dpo_online(w, d));
cleanup:
    resume_terms_free(&terms);
    return status;
}

const command cmd_dpo_online = {
    .name = "dpo",
    .variant = "online",
    .usage = "dpo online --model DIR --reward DIR --prompts FILE|DIR --out RUN --steps N",
    .summary = "online DPO: sample replies, score them in process, train on the best against the worst of each prompt",
    .groups = dpo_groups,
    .needs_world = true,
    .goes_on = GOES_ON_RESUME,
    .run = run_dpo_online,
    .no_positionals = true,
};
