/* wildreward export: shards back to JSONL. */
#include "cli/command.h"

#include "base/log.h"
#include "data/export/export.h"

#include <inttypes.h>
#include <string.h>

static const option_spec export_table[] = {
    {.name = "data", .kind = OPT_STRING, .arg = "DIR", .help = "folder that prepare wrote", .required = true},
    {.name = "split", .kind = OPT_CHOICE, .default_value = "train", .arg = "train|test|all", .help = "which shards"},
    {.name = "kind",
     .kind = OPT_CHOICE,
     .default_value = "reward",
     .arg = "reward|chats",
     .help = "rated replies or chats"},
    {.name = "format",
     .kind = OPT_CHOICE,
     .default_value = "jsonl",
     .arg = "jsonl|trl|hf",
     .help = "all fields; TRL's prompt, completion and label (chats: messages); flat text and label for datasets"},
    {.name = "positive-from",
     .kind = OPT_INT,
     .default_value = "0",
     .arg = "LABEL",
     .help = "trl: the first label that is true; 0: the first above half of the classes",
     .min = 0,
     .max = 1000},
    {.name = "tokens", .kind = OPT_FLAG, .help = "jsonl: with the token ids"},
    {.name = "out",
     .kind = OPT_STRING,
     .default_value = "-",
     .arg = "FILE.jsonl",
     .help = "zstd where it ends in .zst; - is standard output"},
    {0},
};
static const option_spec *const export_tables[] = {export_table, NULL};

static wr_status run_export(const options *o, world *w) {
    (void)w;
    wr_status status = WR_OK;
    const char *format = options_str(o, "format");
    uint64_t records = 0;
    export_options e = {.dir = options_str(o, "data"),
                        .split = options_str(o, "split"),
                        .kind = strcmp(options_str(o, "kind"), "chats") == 0 ? SHARD_CHAT : SHARD_REWARD,
                        .format = strcmp(format, "trl") == 0  ? EXPORT_TRL
                                  : strcmp(format, "hf") == 0 ? EXPORT_HF
                                                              : EXPORT_JSONL,
                        .positive_from = (int)options_int(o, "positive-from"),
                        .tokens = options_flag(o, "tokens"),
                        .out_path = options_str(o, "out")};
    if (e.tokens && e.format != EXPORT_JSONL) TRY(wr_fail(WR_E_USAGE, "--tokens goes with --format jsonl only"));
    if (e.positive_from && (e.format != EXPORT_TRL || e.kind != SHARD_REWARD))
        TRY(wr_fail(WR_E_USAGE, "--positive-from goes with --kind reward --format trl only"));
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
    .tables = export_tables,
    .run = run_export,
    .no_positionals = true,
};
