/* The model that evaluate measures, on every rank. */
#ifndef WR_CLI_EVALUATE_MODEL_H
#define WR_CLI_EVALUATE_MODEL_H

#include "cli/model_options.h"
#include "model/host/model_share.h"
#include "model/model.h"

/* COLLECTIVE. The head of rank 0's model directory, or of the adapter, to all. */
wr_status evaluate_agree_head(const model_options *o, world *w, model_head *head);
/* COLLECTIVE. The model on every rank: once a host (*block is to be freed), or, with an adapter, which rank 0 merges
 * into it, a copy each. */
wr_status evaluate_open_model(const model_options *o, world *w, model_head head, precision p, shared_block **block,
                              model **m);

#endif
