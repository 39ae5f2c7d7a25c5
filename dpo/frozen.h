/* Models that are never updated: parameters once a host, in shared memory. COLLECTIVE. */
#ifndef WR_DPO_FROZEN_H
#define WR_DPO_FROZEN_H

#include "model/model.h"
#include "mpi/world.h"

typedef struct frozen_model { model *m; shared_block *block; } frozen_model;

/* Loads dir once a host. Rank 0 says what the model is; a host that reads another one is WR_E_MISMATCH. */
wr_status frozen_load(world *w, const char *dir, model_head head, frozen_model *out);
/* A frozen copy of m as it is now, the same on every rank: the reference of DPO. */
wr_status frozen_copy(world *w, const model *m, frozen_model *out);
void frozen_free(frozen_model *f);

#endif
