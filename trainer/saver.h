/* Checkpoints written beside training: it stands still while what is saved is copied; a thread of every rank does the
 * rest while the next steps run.
 *
 *     steps    ─ step N ─┬ copy ┬ step N+1 ─── step N+2 ─────┬ …  the next save waits for this one
 *     writers            └──────┴ weights, moments ─ agree ─ state.json, fsync, rename, old ones removed
 *
 * Rank 0 writes the weights, and the moments where every rank has all; with moments in ranges (ZeRO-1) each rank writes
 * its own into the folder that rank 0 made, if all see it; otherwise they go through rank 0 before the steps go on. The
 * writers agree on a communicator of their own. COLLECTIVE but for saver_create. */
#ifndef WR_TRAINER_SAVER_H
#define WR_TRAINER_SAVER_H

#include "trainer/checkpoint.h"

typedef struct saver saver;

/* Seconds. */
typedef struct saver_times {
    int64_t saves;       /* between steps, that are done */
    double stood, wrote; /* of these: training stood still for them; from their beginnings to their ends */
    double longest;      /* of any; 0: there was none */
} saver_times;

/* LOCAL. background: false writes at once. WR_E_NOMEM. */
wr_status saver_create(world *w, run_dir *r, bool background, saver **out);
/* LOCAL. There will be saves between steps: makes the room for their copies, whose pages come in beside the steps that
 * follow. Without it, or where there is no memory, the first save does. */
void saver_prepare(saver *s, const model *m, const adamw *opt);
/* Between steps: begins a checkpoint, or makes it, as checkpoint_save; waits for the one before. The arguments may change
 * when this returns, but what state and o point to may not, nor may the model's shape and what is frozen in it. Without
 * room for the copy it is written at once, with a warning. Errors are those of the save before, too. */
wr_status saver_save(saver *s, const model *m, const adamw *opt, const checkpoint_state *state, const save_options *o);
/* Behind the last step: it is on disk when this returns, and nothing was copied. */
wr_status saver_save_last(saver *s, const model *m, const adamw *opt, const checkpoint_state *state,
                          const save_options *o);
/* Waits for the save under way because another is due: training stands still for it. Its error. */
wr_status saver_next(saver *s);
/* Between steps: how a save went that has ended since; WR_OK while it goes on. */
wr_status saver_poll(saver *s);
/* Waits for it. */
wr_status saver_wait(saver *s);
/* LOCAL. */
saver_times saver_spent(const saver *s);
/* Waits. NULL is fine. */
void saver_free(saver *s);

#endif
