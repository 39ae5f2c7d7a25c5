#include "dpo/dpo_loss.h"

double dpo_margin(const dpo_logprobs *x) {
    return (x->policy_chosen - x->policy_rejected) - (x->reference_chosen - x->reference_rejected);
}

double dpo_margin_tolerance(unsigned long reply_tokens) { return 1e-5 + 1e-6 * (double)reply_tokens; }
