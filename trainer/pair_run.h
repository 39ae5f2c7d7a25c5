/* Training on preference pairs of a file. */
#ifndef WR_TRAINER_PAIR_RUN_H
#define WR_TRAINER_PAIR_RUN_H

#include "trainer/train.h"

/* COLLECTIVE. `run` with the pairs of o->pairs for its data. Rank 0 reads the file. */
wr_status pair_run(world *w, const train_options *o, wr_status (*run)(world *w, const train_options *o));

#endif
