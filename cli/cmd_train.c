/* train lm, train reward: options to trainer/train.h. */
#include "cli/model_options.h"
#include "cli/resume.h"

#include "base/log.h"
#include "trainer/checkpoint.h"
#include "trainer/train.h"

#include <stdio.h>
#include <string.h>

static const option_spec run_options[] = {
    {.name = "data",
     .resume = RESUME_CONTENT,
     .input = INPUT_PARTS,
     .kind = OPT_STRING,
     .arg = "DIR",
     .help = "folder that prepare wrote",
     .required = true},
    {.name = "model",
     .resume = RESUME_CONTENT,
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "DIR",
     .help = "Hugging Face directory to start from"},
    {.name = "new",
     .kind = OPT_STRING,
     .arg = "SPEC",
     .help = "start from random weights, e.g. layers=4,hidden=128,heads=4,kv-heads=2,ffn=384,tied=1; max-positions: as "
             "the longest record, "
             "from 1024 to --max-length"},
    {.name = "out", .resume = RESUME_FREE, .kind = OPT_STRING, .arg = "RUN", .help = "run directory", .required = true},
    {.name = "resume", .resume = RESUME_FREE, .kind = OPT_FLAG, .help = "continue RUN after its newest checkpoint"},
    {.name = "steps",
     .resume = RESUME_LENGTH,
     .kind = OPT_INT,
     .arg = "N",
     .help = "steps in all; default: one epoch",
     .min = 1,
     .max = 1e15},
    {.name = "global-batch",
     .kind = OPT_INT,
     .default_value = "64",
     .arg = "N",
     .help = "records of a step, over all ranks",
     .min = 1,
     .max = 1e7},
    {.name = "seed",
     .kind = OPT_INT,
     .default_value = "0",
     .arg = "S",
     .help = "order of records, new weights",
     .min = 0,
     .max = 9e15},
    {.name = "lr-schedule",
     .kind = OPT_CHOICE,
     .default_value = "cosine",
     .arg = "cosine|constant|linear",
     .help = "after the warm-up"},
    {.name = "warmup-ratio",
     .kind = OPT_FLOAT,
     .default_value = "0.05",
     .arg = "X",
     .help = "share of the steps with a rising rate",
     .min = 0,
     .max = 1},
    {.name = "weight-decay",
     .kind = OPT_FLOAT,
     .default_value = "0.01",
     .arg = "X",
     .help = "AdamW, on matrices",
     .min = 0,
     .max = 10},
    {.name = "beta1",
     .kind = OPT_FLOAT,
     .default_value = "0.9",
     .arg = "X",
     .help = "AdamW",
     .min = 0,
     .max = 0.999999},
    {.name = "beta2",
     .kind = OPT_FLOAT,
     .default_value = "0.999",
     .arg = "X",
     .help = "AdamW",
     .min = 0,
     .max = 0.9999999},
    {.name = "eps", .kind = OPT_FLOAT, .default_value = "1e-8", .arg = "X", .help = "AdamW", .min = 0, .max = 1},
    {.name = "grad-clip",
     .kind = OPT_FLOAT,
     .default_value = "1.0",
     .arg = "X",
     .help = "largest gradient norm; 0: no clipping",
     .min = 0,
     .max = 1e9},
    {.name = "max-length",
     .kind = OPT_INT,
     .default_value = "4096",
     .arg = "N",
     .help = "tokens of a record; at most the model's positions",
     .min = 2,
     .max = 1e7},
    {.name = "micro-tokens",
     .kind = OPT_INT,
     .default_value = "4096",
     .arg = "N",
     .help = "tokens of one forward and backward pass",
     .min = 1,
     .max = 1e8},
    {.name = "eval-every",
     .resume = RESUME_FREE,
     .kind = OPT_INT,
     .default_value = "0",
     .arg = "N",
     .help = "steps between evaluations; 0: at the end",
     .min = 0,
     .max = 1e15},
    {.name = "eval-records",
     .resume = RESUME_FREE,
     .kind = OPT_INT,
     .default_value = "512",
     .arg = "N",
     .help = "test records of an evaluation",
     .min = 1,
     .max = 1e9},
    {.name = "checkpoint-every",
     .resume = RESUME_FREE,
     .kind = OPT_INT,
     .default_value = "100",
     .arg = "N",
     .help = "steps between checkpoints; 0: at the end",
     .min = 0,
     .max = 1e15},
    {.name = "keep",
     .resume = RESUME_FREE,
     .kind = OPT_INT,
     .default_value = "2",
     .arg = "N",
     .help = "checkpoints kept",
     .min = 1,
     .max = 1e6},
    {.name = "reduce-slice",
     .resume = RESUME_FREE,
     .kind = OPT_INT,
     .default_value = "0",
     .arg = "FLOATS",
     .help = "slice of the gradient sum; 0: chosen here; no bit depends on it",
     .min = 0,
     .max = 1e9},
    {0},
};
static const option_spec lm_options[] = {
    {.name = "lr",
     .kind = OPT_FLOAT,
     .arg = "X",
     .help = "peak learning rate; default: 2e-5, 2e-4 with --lora-rank, 1e-3 with --new",
     .min = 0,
     .max = 100},
    {.name = "loss-on",
     .kind = OPT_CHOICE,
     .default_value = "assistant",
     .arg = "assistant|all",
     .help = "tokens that the loss counts"},
    {0},
};
static const option_spec reward_options[] = {
    {.name = "lr",
     .kind = OPT_FLOAT,
     .arg = "X",
     .help = "peak learning rate; default: 1e-5, 1e-4 with --lora-rank",
     .min = 0,
     .max = 100},
    {.name = "template",
     .resume = RESUME_CONTENT,
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "FILE",
     .help = "reward template; must be the one the shards were made with, which is the default"},
    {0},
};
static const option_spec *const lm_tables[] = {run_options, lm_options, precision_options, tuning_options, NULL};
static const option_spec *const reward_tables[] = {run_options, reward_options, precision_options, tuning_options,
                                                   NULL};

static wr_status fill(const options *o, precision arithmetic, const run_terms *terms, train_options *t) {
    *t = (train_options){
        .data = options_str(o, "data"),
        .model = options_str(o, "model"),
        .spec = options_str(o, "new"),
        .out = options_str(o, "out"),
        .terms = terms,
        .resume = options_flag(o, "resume"),
        .steps = options_int(o, "steps"),
        .global_batch = (size_t)options_int(o, "global-batch"),
        .seed = (uint64_t)options_int(o, "seed"),
        .update = update_from_options(o),
        .schedule = schedule_from_options(o),
        .warmup_ratio = options_float(o, "warmup-ratio"),
        .max_length = (size_t)options_int(o, "max-length"),
        .micro_tokens = (size_t)options_int(o, "micro-tokens"),
        .eval_every = options_int(o, "eval-every"),
        .eval_records = (size_t)options_int(o, "eval-records"),
        .checkpoint_every = options_int(o, "checkpoint-every"),
        .keep = (int)options_int(o, "keep"),
        .precision = arithmetic,
        .save_precision = save_precision(o),
        .recompute = options_flag(o, "recompute"),
        .check_weights = options_flag(o, "check-weights"),
        .lora_merge = options_flag(o, "lora-merge"),
    };
    wr_status status = lora_from_options(o, &t->lora);
    if (status < 0) return status;
    if (!t->model == !t->spec) return wr_fail(WR_E_USAGE, "give either --model DIR to start from, or --new SPEC");
    if (t->spec && t->lora.rank)
        return wr_fail(WR_E_USAGE, "--lora-rank: adapters need a trained model below them; give --model DIR");
    return WR_OK;
}

static wr_status run_train(const options *o, world *w, bool lm) {
    wr_status status = WR_OK;
    train_options t;
    resume_terms terms = {0};
    precision arithmetic;
    TRY(choose_precision(o, w, &arithmetic));
    TRY(resume_terms_make(o, w, arithmetic, &terms));
    TRY(fill(o, arithmetic, &terms.terms, &t));
    if (lm)
        t.loss_on_all = strcmp(options_str(o, "loss-on"), "all") == 0;
    else
        t.template_file = options_str(o, "template");
    TRY(lm ? train_lm(w, &t) : train_reward(w, &t));
cleanup:
    resume_terms_free(&terms);
    return status;
}

/* The rates that leave a pretrained model better than it was: what fine-tuning commonly takes, ten times that for
 * adapters (which start from nothing), and for reward models the paper's. Random weights need far more. */
static wr_status resolve_lr(options *o, const char *tuned, const char *adapters, const char *fresh) {
    if (options_given(o, "lr")) return WR_OK;
    return options_override(o, "lr",
                            options_str(o, "new")             ? fresh
                            : options_int(o, "lora-rank") > 0 ? adapters
                                                              : tuned);
}

static wr_status resolve_lm(options *o) { return resolve_lr(o, "2e-5", "2e-4", "1e-3"); }

static wr_status resolve_reward(options *o) { return resolve_lr(o, "1e-5", "1e-4", "1e-5"); }

static wr_status run_lm(const options *o, world *w) { return run_train(o, w, true); }

static wr_status run_reward(const options *o, world *w) { return run_train(o, w, false); }

const command cmd_train_lm = {
    .name = "train",
    .variant = "lm",
    .usage =
        "train lm --data DIR (--model DIR | --new SPEC) --out RUN [--steps N] [--global-batch N] [--seed S] [--resume]",
    .summary = "train a language model on prepared chats",
    .tables = lm_tables,
    .needs_world = true,
    .run = run_lm,
    .resolve = resolve_lm,
    .no_positionals = true,
};

const command cmd_train_reward = {
    .name = "train",
    .variant = "reward",
    .usage = "train reward --data DIR (--model DIR | --new SPEC) --out RUN [--steps N] [--global-batch N] [--seed S] "
             "[--resume]",
    .summary = "train a reward model by ordinal regression on feedback levels",
    .tables = reward_tables,
    .needs_world = true,
    .run = run_reward,
    .resolve = resolve_reward,
    .no_positionals = true,
};
