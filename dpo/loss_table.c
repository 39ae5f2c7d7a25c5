#include "dpo/dpo_loss.h"

#include "base/options.h"

#include <string.h>

#define DPO_LOSS_ROW(name_) &name_##_loss,
const dpo_loss *const dpo_losses[] = {DPO_LOSSES(DPO_LOSS_ROW) NULL};

#define DPO_LOSS_OR_NAME(name_) "|" #name_
const option_spec dpo_loss_rows[] = {
    {.name = "loss",
     .kind = OPT_CHOICE,
     .default_value = "sigmoid",
     .arg = &(DPO_LOSSES(DPO_LOSS_OR_NAME))[1],
     .help = "of a pair, by TRL's name; sigmoid is DPO's own"},
    OPTION_FLOAT(dpo_loss_options, beta, "beta", "0.1", "B", 1e-9, 1e6, "strength of the tie to the reference"),
    {0},
};

wr_status dpo_loss_from_options(const options *o, dpo_loss_options *out) {
    wr_status status = WR_OK;
    const char *name = options_str(o, "loss");
    for (const dpo_loss *const *l = dpo_losses; *l; l++)
        if (strcmp((*l)->name, name) == 0) out->kind = *l;
    for (const dpo_loss *const *l = dpo_losses; *l; l++)
        if (*l != out->kind) TRY(settings_refuse(o, (*l)->options, "loss", (*l)->name, name));
    settings_of_options(o, out->kind->options, out->settings);
cleanup:
    return status;
}

double dpo_loss_at(const dpo_loss_options *o, const dpo_logprobs *x, double *dchosen, double *drejected) {
    return (o->kind ? o->kind : dpo_losses[0])->at(o, x, dchosen, drejected);
}
