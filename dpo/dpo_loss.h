/* The DPO loss (Rafailov et al. 2023, eq. 7, with the label smoothing of cDPO, Mitchell 2023). LOCAL.
 *
 *   h = (log pi_w - log pi_l) - (log rho_w - log rho_l)
 *   loss(h) = -(1 - eps) log sigma(beta h) - eps log sigma(-beta h)
 *
 * pi: the policy, rho: the frozen reference, w: the chosen and l: the rejected reply of one prompt. Log-probabilities
 * are summed over the reply's tokens, its end token included and the prompt excluded. */
#ifndef WR_DPO_DPO_LOSS_H
#define WR_DPO_DPO_LOSS_H

typedef struct dpo_logprobs {
    double policy_chosen, policy_rejected, reference_chosen, reference_rejected;
} dpo_logprobs;

double dpo_margin(const dpo_logprobs *p); /* h */
/* Returns the loss at h. *dh (may be NULL) = d loss / d h, which is the gradient at log pi_w, and its negative at log
 * pi_l. */
double dpo_sigmoid_loss(double beta, double smoothing, double h, double *dh);
/* Rounding allowed at h where policy = reference in f32: 1e-5 + 1e-6 a reply token of both. */
double dpo_margin_tolerance(unsigned long reply_tokens);

#endif
