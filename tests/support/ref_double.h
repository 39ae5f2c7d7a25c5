/* The whole model once more in double precision, in plain loops that share nothing with the program's kernels: values
 * and losses for central differences. A segment that continues others is computed as one sequence with them, which is
 * what token_batch.parent promises to equal. */
#ifndef WR_TESTS_SUPPORT_REF_DOUBLE_H
#define WR_TESTS_SUPPORT_REF_DOUBLE_H

#include "model/model.h"

/* params: laid out as the model's; adapters: as its lora->values, NULL: computed without any. */
typedef struct refd_model {
    const model *m;
    const double *params, *adapters;
} refd_model;

/* hidden (T, C) of a packed batch, after the final norm. */
void refd_forward(const refd_model *r, const token_batch *b, double *hidden);
/* log softmax(hidden[row] head^T)[target] */
double refd_logprob_at(const refd_model *r, const double *hidden, size_t row, int32_t target);
/* Sum over i of the mean over k of BCE(z_k, 1[label_i > k]), z the score head at rows[i]; labels 1 … K. */
double refd_ordinal(const refd_model *r, const double *hidden, size_t n, const size_t *rows, const int *labels);
/* -log sigmoid(beta h) */
double refd_dpo(double beta, double h);

#endif
