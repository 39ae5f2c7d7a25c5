/* Attention by the definition, in double: the oracle of the attention kernels and of their backward pass. Plain loops
 * over all pairs of queries and keys, no threads. LOCAL. */
#ifndef WR_MODEL_KERNELS_ATTENTION_REF_H
#define WR_MODEL_KERNELS_ATTENTION_REF_H

#include "model/kernels/kernels.h"

/* One item of a, whose numbers are in p: o (n_q, H, D) and lse (n_q, H); the item's own o and lse are neither read nor
 * written. */
void ref_attention(const attention_args *a, precision p, size_t item, double *o, double *lse);

/* Of one item: dq (n_q, H, D), dk and dv (n_q, G, D). */
typedef struct ref_attention_grad {
    double *dq, *dk, *dv;
} ref_attention_grad;
/* out[i], zeroed by the caller, += the gradients of item i; only do_ of g is read. */
void ref_attention_backward(const attention_args *a, precision p, const attention_grad *g,
                            const ref_attention_grad *out);

#endif
