/* doctor --model: what training a model would take on so many ranks, without data. LOCAL. */
#ifndef WR_CLI_DOCTOR_MODEL_H
#define WR_CLI_DOCTOR_MODEL_H

#include "cli/model_options.h"
#include "trainer/update.h"

typedef struct doctor_model {
    const char *model, *kind; /* folder or shape; "reward" or "lm" */
    int ranks;
    size_t micro_tokens, max_length, vocabulary, lora_rank;
    bool recompute, json;
} doctor_model;
extern const option_spec doctor_model_rows[];

/* Text for stdout. probe: take two seconds for those of a step. */
wr_status doctor_model_tell(const doctor_model *o, const update_options *u, precision p, bool probe, strbuf *out);

#endif
