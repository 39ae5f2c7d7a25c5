/* wildreward dpo online: online direct preference optimisation of a policy against a reward model. */
#include "cli/lm_tool.h"
#include "cli/model_options.h"
#include "cli/resume.h"
#include "cli/sampling_options.h"
#include "dpo/online.h"
#include "trainer/checkpoint.h"

#include <string.h>

static const option_spec dpo_option_table[] = {
    {.name = "model", .resume = RESUME_CONTENT, .input = INPUT_WHOLE, .kind = OPT_STRING, .arg = "DIR", .help = "policy to start from, which is also the frozen reference", .required = true},
    {.name = "reward", .resume = RESUME_CONTENT, .input = INPUT_WHOLE, .kind = OPT_STRING, .arg = "DIR", .help = "reward model that scores the replies", .required = true},
    {.name = "prompts", .resume = RESUME_CONTENT, .input = INPUT_PARTS, .kind = OPT_STRING, .arg = "FILE|DIR", .help = "JSONL with \"messages\" or \"prompt\", or a folder made by prepare", .required = true},
    {.name = "out", .resume = RESUME_FREE, .kind = OPT_STRING, .arg = "RUN", .help = "run folder: config.yaml, metrics.jsonl, checkpoints/, model/", .required = true},
    {.name = "steps", .resume = RESUME_LENGTH, .kind = OPT_INT, .arg = "N", .help = "updates", .min = 1, .max = 1e9, .required = true},
    {.name = "resume", .resume = RESUME_FREE, .kind = OPT_FLAG, .help = "go on from the newest checkpoint of RUN (or start where there is none)"},
    {.name = "seed", .kind = OPT_INT, .default_value = "0", .arg = "S", .help = "prompt order and sampling", .min = 0, .max = 9e15},
    {.name = "n", .kind = OPT_INT, .default_value = "8", .arg = "N", .help = "replies a prompt", .min = 2, .max = 4096},
    {.name = "prompts-per-step", .kind = OPT_INT, .default_value = "64", .arg = "N", .help = "prompts a step", .min = 1, .max = 1e6},
    {.name = "max-tokens", .kind = OPT_INT, .default_value = "256", .arg = "N", .help = "tokens of a reply", .min = 1, .max = 1e6},
    {.name = "max-prompt-tokens", .kind = OPT_INT, .default_value = "1024", .arg = "N", .help = "tokens of a prompt: the oldest history goes first", .min = 1, .max = 1e6},
    {.name = "beta", .kind = OPT_FLOAT, .default_value = "0.1", .arg = "B", .help = "strength of the tie to the reference", .min = 1e-9, .max = 1e6},
    {.name = "label-smoothing", .kind = OPT_FLOAT, .default_value = "0", .arg = "E", .help = "share of preferences taken to be wrong", .min = 0, .max = 0.5},
    {.name = "min-margin", .kind = OPT_FLOAT, .default_value = "0", .arg = "M", .help = "drop pairs whose rewards differ by less", .min = 0, .max = 1e6},
    {.name = "lr", .kind = OPT_FLOAT, .default_value = "5e-7", .arg = "LR", .help = "peak learning rate", .min = 0, .max = 10},
    {.name = "lr-schedule", .kind = OPT_CHOICE, .default_value = "constant", .arg = "constant|cosine|linear", .help = "learning rate after the warm-up"},
    {.name = "warmup-ratio", .kind = OPT_FLOAT, .default_value = "0", .arg = "R", .help = "share of the steps with a rising learning rate", .min = 0, .max = 1},
    {.name = "weight-decay", .kind = OPT_FLOAT, .default_value = "0.01", .arg = "W", .help = "AdamW's decoupled weight decay", .min = 0, .max = 10},
    {.name = "beta1", .kind = OPT_FLOAT, .default_value = "0.9", .arg = "B", .help = "AdamW's first moment", .min = 0, .max = 0.999999},
    {.name = "beta2", .kind = OPT_FLOAT, .default_value = "0.999", .arg = "B", .help = "AdamW's second moment", .min = 0, .max = 0.9999999},
    {.name = "eps", .kind = OPT_FLOAT, .default_value = "1e-8", .arg = "E", .help = "AdamW's epsilon", .min = 0, .max = 1},
    {.name = "grad-clip", .kind = OPT_FLOAT, .default_value = "1", .arg = "G", .help = "largest global norm of the gradient; 0 = off", .min = 0, .max = 1e9},
    {.name = "micro-tokens", .kind = OPT_INT, .default_value = "4096", .arg = "N", .help = "tokens of a micro-batch (a longer pair is alone)", .min = 1, .max = 1e9},
    {.name = "group", .resume = RESUME_FREE, .kind = OPT_INT, .default_value = "4", .arg = "N", .help = "prompts of one sampling task", .min = 1, .max = 1e6},
    {.name = "score-tokens", .kind = OPT_INT, .default_value = "8192", .arg = "N", .help = "tokens of a scoring batch", .min = 1, .max = 1e9},
    {.name = "reduce-slice", .resume = RESUME_FREE, .kind = OPT_INT, .default_value = "0", .arg = "FLOATS", .help = "slice of the gradient reduction; 0 = default; never changes a bit", .min = 0, .max = 1e9},
    {.name = "checkpoint-every", .resume = RESUME_FREE, .kind = OPT_INT, .default_value = "100", .arg = "N", .help = "steps between checkpoints; 0 = at the end only", .min = 0, .max = 1e9},
    {.name = "keep", .resume = RESUME_FREE, .kind = OPT_INT, .default_value = "2", .arg = "N", .help = "checkpoints to keep", .min = 1, .max = 1e6},
    {.name = "template", .input = INPUT_WHOLE, .kind = OPT_STRING, .arg = "FILE", .help = "reward template, for a reward model that records none"},
    {.name = "save-replies", .resume = RESUME_FREE, .kind = OPT_FLAG, .help = "write every reply to RUN/replies/step-N.jsonl.zst"},
    {.name = NULL},
};
static const option_spec *const dpo_tables[] = {dpo_option_table, chat_options, sampling_table, precision_options, tuning_options, NULL};

static size_t size_option(const options *o, const char *name) {
    return (size_t)options_int(o, name);
}

static wr_status run_dpo_online(const options *o, world *w) {
    wr_status status = WR_OK;
    resume_terms terms = {0};
    precision arithmetic;
    TRY(choose_precision(o, w, &arithmetic));
    TRY(resume_terms_make(o, w, arithmetic, &terms));
    dpo_options d = {
        .model_dir = options_str(o, "model"), .reward_dir = options_str(o, "reward"), .prompts = options_str(o, "prompts"),
        .out = options_str(o, "out"), .template_file = options_str(o, "template"), .terms = &terms.terms,
        .resume = options_flag(o, "resume"), .save_replies = options_flag(o, "save-replies"), .steps = options_int(o, "steps"),
        .prompts_per_step = size_option(o, "prompts-per-step"), .group = size_option(o, "group"),
        .rollout = {.max_prompt_tokens = size_option(o, "max-prompt-tokens"),
                    .score_tokens = size_option(o, "score-tokens"), .chat_template = options_str(o, "chat-template")},
        .train = {.beta = options_float(o, "beta"), .label_smoothing = options_float(o, "label-smoothing"),
                  .update = update_from_options(o), .micro_tokens = size_option(o, "micro-tokens"), .recompute = options_flag(o, "recompute")},
        .min_margin = options_float(o, "min-margin"), .schedule = schedule_from_options(o), .warmup_ratio = options_float(o, "warmup-ratio"),
        .checkpoint_every = options_int(o, "checkpoint-every"), .keep = (int)options_int(o, "keep"), .seed = (uint64_t)options_int(o, "seed"),
        .precision = arithmetic, .save_precision = save_precision(o), .check_weights = options_flag(o, "check-weights"), .lora_merge = options_flag(o, "lora-merge")};
    TRY(sampling_from_options(o, &d.rollout.sampling));
    if (d.rollout.sampling.temperature == 0) TRY(wr_fail(WR_E_USAGE, "--temperature 0 gives a prompt equal replies, and so no pair to learn from; give one above 0"));
    TRY(lora_from_options(o, &d.lora));
    TRY(dpo_online(w, &d));
cleanup:
    resume_terms_free(&terms);
    return status;
}

const command cmd_dpo_online = {
    .name = "dpo",
    .variant = "online",
    .usage = "dpo online --model DIR --reward DIR --prompts FILE|DIR --out RUN --steps N",
    .summary = "online DPO: sample replies, score them in process, train on the best against the worst of each prompt",
    .tables = dpo_tables,
    .needs_world = true,
    .run = run_dpo_online,
    .no_positionals = true,
};
