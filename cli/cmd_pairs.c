/* wildreward pairs: preference pairs out of rated replies. */
#include "cli/command.h"

#include "base/log.h"
#include "data/export/user_pairs.h"

#include <inttypes.h>
#include <string.h>

static const option_spec pairs_table[] = {
    {.name = "data", .kind = OPT_STRING, .arg = "DIR", .help = "folder that prepare wrote", .required = true},
    {.name = "split", .kind = OPT_CHOICE, .default_value = "train", .arg = "train|test|all", .help = "which shards"},
    {.name = "format",
     .kind = OPT_CHOICE,
     .default_value = "jsonl",
     .arg = "jsonl|trl",
     .help = "all fields, or TRL's prompt, chosen and rejected as messages"},
    {.name = "positive-from",
     .kind = OPT_INT,
     .default_value = "0",
     .arg = "LABEL",
     .help = "the first label that is positive; 0: the first above half of the classes",
     .min = 0,
     .max = 1000},
    {.name = "same-history", .kind = OPT_FLAG, .help = "the messages before the query must be equal too"},
    {.name = "all-pairs",
     .kind = OPT_FLAG,
     .help = "every positive with every negative reply of a group, not each reply once"},
    {.name = "out",
     .kind = OPT_STRING,
     .default_value = "-",
     .arg = "FILE.jsonl",
     .help = "zstd where it ends in .zst; - is standard output"},
    {0},
};
static const option_spec *const pairs_tables[] = {pairs_table, NULL};

static wr_status run_pairs(const options *o, world *w) {
    (void)w;
    wr_status status = WR_OK;
    user_pairs_counts n;
    user_pairs_options p = {.dir = options_str(o, "data"),
                            .split = options_str(o, "split"),
                            .out_path = options_str(o, "out"),
                            .trl = strcmp(options_str(o, "format"), "trl") == 0,
                            .same_history = options_flag(o, "same-history"),
                            .all_pairs = options_flag(o, "all-pairs"),
                            .positive_from = (int)options_int(o, "positive-from")};
    TRY(user_pairs_run(&p, &n));
    log_info("pairs: %" PRIu64 " from %" PRIu64 " records; %" PRIu64 " (user, query) groups, %" PRIu64
             " with both signs; %" PRIu64 " pairs of equal text and %" PRIu64 " records without a query left out",
             n.pairs, n.records, n.groups, n.both_signs, n.same_text, n.no_query);
cleanup:
    return status;
}

const command cmd_pairs = {
    .name = "pairs",
    .usage = "pairs --data DIR [--split train|test|all] [--format jsonl|trl] [--same-history] --out FILE.jsonl[.zst]",
    .summary = "chosen and rejected replies to one user's same query, for pairwise baselines",
    .tables = pairs_tables,
    .run = run_pairs,
    .no_positionals = true,
};
