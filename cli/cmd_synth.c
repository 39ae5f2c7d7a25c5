/* wildreward synth: the practice world as files. */
#include "cli/command.h"
#include "data/practice/practice.h"

static const option_spec synth_options[] = {
    {.name = "out",
     .kind = OPT_STRING,
     .arg = "DIR",
     .help = "folder for chats.jsonl.zst, truth.jsonl.zst, prompts-*.jsonl and summary.json",
     .required = true},
    {.name = "users",
     .kind = OPT_INT,
     .default_value = "400",
     .arg = "U",
     .help = "simulated people",
     .min = 1,
     .max = 1e6},
    {.name = "conversations",
     .kind = OPT_INT,
     .default_value = "6000",
     .arg = "N",
     .help = "conversations in all",
     .min = 1,
     .max = 1e9},
    {.name = "seed",
     .kind = OPT_INT,
     .default_value = "1",
     .arg = "S",
     .help = "same seed and sizes: same bytes",
     .min = 0,
     .max = 9e15},
    {.name = "train-prompts",
     .kind = OPT_INT,
     .default_value = "4000",
     .arg = "N",
     .help = "fresh prompts for online training",
     .min = 0,
     .max = 1e6},
    {.name = "heldout-prompts",
     .kind = OPT_INT,
     .default_value = "1200",
     .arg = "N",
     .help = "fresh prompts for measuring, disjoint from all others",
     .min = 0,
     .max = 1e6},
    {.name = NULL},
};
static const option_spec *const synth_tables[] = {synth_options, NULL};

static wr_status run_synth(const options *o, world *w) {
    (void)w;
    practice_options p = {.users = (uint64_t)options_int(o, "users"),
                          .conversations = (uint64_t)options_int(o, "conversations"),
                          .seed = (uint64_t)options_int(o, "seed"),
                          .train_prompts = (uint64_t)options_int(o, "train-prompts"),
                          .heldout_prompts = (uint64_t)options_int(o, "heldout-prompts")};
    return practice_synth(&p, options_str(o, "out"));
}

const command cmd_synth = {
    .name = "synth",
    .usage = "synth --out DIR [--users U] [--conversations N] [--seed S]",
    .summary = "write a practice world: chats of simulated people whose tasks a program can check",
    .tables = synth_tables,
    .run = run_synth,
    .no_positionals = true,
};
