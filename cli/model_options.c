#include "cli/model_options.h"

#include "base/file.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

const option_spec precision_options[] = {
    {.name = "precision",
     .resume = RESUME_FREE,
     .kind = OPT_CHOICE,
     .default_value = "f32",
     .arg = "f32|bf16|auto",
     .help = "arithmetic of the model; auto: bf16 where the CPU has it in hardware. Only f32 gives the same replies on "
             "any number of ranks"},
    {.name = "check-weights",
     .resume = RESUME_FREE,
     .kind = OPT_FLAG,
     .help = "look for NaN and infinities in the weights before using them"},
    {0},
};

const option_spec adapter_options[] = {
    {.name = "adapter",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "DIR",
     .help = "LoRA adapter in PEFT's format, put on --model"},
    {0},
};

const option_spec tuning_options[] = {
    {.name = "lora-rank",
     .kind = OPT_INT,
     .default_value = "0",
     .arg = "N",
     .help = "train LoRA adapters of this rank and leave the model as it is; 0: train all weights",
     .min = 0,
     .max = 65536},
    {.name = "lora-alpha",
     .kind = OPT_FLOAT,
     .default_value = "16",
     .arg = "X",
     .help = "adapters count alpha/rank",
     .min = 1e-6,
     .max = 1e9},
    {.name = "lora-targets",
     .kind = OPT_STRING,
     .default_value = "all-linear",
     .arg = "LIST",
     .help = "layers with adapters, e.g. q_proj,v_proj; all-linear: q, k, v, o, gate, up, down"},
    {.name = "lora-merge",
     .resume = RESUME_FREE,
     .kind = OPT_FLAG,
     .default_value = "true",
     .help = "write RUN/model with the adapters merged in, beside RUN/adapter (PEFT)"},
    {.name = "recompute",
     .resume = RESUME_FREE,
     .kind = OPT_FLAG,
     .help = "keep only each layer's input for the backward pass: less memory, a third more arithmetic"},
    {.name = "save-precision",
     .resume = RESUME_FREE,
     .kind = OPT_CHOICE,
     .default_value = "f32",
     .arg = "f32|bf16",
     .help = "how RUN/model is stored"},
    {0},
};

wr_status choose_precision(const options *o, world *w, precision *out) {
    const char *text = options_str(o, "precision"), *why = NULL;
    wr_status status = precision_choose(text, out, &why);
    if (w) {
        status = world_agree(w, status);
        if (status >= 0 && world_any(w, *out == PRECISION_F32) && *out != PRECISION_F32) {
            *out = PRECISION_F32;
            why = "a rank's CPU has no bf16 products";
        }
    }
    if (status >= 0 && strcmp(text, "auto") == 0 && log_rank() == 0)
        log_info("precision %s (auto: %s)", precision_name(*out), why);
    return status;
}

precision save_precision(const options *o) {
    return strcmp(options_str(o, "save-precision"), "bf16") == 0 ? PRECISION_BF16 : PRECISION_F32;
}

update_options update_from_options(const options *o) {
    return (update_options){.adam = {.lr = options_float(o, "lr"),
                                     .beta1 = options_float(o, "beta1"),
                                     .beta2 = options_float(o, "beta2"),
                                     .eps = options_float(o, "eps"),
                                     .weight_decay = options_float(o, "weight-decay")},
                            .grad_clip = options_float(o, "grad-clip"),
                            .reduce_slice = (size_t)options_int(o, "reduce-slice")};
}

lr_schedule schedule_from_options(const options *o) {
    const char *name = options_str(o, "lr-schedule");
    return strcmp(name, "cosine") == 0 ? LR_COSINE : strcmp(name, "linear") == 0 ? LR_LINEAR : LR_CONSTANT;
}

wr_status lora_from_options(const options *o, lora_options *out) {
    static const char *const needing[] = {"lora-alpha", "lora-targets", "lora-merge"};
    *out = (lora_options){.rank = (size_t)options_int(o, "lora-rank"),
                          .alpha = options_float(o, "lora-alpha"),
                          .targets = options_str(o, "lora-targets")};
    for (size_t i = 0; !out->rank && i < sizeof needing / sizeof *needing; i++)
        if (options_given(o, needing[i]) && !options_given(o, "lora-rank"))
            return wr_fail(WR_E_USAGE, "--%s: give --lora-rank N, too, to train adapters", needing[i]);
    return WR_OK;
}

/* A reward adapter's folder may hold the template that it was trained with. */
static wr_status adapter_template(const char *dir, model *m) {
    enum { TEMPLATE_LIMIT = 1 << 20 };
    wr_status status = WR_OK;
    char path[PATH_CAP], *text = NULL;
    size_t n;
    TRY(path_join(path, dir, "template.txt"));
    if (!file_exists(path)) return WR_OK;
    TRY(file_read(path, TEMPLATE_LIMIT, &text, &n));
    free(m->template_text);
    m->template_text = text;
cleanup:
    return status;
}

wr_status load_model(const options *o, model_head head, bool frozen, precision p, model **out) {
    wr_status status = WR_OK;
    const char *adapter = options_str(o, "adapter");
    model_load_options load = {
        .head = head, .frozen = frozen, .check_weights = options_flag(o, "check-weights"), .precision = p};
    *out = NULL;
    if (adapter && head != HEAD_LM) { /* a reward adapter brings the score head that its base may lack */
        TRY(lora_score_rows(adapter, &load.n_outputs));
        if (load.n_outputs) load.head = HEAD_SCORE;
    }
    TRY(model_load(options_str(o, "model"), &load, out));
    if (adapter) {
        TRY(lora_load(*out, adapter));
        if (!frozen) TRY(lora_merge(*out));
        TRY(adapter_template(adapter, *out));
    }
cleanup:
    if (status < 0) {
        model_free(*out);
        *out = NULL;
    }
    return status;
}
