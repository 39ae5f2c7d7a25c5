/* What the objectives share that ask K-1 questions "better than class k?" of one logit each. Internal to reward/.
 * LOCAL. */
#ifndef WR_REWARD_BINARY_TERMS_H
#define WR_REWARD_BINARY_TERMS_H

#include "reward/objective.h"

/* sum_i sum_k BCE(z_ik, t_ik) / share,  t_k = 1[y > k], smoothed: (1 - eps) t + eps / 2. dz: as objective.loss. */
double binary_terms_loss(const objective_use *u, size_t n, const float *z, const int *labels, double share, float scale,
                         float *dz);
/* An objective's loss where the share is 1: the sum over k of a record's terms. */
double binary_sum_loss(const objective_use *u, size_t n, const float *z, const int *labels, float scale, float *dz);
/* BCE(z, t) of a logit, and *d: its derivative. */
double binary_term(double z, double t, double *d);
/* t_k of a label, smoothed. */
double binary_target(const objective_use *u, int label, size_t k);

size_t binary_outputs(int classes);                                    /* K - 1 */
size_t one_term(const objective_use *u, int label);                    /* 1 */
int binary_class(const objective_use *u, const float *z);              /* 1 + |{k: z_k > 0}| */
void binary_passes(const objective_use *u, const float *z, double *p); /* sigma(z_k) */

#endif
