/* Losses on head outputs. Each returns the summed loss and writes the gradient; the caller passes the scale (1 / global
 * count). LOCAL. */
#ifndef WR_REWARD_LOSS_H
#define WR_REWARD_LOSS_H

#include <stddef.h>

/* Ordinal regression (REFERENCE: paper section on the reward model): targets t_k = 1[y > k], k = 1 … K-1; binary
 * cross-entropy with logits, mean over K-1. logits (n, K-1), labels (n) in 1 … K. Returns sum over n of the mean over
 * K-1; dlogits (n, K-1) = scale * d(sum)/d logits. */
double ordinal_loss(size_t n, size_t n_logits, const float *logits, const int *labels, float scale, float *dlogits);
/* Score = 1 + sum_k sigmoid(z_k), in (1, K). */
double ordinal_score(size_t n_logits, const float *logits);

/* Numerically safe: log(1 + e^x), log sigmoid. */
double softplus(double x);
double log_sigmoid(double x);

#endif
