/* DPO's own loss (Rafailov et al. 2023, eq. 7, with the label smoothing of cDPO, Mitchell 2023): with the share eps of
 * preferences taken to be wrong,
 *
 *   loss(h)      = -(1 - eps) log sigma(beta h) - eps log sigma(-beta h)
 *   d loss / d h = beta (-(1 - eps) sigma(-beta h) + eps sigma(beta h))
 *
 * The margin h holds log pi_w with +1 and log pi_l with -1. */
#include "base/logistic.h"
#include "dpo/dpo_loss.h"

#include <math.h>

enum { LABEL_SMOOTHING };

static double sigmoid_at(const dpo_loss_options *o, const dpo_logprobs *x, double *dchosen, double *drejected) {
    const double eps = o->settings[LABEL_SMOOTHING], z = o->beta * dpo_margin(x);
    /* sigma(z) = exp(log sigma(z)) without overflow at either end. */
    *dchosen = o->beta * (-(1 - eps) * exp(log_sigmoid(-z)) + eps * exp(log_sigmoid(z)));
    *drejected = -*dchosen;
    double loss = -(1 - eps) * log_sigmoid(z);
    if (eps > 0) loss -= eps * log_sigmoid(-z);
    return loss;
}

const option_spec sigmoid_options[] = {
    [LABEL_SMOOTHING] = {.name = "label-smoothing",
                         .kind = OPT_FLOAT,
                         .default_value = "0",
                         .arg = "E",
                         .help = "share of preferences taken to be wrong",
                         .min = 0,
                         .max = 0.5},
    {0},
};
const dpo_loss sigmoid_loss = {.name = "sigmoid", .options = sigmoid_options, .at = sigmoid_at};
