/* The life of a run, one for train and dpo: its folder, going on where it was stopped, step after step with their lines
 * of metrics, evaluations, checkpoints and stop signals, the final model. What a step does is its user's.
 *
 *   open: folder, newest checkpoint
 *     │
 *     ▼        ┌───────────────────────────────────────────────────────────────┐
 *   stop? ─► step N ─► metrics line ─► evaluation every … ─► checkpoint every … ┘ ─► model ─► last evaluation
 *     └─► checkpoint, WR_E_INTERRUPTED (exit code 75)
 *
 * Checkpoints are written beside the steps that follow (trainer/saver.h). All ranks agree at each arrow; rank 0 alone
 * touches files, and writers. COLLECTIVE. */
#ifndef WR_TRAINER_RUN_LOOP_H
#define WR_TRAINER_RUN_LOOP_H

#include "base/json.h"
#include "base/log.h"
#include "trainer/best.h"
#include "trainer/checkpoint.h"
#include "trainer/event_file.h"
#include "trainer/run_options.h"
#include "trainer/saver.h"
#include "trainer/time_limit.h"

enum { RUN_NOTE = 96 };

typedef struct run_loop {
    /* what it works on; not owned */
    world *w;
    model *m;
    adamw *opt;
    const run_options *o;
    int64_t eval_every;     /* steps; 0: at the end only */
    save_options how;       /* the files beside a model; the rest is o's */
    checkpoint_state state; /* on entry: what the run is begun with; steps: 0 for o's. .step: steps done */
    /* what a step is */
    const char *name; /* of the progress line: "train" */
    void *context;
    /* COLLECTIVE. Step `step`, the first being 1. Rank 0 writes line (metrics.jsonl) and note (beside the progress).
     * WR_E_INTERRUPTED: a stop signal came in its midst, and weights and optimizer are as before. WR_E_NUMERIC, on one
     * rank at least: loss or gradient is not finite, and they are as before, too. */
    wr_status (*step)(void *context, int64_t step, strbuf *line, char note[RUN_NOTE]);
    /* COLLECTIVE. The members eval_… of a line, those before them being there. *nothing: there is nothing to measure,
     * the line is dropped. NULL: the run has no evaluation. */
    wr_status (*evaluate)(void *context, json_writer *line, bool *nothing);
    /* its own; on entry zero */
    run_dir *dir;
    saver *saver;
    time_limit limit; /* rank 0 */
    int64_t saved;    /* step of the newest checkpoint, which may still be on its way, -1: none */
    best_so_far best; /* rank 0; .metric NULL: none is kept */
    int64_t skipped;  /* steps in a row up to now, whose loss or gradient was not finite */
    bool trained;     /* a step was not */
    bool enough;      /* evaluations have not been better for long: the run ends here */
    bool finished;    /* all steps done and the model saved, whatever came of its evaluation */
    progress *bar;    /* rank 0; events, too */
    event_file *events;
} run_loop;

/* Opens the folder, and with resume the newest checkpoint: m, opt and state are then its. The ranks' weights are
 * compared. Errors of run_open and checkpoint_load. */
wr_status run_loop_open(run_loop *r);
/* The learning rate of a step, the first being 1. LOCAL. */
double run_loop_rate(const run_loop *r, double peak, int64_t step);
/* Steps to the last, or until evaluations have not been better for o->patience of them, then saves the final model and evaluates it. A run that had all its steps only does the latter:
 * the line of its last evaluation, which lies behind what the checkpoint counts, is written again.
 *
 * WR_E_INTERRUPTED: stopped by a signal, a checkpoint saved. Where an evaluation between steps fails the steps so far
 * are saved first (not a model whose figures are no numbers: better ones may be there); where the last one fails, the
 * model. */
wr_status run_loop_go(run_loop *r);
void run_loop_close(run_loop *r); /* of one that is all zero, or was not opened, too; waits for what is being saved */

#endif
