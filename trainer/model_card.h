/* README.md beside a saved model, as the Hugging Face hub shows it: what the model is, what it was made from, the run's
 * last evaluation, the options and the hashes that tell versions apart. LOCAL, rank 0. */
#ifndef WR_TRAINER_MODEL_CARD_H
#define WR_TRAINER_MODEL_CARD_H

#include "trainer/checkpoint.h"

/* RUN/model/README.md; the evaluation is the last in RUN/metrics.jsonl. what: of the run, "train", "dpo"; how: it was
 * saved. Written whole or not at all; WR_E_IO and WR_E_FORMAT name the file. */
wr_status model_card_write(const char *run, const char *what, const model *m, const checkpoint_state *state,
                           const save_options *how);

#endif
