/* evaluate --suite NAME FILE…: a reward model on a published suite. */
#ifndef WR_CLI_EVALUATE_SUITE_H
#define WR_CLI_EVALUATE_SUITE_H

#include "cli/model_options.h"
#include "reward/reward_model.h"

typedef struct suite_options {
    const char *name;   /* NULL: no suite is asked for */
    const char *scores; /* --suite-scores, NULL: none */
    const char *cache;  /* --score-cache, NULL: none */
} suite_options;
extern const option_spec suite_rows[]; /* --suite --suite-scores --score-cache */

typedef struct evaluate_suite_call {
    const suite_options *suite;
    const model_options *model;
    const reward_reading *reading;
    const char *out;
    size_t resamples; /* behind intervals */
    uint64_t seed;
    size_t limit, max_length /* 0: the model's */, max_tokens;
} evaluate_suite_call;

/* COLLECTIVE. Files are o's arguments. Writes the result; WR_E_FAILED behind it where rows were left out. */
wr_status evaluate_suite(const options *o, world *w, precision p, const evaluate_suite_call *c);

#endif
