/* What a reward model said of rated records, and what they were rated. Arrays are the caller's. LOCAL. */
#ifndef WR_EVALUATE_STATISTICS_PREDICTIONS_H
#define WR_EVALUATE_STATISTICS_PREDICTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NO_PROMPT UINT32_MAX

typedef struct predictions {
    size_t n;
    int classes;            /* K >= 1 */
    const double *score;    /* (n) finite */
    const int *label;       /* (n) 1 … K */
    const int *class;       /* (n) 1 … K; NULL: no class is predicted */
    const double *above;    /* (n, K-1) P(y > k), k = 1 … K-1; NULL: none are told */
    const uint32_t *user;   /* (n) 0 … n_users-1; each has a record */
    const uint32_t *prompt; /* (n) 0 … n_prompts-1, NO_PROMPT: not known */
    size_t n_users, n_prompts;
    const double *length; /* (n) characters of the reply; NULL: not known */
    bool on_scale;        /* the scores are on the labels' scale: 1 … K */
} predictions;

#endif
