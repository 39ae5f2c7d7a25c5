#include "dpo/dpo_loss.h"

#include <string.h>

extern const dpo_loss dpo_loss_sigmoid;

const dpo_loss *const dpo_losses[] = {&dpo_loss_sigmoid, NULL};

const option_spec dpo_loss_rows[] = {
    OPTION_CHOICE(dpo_loss_options, loss, "loss", "sigmoid", "sigmoid", "loss of a pair; sigmoid: DPO's own"),
    OPTION_FLOAT(dpo_loss_options, beta, "beta", "0.1", "B", 1e-9, 1e6, "strength of the tie to the reference"),
    OPTION_FLOAT(dpo_loss_options, label_smoothing, "label-smoothing", "0", "E", 0, 0.5,
                 "share of preferences taken to be wrong"),
    {0},
};

wr_status dpo_loss_find(const dpo_loss_options *o, const dpo_loss **out) {
    for (const dpo_loss *const *l = dpo_losses; *l; l++) {
        *out = *l;
        if (!o->loss || strcmp(o->loss, (*l)->name) == 0) return WR_OK;
    }
    return wr_fail(WR_E_USAGE, "--loss %.40s: there is no such loss", o->loss);
}
