#include "trainer/run_options.h"

#include "base/options.h"
#include "trainer/best.h"

#include <string.h>

const option_spec schedule_rows[] = {
    OPTION_CHOICE(run_options, schedule, "lr-schedule", "constant", "constant|cosine|linear",
                  "learning rate after the warm-up"),
    OPTION_FLOAT(run_options, warmup_ratio, "warmup-ratio", "0", "R", 0, 1,
                 "share of the steps with a rising learning rate"),
    {0},
};

const option_spec saving_rows[] = {
    OPTION_INT(run_options, checkpoint_every, "checkpoint-every", "100", "N", 0, 1e15,
               "steps between checkpoints; 0: at the end", .resume = RESUME_FREE),
    OPTION_INT(run_options, keep, "keep", "2", "N", 1, 1e6, "checkpoints kept", .resume = RESUME_FREE),
    OPTION_FLAG(run_options, background_save, "background-save", "true",
                "write checkpoints beside the steps that follow, from a copy: 12 bytes a parameter more (with "
                "--zero 1: 4, and 8 / ranks)",
                .resume = RESUME_FREE),
    OPTION_FLAG(run_options, stop_before_limit, "stop-before-time-limit", NULL,
                "save and end with 75 in time for the end of the Slurm job, by the steps and saves measured",
                .resume = RESUME_FREE),
    OPTION_FLAG(run_options, tensorboard, "tensorboard", "true",
                "write the metrics as a TensorBoard event file as well, RUN/events.out.tfevents.…",
                .resume = RESUME_FREE),
    {0},
};

const option_spec best_rows[] = {
    OPTION_CHOICE(run_options, best, "keep-best", "none", BEST_METRICS,
                  "keep the model of the best evaluation by this figure in RUN/best; needs --eval-every",
                  .resume = RESUME_FREE),
    OPTION_INT(run_options, patience, "patience", "0", "N", 0, 1e9,
               "end the run behind N evaluations that were no better than the one kept; 0: never",
               .resume = RESUME_FREE),
    OPTION_INT(run_options, skip_nonfinite, "skip-nonfinite", "3", "N", 0, 1e6,
               "steps in a row that are skipped, their records named, where loss or gradient is not finite; 0: none",
               .resume = RESUME_FREE),
    {0},
};

const option_spec tuning_rows[] = {
    OPTION_INT(run_options, lora.rank, "lora-rank", "0", "N", 0, 65536,
               "train LoRA adapters of this rank and leave the model as it is; 0: train all weights"),
    OPTION_FLOAT(run_options, lora.alpha, "lora-alpha", "16", "X", 1e-6, 1e9, "adapters count alpha/rank"),
    OPTION_TEXT(run_options, lora.targets, "lora-targets", "all-linear", "LIST",
                "layers with adapters, e.g. q_proj,v_proj; all-linear: q, k, v, o, gate, up, down"),
    OPTION_FLAG(run_options, lora_merge, "lora-merge", "true",
                "write RUN/model with the adapters merged in, beside RUN/adapter (PEFT)", .resume = RESUME_FREE),
    OPTION_FLAG(run_options, recompute, "recompute", NULL,
                "keep only each layer's input for the backward pass: less memory, a third more arithmetic",
                .resume = RESUME_FREE),
    OPTION_CHOICE(run_options, save_precision, "save-precision", "f32", "f32|bf16", "how RUN/model is stored",
                  .resume = RESUME_FREE),
    {0},
};

wr_status run_options_check(const struct options *o, const run_options *r) {
    static const char *const needing[] = {"lora-alpha", "lora-targets", "lora-merge"};
    for (size_t i = 0; !r->lora.rank && i < sizeof needing / sizeof *needing; i++)
        if (options_given(o, needing[i]) && !options_given(o, "lora-rank"))
            return wr_fail(WR_E_USAGE, "--%s: give --lora-rank N, too, to train adapters", needing[i]);
    if (r->patience && (!r->best || strcmp(r->best, "none") == 0))
        return wr_fail(WR_E_USAGE, "--patience %lld: by which figure? Give --keep-best, too", (long long)r->patience);
    return WR_OK;
}

bool run_saves_beside(const run_options *o, int64_t steps) {
    return o->background_save && o->checkpoint_every && o->checkpoint_every < steps;
}
