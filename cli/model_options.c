#include "cli/model_options.h"

#include "base/file.h"
#include "base/log.h"
#include "cli/memory_check.h"

#include <stdlib.h>
#include <string.h>

const option_spec arithmetic_rows[] = {
    OPTION_CHOICE(
        arithmetic_options, precision, "precision", "f32", "f32|bf16|auto",
        "arithmetic of the model; auto: bf16 where the CPU has it in hardware. Only f32 gives the same replies "
        "on any number of ranks",
        .resume = RESUME_FREE),
    OPTION_FLAG(arithmetic_options, check_weights, "check-weights", NULL,
                "look for NaN and infinities in the weights before using them", .resume = RESUME_FREE),
    {0},
};

const option_spec adapter_rows[] = {
    OPTION_TEXT(model_options, adapter, "adapter", NULL, "DIR", "LoRA adapter in PEFT's format, put on --model",
                .input = INPUT_WHOLE),
    {0},
};

wr_status choose_precision(const char *wanted, const char *whose, world *w, precision *out) {
    const char *why = NULL;
    wr_status status = precision_choose(wanted, out, &why);
    if (whose) status = wr_context(status, "--%s-precision", whose);
    if (w) {
        status = world_agree(w, status);
        if (status >= 0 && world_any(w, *out == PRECISION_F32) && *out != PRECISION_F32) {
            *out = PRECISION_F32;
            why = "a rank's CPU has no bf16 products";
        }
    }
    if (status >= 0 && strcmp(wanted, "auto") == 0 && log_rank() == 0)
        log_info("%s%sprecision %s (auto: %s)", whose ? whose : "", whose ? ": " : "", precision_name(*out), why);
    return status;
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

wr_status load_model(const model_options *o, model_head head, bool frozen, precision p, model **out) {
    wr_status status = WR_OK;
    model_load_options load = {
        .head = head, .frozen = frozen, .check_weights = o->arithmetic.check_weights, .precision = p};
    *out = NULL;
    if (o->adapter && head != HEAD_LM) { /* a reward adapter brings the score head that its base may lack */
        TRY(lora_score_rows(o->adapter, &load.n_outputs));
        if (load.n_outputs) load.head = HEAD_SCORE;
        if (load.n_outputs) TRY(lora_score_own(o->adapter, &load.own));
    }
    const memory_part part = {.dir = o->dir, .load = load, .use = MEMORY_LOADED | (o->sampled ? MEMORY_PACKED : 0)};
    TRY(memory_check(NULL, &(memory_plan){.parts = &part, .n = 1, .p = p}));
    TRY(model_load(o->dir, &load, out));
    if (o->adapter) {
        TRY(lora_load(*out, o->adapter));
        if (!frozen) TRY(lora_merge(*out));
        TRY(adapter_template(o->adapter, *out));
    }
cleanup:
    if (status < 0) {
        model_free(*out);
        *out = NULL;
    }
    return status;
}
