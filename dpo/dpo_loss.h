/* Losses of preference pairs: one file and one row of dpo/loss_table.c each. LOCAL.
 *
 * pi: the policy, rho: the frozen reference, w: the chosen and l: the rejected reply of one prompt. Log-probabilities
 * are summed over a reply's tokens, its end token included and the prompt excluded. What every loss is reported with:
 *
 *   margin h = (log pi_w - log pi_l) - (log rho_w - log rho_l)
 *   accuracy = share of the pairs with h > 0
 *   loss     = mean over the pairs of the global step */
#ifndef WR_DPO_DPO_LOSS_H
#define WR_DPO_DPO_LOSS_H

#include "base/option_row.h"
#include "base/status.h"

typedef struct dpo_logprobs {
    double policy_chosen, policy_rejected, reference_chosen, reference_rejected;
    size_t chosen_tokens, rejected_tokens; /* of the replies */
} dpo_logprobs;

typedef struct dpo_loss_options {
    const char *loss; /* a name of the table; NULL: its first */
    double beta, label_smoothing;
} dpo_loss_options;
extern const option_spec dpo_loss_rows[]; /* --loss, and what the losses take */

/* A loss at x. What enters it is a function of the four log-probabilities (and lengths) of one pair. *dchosen and
 * *drejected (never NULL): its derivatives at log pi_w and log pi_l. NaN in, NaN out. */
typedef double (*dpo_loss_at)(const dpo_loss_options *o, const dpo_logprobs *x, double *dchosen, double *drejected);
typedef struct dpo_loss {
    const char *name; /* TRL's */
    dpo_loss_at at;
} dpo_loss;
extern const dpo_loss *const dpo_losses[]; /* ends with NULL */
/* The row that o asks for. WR_E_USAGE: there is none of that name. */
wr_status dpo_loss_find(const dpo_loss_options *o, const dpo_loss **out);

double dpo_margin(const dpo_logprobs *x); /* h */
/* Rounding allowed at h where policy = reference in f32: 1e-5 + 1e-6 a reply token of both. */
double dpo_margin_tolerance(unsigned long reply_tokens);

#endif
