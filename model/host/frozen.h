/* Models that are never updated, held once a host. COLLECTIVE. */
#ifndef WR_MODEL_HOST_FROZEN_H
#define WR_MODEL_HOST_FROZEN_H

#include "model/model.h"
#include "mpi/world.h"

typedef struct frozen_model {
    model *m;
    shared_block *block;
} frozen_model;

/* Loads dir to compute in p. Weights that dir stores in p are mapped, and the host's page cache is their one copy;
 * others are converted by one rank of each host into shared memory. check_weights: NaN or infinity in them is
 * WR_E_FORMAT. Rank 0 says what the model is; a host that reads another one is WR_E_MISMATCH. */
wr_status frozen_load(world *w, const char *dir, model_head head, precision p, bool check_weights, frozen_model *out);
/* A frozen copy of m as it is now (without adapters), the same on every rank and in m's precision: the reference of
 * DPO. */
wr_status frozen_copy(world *w, const model *m, frozen_model *out);
void frozen_free(frozen_model *f);

#endif
