#include "base/mem.h"
#include "evaluate/evaluate.h"

#include <math.h>
#include <stdlib.h>

typedef struct lm_context {
    const model *m;
    model_workspace *work;
    float *logprob;
    size_t logprob_capacity; /* (N) */
} lm_context;

enum { LOSS, TOKENS, WIDTH };

static wr_status lm_values(void *context, const packed *p, const sequence *sequences, size_t n, double *values) {
    lm_context *c = context;
    wr_status status = WR_OK;
    const float *hidden;
    TRY(mem_reserve((void **)&c->logprob, &c->logprob_capacity, p->N + 1, sizeof *c->logprob));
    TRY(model_forward(c->m, &p->batch, c->work, false, &hidden));
    TRY(lm_logprobs(c->m, c->work, hidden, p->N, p->rows, p->targets, c->logprob));
    const float *logprob = c->logprob;
    for (size_t i = 0; i < n; i++) {
        for (size_t t = 0; t < sequences[i].n_targets; t++) values[i * WIDTH + LOSS] -= *logprob++;
        values[i * WIDTH + TOKENS] = (double)sequences[i].n_targets;
        if (!isfinite(values[i * WIDTH + LOSS]))
            TRY(wr_fail(WR_E_NUMERIC, "the model's loss on a record is not a number"));
    }
cleanup:
    return status;
}

wr_status evaluate_lm(world *w, const model *m, model_workspace *work, record_source *s, const evaluate_options *o,
                      lm_figures *out) {
    wr_status status = WR_OK;
    lm_context context = {.m = m, .work = work};
    evaluate_job job = {.source = s,
                        .rule = {SHARD_CHAT, o->max_length, o->loss_on_all, 0},
                        .pad_id = m->config.pad_id,
                        .max_tokens = o->max_tokens,
                        .width = WIDTH,
                        .fn = lm_values,
                        .context = &context,
                        .stoppable = o->stoppable,
                        .show = o->show};
    uint32_t *records = NULL;
    double *values = NULL, tokens = 0;
    *out = (lm_figures){0};
    TRY(world_agree(w, evaluate_select(record_source_index(s), &job.rule, o->only, o->limit, &records, &job.n)));
    job.records = records;
    values = mem_calloc(job.n * WIDTH + 1, sizeof *values);
    TRY(world_agree(w, values ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory evaluating %zu chats", job.n)));
    TRY(evaluate_records(w, &job, values));
    for (size_t i = 0; i < job.n; i++) {
        out->loss += values[i * WIDTH + LOSS];
        tokens += values[i * WIDTH + TOKENS];
    }
    out->records = job.n;
    out->tokens = (size_t)tokens;
    out->loss = tokens > 0 ? out->loss / tokens : NAN;
cleanup:
    free(records);
    free(values);
    free(context.logprob);
    return status;
}
