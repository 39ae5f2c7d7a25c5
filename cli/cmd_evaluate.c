/* evaluate: a reward model or language model on shards, a reward model on a published suite, or a policy on prompts. */
#include "cli/evaluate_detail.h"
#include "cli/evaluate_model.h"
#include "cli/evaluate_suite.h"
#include "cli/lm_tool.h"
#include "cli/memory_check.h"
#include "cli/output_paths.h"

#include "base/fresh.h"
#include "base/json.h"
#include "base/stream.h"
#include "evaluate/policy_eval.h"
#include "rollout/reward_function.h"
#include "evaluate/evaluate.h"
#include "model/host/frozen.h"
#include "model/host/model_share.h"
#include "evaluate/truth.h"
#include "sampler/sampling.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct evaluate_call {
    model_options model;
    const char *data, *split, *truth, *prompts, *reward, *out;
    reward_reading reading;
    chat_options chat;
    size_t limit, max_length, micro_tokens;
    bool loss_on_all;
    sampling_options sampling;
    suite_options suite;
    record_files files;
} evaluate_call;
static const option_spec evaluate_rows[] = {
    OPTION_TEXT(evaluate_call, model.dir, "model", NULL, "DIR",
                "reward model, language model, or (with --prompts) policy", .input = INPUT_WHOLE),
    OPTION_TEXT(evaluate_call, data, "data", NULL, "DIR", "folder that prepare wrote", .input = INPUT_PARTS),
    OPTION_CHOICE(evaluate_call, split, "split", "test", "test|train", "which shards"),
    OPTION_INT(evaluate_call, limit, "limit", "0", "N", 0, 1e12, "records (prompts) at most; 0: all"),
    OPTION_TEXT(evaluate_call, truth, "truth", NULL, "FILE",
                "truth.jsonl.zst of synth: correlation with the true quality of test users' replies",
                .input = INPUT_WHOLE),
    OPTION_TEXT(evaluate_call, prompts, "prompts", NULL, "FILE|DIR",
                "evaluate a policy on these prompts instead of shards", .input = INPUT_PARTS),
    OPTION_TEXT(evaluate_call, reward, "reward", NULL, "DIR", "with --prompts: reward model that scores the replies",
                .input = INPUT_WHOLE),
    OPTION_INT(evaluate_call, sampling.n, "n", "1", "N", 1, 4096, "with --prompts: replies a prompt"),
    OPTION_INT(evaluate_call, sampling.max_tokens, "max-tokens", "48", "N", 1, 1e6,
               "with --prompts: tokens of a reply"),
    OPTION_INT(evaluate_call, max_length, "max-length", "4096", "N", 2, 1e7, "tokens of a record"),
    OPTION_INT(evaluate_call, micro_tokens, "micro-tokens", "8192", "N", 1, 1e8, "tokens of one forward pass"),
    OPTION_CHOICE(evaluate_call, loss_on_all, "loss-on", "assistant", "assistant|all",
                  "language models: tokens that the loss counts"),
    OPTION_INT(evaluate_call, sampling.seed, "seed", "0", "S", 0, 9e15, "sampling and bootstrap"),
    OPTION_TEXT(evaluate_call, out, "out", "-", "FILE", "JSON to write"),
    {0},
};
static const option_group evaluate_groups[] = {
    {.rows = evaluate_rows},
    OPTION_GROUP(suite_rows, evaluate_call, suite),
    OPTION_GROUP(record_file_rows, evaluate_call, files),
    OPTION_GROUP(detail_rows, evaluate_call, files.details),
    OPTION_GROUP(reward_reading_rows, evaluate_call, reading),
    REWARD_GROUPS OPTION_GROUP(chat_rows, evaluate_call, chat),
    OPTION_GROUP(sampling_rows, evaluate_call, sampling),
    OPTION_GROUP(arithmetic_rows, evaluate_call, model.arithmetic),
    OPTION_GROUP(adapter_rows, evaluate_call, model),
    {0},
};

static wr_status evaluate_policy(const options *o, const evaluate_call *c, world *w, precision arithmetic) {
    const policy_eval_options p = {
        .given = o,
        .model_dir = c->model.dir,
        .prompts = c->prompts,
        .reward_dir = c->reward,
        .reading = c->reading,
        .chat_template = c->chat.file,
        .out_path = c->out,
        .limit = c->limit,
        .sampling = c->sampling,
        .precision = arithmetic,
        .check_weights = c->model.arithmetic.check_weights,
        .adapter_dir = c->model.adapter,
    };
    if (c->data || c->truth) return wr_fail(WR_E_USAGE, "--prompts evaluates a policy: leave --data and --truth out");
    const wr_status status = sampling_options_check(&p.sampling);
    return status < 0 ? status : policy_eval_run(w, &p);
}

static void begin(json_writer *j, const char *kind, const evaluate_call *c) {
    json_begin_object(j);
    json_member_string(j, "kind", kind);
    json_member_string(j, "model", c->model.dir);
    if (c->model.adapter) json_member_string(j, "adapter", c->model.adapter);
    json_member_string(j, "data", c->data);
    json_member_string(j, "split", c->split);
}

static void write_truth(json_writer *j, const truth_figures *t) {
    json_member_object(j, "truth");
    json_member_count(j, "replies", t->replies);
    json_member_count(j, "users", t->users);
    json_member_count(j, "too_long", t->too_long);
    json_member_double(j, "spearman", t->spearman);
    json_member_double(j, "spearman_low", t->low);
    json_member_double(j, "spearman_high", t->high);
    json_end_object(j);
}

/* Rank 0: the tokenizer (and for reward models the template) must be the shards'. */
static wr_status check_belongs(const evaluate_call *c, const dataset_index *d, const reward_model *r) {
    const char *dir = c->model.dir, *data = c->data;
    if (!d->meta.tokenizer_hash[0])
        return wr_fail(WR_E_MISMATCH, "%s: prepared with --no-tokens; prepare it with --tokenizer %s to evaluate on it",
                       data, dir);
    if (strcmp(d->meta.tokenizer_hash, tokenizer_hash(r->tok)) != 0)
        return wr_fail(WR_E_MISMATCH,
                       "%s: its shards were tokenized with another tokenizer (hash %.8s) than %s has (hash %.8s); "
                       "prepare the data again "
                       "with --tokenizer %s",
                       data, d->meta.tokenizer_hash, dir, tokenizer_hash(r->tok), dir);
    if (r->tpl && d->meta.kind == SHARD_REWARD && d->meta.template_hash[0] &&
        strcmp(d->meta.template_hash, reward_template_hash(r->tpl)) != 0)
        return wr_fail(
            WR_E_MISMATCH,
            "%s: its shards were made with another template (hash %.8s) than %s was trained with (hash %.8s)", data,
            d->meta.template_hash, dir, reward_template_hash(r->tpl));
    return WR_OK;
}

/* Rank 0: what belongs to the model. */
static wr_status open_rest(const evaluate_call *c, model_head head, reward_model *r) {
    return head == HEAD_SCORE ? reward_model_open(c->model.dir, &c->reading, 0, r)
                              : tokenizer_load(c->model.dir, &r->tok);
}

/* On the shards' tokens; or, where the model reads chats by its own chat template, on the records' texts. */
static wr_status evaluate_reward_model(const evaluate_call *c, world *w, const reward_model *r, model_workspace *work,
                                       record_source *source, evaluate_options *e, bool by_chat, json_writer *j) {
    wr_status status = WR_OK;
    reward_figures figures = {0};
    reward_records records = {0};
    e->records = &records;
    e->objective = r->objective;
    e->rule = r->rule;
    e->guessed = !r->recorded;
    if (by_chat)
        TRY(evaluate_reward_chats(w, r, source, e, &figures));
    else
        TRY(evaluate_reward(w, r->m, work, source, e, &figures));
    if (!by_chat && !figures.records)
        TRY(wr_fail(WR_E_FORMAT, "%s: no record of up to %zu tokens to evaluate", c->data, e->max_length));
    json_member_string(j, "score_rule", r->rule->name);
    record_files files = c->files;
    files.details.seed = c->sampling.seed;
    if (world_rank(w) == 0) status = evaluate_write_reward(&files, &c->model, c->data, &figures, &records, j);
    TRY(world_agree(w, status));
cleanup:
    e->records = NULL;
    reward_records_free(&records);
    reward_figures_free(&figures);
    return status;
}

static wr_status evaluate_shards(const evaluate_call *c, world *w, precision arithmetic, json_writer *j) {
    wr_status status = WR_OK;
    bool root = world_rank(w) == 0;
    double found[2] = {0}; /* by the chat template; the model records its objective */
    char prefix[32];
    model_head head;
    reward_model r = {0};
    record_source *source = NULL;
    model_workspace *work = NULL;
    shared_block *block = NULL;
    TRY(evaluate_agree_head(&c->model, w, &head));
    if (c->files.records && head != HEAD_SCORE)
        TRY(wr_fail(WR_E_USAGE, "--records: %s is not a reward model", c->model.dir));
    if (c->truth && head != HEAD_SCORE) TRY(wr_fail(WR_E_USAGE, "--truth: %s is not a reward model", c->model.dir));
    snprintf(prefix, sizeof prefix, "%s-%s-", head == HEAD_SCORE ? "reward" : "chats", c->split);
    TRY(record_source_open(w, c->data, prefix, &source));
    TRY(evaluate_open_model(&c->model, w, head, arithmetic, &block, &r.m));
    if (root) {
        status = open_rest(c, head, &r);
        found[0] = r.chat != NULL;
        found[1] = r.recorded;
        if (status >= 0 && !r.chat) status = check_belongs(c, record_source_index(source), &r);
    }
    TRY(world_agree(w, status));
    world_sum(w, found, 2);
    TRY(world_agree(w, model_workspace_create(r.m, &work)));
    const size_t limit = r.m->config.max_positions, wanted = c->max_length;
    evaluate_options e = {.max_length = limit && limit < wanted ? limit : wanted,
                          .max_tokens = c->micro_tokens,
                          .limit = c->limit,
                          .loss_on_all = c->loss_on_all,
                          .stoppable = true,
                          .show = true};
    begin(j, head == HEAD_SCORE ? "reward" : "lm", c);
    if (head == HEAD_SCORE) {
        TRY(reward_model_outputs(c->model.dir, &c->reading, found[1] > 0,
                                 &r)); /* ranks other than 0 have the model alone */
        TRY(evaluate_reward_model(c, w, &r, work, source, &e, found[0] > 0, j));
    } else {
        lm_figures f;
        TRY(evaluate_lm(w, r.m, work, source, &e, &f));
        if (!f.tokens) TRY(wr_fail(WR_E_FORMAT, "%s: no target token to evaluate", c->data));
        json_member_count(j, "records", f.records);
        json_member_count(j, "tokens", f.tokens);
        json_member_double(j, "loss", f.loss);
        json_member_double(j, "perplexity", exp(f.loss));
    }
    if (c->truth) {
        truth_figures t;
        TRY(truth_evaluate(w, &r, c->truth, c->data, e.limit, e.max_tokens, c->sampling.seed, &t));
        write_truth(j, &t);
    }
    json_end_object(j);
cleanup:
    model_workspace_free(work);
    record_source_close(source);
    reward_model_close(&r);
    shared_block_free(block);
    return status;
}

/* What could not be written at the end is told at the start. Devices and pipes are left alone: opening one may be seen
 * at its other end. */
static wr_status can_write(const char *path) {
    struct stat info;
    fresh_file f;
    if (strcmp(path, "-") == 0 || (stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)))
        return WR_OK;
    const wr_status status = fresh_file_open(path, &f);
    fresh_file_discard(&f);
    return status;
}

/* Models lie once a host; one that an adapter is merged into is each rank's. */
static wr_status check_memory(const evaluate_call *c, world *w, precision p) {
    const bool merged = c->model.adapter != NULL;
    const memory_part parts[] = {
        {.dir = c->model.dir,
         .load = {.head = c->prompts ? HEAD_LM : HEAD_NONE, .frozen = !merged},
         .use = (merged ? MEMORY_LOADED : MEMORY_LOADED_HOST) | (c->prompts ? MEMORY_PACKED : 0)},
        {.dir = c->prompts ? c->reward : NULL,
         .load = {.head = HEAD_SCORE, .frozen = true},
         .use = MEMORY_LOADED_HOST}};
    return memory_check(w, &(memory_plan){.parts = parts, .n = 2, .p = p});
}

/* Figures of files alone: no model, and nothing for other ranks to do. */
static wr_status evaluate_files(const options *o, const evaluate_call *c, world *w) {
    wr_status status = WR_OK;
    strbuf text = {0};
    if (world_rank(w) == 0) {
        status = c->files.scored ? evaluate_scored(&c->files, c->sampling.seed, &text)
                                 : evaluate_compared(o, &c->files, c->sampling.seed, &text);
        if (status >= 0) status = outstream_write_line(c->out, &text);
    }
    status = world_agree(w, status);
    strbuf_free(&text);
    return status;
}

/* What is measured is said once. */
static wr_status check_call(const options *o, const evaluate_call *c) {
    const size_t files = options_count(o);
    const record_files *f = &c->files;
    if (f->scored && f->compare) return wr_fail(WR_E_USAGE, "give --scored or --compare, not both");
    if (f->scored || f->compare) {
        if (c->model.dir || c->data || c->prompts || c->truth || c->suite.name || (f->scored && files))
            return wr_fail(WR_E_USAGE,
                           "--%s works on files: leave --model, --data, --suite, --prompts and --truth out, and other "
                           "files than --compare's",
                           f->scored ? "scored" : "compare");
        return WR_OK;
    }
    if (!c->model.dir) return wr_fail(WR_E_USAGE, "give --model DIR (or --scored FILE, or --compare A.json B.json)");
    if (!c->data && !c->prompts && !c->suite.name)
        return wr_fail(WR_E_USAGE,
                       "give --data DIR (a reward or language model), --suite NAME FILE… (a reward model) or "
                       "--prompts FILE (a policy)");
    if (c->suite.name && (c->data || c->prompts || c->truth || c->reward))
        return wr_fail(WR_E_USAGE, "--suite measures a reward model on its files: leave --data, --truth, --prompts and "
                                   "--reward out");
    if (c->suite.name && !files)
        return wr_fail(WR_E_USAGE, "--suite %s: give the suite's files as arguments", c->suite.name);
    if (!c->suite.name && files)
        return wr_fail(WR_E_USAGE,
                       "evaluate takes no argument '%s' without --suite; wildreward evaluate --help shows "
                       "its options",
                       options_positional(o, 0));
    if (!c->suite.name && (c->suite.scores || c->suite.cache))
        return wr_fail(WR_E_USAGE, "--%s goes with --suite", c->suite.scores ? "suite-scores" : "score-cache");
    if (f->records && !c->data) return wr_fail(WR_E_USAGE, "--records is of a reward model's records: give --data");
    return WR_OK;
}

static wr_status measure_suite(const options *o, const evaluate_call *c, world *w, precision arithmetic) {
    const evaluate_suite_call call = {.suite = &c->suite,
                                      .model = &c->model,
                                      .reading = &c->reading,
                                      .out = c->out,
                                      .resamples = c->files.details.resamples,
                                      .seed = c->sampling.seed,
                                      .limit = c->limit,
                                      .max_length = options_given(o, "max-length") ? c->max_length : 0,
                                      .max_tokens = c->micro_tokens};
    return evaluate_suite(o, w, arithmetic, &call);
}

static wr_status run_evaluate(const options *o, world *w) {
    wr_status status = WR_OK;
    strbuf text = {0};
    json_writer j = json_writer_make(&text);
    precision arithmetic;
    evaluate_call c = {0};
    TRY(options_fill(o, &c, sizeof c));
    TRY(check_call(o, &c));
    TRY(output_paths_check(o, (const char *const[]){"out", "records", "suite-scores", NULL},
                           (const char *const[]){"scored", "compare", "truth", "prompts", NULL}));
    if (c.files.scored || c.files.compare) return evaluate_files(o, &c, w);
    TRY(choose_precision(c.model.arithmetic.precision, NULL, w, &arithmetic));
    if (world_rank(w) == 0) status = can_write(c.out);
    if (world_rank(w) == 0 && status >= 0 && c.files.records) status = can_write(c.files.records);
    if (world_rank(w) == 0 && status >= 0 && c.suite.scores) status = can_write(c.suite.scores);
    TRY(world_agree(w, status));
    TRY(check_memory(&c, w, arithmetic));
    if (c.suite.name) return measure_suite(o, &c, w, arithmetic);
    if (c.prompts) return evaluate_policy(o, &c, w, arithmetic);
    TRY(evaluate_shards(&c, w, arithmetic, &j));
    TRY(world_agree(w, world_rank(w) == 0 ? outstream_write_line(c.out, &text) : WR_OK));
cleanup:
    strbuf_free(&text);
    return status;
}

const command cmd_evaluate = {
    .name = "evaluate",
    .usage = "evaluate (--model DIR (--data DIR [--split test] [--truth FILE] | --suite NAME FILE… | --prompts FILE "
             "[--reward DIR]) | --scored FILE | --compare A.json B.json…) --out FILE.json",
    .summary = "measure a reward model, a language model or a policy",
    .groups = evaluate_groups,
    .needs_world = true,
    .run = run_evaluate,
};
