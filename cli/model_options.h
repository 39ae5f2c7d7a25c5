/* Options about the model that commands share: arithmetic, adapters, checks; and loading with them. */
#ifndef WR_CLI_MODEL_OPTIONS_H
#define WR_CLI_MODEL_OPTIONS_H

#include "cli/command.h"
#include "model/weights/lora.h"

typedef struct arithmetic_options {
    const char *precision; /* "f32", "bf16", "auto" */
    bool check_weights;
} arithmetic_options;
extern const option_spec arithmetic_rows[]; /* --precision --check-weights */

typedef struct model_options {
    const char *dir;     /* --model, of which each command says what it is */
    const char *adapter; /* LoRA adapter, NULL: none */
    bool sampled;        /* set by a command that samples from it: its weights are packed for that, too */
    arithmetic_options arithmetic;
} model_options;
extern const option_spec adapter_rows[]; /* of model_options: --adapter */

/* wanted: "f32", "bf16" or "auto": bf16 where the CPU multiplies it in hardware; rank 0 logs what it is and why. whose:
 * NULL, or whose precision it is where there are several ("annotator": --annotator-precision). COLLECTIVE when w is not
 * NULL: all ranks compute alike, in bf16 only where every rank can. */
wr_status choose_precision(const char *wanted, const char *whose, world *w, precision *out);

/* frozen: adapters are attached, and weights used where they lie; otherwise the model gets f32 masters, into which
 * adapters are merged. HEAD_NONE: the head that the directory, or the adapter, has. An adapter brings its reward
 * template. WR_E_NOMEM before any weight is read where it cannot fit (cli/memory_check.h). LOCAL. */
wr_status load_model(const model_options *o, model_head head, bool frozen, precision p, model **out);

#endif
