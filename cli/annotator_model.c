#include "cli/annotator_model.h"

#include "cli/memory_check.h"
#include "cli/model_options.h"

const option_spec annotator_model_rows[] = {
    OPTION_TEXT(annotator_model_options, dir, "annotator-model", NULL, "DIR",
                "Hugging Face directory of the causal language model that --annotator model reads with",
                .input = INPUT_WHOLE, .resume = RESUME_CONTENT),
    OPTION_CHOICE(annotator_model_options, precision, "annotator-precision", "f32", "f32|bf16|auto",
                  "its arithmetic; only f32 gives the same labels on any number of ranks", .resume = RESUME_CONTENT),
    OPTION_INT(annotator_model_options, how.max_length, "annotator-max-length", "4096", "N", 64, 1e9,
               "tokens of its prompts: the oldest history goes first, and a turn that still does not fit gets no label",
               .resume = RESUME_CONTENT),
    OPTION_INT(annotator_model_options, how.history, "annotator-history", "4", "N", 0, 1e6,
               "earlier messages that its prompts show; 0: all that fit", .resume = RESUME_CONTENT),
    OPTION_INT(annotator_model_options, how.clip, "annotator-clip", "4000", "N", 0, 1e9,
               "characters of a message that its prompts show, beginning and end; 0: all", .resume = RESUME_CONTENT),
    OPTION_FLAG(annotator_model_options, how.calibrate, "annotator-calibrate", "true",
                "count an answer by its log-probability less that after an empty prompt", .resume = RESUME_CONTENT),
    OPTION_INT(annotator_model_options, how.batch_tokens, "annotator-batch-tokens", "8192", "N", 1, 1e9,
               "tokens of a forward pass of it", .resume = RESUME_FREE),
    {0},
};

/* Rank 0's, or this rank's own when there are no others to ask. */
static wr_status load(const char *dir, world *w, precision p, annotator_model *keep) {
    const memory_part part = {.dir = dir, .load = {.head = HEAD_LM, .frozen = true}, .use = MEMORY_LOADED_HOST};
    const wr_status status =
        memory_check(w, &(memory_plan){.parts = &part, .n = 1, .p = p, .precision_option = "--annotator-precision"});
    if (status < 0) return status;
    if (w) return frozen_load(w, dir, HEAD_LM, p, false, &keep->frozen);
    return model_load(dir, &(model_load_options){.head = HEAD_LM, .frozen = true, .precision = p}, &keep->frozen.m);
}

wr_status annotator_model_make(const annotator_model_options *o, world *w, const char *prompts_dir,
                               const char *cache_dir, annotator_model *keep, annotator **out) {
    wr_status status = WR_OK;
    const char *dir = o->dir;
    precision p;
    *keep = (annotator_model){0};
    *out = NULL;
    if (!dir)
        TRY(wr_fail(WR_E_USAGE,
                    "--annotator-model DIR is needed: the language model that --annotator model reads with"));
    TRY(choose_precision(o->precision, "annotator", w, &p));
    TRY(load(dir, w, p, keep));
    model_annotator_options a = o->how;
    a.prompts_dir = prompts_dir;
    a.cache_dir = cache_dir;
    a.rank = w ? world_rank(w) : 0;
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
