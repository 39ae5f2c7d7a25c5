/* A checkpoint on its way, in steps that a saver (trainer/saver.h) does beside training, or one after another. Rank 0's
 * but for checkpoint_place. LOCAL, thread-safe for different steps.
 *
 *     checkpoint_begin    RUN/checkpoints/tmp-step-N/, empty
 *     checkpoint_weights      model/ or adapter/; moments: trainer/moments_ranks.h
 *     checkpoint_end          config.yaml, state.json with the hashes of all files; all fsynced, renamed to step-N;
 *                             those that are too many go */
#ifndef WR_TRAINER_CHECKPOINT_WRITE_H
#define WR_TRAINER_CHECKPOINT_WRITE_H

#include "base/file.h"
#include "trainer/checkpoint.h"
#include "trainer/state_file.h"

typedef struct checkpoint_place {
    char folder[PATH_CAP], tmp[PATH_CAP], final[PATH_CAP];
} checkpoint_place;

/* Steps of the checkpoints of `folder` by their names, ascending; free with free(). */
wr_status checkpoint_steps(const char *folder, int64_t **steps, size_t *n);

wr_status checkpoint_place_of(const run_dir *r, int64_t step, checkpoint_place *p);
wr_status checkpoint_begin(const checkpoint_place *p);
wr_status checkpoint_weights(const checkpoint_place *p, const model *m, const checkpoint_state *state,
                             const save_options *o);
/* n: of its metrics only the bytes are given. */
wr_status checkpoint_end(run_dir *r, const checkpoint_place *p, state_numbers n, const checkpoint_state *state,
                         const save_options *o);
/* Of one that failed: nothing is left, and wr_error() stays what it was. */
void checkpoint_abandon(const checkpoint_place *p);

#endif
