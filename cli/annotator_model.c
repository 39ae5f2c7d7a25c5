#include "cli/annotator_model.h"

#include "base/log.h"

#include <string.h>

const option_spec annotator_model_options[] = {
    {.name = "annotator-model",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "DIR",
     .help = "Hugging Face directory of the causal language model that --annotator model reads with"},
    {.name = "annotator-precision",
     .kind = OPT_CHOICE,
     .default_value = "f32",
     .arg = "f32|bf16|auto",
     .help = "its arithmetic; only f32 gives the same labels on any number of ranks"},
    {.name = "annotator-max-length",
     .kind = OPT_INT,
     .default_value = "4096",
     .arg = "N",
     .help = "tokens of its prompts: the oldest history goes first, and a turn that still does not fit gets no label",
     .min = 64,
     .max = 1e9},
    {.name = "annotator-history",
     .kind = OPT_INT,
     .default_value = "4",
     .arg = "N",
     .help = "earlier messages that its prompts show; 0: all that fit",
     .min = 0,
     .max = 1e6},
    {.name = "annotator-clip",
     .kind = OPT_INT,
     .default_value = "4000",
     .arg = "N",
     .help = "characters of a message that its prompts show, beginning and end; 0: all",
     .min = 0,
     .max = 1e9},
    {.name = "annotator-calibrate",
     .kind = OPT_FLAG,
     .default_value = "true",
     .help = "count an answer by its log-probability less that after an empty prompt"},
    {.name = "annotator-batch-tokens",
     .kind = OPT_INT,
     .default_value = "8192",
     .arg = "N",
     .help = "tokens of a forward pass of it",
     .min = 1,
     .max = 1e9},
    {0},
};

static wr_status shared_precision(const options *o, world *w, precision *out) {
    const char *text = options_str(o, "annotator-precision"), *why = NULL;
    wr_status status = wr_context(precision_choose(text, out, &why), "--annotator-precision");
    if (w) {
        status = world_agree(w, status);
        if (status >= 0 && world_any(w, *out == PRECISION_F32) && *out != PRECISION_F32) {
            *out = PRECISION_F32;
            why = "a rank's CPU has no bf16 products";
        }
    }
    if (status >= 0 && strcmp(text, "auto") == 0 && log_rank() == 0)
        log_info("annotator: precision %s (auto: %s)", precision_name(*out), why);
    return status;
}

/* Rank 0's, or this rank's own when there are no others to ask. */
static wr_status load(const char *dir, world *w, precision p, annotator_model *keep) {
    if (w) return frozen_load(w, dir, HEAD_LM, p, false, &keep->frozen);
    return model_load(dir, &(model_load_options){.head = HEAD_LM, .frozen = true, .precision = p}, &keep->frozen.m);
}

wr_status annotator_model_make(const options *o, world *w, const char *prompts_dir, const char *cache_dir,
                               annotator_model *keep, annotator **out) {
    wr_status status = WR_OK;
    const char *dir = options_str(o, "annotator-model");
    precision p;
    *keep = (annotator_model){0};
    *out = NULL;
    if (!dir)
        TRY(wr_fail(WR_E_USAGE,
                    "--annotator-model DIR is needed: the language model that --annotator model reads with"));
    TRY(shared_precision(o, w, &p));
    TRY(load(dir, w, p, keep));
    const model_annotator_options a = {.prompts_dir = prompts_dir,
                                       .cache_dir = cache_dir,
                                       .rank = w ? world_rank(w) : 0,
                                       .max_length = (size_t)options_int(o, "annotator-max-length"),
                                       .history = (size_t)options_int(o, "annotator-history"),
                                       .clip = (size_t)options_int(o, "annotator-clip"),
                                       .batch_tokens = (size_t)options_int(o, "annotator-batch-tokens"),
                                       .calibrate = options_flag(o, "annotator-calibrate")};
    status = tokenizer_load(dir, &keep->tok);
    if (status >= 0) status = model_annotator_chat(dir, keep->tok, &keep->chat);
    if (status >= 0) status = model_annotator_create(keep->frozen.m, keep->tok, keep->chat, &a, out);
    if (w) status = world_agree(w, status);
cleanup:
    if (status < 0) {
        annotator_free(*out);
        *out = NULL;
        annotator_model_free(keep);
    }
    return status;
}

void annotator_model_free(annotator_model *k) {
    chat_template_free(k->chat);
    tokenizer_free(k->tok);
    frozen_free(&k->frozen);
    *k = (annotator_model){0};
}
