/* wildreward pairs: preference pairs out of rated replies. */
#include "cli/command.h"

#include "base/log.h"
#include "data/export/user_pairs.h"

#include <inttypes.h>

static const option_spec pairs_rows[] = {
    OPTION_TEXT(user_pairs_options, dir, "data", NULL, "DIR", "folder that prepare wrote", .required = true),
    OPTION_CHOICE(user_pairs_options, split, "split", "train", "train|test|all", "which shards"),
    OPTION_CHOICE(user_pairs_options, trl, "format", "jsonl", "jsonl|trl",
                  "all fields, or TRL's prompt, chosen and rejected as messages"),
    OPTION_INT(user_pairs_options, positive_from, "positive-from", "0", "LABEL", 0, 1000,
               "the first label that is positive; 0: the first above half of the classes"),
    OPTION_FLAG(user_pairs_options, same_history, "same-history", NULL,
                "the messages before the query must be equal too"),
    OPTION_FLAG(user_pairs_options, all_pairs, "all-pairs", NULL,
                "every positive with every negative reply of a group, not each reply once"),
    OPTION_TEXT(user_pairs_options, out_path, "out", "-", "FILE.jsonl",
                "zstd where it ends in .zst; - is standard output"),
    {0},
};
static const option_group pairs_groups[] = {{.rows = pairs_rows}, {0}};

static wr_status run_pairs(const options *o, world *w) {
    (void)w;
    wr_status status = WR_OK;
    user_pairs_counts n;
    user_pairs_options p = {0};
    TRY(options_fill(o, &p, sizeof p));
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
    .groups = pairs_groups,
    .run = run_pairs,
    .no_positionals = true,
};
