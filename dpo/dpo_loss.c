#include "dpo/dpo_loss.h"

#include "reward/loss.h"

#include <math.h>

double dpo_margin(const dpo_logprobs *p) {
    return (p->policy_chosen - p->policy_rejected) - (p->reference_chosen - p->reference_rejected);
}

double dpo_sigmoid_loss(double beta, double smoothing, double h, double *dh) {
    double x = beta * h;
    if (dh) {
        /* d/dx log sigma(x) = sigma(-x), and sigma(x) = exp(log sigma(x)) without overflow at either end. */
        *dh = beta * (-(1 - smoothing) * exp(log_sigmoid(-x)) + smoothing * exp(log_sigmoid(x)));
    }
    double loss = -(1 - smoothing) * log_sigmoid(x);
    if (smoothing > 0) loss -= smoothing * log_sigmoid(-x);
    return loss;
}

double dpo_margin_tolerance(unsigned long reply_tokens) { return 1e-5 + 1e-6 * (double)reply_tokens; }
