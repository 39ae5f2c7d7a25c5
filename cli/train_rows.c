/* Rows of training that its commands and studies share. */
#include "cli/train_rows.h"

#include "cli/memory_check.h"

const option_spec start_rows[] = {
    OPTION_TEXT(train_options, data, "data", NULL, "DIR", "folder that prepare wrote", .input = INPUT_PARTS,
                .resume = RESUME_CONTENT),
    OPTION_TEXT(train_options, model, "model", NULL, "DIR", "Hugging Face directory to start from",
                .input = INPUT_WHOLE, .resume = RESUME_CONTENT),
    OPTION_TEXT(train_options, spec, "new", NULL, "SPEC",
                "start from random weights, e.g. layers=4,hidden=128,heads=4,kv-heads=2,ffn=384,tied=1; max-positions: "
                "as the longest record, from 1024 to --max-length"),
    {0},
};
const option_spec length_rows[] = {
    OPTION_INT(train_options, run.steps, "steps", NULL, "N", 1, 1e15, "steps in all; default: one epoch",
               .resume = RESUME_LENGTH),
    OPTION_INT(train_options, global_batch, "global-batch", "64", "N", 1, 1e7, "records of a step, over all ranks"),
    {0},
};
const option_spec schedule_of_train[] = {
    {.name = "lr-schedule", .default_value = "cosine", .arg = "cosine|constant|linear", .help = "after the warm-up"},
    {.name = "warmup-ratio", .default_value = "0.05", .arg = "X", .help = "share of the steps with a rising rate"},
    {0},
};
const option_spec record_rows[] = {
    OPTION_INT(train_options, max_length, "max-length", "4096", "N", 2, 1e7,
               "tokens of a record; at most the model's positions"),
    OPTION_INT(train_options, micro_tokens, "micro-tokens", "4096", "N", 1, 1e8,
               "tokens of one forward and backward pass"),
    {0},
};
const option_spec objective_name_rows[] = {
    OPTION_NAMED("objective", OPT_CHOICE, "ordinal", OBJECTIVE_NAMES,
                 "what the outputs of the score head are trained to say"),
    {0},
};
const option_spec rate_rows[] = {
    OPTION_FLOAT(train_options, label_smoothing, "label-smoothing", "0", "X", 0, 0.999,
                 "targets 1 and 0 of training become 1 - X/2 and X/2 (of --objective classes: 1 - X + X/K and X/K)"),
    OPTION_FLOAT(train_options, update.adam.lr, "lr", NULL, "X", 0, 100,
                 "peak learning rate; default: 1e-5, 1e-4 with --lora-rank"),
    OPTION_FLOAT(train_options, update.adam.head_scale, "head-lr-scale", "1", "X", 1e-3, 1e6,
                 "learning rate of the score head, and of biases or thresholds beside it, as a multiple of --lr"),
    {0},
};
const option_spec order_rows[] = {
    OPTION_CHOICE(train_options, order, "order", "records", RECORD_ORDER_NAMES,
                  "what is drawn for a step; turns of a conversation in one step share their history"),
    OPTION_CHOICE(train_options, share, "share-prefixes", "on", SHARE_PREFIXES_NAMES,
                  "compute once what records of a step begin with; all: the template's first lines, too"),
    {0},
};

wr_status train_start_check(const train_options *t) {
    if (!t->model == !t->spec) return wr_fail(WR_E_USAGE, "give either --model DIR to start from, or --new SPEC");
    if (t->spec && t->run.lora.rank)
        return wr_fail(WR_E_USAGE, "--lora-rank: adapters need a trained model below them; give --model DIR");
    return WR_OK;
}

wr_status train_memory_fits(world *w, const train_options *t, model_head head) {
    const memory_part part = {
        .dir = t->model, .load = {.head = head}, .use = MEMORY_LOADED | (t->run.lora.rank ? 0 : MEMORY_TRAINED)};
    return memory_check(
        w, &(memory_plan){
               .parts = &part, .n = 1, .p = t->precision, .may_lora = t->run.lora.rank == 0, .update = &t->update});
}

wr_status train_objective(const options *o, train_options *t) {
    const wr_status status = objective_from_options(o, &t->objective);
    if (status >= 0 && t->label_smoothing > 0 && !t->objective.kind->smooths)
        return wr_fail(WR_E_USAGE,
                       "--label-smoothing: the targets of --objective %s are no shares that could be smoothed",
                       t->objective.kind->name);
    return status;
}

/* The rates that leave a pretrained model better than it was: what fine-tuning commonly takes, ten times that for
 * adapters (which start from nothing), and for reward models the paper's. Random weights need far more. */
wr_status train_rate(options *o, const char *tuned, const char *adapters, const char *fresh) {
    if (options_given(o, "lr")) return WR_OK;
    return options_override(o, "lr",
                            options_str(o, "new")             ? fresh
                            : options_int(o, "lora-rank") > 0 ? adapters
                                                              : tuned);
}
