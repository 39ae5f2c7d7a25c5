/* wildreward logprobs: log-probability of a response after its prompt. */
#include "cli/command.h"
#include "cli/lm_tool.h"
#include "model/prefix.h"

#include <stdlib.h>

#define FORWARD_TOKENS 4096 /* of one packed forward; a longer record goes alone */

typedef struct logprobs_call {
    lm_options lm;
    jsonl_options files;
} logprobs_call;
static const option_group logprobs_groups[] = {
    OPTION_GROUP(lm_rows, logprobs_call, lm),
    OPTION_GROUP(arithmetic_rows, logprobs_call, lm.model.arithmetic),
    OPTION_GROUP(adapter_rows, logprobs_call, lm.model),
    OPTION_GROUP(jsonl_rows, logprobs_call, files),
    {0},
};

typedef struct record {
    token_ids ids;
    size_t prompt;
} record; /* ids: prompt, then response */

typedef struct logprobs_job {
    lm_tool lm;
    model_workspace *work;
    prefix_batch packed; /* records that begin alike share what they begin with */
} logprobs_job;

enum { BATCH_LINES = 64 };

/* The good records of a batch of lines. */
typedef struct good_records {
    size_t n, item[BATCH_LINES], prompt[BATCH_LINES], lengths[BATCH_LINES], group[BATCH_LINES];
    const int32_t *ids[BATCH_LINES];
} good_records;

static wr_status read_record(const lm_tool *lm, const json_value *input, record *r) {
    wr_status status = WR_OK;
    size_t limit = lm->m->config.max_positions;
    if (lm->max_length && lm->max_length < limit) limit = lm->max_length;
    if (json_get(input, "prompt_ids") || json_get(input, "response_ids")) {
        TRY(read_ids(input, "prompt_ids", lm->m->config.V, &r->ids));
        r->prompt = r->ids.n;
        TRY(read_ids(input, "response_ids", lm->m->config.V, &r->ids));
    } else {
        if (!lm->t)
            TRY(wr_fail(WR_E_FORMAT, "the model directory has no tokenizer.json: give prompt_ids and response_ids"));
        TRY(read_text(input, "prompt", lm->t, TOK_MATCH_SPECIAL, &r->ids));
        r->prompt = r->ids.n;
        TRY(read_text(input, "response", lm->t, TOK_MATCH_SPECIAL, &r->ids));
    }
    if (r->prompt == 0)
        TRY(wr_fail(WR_E_FORMAT, "the prompt has no tokens: the first token of a text has no log-probability"));
    if (r->ids.n > limit)
        TRY(wr_fail(WR_E_FORMAT, "prompt and response have %zu tokens, more than the %zu allowed", r->ids.n, limit));
cleanup:
    return status;
}

static void write_record(jsonl_item *item, const float *logprob, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)logprob[i];
    json_writer w = jsonl_fields(item);
    json_member_double(&w, "logprob", sum);
    json_member_array(&w, "token_logprobs");
    for (size_t i = 0; i < n; i++) json_double(&w, (double)logprob[i]);
    json_end_array(&w);
}

/* One packed forward over records from … end-1. */
static wr_status forward(logprobs_job *job, jsonl_item *items, const good_records *g, size_t from, size_t end) {
    wr_status status = WR_OK;
    const float *hidden;
    size_t n = 0, at = 0, *row = NULL;
    int32_t *targets = NULL;
    float *logprob = NULL;
    for (size_t i = from; i < end; i++) n += g->lengths[i] - g->prompt[i];
    row = mem_calloc(n + 1, sizeof *row);
    targets = mem_calloc(n + 1, sizeof *targets);
    logprob = mem_calloc(n + 1, sizeof *logprob);
    TRY_ALLOC(row && targets && logprob);
    TRY(prefix_batch_build(end - from, g->ids + from, g->lengths + from, g->group + from, prefix_rule_of(job->lm.m),
                           &job->packed));
    for (size_t i = from; i < end; i++) {
        for (size_t t = g->prompt[i]; t < g->lengths[i]; t++) {
            row[at] = prefix_batch_row(&job->packed, i - from, t - 1); /* the state before a token predicts it */
            targets[at++] = g->ids[i][t];
        }
    }
    if (n > 0) {
        TRY(model_forward(job->lm.m, &job->packed.batch, job->work, false, &hidden));
        TRY(lm_logprobs(job->lm.m, job->work, hidden, n, row, targets, logprob));
    }
    at = 0;
    for (size_t i = from; i < end; i++) {
        write_record(&items[g->item[i]], logprob + at, g->lengths[i] - g->prompt[i]);
        at += g->lengths[i] - g->prompt[i];
    }
cleanup:
    free(row);
    free(targets);
    free(logprob);
    return status;
}

static wr_status handle(void *context, jsonl_item *items, size_t n) {
    wr_status status = WR_OK;
    logprobs_job *job = context;
    good_records good = {0};
    record *records = mem_calloc(n, sizeof *records);
    TRY_ALLOC(records);
    for (size_t i = 0; i < n; i++) {
        record *r = &records[i];
        wr_status one = read_record(&job->lm, items[i].input, r);
        if (one == WR_E_NOMEM) TRY(one);
        if (one < 0) {
            jsonl_fail(&items[i]);
            continue;
        }
        good.item[good.n] = i;
        good.prompt[good.n] = r->prompt;
        good.ids[good.n] = r->ids.ids;
        good.lengths[good.n++] = r->ids.n;
    }
    TRY(prefix_groups(good.n, good.ids, good.lengths, prefix_rule_of(job->lm.m), good.group));
    for (size_t from = 0, end; from < good.n; from = end) {
        end = prefix_batch_end(good.n, good.ids, good.lengths, good.group, prefix_rule_of(job->lm.m), from,
                               FORWARD_TOKENS);
        TRY(forward(job, items, &good, from, end));
    }
cleanup:
    for (size_t i = 0; records && i < n; i++) token_ids_free(&records[i].ids);
    free(records);
    return status;
}

static wr_status run_logprobs(const options *o, world *w) {
    static const char *const names[] = {"logprob", "token_logprobs", NULL};
    wr_status status = WR_OK;
    logprobs_job job = {0};
    logprobs_call c = {0};
    (void)w;
    TRY(options_fill(o, &c, sizeof c));
    TRY(lm_tool_load(&c.lm, false, &job.lm));
    TRY(model_workspace_create(job.lm.m, &job.work));
    TRY(jsonl_run(&c.files, BATCH_LINES, names, handle, &job));
cleanup:
    prefix_batch_free(&job.packed);
    model_workspace_free(job.work);
    lm_tool_free(&job.lm);
    return status;
}

const command cmd_logprobs = {
    .name = "logprobs",
    .usage = "logprobs --model DIR [--in FILE] [--out FILE]",
    .summary = "log-probability of responses after their prompts (JSONL)",
    .groups = logprobs_groups,
    .run = run_logprobs,
    .no_positionals = true,
};
