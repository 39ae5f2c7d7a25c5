/* Losses of preference pairs: one file and one word of DPO_LOSSES each. LOCAL.
 *
 * pi: the policy, rho: the frozen reference, w: the chosen and l: the rejected reply of one prompt. Log-probabilities
 * are summed over a reply's tokens, its end token included and the prompt excluded. What every loss is reported with:
 *
 *   margin h = (log pi_w - log pi_l) - (log rho_w - log rho_l)
 *   accuracy = share of the pairs with h > 0
 *   loss     = mean over the pairs of the global step */
#ifndef WR_DPO_DPO_LOSS_H
#define WR_DPO_DPO_LOSS_H

#include "base/option_settings.h"

/* The table. X(NAME): NAME_loss and NAME_options are defined in dpo/loss_NAME.c; the name is TRL's, and what --loss
 * takes. The first is the default. */
#define DPO_LOSSES(X) X(sigmoid)

typedef struct dpo_logprobs {
    double policy_chosen, policy_rejected, reference_chosen, reference_rejected;
} dpo_logprobs;

typedef struct dpo_loss dpo_loss;
/* A loss at work. */
typedef struct dpo_loss_options {
    const dpo_loss *kind;             /* NULL: the first of the table */
    double beta;                      /* strength of the tie to the reference */
    double settings[OPTION_SETTINGS]; /* values of the rows of kind->options, in their order */
} dpo_loss_options;

struct dpo_loss {
    const char *name;
    /* its own command-line options: numbers and flags, with defaults; ended by {0} */
    const option_spec *options;
    /* The loss at x: a function of the four log-probabilities and two lengths of one pair. *dchosen and *drejected
     * (never NULL): its derivatives at log pi_w and log pi_l. NaN in, NaN out. */
    double (*at)(const dpo_loss_options *o, const dpo_logprobs *x, double *dchosen, double *drejected);
};

#define DPO_LOSS_DECLARE(name_)                                                                                        \
    extern const dpo_loss name_##_loss;                                                                                \
    extern const option_spec name_##_options[];
DPO_LOSSES(DPO_LOSS_DECLARE)
#undef DPO_LOSS_DECLARE

extern const dpo_loss *const dpo_losses[]; /* the table; ends with NULL */
extern const option_spec dpo_loss_rows[];  /* of dpo_loss_options: --loss, --beta */
/* The losses' own options, each with a comma behind it: for a command's list of groups. */
#define DPO_LOSS_GROUP(name_) {.rows = name_##_options},
#define DPO_LOSS_GROUPS DPO_LOSSES(DPO_LOSS_GROUP)

/* What --loss names, with the values of its options. WR_E_USAGE: an option of another loss is given. */
wr_status dpo_loss_from_options(const struct options *o, dpo_loss_options *out);
/* The loss of one pair. */
double dpo_loss_at(const dpo_loss_options *o, const dpo_logprobs *x, double *dchosen, double *drejected);

double dpo_margin(const dpo_logprobs *x); /* h */
/* Rounding allowed at h where policy = reference in f32: 1e-5 + 1e-6 a reply token of both. */
double dpo_margin_tolerance(unsigned long reply_tokens);

#endif
