/* wildreward prepare: raw chats or rated replies to shards, on any number of ranks. */
#include "cli/annotator_options.h"
#include "cli/lm_tool.h"

#include "base/log.h"
#include "base/mem.h"
#include "data/prepare/prepare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const option_spec prepare_options_table[] = {
    {.name = "out",
     .kind = OPT_STRING,
     .arg = "DIR",
     .help = "folder for shards, tokenizer, turns.jsonl.zst, users.jsonl.zst and meta.json",
     .required = true},
    {.name = "format",
     .kind = OPT_CHOICE,
     .default_value = "wildchat",
     .arg = "wildchat|labelled",
     .help = "rows are conversations, or rated replies {\"response\", \"label\", …}"},
    {.name = "tokenizer",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "DIR|FILE",
     .help = "tokenizer.json to use; without it one is trained on the train users' text"},
    {.name = "tokens", .kind = OPT_FLAG, .default_value = "true", .help = "--no-tokens: write text only"},
    {.name = "vocab-size",
     .kind = OPT_INT,
     .default_value = "1024",
     .arg = "V",
     .help = "of the tokenizer that is trained",
     .min = 260,
     .max = 1e6},
    {.name = "template",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "FILE",
     .help = "reward template with {history}, {query} and {response}"},
    {.name = "classes",
     .kind = OPT_INT,
     .default_value = "0",
     .arg = "K",
     .help = "labelled: number of classes (0: the largest label seen)",
     .min = 0,
     .max = 1000},
    {.name = "seed",
     .kind = OPT_INT,
     .default_value = "0",
     .arg = "S",
     .help = "of the split by user; same seed and input: same bytes",
     .min = 0,
     .max = 9e15},
    {.name = "test-instances",
     .kind = OPT_INT,
     .arg = "N",
     .help = "size of the test side (default: the smaller of 5000 and 10 %)",
     .min = 0,
     .max = 1e12},
    {.name = "user-key",
     .kind = OPT_CHOICE,
     .default_value = "ip",
     .arg = "ip|ip+header",
     .help = "what tells users apart"},
    {.name = "exclude-users",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "FILE",
     .help = "users to leave out, one a line"},
    {.name = "max-length",
     .kind = OPT_INT,
     .default_value = "4096",
     .arg = "N",
     .help = "tokens of a record; the oldest history goes first",
     .min = 16,
     .max = 1e7},
    {.name = "min-reply-words",
     .kind = OPT_INT,
     .default_value = "10",
     .arg = "N",
     .help = "shorter replies are dropped (Chinese: characters)",
     .min = 0,
     .max = 1e6},
    {.name = "min-query-words",
     .kind = OPT_INT,
     .default_value = "5",
     .arg = "N",
     .help = "shorter queries are dropped",
     .min = 0,
     .max = 1e6},
    {.name = "filters-off",
     .kind = OPT_STRING,
     .arg = "LIST",
     .help = "filters that are not asked, e.g. url,phone (names: as counted in the table of a run)"},
    {.name = "filter-rules",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "FILE",
     .help = "patterns of the filters, instead of the built-in data/rules/filters.txt"},
    {.name = "languages",
     .kind = OPT_STRING,
     .default_value = "en,zh",
     .arg = "LIST",
     .help = "languages that are kept, or all"},
    {.name = "similarity-threshold",
     .kind = OPT_FLOAT,
     .default_value = "0.5",
     .arg = "X",
     .help = "cosine from which two turns are on one topic, when an annotator measures it (tfidf finds its own)",
     .min = 0.01,
     .max = 1},
    {.name = "shard-records",
     .kind = OPT_INT,
     .default_value = "8192",
     .arg = "N",
     .help = "records of a shard file",
     .min = 1,
     .max = 1e8},
    {.name = "chats",
     .kind = OPT_FLAG,
     .default_value = "true",
     .help = "--no-chats: instances only, no chats-*.wrs for train lm"},
    {.name = "fields",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "MAP",
     .help = "field map of the rows: wildchat, lmsys, sharegpt, or a YAML file"},
    {.name = "drop-toxic", .kind = OPT_FLAG, .help = "leave out rows that say toxic: true"},
    {.name = "drop-redacted", .kind = OPT_FLAG, .help = "leave out rows that say redacted: true"},
    {.name = "skip-bad",
     .kind = OPT_FLAG,
     .help = "rows that cannot be used are counted and named, but the exit code is 0 (without it: 1, after the others "
             "are done)"},
    {.name = "block-kib",
     .kind = OPT_INT,
     .default_value = "8192",
     .arg = "N",
     .help = "text of a unit of work that a rank takes at once; part of what decides the shards' bytes",
     .min = 1,
     .max = 1 << 20},
    {.name = "overwrite",
     .kind = OPT_FLAG,
     .help = "replace a prepared folder; begin unfinished work of other settings anew"},
    {.name = NULL},
};
static const option_spec *const prepare_tables[] = {prepare_options_table, chat_options, annotator_options,
                                                    annotator_model_options, NULL};

static wr_status run_prepare(const options *o, world *w) {
    wr_status status = WR_OK;
    size_t n = options_count(o);
    const char **sources = mem_calloc(n + 1, sizeof *sources);
    annotator_set who = {0};
    filter_options f = filter_options_default();
    wr_status mine = sources ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory for the names of %zu sources", n);
    f.file = options_str(o, "filter-rules");
    f.languages = options_str(o, "languages");
    f.min_reply_words = (size_t)options_int(o, "min-reply-words");
    f.min_query_words = (size_t)options_int(o, "min-query-words");
    if (mine >= 0 && options_str(o, "filters-off")) mine = filter_list_parse(options_str(o, "filters-off"), &f.off);
    /* Only conversations are annotated. */
    if (mine >= 0 && strcmp(options_str(o, "format"), "wildchat") == 0) mine = annotators_create(o, w, &who);
    TRY(world_agree(w, mine));
    for (size_t i = 0; i < n; i++) sources[i] = options_positional(o, i);
    prepare_options p = {.sources = sources,
                         .n_sources = n,
                         .out_dir = options_str(o, "out"),
                         .format = options_str(o, "format"),
                         .tokenizer = options_str(o, "tokenizer"),
                         .no_tokens = !options_flag(o, "tokens"),
                         .vocab_size = (size_t)options_int(o, "vocab-size"),
                         .template_file = options_str(o, "template"),
                         .chat_template = options_str(o, "chat-template"),
                         .exclude_users = options_str(o, "exclude-users"),
                         .no_chats = !options_flag(o, "chats"),
                         .fields = options_str(o, "fields"),
                         .drop_toxic = options_flag(o, "drop-toxic"),
                         .drop_redacted = options_flag(o, "drop-redacted"),
                         .block_bytes = (size_t)options_int(o, "block-kib") << 10,
                         .user_key_header = strcmp(options_str(o, "user-key"), "ip+header") == 0,
                         .seed = (uint64_t)options_int(o, "seed"),
                         .test_instances = options_set(o, "test-instances") ? options_int(o, "test-instances") : -1,
                         .classes = (int)options_int(o, "classes"),
                         .max_length = (size_t)options_int(o, "max-length"),
                         .shard_records = (size_t)options_int(o, "shard-records"),
                         .filters = f,
                         .refusal_rules = options_str(o, "refusal-rules"),
                         .annotators = who.levels,
                         .n_annotators = who.n,
                         .similarity = who.similarity,
                         .similarity_threshold = options_float(o, "similarity-threshold"),
                         .refusals = who.refusals,
                         .skip_bad = options_flag(o, "skip-bad"),
                         .overwrite = options_flag(o, "overwrite")};
    status = prepare_run(&p, w);
    /* A run that was stopped has cost something, too; what stopped it is still what the user is told. */
    char why[1024] = "";
    if (status < 0) snprintf(why, sizeof why, "%s", wr_error());
    const wr_status told = annotators_report(&who, o, w);
    if (status >= 0)
        status = told;
    else if (told < 0) {
        log_warn("%s", wr_error());
        status = wr_fail(status, "%s", why);
    }
cleanup:
    annotators_free(&who);
    free(sources);
    return status;
}

const command cmd_prepare = {
    .name = "prepare",
    .usage = "prepare SRC… --out DIR [--tokenizer DIR|FILE | --no-tokens] [--format wildchat|labelled]",
    .summary = "chats to turns, feedback levels, filters, a split by user, and shards",
    .tables = prepare_tables,
    .needs_world = true,
    .run = run_prepare,
    .reads_sources = true,
};
