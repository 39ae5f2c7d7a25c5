/* wildreward merge: a model and its LoRA adapter as one model. */
#include "cli/model_options.h"

#include "base/fresh.h"
#include "base/log.h"

static const option_spec merge_options[] = {
    {.name = "model",
     .kind = OPT_STRING,
     .arg = "DIR",
     .help = "model that the adapter was trained on",
     .required = true},
    {.name = "adapter", .kind = OPT_STRING, .arg = "DIR", .help = "LoRA adapter in PEFT's format", .required = true},
    {.name = "out",
     .kind = OPT_STRING,
     .arg = "DIR",
     .help = "Hugging Face directory to write; must not exist, or be an empty folder",
     .required = true},
    {.name = "save-precision",
     .kind = OPT_CHOICE,
     .default_value = "f32",
     .arg = "f32|bf16",
     .help = "how the weights are stored"},
    {.name = "check-weights", .kind = OPT_FLAG, .help = "look for NaN and infinities in the model's weights first"},
    {0},
};
static const option_spec *const tables[] = {merge_options, NULL};

static wr_status run_merge(const options *o, world *w) {
    wr_status status = WR_OK;
    const char *dir = options_str(o, "model"), *out = options_str(o, "out");
    fresh_folder made = {.lock = -1};
    model *m = NULL;
    (void)w;
    TRY(wr_context(fresh_folder_make(out, &made), "--out"));
    TRY(load_model(o, HEAD_NONE, false, PRECISION_F32, &m));
    const model_provenance p = {.parent_hash = m->parent_hash, .template_text = m->template_text};
    TRY(model_save(m, made.temporary, dir, &p, save_precision(o)));
    TRY(fresh_folder_commit(&made));
    log_info("%s: %s with the adapter %s merged in", out, dir, options_str(o, "adapter"));
cleanup:
    model_free(m);
    fresh_folder_discard(&made);
    return status;
}

const command cmd_merge = {
    .name = "merge",
    .usage = "merge --model DIR --adapter DIR --out DIR [--save-precision f32|bf16]",
    .summary = "write a model with its LoRA adapter merged in",
    .tables = tables,
    .run = run_merge,
    .no_positionals = true,
};
