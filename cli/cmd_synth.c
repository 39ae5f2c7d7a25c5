/* wildreward synth: the practice world as files. */
#include "cli/command.h"
#include "data/practice/practice.h"

typedef struct synth_call {
    const char *out;
    practice_options p;
} synth_call;
static const option_spec synth_rows[] = {
    OPTION_TEXT(synth_call, out, "out", NULL, "DIR",
                "folder for chats.jsonl.zst, truth.jsonl.zst, prompts-*.jsonl and summary.json", .required = true),
    OPTION_INT(synth_call, p.users, "users", "400", "U", 1, 1e6, "simulated people"),
    OPTION_INT(synth_call, p.conversations, "conversations", "6000", "N", 1, 1e9, "conversations in all"),
    OPTION_INT(synth_call, p.seed, "seed", "1", "S", 0, 9e15, "same seed and sizes: same bytes"),
    OPTION_INT(synth_call, p.train_prompts, "train-prompts", "4000", "N", 0, 1e6, "fresh prompts for online training"),
    OPTION_INT(synth_call, p.heldout_prompts, "heldout-prompts", "1200", "N", 0, 1e6,
               "fresh prompts for measuring, disjoint from all others"),
    {0},
};
static const option_group synth_groups[] = {{.rows = synth_rows}, {0}};

static wr_status run_synth(const options *o, world *w) {
    wr_status status = WR_OK;
    synth_call c = {0};
    (void)w;
    TRY(options_fill(o, &c, sizeof c));
    TRY(practice_synth(&c.p, c.out));
cleanup:
    return status;
}

const command cmd_synth = {
    .name = "synth",
    .usage = "synth --out DIR [--users U] [--conversations N] [--seed S]",
    .summary = "write a practice world: chats of simulated people whose tasks a program can check",
    .groups = synth_groups,
    .run = run_synth,
    .no_positionals = true,
};
