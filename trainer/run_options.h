/* What a run of training steps is told whatever its objective: where it is kept and when it is saved, the learning
 * rate's way, and how its model is trained and stored. With their options, which every such command lists; what a
 * command has otherwise (a default, a word) it varies. LOCAL. */
#ifndef WR_TRAINER_RUN_OPTIONS_H
#define WR_TRAINER_RUN_OPTIONS_H

#include "base/option_row.h"
#include "model/weights/lora.h"
#include "trainer/optimizer.h"

struct options;

typedef struct run_options {
    const char *out;
    bool resume;
    int64_t steps;
    uint64_t seed;
    lr_schedule schedule;
    double warmup_ratio;
    int64_t checkpoint_every; /* 0: at the end only */
    int keep;
    bool background_save;     /* checkpoints are written beside the steps that follow, from a copy */
    const char *best;         /* "none", or the figure of evaluations whose best model is kept in RUN/best */
    int64_t patience;         /* the run ends behind so many evaluations that were no better; 0: never */
    int64_t skip_nonfinite;   /* steps in a row that may be skipped because loss or gradient are not finite */
    bool stop_before_limit;   /* saves and stops in time for the end of the batch job */
    bool tensorboard;         /* an event file of the metrics beside metrics.jsonl */
    lora_options lora;        /* rank 0: all weights are trained. seed is `seed` whatever this says */
    bool lora_merge;          /* RUN/model: the merged model, beside RUN/adapter */
    bool recompute;           /* activations: less memory, a third more arithmetic */
    precision save_precision; /* of the tensors in RUN/model; checkpoints keep f32 */
} run_options;

/* Of run_options, but for --out, --resume, --steps and --seed, of which each command says its own. */
extern const option_spec schedule_rows[]; /* --lr-schedule --warmup-ratio */
extern const option_spec saving_rows[];   /* --checkpoint-every --keep --background-save
                                             --stop-before-time-limit --tensorboard */
extern const option_spec best_rows[];     /* --keep-best --patience --skip-nonfinite, of training on records */
extern const option_spec tuning_rows[];   /* --lora-rank --lora-alpha --lora-targets --lora-merge --recompute
                                             --save-precision */

/* WR_E_USAGE when an option of LoRA is given without --lora-rank, --patience without --keep-best. */
wr_status run_options_check(const struct options *o, const run_options *r);
/* Whether a run of so many steps writes checkpoints while steps go on. */
bool run_saves_beside(const run_options *o, int64_t steps);

#endif
