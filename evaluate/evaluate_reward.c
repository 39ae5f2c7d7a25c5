#include "base/mem.h"
#include "evaluate/evaluate.h"
#include "reward/loss.h"
#include "evaluate/metrics.h"

#include <math.h>
#include <stdlib.h>

typedef struct reward_context {
    const model *m;
    model_workspace *work;
    float *logits;
    size_t logits_capacity; /* (B, K-1) */
} reward_context;

enum { LOSS, SCORE, CLASS, LABEL, WIDTH };

static wr_status reward_values(void *context, const packed *p, const sequence *sequences, size_t n, double *values) {
    reward_context *c = context;
    wr_status status = WR_OK;
    size_t K1 = c->m->config.n_outputs;
    const float *hidden;
    TRY(mem_reserve((void **)&c->logits, &c->logits_capacity, n * K1, sizeof *c->logits));
    TRY(model_forward(c->m, &p->batch, c->work, false, &hidden));
    TRY(score_logits(c->m, hidden, n, p->rows, c->logits));
    for (size_t i = 0; i < n; i++) {
        const float *z = c->logits + i * K1;
        double *v = values + i * WIDTH;
        v[LOSS] = ordinal_loss(1, K1, z, &sequences[i].label, 1, NULL);
        v[SCORE] = ordinal_score(K1, z);
        v[CLASS] = ordinal_class(K1, z);
        v[LABEL] = sequences[i].label;
        if (!isfinite(v[LOSS])) TRY(wr_fail(WR_E_NUMERIC, "the model's score of a record is not a number"));
    }
cleanup:
    return status;
}

static wr_status summarise(const double *values, size_t n, reward_figures *out) {
    wr_status status = WR_OK;
    double *score = mem_calloc(n + 1, sizeof *score), *label = mem_calloc(n + 1, sizeof *label);
    int *truth = mem_calloc(n + 1, sizeof *truth), *class = mem_calloc(n + 1, sizeof *class);
    TRY_ALLOC(score);
    TRY_ALLOC(label);
    TRY_ALLOC(truth);
    TRY_ALLOC(class);
    for (size_t i = 0; i < n; i++) {
        const double *v = values + i * WIDTH;
        score[i] = v[SCORE];
        label[i] = v[LABEL];
        truth[i] = (int)v[LABEL];
        class[i] = (int)v[CLASS];
        out->loss += v[LOSS];
        out->accuracy += truth[i] == class[i];
        out->mae += fabs(v[SCORE] - v[LABEL]);
        if (truth[i] <= 32) {
            out->mean_score[truth[i] - 1] += v[SCORE];
            out->count[truth[i] - 1]++;
        }
    }
    out->records = n;
    out->loss /= (double)n;
    out->accuracy /= (double)n;
    out->mae /= (double)n;
    for (size_t k = 0; k < 32; k++)
        out->mean_score[k] = out->count[k] ? out->mean_score[k] / (double)out->count[k] : NAN;
    out->kappa = quadratic_kappa(truth, class, n);
    TRY(spearman(score, label, n, &out->spearman));
cleanup:
    free(score);
    free(label);
    free(truth);
    free(class);
    return status;
}

wr_status evaluate_reward(world *w, const model *m, model_workspace *work, record_source *s, const evaluate_options *o,
                          reward_figures *out) {
    wr_status status = WR_OK;
    const dataset_index *d = record_source_index(s);
    reward_context context = {.m = m, .work = work};
    evaluate_job job = {.source = s,
                        .rule = {SHARD_REWARD, o->max_length, false, d->meta.classes},
                        .pad_id = m->config.pad_id,
                        .max_tokens = o->max_tokens,
                        .width = WIDTH,
                        .fn = reward_values,
                        .context = &context,
                        .stoppable = o->stoppable,
                        .show = o->show};
    uint32_t *records = NULL;
    double *values = NULL;
    *out = (reward_figures){.classes = d->meta.classes};
    if (m->config.head != HEAD_SCORE || d->meta.classes != (int)m->config.n_outputs + 1)
        TRY(wr_fail(WR_E_MISMATCH, "the model scores %zu classes, the shards have %d", m->config.n_outputs + 1,
                    d->meta.classes));
    TRY(world_agree(w, evaluate_select(d, &job.rule, o->limit, &records, &job.n)));
    job.records = records;
    if (!job.n) {
        out->loss = out->accuracy = out->mae = out->spearman = out->kappa = NAN;
        goto cleanup;
    }
    values = mem_calloc(job.n * WIDTH, sizeof *values);
    TRY(world_agree(w, values ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory evaluating %zu records", job.n)));
    TRY(evaluate_records(w, &job, values));
    TRY(world_agree(w, summarise(values, job.n, out)));
cleanup:
    free(records);
    free(values);
    free(context.logits);
    return status;
}
