/* A model that rank 0 has, on every rank. COLLECTIVE. */
#ifndef WR_MODEL_HOST_MODEL_SHARE_H
#define WR_MODEL_HOST_MODEL_SHARE_H

#include "model/model.h"
#include "mpi/world.h"

/* *m of rank 0 (with f32 masters, without adapters) to all (others: *m is created, the caller's); it computes in p on
 * all of them then. */
wr_status model_share(world *w, precision p, model **m);
/* The same of a model without weights. */
wr_status model_share_shape(world *w, precision p, model **m);

#endif
