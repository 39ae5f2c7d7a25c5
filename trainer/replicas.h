/* Every rank holds the same weights and optimizer state, and each updates its own by the same numbers. A bit that one
 * rank has otherwise, by bad memory or a fault of ours, would go on into every later step. */
#ifndef WR_TRAINER_REPLICAS_H
#define WR_TRAINER_REPLICAS_H

#include "mpi/world.h"
#include "trainer/optimizer.h"

/* COLLECTIVE. WR_E_MISMATCH on the lowest rank that differs from rank 0, naming the tensor; WR_E_PEER on the others.
 * opt NULL: the weights alone, with those below adapters. */
wr_status replicas_equal(world *w, const model *m, const adamw *opt);

#endif
