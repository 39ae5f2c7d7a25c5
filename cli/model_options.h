/* Options about the model that commands share: arithmetic, adapters, checks; and loading with them. */
#ifndef WR_CLI_MODEL_OPTIONS_H
#define WR_CLI_MODEL_OPTIONS_H

#include "cli/command.h"
#include "model/weights/lora.h"
#include "trainer/update.h"

extern const option_spec precision_options[]; /* --precision --check-weights */
extern const option_spec adapter_options[];   /* --adapter */
/* --lora-rank --lora-alpha --lora-targets --lora-merge --recompute --save-precision */
extern const option_spec tuning_options[];

/* --precision. auto: bf16 where the CPU multiplies it in hardware; rank 0 logs what it is and why. COLLECTIVE when w is
 * not NULL: all ranks compute alike, in bf16 only where every rank can. */
wr_status choose_precision(const options *o, world *w, precision *out);
/* --save-precision */
precision save_precision(const options *o);
/* --lr --beta1 --beta2 --eps --weight-decay --grad-clip --reduce-slice */
update_options update_from_options(const options *o);
/* --lr-schedule */
lr_schedule schedule_from_options(const options *o);
/* --lora-…; rank 0 when LoRA is off. WR_E_USAGE when one of them is given without --lora-rank. */
wr_status lora_from_options(const options *o, lora_options *out);

/* --model with --precision, --check-weights, --adapter. frozen: adapters are attached, and weights used where they lie;
 * otherwise the model gets f32 masters, into which adapters are merged. HEAD_NONE: the head that the directory, or the
 * adapter, has. An adapter brings its reward template. LOCAL. */
wr_status load_model(const options *o, model_head head, bool frozen, precision p, model **out);

#endif
