/* evaluate: a reward model or language model on shards, or a policy on prompts. */
#include "cli/lm_tool.h"
#include "cli/model_options.h"
#include "cli/sampling_options.h"

#include "base/file.h"
#include "base/fresh.h"
#include "base/json.h"
#include "base/log.h"
#include "base/stream.h"
#include "evaluate/policy_eval.h"
#include "evaluate/evaluate.h"
#include "model/host/model_share.h"
#include "evaluate/truth.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const option_spec evaluate_table[] = {
    {.name = "model",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "DIR",
     .help = "reward model, language model, or (with --prompts) policy",
     .required = true},
    {.name = "data", .input = INPUT_PARTS, .kind = OPT_STRING, .arg = "DIR", .help = "folder that prepare wrote"},
    {.name = "split", .kind = OPT_CHOICE, .default_value = "test", .arg = "test|train", .help = "which shards"},
    {.name = "limit",
     .kind = OPT_INT,
     .default_value = "0",
     .arg = "N",
     .help = "records (prompts) at most; 0: all",
     .min = 0,
     .max = 1e12},
    {.name = "truth",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "FILE",
     .help = "truth.jsonl.zst of synth: correlation with the true quality of test users' replies"},
    {.name = "prompts",
     .input = INPUT_PARTS,
     .kind = OPT_STRING,
     .arg = "FILE|DIR",
     .help = "evaluate a policy on these prompts instead of shards"},
    {.name = "reward",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "DIR",
     .help = "with --prompts: reward model that scores the replies"},
    {.name = "template",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "FILE",
     .help = "reward template, for a model that records none"},
    {.name = "n",
     .kind = OPT_INT,
     .default_value = "1",
     .arg = "N",
     .help = "with --prompts: replies a prompt",
     .min = 1,
     .max = 4096},
    {.name = "max-tokens",
     .kind = OPT_INT,
     .default_value = "48",
     .arg = "N",
     .help = "with --prompts: tokens of a reply",
     .min = 1,
     .max = 1e6},
    {.name = "max-length",
     .kind = OPT_INT,
     .default_value = "4096",
     .arg = "N",
     .help = "tokens of a record",
     .min = 2,
     .max = 1e7},
    {.name = "micro-tokens",
     .kind = OPT_INT,
     .default_value = "8192",
     .arg = "N",
     .help = "tokens of one forward pass",
     .min = 1,
     .max = 1e8},
    {.name = "loss-on",
     .kind = OPT_CHOICE,
     .default_value = "assistant",
     .arg = "assistant|all",
     .help = "language models: tokens that the loss counts"},
    {.name = "seed",
     .kind = OPT_INT,
     .default_value = "0",
     .arg = "S",
     .help = "sampling and bootstrap",
     .min = 0,
     .max = 9e15},
    {.name = "out", .kind = OPT_STRING, .default_value = "-", .arg = "FILE", .help = "JSON to write"},
    {0},
};
static const option_spec *const evaluate_tables[] = {evaluate_table,    chat_options,    sampling_table,
                                                     precision_options, adapter_options, NULL};

static wr_status evaluate_policy(const options *o, world *w, precision arithmetic) {
    policy_eval_options p = {
        .model_dir = options_str(o, "model"),
        .prompts = options_str(o, "prompts"),
        .reward_dir = options_str(o, "reward"),
        .template_file = options_str(o, "template"),
        .chat_template = options_str(o, "chat-template"),
        .out_path = options_str(o, "out"),
        .limit = (size_t)options_int(o, "limit"),
        .precision = arithmetic,
        .check_weights = options_flag(o, "check-weights"),
        .adapter_dir = options_str(o, "adapter"),
    };
    if (options_str(o, "data") || options_str(o, "truth"))
        return wr_fail(WR_E_USAGE, "--prompts evaluates a policy: leave --data and --truth out");
    const wr_status status = sampling_from_options(o, &p.sampling);
    return status < 0 ? status : policy_eval_run(w, &p);
}

static void begin(json_writer *j, const char *kind, const options *o) {
    json_begin_object(j);
    json_key(j, "kind");
    json_string(j, kind);
    json_key(j, "model");
    json_string(j, options_str(o, "model"));
    if (options_str(o, "adapter")) json_key(j, "adapter"), json_string(j, options_str(o, "adapter"));
    json_key(j, "data");
    json_string(j, options_str(o, "data"));
    json_key(j, "split");
    json_string(j, options_str(o, "split"));
}

static void number(json_writer *j, const char *key, double v) {
    json_key(j, key);
    json_double(j, v);
}

static void count(json_writer *j, const char *key, size_t v) {
    json_key(j, key);
    json_int(j, (int64_t)v);
}

static void write_reward(json_writer *j, const reward_figures *f) {
    count(j, "records", f->records);
    number(j, "loss", f->loss);
    number(j, "accuracy", f->accuracy);
    number(j, "mae", f->mae);
    number(j, "spearman", f->spearman);
    number(j, "quadratic_kappa", f->kappa);
    json_key(j, "mean_score_by_label");
    json_begin_array(j);
    for (int k = 0; k < f->classes && k < 32; k++) json_double(j, f->mean_score[k]);
    json_end_array(j);
    json_key(j, "records_by_label");
    json_begin_array(j);
    for (int k = 0; k < f->classes && k < 32; k++) json_int(j, (int64_t)f->count[k]);
    json_end_array(j);
}

static void write_truth(json_writer *j, const truth_figures *t) {
    json_key(j, "truth");
    json_begin_object(j);
    count(j, "replies", t->replies);
    count(j, "users", t->users);
    count(j, "too_long", t->too_long);
    number(j, "spearman", t->spearman);
    number(j, "spearman_low", t->low);
    number(j, "spearman_high", t->high);
    json_end_object(j);
}

/* Rank 0: the tokenizer (and for reward models the template) must be the shards'. */
static wr_status check_belongs(const options *o, const dataset_index *d, const reward_model *r) {
    const char *dir = options_str(o, "model"), *data = options_str(o, "data");
    if (!d->meta.tokenizer_hash[0])
        return wr_fail(WR_E_MISMATCH, "%s: prepared with --no-tokens; prepare it with --tokenizer %s to evaluate on it",
                       data, dir);
    if (strcmp(d->meta.tokenizer_hash, tokenizer_hash(r->tok)) != 0)
        return wr_fail(WR_E_MISMATCH,
                       "%s: its shards were tokenized with another tokenizer (hash %.8s) than %s has (hash %.8s); "
                       "prepare the data again "
                       "with --tokenizer %s",
                       data, d->meta.tokenizer_hash, dir, tokenizer_hash(r->tok), dir);
    if (r->tpl && d->meta.kind == SHARD_REWARD && strcmp(d->meta.template_hash, reward_template_hash(r->tpl)) != 0)
        return wr_fail(
            WR_E_MISMATCH,
            "%s: its shards were made with another template (hash %.8s) than %s was trained with (hash %.8s)", data,
            d->meta.template_hash, dir, reward_template_hash(r->tpl));
    return WR_OK;
}

static wr_status open_root(const options *o, model_head head, reward_model *r) {
    const char *dir = options_str(o, "model");
    wr_status status = load_model(o, head == HEAD_SCORE ? HEAD_NONE : HEAD_LM, false, PRECISION_F32, &r->m);
    if (status < 0) return status;
    return head == HEAD_SCORE ? reward_model_open(dir, options_str(o, "template"), 0, r) : tokenizer_load(dir, &r->tok);
}

/* The head of rank 0's model directory, or of the adapter, to all. */
static wr_status agree_head(const options *o, world *w, model_head *head) {
    wr_status status = WR_OK;
    double value = 0;
    if (world_rank(w) == 0) {
        model_config c;
        size_t rows = 0;
        status = model_config_load(options_str(o, "model"), &c);
        if (status >= 0 && options_str(o, "adapter")) status = lora_score_rows(options_str(o, "adapter"), &rows);
        value = status >= 0 && (rows || c.head == HEAD_SCORE);
    }
    TRY(world_agree(w, status));
    world_sum(w, &value, 1);
    *head = value > 0 ? HEAD_SCORE : HEAD_LM;
cleanup:
    return status;
}

static wr_status evaluate_shards(const options *o, world *w, precision arithmetic, json_writer *j) {
    wr_status status = WR_OK;
    bool root = world_rank(w) == 0;
    char prefix[32];
    model_head head;
    reward_model r = {0};
    record_source *source = NULL;
    model_workspace *work = NULL;
    TRY(agree_head(o, w, &head));
    if (options_str(o, "truth") && head != HEAD_SCORE)
        TRY(wr_fail(WR_E_USAGE, "--truth: %s is not a reward model", options_str(o, "model")));
    snprintf(prefix, sizeof prefix, "%s-%s-", head == HEAD_SCORE ? "reward" : "chats", options_str(o, "split"));
    TRY(record_source_open(w, options_str(o, "data"), prefix, &source));
    if (root) {
        status = open_root(o, head, &r);
        if (status >= 0) status = check_belongs(o, record_source_index(source), &r);
    }
    TRY(world_agree(w, status));
    TRY(model_share(w, arithmetic, &r.m));
    TRY(world_agree(w, model_workspace_create(r.m, &work)));
    size_t limit = r.m->config.max_positions, wanted = (size_t)options_int(o, "max-length");
    evaluate_options e = {.max_length = limit && limit < wanted ? limit : wanted,
                          .max_tokens = (size_t)options_int(o, "micro-tokens"),
                          .limit = (size_t)options_int(o, "limit"),
                          .loss_on_all = strcmp(options_str(o, "loss-on"), "all") == 0,
                          .stoppable = true,
                          .show = true};
    begin(j, head == HEAD_SCORE ? "reward" : "lm", o);
    if (head == HEAD_SCORE) {
        reward_figures f;
        TRY(evaluate_reward(w, r.m, work, source, &e, &f));
        if (!f.records)
            TRY(wr_fail(WR_E_FORMAT, "%s: no record of up to %zu tokens to evaluate", options_str(o, "data"),
                        e.max_length));
        write_reward(j, &f);
    } else {
        lm_figures f;
        TRY(evaluate_lm(w, r.m, work, source, &e, &f));
        if (!f.tokens) TRY(wr_fail(WR_E_FORMAT, "%s: no target token to evaluate", options_str(o, "data")));
        count(j, "records", f.records);
        count(j, "tokens", f.tokens);
        number(j, "loss", f.loss);
        number(j, "perplexity", exp(f.loss));
    }
    if (options_str(o, "truth")) {
        truth_figures t;
        TRY(truth_evaluate(w, &r, options_str(o, "truth"), options_str(o, "data"), e.limit, e.max_tokens,
                           (uint64_t)options_int(o, "seed"), &t));
        write_truth(j, &t);
    }
    json_end_object(j);
cleanup:
    model_workspace_free(work);
    record_source_close(source);
    reward_model_close(&r);
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

static wr_status write_out(const char *path, const strbuf *text) {
    wr_status status = WR_OK;
    outstream *out = NULL;
    TRY(strbuf_status(text));
    TRY(outstream_create(path, &out));
    TRY(outstream_line(out, text));
    TRY(outstream_commit(&out));
cleanup:
    outstream_discard(out);
    return status;
}

static wr_status run_evaluate(const options *o, world *w) {
    wr_status status = WR_OK;
    strbuf text = {0};
    json_writer j = json_writer_make(&text);
    precision arithmetic;
    TRY(choose_precision(o, w, &arithmetic));
    TRY(world_agree(w, world_rank(w) == 0 ? can_write(options_str(o, "out")) : WR_OK));
    if (options_str(o, "prompts")) return evaluate_policy(o, w, arithmetic);
    if (!options_str(o, "data"))
        TRY(wr_fail(WR_E_USAGE, "give --data DIR (a reward or language model) or --prompts FILE (a policy)"));
    TRY(evaluate_shards(o, w, arithmetic, &j));
    TRY(world_agree(w, world_rank(w) == 0 ? write_out(options_str(o, "out"), &text) : WR_OK));
cleanup:
    strbuf_free(&text);
    return status;
}

const command cmd_evaluate = {
    .name = "evaluate",
    .usage = "evaluate --model DIR (--data DIR [--split test] [--truth FILE] | --prompts FILE [--reward DIR]) --out "
             "FILE.json",
    .summary = "measure a reward model, a language model or a policy",
    .tables = evaluate_tables,
    .needs_world = true,
    .run = run_evaluate,
    .no_positionals = true,
};
