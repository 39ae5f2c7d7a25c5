/* wildreward logprobs: log-probability of a response after its prompt. */
#include "cli/command.h"
#include "cli/lm_tool.h"

#include <stdlib.h>

#define FORWARD_TOKENS 4096 /* of one packed forward; a longer record goes alone */

static const option_spec *const tables[] = {lm_options, precision_options, jsonl_options, NULL};

typedef struct record { token_ids ids; size_t prompt; bool bad; } record; /* ids: prompt, then response */

typedef struct logprobs_job {
    lm_tool lm;
    model_workspace *work;
} logprobs_job;

static wr_status read_record(const lm_tool *lm, const json_value *input, record *r)
{
    wr_status status = WR_OK;
    size_t limit = lm->m->config.max_positions;
    if (lm->max_length && lm->max_length < limit) limit = lm->max_length;
    if (json_get(input, "prompt_ids") || json_get(input, "response_ids")) {
        TRY(read_ids(input, "prompt_ids", lm->m->config.V, &r->ids));
        r->prompt = r->ids.n;
        TRY(read_ids(input, "response_ids", lm->m->config.V, &r->ids));
    } else {
        if (!lm->t) TRY(wr_fail(WR_E_FORMAT, "the model directory has no tokenizer.json: give prompt_ids and response_ids"));
        TRY(read_text(input, "prompt", lm->t, TOK_MATCH_SPECIAL, &r->ids));
        r->prompt = r->ids.n;
        TRY(read_text(input, "response", lm->t, TOK_MATCH_SPECIAL, &r->ids));
    }
    if (r->prompt == 0) TRY(wr_fail(WR_E_FORMAT, "the prompt has no tokens: the first token of a text has no log-probability"));
    if (r->ids.n > limit) TRY(wr_fail(WR_E_FORMAT, "prompt and response have %zu tokens, more than the %zu allowed", r->ids.n, limit));
cleanup:
    return status;
}

static void write_record(jsonl_item *item, const float *logprob, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)logprob[i];
    json_writer w = jsonl_fields(item);
    json_key(&w, "logprob");
    json_double(&w, sum);
    json_key(&w, "token_logprobs");
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++) json_double(&w, (double)logprob[i]);
    json_end_array(&w);
}

/* One packed forward over records[0 … n), T tokens together. */
static wr_status forward(logprobs_job *job, jsonl_item *items, const record *records, size_t n, size_t T)
{
    wr_status status = WR_OK;
    const float *hidden;
    size_t B = 0, rows = 0, at = 0;
    size_t *offsets = mem_calloc(n + 1, sizeof *offsets), *row = mem_calloc(T + 1, sizeof *row);
    int32_t *ids = mem_calloc(T + 1, sizeof *ids), *targets = mem_calloc(T + 1, sizeof *targets);
    float *logprob = mem_calloc(T + 1, sizeof *logprob);
    TRY_ALLOC(offsets && row && ids && targets && logprob);
    for (size_t i = 0; i < n; i++) {
        const record *r = &records[i];
        if (r->bad) continue;
        offsets[B++] = at;
        for (size_t k = 0; k < r->ids.n; k++) {
            ids[at + k] = r->ids.ids[k];
            if (k < r->prompt) continue;
            row[rows] = at + k - 1; /* the state before a token predicts it */
            targets[rows++] = r->ids.ids[k];
        }
        at += r->ids.n;
    }
    offsets[B] = at;
    if (B && rows) {
        TRY(model_forward(job->lm.m, &(token_batch){B, offsets, ids}, job->work, false, &hidden));
        TRY(lm_logprobs(job->lm.m, job->work, hidden, rows, row, targets, logprob));
    }
    rows = 0;
    for (size_t i = 0; i < n; i++) {
        const record *r = &records[i];
        if (r->bad) continue;
        write_record(&items[i], logprob + rows, r->ids.n - r->prompt);
        rows += r->ids.n - r->prompt;
    }
cleanup:
    free(offsets);
    free(row);
    free(ids);
    free(targets);
    free(logprob);
    return status;
}

static wr_status handle(void *context, jsonl_item *items, size_t n)
{
    wr_status status = WR_OK;
    logprobs_job *job = context;
    record *records = mem_calloc(n, sizeof *records);
    TRY_ALLOC(records);
    for (size_t i = 0; i < n; i++) {
        wr_status one = read_record(&job->lm, items[i].input, &records[i]);
        if (one == WR_E_NOMEM) TRY(one);
        records[i].bad = one < 0;
        if (one < 0) jsonl_fail(&items[i]);
    }
    for (size_t i = 0; i < n;) {
        size_t k = 0, T = 0;
        while (i + k < n && (k == 0 || T + records[i + k].ids.n <= FORWARD_TOKENS)) {
            if (!records[i + k].bad) T += records[i + k].ids.n;
            k++;
        }
        TRY(forward(job, items + i, records + i, k, T));
        i += k;
    }
cleanup:
    for (size_t i = 0; records && i < n; i++) token_ids_free(&records[i].ids);
    free(records);
    return status;
}

static wr_status run_logprobs(const options *o, world *w)
{
    static const char *const names[] = {"logprob", "token_logprobs", NULL};
    wr_status status = WR_OK;
    logprobs_job job = {0};
    (void)w;
    TRY(check_precision(o));
    TRY(lm_tool_load(o, false, &job.lm));
    TRY(model_workspace_create(job.lm.m, &job.work));
    TRY(jsonl_run(o, 64, names, handle, &job));
cleanup:
    model_workspace_free(job.work);
    lm_tool_free(&job.lm);
    return status;
}

const command cmd_logprobs = {
    .name = "logprobs",
    .usage = "logprobs --model DIR [--in FILE] [--out FILE]",
    .summary = "log-probability of responses after their prompts (JSONL)",
    .tables = tables,
    .run = run_logprobs,
    .no_positionals = true,
};
