/* wildreward prepare: raw chats or rated replies to shards, on any number of ranks. */
#include "cli/annotator_options.h"
#include "cli/lm_tool.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/prepare/prepare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct prepare_call {
    prepare_options p;
    bool tokens, chats;
    size_t block_kib;
    const char *filters_off;
    annotator_options who;
} prepare_call;

/* What unfinished work must have been begun with is RESUME_FIXED, and what is read or derived, which
 * data/prepare/prepare.c compares itself, RESUME_CONTENT. */
static const option_spec prepare_rows[] = {
    OPTION_TEXT(prepare_call, p.out_dir, "out", NULL, "DIR",
                "folder for shards, tokenizer, turns.jsonl.zst, users.jsonl.zst and meta.json", .required = true,
                .resume = RESUME_FREE),
    OPTION_CHOICE(prepare_call, p.format, "format", "wildchat", "wildchat|labelled|wildfb",
                  "rows are conversations, rated replies {\"response\", \"label\", …}, or WildFB's texts and labels"),
    OPTION_TEXT(prepare_call, p.split_file, "split-file", NULL, "FILE",
                "wildfb: ids of the test side, one a line or as {\"id\", \"split\"} (default: 'train' or 'test' in the "
                "files' names)",
                .input = INPUT_WHOLE, .resume = RESUME_CONTENT),
    OPTION_TEXT(prepare_call, p.tokenizer, "tokenizer", NULL, "DIR|FILE",
                "tokenizer.json to use; without it one is trained on the train users' text", .input = INPUT_WHOLE,
                .resume = RESUME_CONTENT),
    OPTION_FLAG(prepare_call, tokens, "tokens", "true", "--no-tokens: write text only", .resume = RESUME_CONTENT),
    OPTION_INT(prepare_call, p.vocab_size, "vocab-size", "1024", "V", 260, 1e6, "of the tokenizer that is trained",
               .resume = RESUME_CONTENT),
    OPTION_TEXT(prepare_call, p.template_file, "template", NULL, "FILE",
                "reward template with {history}, {query} and {response} (docs/templates.md)", .input = INPUT_WHOLE,
                .resume = RESUME_CONTENT),
    OPTION_INT(prepare_call, p.classes, "classes", "0", "K", 0, 1000,
               "labelled, wildfb: number of classes (0: the largest label seen; wildfb: 4)"),
    OPTION_INT(prepare_call, p.seed, "seed", "0", "S", 0, 9e15,
               "of the split by user; same seed and input: same bytes"),
    OPTION_INT(prepare_call, p.test_instances, "test-instances", NULL, "N", 0, 1e12,
               "size of the test side (default: the smaller of 5000 and 10 %)", .resume = RESUME_CONTENT),
    OPTION_CHOICE(prepare_call, p.user_key_header, "user-key", "ip", "ip|ip+header", "what tells users apart"),
    OPTION_TEXT(prepare_call, p.exclude_users, "exclude-users", NULL, "FILE", "users to leave out, one a line",
                .input = INPUT_WHOLE, .resume = RESUME_CONTENT),
    OPTION_INT(
        prepare_call, p.max_length, "max-length", "4096", "N", 16, 1e7,
        "tokens of a record (the template may have a smaller max_length); the oldest history goes first, or what "
        "the template says"),
    OPTION_INT(prepare_call, p.filters.min_reply_words, "min-reply-words", "10", "N", 0, 1e6,
               "shorter replies are dropped (Chinese: characters)"),
    OPTION_INT(prepare_call, p.filters.min_query_words, "min-query-words", "5", "N", 0, 1e6,
               "shorter queries are dropped"),
    OPTION_TEXT(prepare_call, filters_off, "filters-off", NULL, "LIST",
                "filters that are not asked, e.g. url,phone (names: as counted in the table of a run)",
                .resume = RESUME_CONTENT),
    OPTION_TEXT(prepare_call, p.filters.file, "filter-rules", NULL, "FILE",
                "patterns of the filters, instead of the built-in data/rules/filters.txt", .input = INPUT_WHOLE,
                .resume = RESUME_CONTENT),
    OPTION_TEXT(prepare_call, p.filters.languages, "languages", "en,zh", "LIST", "languages that are kept, or all",
                .resume = RESUME_CONTENT),
    OPTION_FLOAT(prepare_call, p.similarity_threshold, "similarity-threshold", "0.5", "X", 0.01, 1,
                 "cosine from which two turns are on one topic, when an annotator measures it (tfidf finds its own)"),
    OPTION_INT(prepare_call, p.shard_records, "shard-records", "8192", "N", 1, 1e8, "records of a shard file"),
    OPTION_FLAG(prepare_call, chats, "chats", "true", "--no-chats: instances only, no chats-*.wrs for train lm",
                .resume = RESUME_CONTENT),
    OPTION_TEXT(prepare_call, p.fields, "fields", NULL, "MAP",
                "field map of the rows: wildchat, lmsys, sharegpt, or a YAML file", .input = INPUT_WHOLE,
                .resume = RESUME_CONTENT),
    OPTION_FLAG(prepare_call, p.drop_toxic, "drop-toxic", NULL, "leave out rows that say toxic: true"),
    OPTION_FLAG(prepare_call, p.drop_redacted, "drop-redacted", NULL, "leave out rows that say redacted: true"),
    OPTION_FLAG(prepare_call, p.skip_bad, "skip-bad", NULL,
                "rows that cannot be used are counted and named, but the exit code is 0 (without it: 1, after the "
                "others are done)",
                .resume = RESUME_FREE),
    OPTION_INT(prepare_call, block_kib, "block-kib", "8192", "N", 1, 1 << 20,
               "text of a unit of work that a rank takes at once; part of what decides the shards' bytes"),
    OPTION_FLAG(prepare_call, p.overwrite, "overwrite", NULL,
                "replace a prepared folder; begin unfinished work of other settings anew", .resume = RESUME_FREE),
    {0},
};
static const option_spec chat_of_prepare[] = {{.name = "chat-template", .resume = RESUME_CONTENT}, {0}};
static const option_group prepare_groups[] = {
    {.rows = prepare_rows},
    OPTION_GROUP(chat_rows, prepare_call, p.chat_template, .varied = chat_of_prepare),
    OPTION_GROUP(annotator_rows, prepare_call, who),
    OPTION_GROUP(annotator_model_rows, prepare_call, who.model),
    {0},
};

static wr_status take_term(void *context, const option_spec *spec, const char *value) {
    char key[80];
    bool flag = false;
    if (spec->resume != RESUME_FIXED) return WR_OK;
    snprintf(key, sizeof key, "--%s", spec->name);
    if (spec->kind == OPT_FLAG) flag = value && strcmp(value, "true") == 0;
    json_member_string(context, key, spec->kind == OPT_FLAG ? (flag ? "1" : "0") : value ? value : "");
    return WR_OK;
}

/* The options that unfinished work must have been begun with, as a JSON object. */
static wr_status terms_of(const options *o, strbuf *out) {
    json_writer w = json_writer_make(out);
    json_begin_object(&w);
    const wr_status status = options_visit(o, take_term, &w);
    json_end_object(&w);
    return status < 0 ? status : strbuf_status(out);
}

/* Everything but the annotators. */
static wr_status fill(const options *o, prepare_call *c, strbuf *terms, strbuf *usual) {
    wr_status status = WR_OK;
    options *defaults = NULL;
    *c = (prepare_call){.p = {.filters = filter_options_default(), .test_instances = -1}};
    TRY(options_fill(o, c, sizeof *c));
    annotator_options_resolve(o, &c->who);
    c->p.no_tokens = !c->tokens;
    c->p.no_chats = !c->chats;
    c->p.block_bytes = c->block_kib << 10;
    c->p.refusal_rules = c->who.refusal_rules;
    if (c->filters_off) TRY(filter_list_parse(c->filters_off, &c->p.filters.off));
    TRY(options_defaults(o, &defaults));
    TRY(terms_of(o, terms));
    TRY(terms_of(defaults, usual));
    c->p.terms = strbuf_str(terms);
    c->p.usual_terms = strbuf_str(usual);
cleanup:
    options_free(defaults);
    return status;
}

static wr_status run_prepare(const options *o, world *w) {
    wr_status status = WR_OK;
    size_t n = options_count(o);
    const char **sources = mem_calloc(n + 1, sizeof *sources);
    annotator_set who = {0};
    prepare_call c = {0};
    strbuf terms = {0}, usual = {0};
    wr_status mine =
        sources ? fill(o, &c, &terms, &usual) : wr_fail(WR_E_NOMEM, "out of memory for the names of %zu sources", n);
    TRY(world_agree(w, mine));
    if (strcmp(c.p.format, "wildchat") == 0) TRY(annotators_create(&c.who, w, &who)); /* only conversations */
    for (size_t i = 0; i < n; i++) sources[i] = options_positional(o, i);
    c.p.sources = sources;
    c.p.n_sources = n;
    c.p.annotators = who.levels;
    c.p.n_annotators = who.n;
    c.p.similarity = who.similarity;
    c.p.refusals = who.refusals;
    status = prepare_run(&c.p, w);
    /* A run that was stopped has cost something, too; what stopped it is still what the user is told. */
    char why[1024] = "";
    if (status < 0) snprintf(why, sizeof why, "%s", wr_error());
    const wr_status told = annotators_report(&who, &c.who, w);
    if (status >= 0)
        status = told;
    else if (told < 0) {
        log_warn("%s", wr_error());
        status = wr_fail(status, "%s", why);
    }
cleanup:
    annotators_free(&who);
    strbuf_free(&terms);
    strbuf_free(&usual);
    free(sources);
    return status;
}

const command cmd_prepare = {
    .name = "prepare",
    .usage = "prepare SRC… --out DIR [--tokenizer DIR|FILE | --no-tokens] [--format wildchat|labelled|wildfb]",
    .summary = "chats to turns, feedback levels, filters, a split by user, and shards",
    .groups = prepare_groups,
    .needs_world = true,
    .goes_on = "the same command goes on with what is done",
    .run = run_prepare,
    .reads_sources = true,
};
