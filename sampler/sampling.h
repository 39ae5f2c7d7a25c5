/* How replies are sampled: the parameters, and the small steps that say, before each token, which may come next and how
 * probable each is. A further parameter is a member here, and its row, check and step in sampling.c. LOCAL. */
#ifndef WR_SAMPLER_SAMPLING_H
#define WR_SAMPLER_SAMPLING_H

#include "base/option_row.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sampling_options {
    size_t n;            /* replies per prompt */
    size_t max_tokens;   /* of a reply */
    double temperature;  /* 0 = greedy */
    size_t top_k;        /* 0 = off */
    double top_p;        /* 1 = off */
    uint64_t seed, step; /* randomness key */
} sampling_options;

extern const option_spec sampling_rows[]; /* --temperature --top-k --top-p; of the rest each command has its own */
/* WR_E_USAGE names the option. The one place that says what can be sampled with. */
wr_status sampling_options_check(const sampling_options *o);

/* --- the logit chain ---------------------------------------------------------------------------------------------- */

typedef struct token_candidate {
    float logit;
    int32_t id;
} token_candidate;

/* What the steps act on: the tokens that may come next. */
typedef struct next_token {
    const float *logits; /* (V) raw */
    size_t V;
    float max;             /* the largest logit, finite */
    float *weights;        /* (V) probability of each token up to a common factor; the most probable has weight 1 */
    double total;          /* the weights of the tokens that are left, summed in their order */
    bool all;              /* every token is left, and in the order of the ids: `left` is not filled */
    token_candidate *left; /* (n_left) else: those that are left, most probable first */
    size_t n_left;
} next_token;

typedef struct sampling_step {
    const char *option; /* whose step it is; NULL ends the table */
    bool (*active)(const sampling_options *o, size_t V);
    void (*apply)(const sampling_options *o, next_token *t);
} sampling_step;
/* In the order in which they act, which is that of Hugging Face's warpers: temperature weighs the whole vocabulary,
 * so it comes first. Not for greedy choice (temperature 0). */
extern const sampling_step sampling_steps[];

/* For steps: the tokens that are left and weigh at least `least`, most probable first; equal logits by id. */
void next_token_rank(next_token *t, double least);
/* The first n of ranked tokens stay. */
void next_token_keep(next_token *t, size_t n);

#endif
