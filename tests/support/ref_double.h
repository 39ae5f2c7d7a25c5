/* The whole model in double precision, from the scalar kernels: logits and losses, for central differences. */
#ifndef WR_TESTS_REF_DOUBLE_H
#define WR_TESTS_REF_DOUBLE_H

#include "model/model.h"

/* hidden (T, C) of a packed batch; params laid out as the model's. */
void refd_forward(const model *m, const double *params, const token_batch *b, double *hidden);
/* log softmax(hidden[row] head^T)[target] */
double refd_logprob_at(const model *m, const double *params, const double *hidden, size_t row, int32_t target);
/* Sum over i of the mean over k of BCE(z_k, 1[label_i > k]), z the score head at rows[i]; labels 1 … K. */
double refd_ordinal(const model *m, const double *params, const double *hidden, size_t n, const size_t *rows, const int *labels);
/* -log sigmoid(beta h) */
double refd_dpo(double beta, double h);

#endif
