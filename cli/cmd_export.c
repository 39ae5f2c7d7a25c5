/* wildreward export: shards back to JSONL. */
#include "cli/command.h"

#include "base/log.h"
#include "data/export/export.h"

#include <inttypes.h>

static const option_spec export_rows[] = {
    OPTION_TEXT(export_options, dir, "data", NULL, "DIR", "folder that prepare wrote", .required = true),
    OPTION_CHOICE(export_options, split, "split", "train", "train|test|all", "which shards"),
    OPTION_CHOICE(export_options, kind, "kind", "reward", "reward|chats", "rated replies or chats"),
    OPTION_CHOICE(export_options, format, "format", "jsonl", "jsonl|trl|hf",
                  "all fields; TRL's prompt, completion and label (chats: messages); flat text and label for datasets"),
    OPTION_INT(export_options, positive_from, "positive-from", "0", "LABEL", 0, 1000,
               "trl: the first label that is true; 0: the first above half of the classes"),
    OPTION_TEXT(
        export_options, chat_model, "chat-model", NULL, "DIR",
        "hf: texts by the chat template of this model, as a reward model reads them that has no reward template"),
    OPTION_FLAG(export_options, tokens, "tokens", NULL, "jsonl: with the token ids"),
    OPTION_TEXT(export_options, out_path, "out", "-", "FILE.jsonl", "zstd where it ends in .zst; - is standard output"),
    {0},
};
static const option_group export_groups[] = {{.rows = export_rows}, {0}};

static wr_status run_export(const options *o, world *w) {
    (void)w;
    wr_status status = WR_OK;
    uint64_t records = 0;
    export_options e = {0};
    TRY(options_fill(o, &e, sizeof e));
    if (e.tokens && e.format != EXPORT_JSONL) TRY(wr_fail(WR_E_USAGE, "--tokens goes with --format jsonl only"));
    if (e.positive_from && (e.format != EXPORT_TRL || e.kind != SHARD_REWARD))
        TRY(wr_fail(WR_E_USAGE, "--positive-from goes with --kind reward --format trl only"));
    if (e.chat_model && (e.format != EXPORT_HF || e.kind != SHARD_REWARD))
        TRY(wr_fail(WR_E_USAGE, "--chat-model goes with --kind reward --format hf only"));
    TRY(export_run(&e, &records));
    log_info("export: %" PRIu64 " records", records);
cleanup:
    return status;
}

const command cmd_export = {
    .name = "export",
    .usage = "export --data DIR [--split train|test|all] [--kind reward|chats] [--format jsonl|trl|hf] --out "
             "FILE.jsonl[.zst]",
    .summary = "a prepared folder's records as JSONL, for TRL or for Hugging Face datasets",
    .groups = export_groups,
    .run = run_export,
    .no_positionals = true,
};
