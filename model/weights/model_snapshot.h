/* A model as it is now, to be saved while it is trained on: what training changes is copied, the rest is the model's
 * own, which does not change. LOCAL. */
#ifndef WR_MODEL_WEIGHTS_MODEL_SNAPSHOT_H
#define WR_MODEL_WEIGHTS_MODEL_SNAPSHOT_H

#include "model/model.h"

typedef struct model_snapshot {
    model m; /* for model_save, lora_save and what they ask, nothing else; never to be freed as a model */
    /* owned */
    const void **weights;
    struct lora *adapters;
} model_snapshot;

/* values: room for what training changes, model_trainables(m).n floats, the caller's, in use until the snapshot is freed.
 * m must outlive it, and keep its adapters. WR_E_NOMEM. */
wr_status model_snapshot_take(const model *m, float *values, model_snapshot *out);
void model_snapshot_free(model_snapshot *s); /* of one that is all zero, too */

#endif
