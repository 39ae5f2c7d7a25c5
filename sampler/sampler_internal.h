/* What a session needs of its sampler. */
#ifndef WR_SAMPLER_SAMPLER_INTERNAL_H
#define WR_SAMPLER_SAMPLER_INTERNAL_H

#include "model/decode.h"
#include "sampler/pick.h"
#include "sampler/sampler.h"

#define LOGIT_ROWS 32 /* vocabulary-sized rows that exist at a time */

struct sampler {
    const model *policy;
    decode_scratch *scratch;
    pick_scratch *picks; /* (n_picks): one a thread */
    size_t n_picks;
    float *logits; /* (LOGIT_ROWS, V) */
};

#endif
