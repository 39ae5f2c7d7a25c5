/* DPO's own loss (Rafailov et al. 2023, eq. 7, with the label smoothing of cDPO, Mitchell 2023): with the share eps of
 * preferences taken to be wrong,
 *
 *   loss(h)      = -(1 - eps) log sigma(beta h) - eps log sigma(-beta h)
 *   d loss / d h = beta (-(1 - eps) sigma(-beta h) + eps sigma(beta h))
 *
 * The margin h holds log pi_w with +1 and log pi_l with -1. */
#include "dpo/dpo_loss.h"

#include "base/logistic.h"

#include <math.h>

static double sigmoid_loss(const dpo_loss_options *o, const dpo_logprobs *x, double *dchosen, double *drejected) {
    const double eps = o->label_smoothing, z = o->beta * dpo_margin(x);
    /* sigma(z) = exp(log sigma(z)) without overflow at either end. */
    *dchosen = o->beta * (-(1 - eps) * exp(log_sigmoid(-z)) + eps * exp(log_sigmoid(z)));
    *drejected = -*dchosen;
    double loss = -(1 - eps) * log_sigmoid(z);
    if (eps > 0) loss -= eps * log_sigmoid(-z);
    return loss;
}

const dpo_loss dpo_loss_sigmoid = {.name = "sigmoid", .at = sigmoid_loss};
