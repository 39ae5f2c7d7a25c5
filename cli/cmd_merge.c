/* wildreward merge: a model and its LoRA adapter as one model. */
#include "cli/model_options.h"

#include "base/fresh.h"
#include "base/log.h"

typedef struct merge_call {
    model_options model;
    const char *out;
    precision save_precision;
} merge_call;
static const option_spec merge_rows[] = {
    OPTION_TEXT(merge_call, model.dir, "model", NULL, "DIR", "model that the adapter was trained on", .required = true),
    OPTION_TEXT(merge_call, model.adapter, "adapter", NULL, "DIR", "LoRA adapter in PEFT's format", .required = true),
    OPTION_TEXT(merge_call, out, "out", NULL, "DIR",
                "Hugging Face directory to write; must not exist, or be an empty folder", .required = true),
    OPTION_CHOICE(merge_call, save_precision, "save-precision", "f32", "f32|bf16", "how the weights are stored"),
    OPTION_FLAG(merge_call, model.arithmetic.check_weights, "check-weights", NULL,
                "look for NaN and infinities in the model's weights first"),
    {0},
};
static const option_group merge_groups[] = {{.rows = merge_rows}, {0}};

static wr_status run_merge(const options *o, world *w) {
    wr_status status = WR_OK;
    merge_call c = {0};
    fresh_folder made = {.lock = -1};
    model *m = NULL;
    (void)w;
    TRY(options_fill(o, &c, sizeof c));
    TRY(wr_context(fresh_folder_make(c.out, &made), "--out"));
    TRY(load_model(&c.model, HEAD_NONE, false, PRECISION_F32, &m));
    const model_provenance p = {.parent_hash = m->parent_hash, .template_text = m->template_text};
    TRY(model_save(m, made.temporary, c.model.dir, &p, c.save_precision));
    TRY(fresh_folder_commit(&made));
    log_info("%s: %s with the adapter %s merged in", c.out, c.model.dir, c.model.adapter);
cleanup:
    model_free(m);
    fresh_folder_discard(&made);
    return status;
}

const command cmd_merge = {
    .name = "merge",
    .usage = "merge --model DIR --adapter DIR --out DIR [--save-precision f32|bf16]",
    .summary = "write a model with its LoRA adapter merged in",
    .groups = merge_groups,
    .run = run_merge,
    .no_positionals = true,
};
