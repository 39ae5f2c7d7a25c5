/* Per record: what the objective makes of its outputs. Figures are of the whole list, taken in its order on every rank:
 * the loss by terms, all else by records. */
#include "base/mem.h"
#include "evaluate/evaluate.h"
#include "reward/objective.h"
#include "evaluate/metrics.h"

#include <math.h>
#include <stdlib.h>

typedef struct reward_context {
    const model *m;
    model_workspace *work;
    objective_use u;
    float *outputs; /* (B, N) */
    size_t outputs_capacity;
} reward_context;

enum { LOSS, TERMS, SCORE, CLASS, LABEL, WIDTH };

static wr_status reward_values(void *context, const packed *p, const sequence *sequences, size_t n, double *values) {
    reward_context *c = context;
    wr_status status = WR_OK;
    const objective_use *u = &c->u;
    const float *hidden;
    TRY(mem_reserve((void **)&c->outputs, &c->outputs_capacity, n * u->outputs, sizeof *c->outputs));
    TRY(model_forward(c->m, &p->batch, c->work, false, &hidden));
    TRY(score_logits(c->m, hidden, n, p->rows, c->outputs));
    for (size_t i = 0; i < n; i++) {
        const float *z = c->outputs + i * u->outputs;
        double *v = values + i * WIDTH;
        v[LOSS] = u->kind->loss(u, 1, z, &sequences[i].label, 1, NULL);
        v[TERMS] = (double)u->kind->terms(u, sequences[i].label);
        v[SCORE] = u->kind->score(u, z);
        v[CLASS] = u->kind->class ? u->kind->class(u, z) : 0;
        v[LABEL] = sequences[i].label;
        if (!isfinite(v[LOSS])) TRY(wr_fail(WR_E_NUMERIC, "the model's score of a record is not a number"));
    }
cleanup:
    return status;
}

static wr_status summarise(const objective *kind, const double *values, size_t n, reward_figures *out) {
    wr_status status = WR_OK;
    double *score = mem_calloc(n + 1, sizeof *score), *label = mem_calloc(n + 1, sizeof *label), terms = 0;
    int *truth = mem_calloc(n + 1, sizeof *truth), *class = mem_calloc(n + 1, sizeof *class);
    out->mean_score = mem_calloc((size_t)out->classes, sizeof *out->mean_score);
    out->count = mem_calloc((size_t)out->classes, sizeof *out->count);
    TRY_ALLOC(score);
    TRY_ALLOC(label);
    TRY_ALLOC(truth);
    TRY_ALLOC(class);
    TRY_ALLOC(out->mean_score);
    TRY_ALLOC(out->count);
    for (size_t i = 0; i < n; i++) {
        const double *v = values + i * WIDTH;
        score[i] = v[SCORE];
        label[i] = v[LABEL];
        truth[i] = (int)v[LABEL];
        class[i] = (int)v[CLASS];
        out->loss += v[LOSS];
        terms += v[TERMS];
        out->accuracy += truth[i] == class[i];
        out->mae += fabs(v[SCORE] - v[LABEL]);
        out->mean_score[truth[i] - 1] += v[SCORE];
        out->count[truth[i] - 1]++;
    }
    out->records = n;
    out->loss /= terms;
    out->accuracy = kind->class ? out->accuracy / (double)n : NAN;
    out->mae = kind->scores_classes ? out->mae / (double)n : NAN;
    for (int k = 0; k < out->classes; k++)
        out->mean_score[k] = out->count[k] ? out->mean_score[k] / (double)out->count[k] : NAN;
    out->kappa = kind->class ? quadratic_kappa(truth, class, n) : NAN;
    TRY(spearman(score, label, n, &out->spearman));
cleanup:
    free(score);
    free(label);
    free(truth);
    free(class);
    return status;
}

void reward_figures_free(reward_figures *f) {
    free(f->mean_score);
    free(f->count);
    *f = (reward_figures){0};
}

wr_status evaluate_reward(world *w, const model *m, model_workspace *work, record_source *s, const evaluate_options *o,
                          reward_figures *out) {
    wr_status status = WR_OK;
    const dataset_index *d = record_source_index(s);
    reward_context context = {.m = m, .work = work, .u = o->objective};
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
    context.u.classes = d->meta.classes;
    context.u.outputs = m->config.n_outputs;
    if (m->config.head != HEAD_SCORE || context.u.kind->outputs(d->meta.classes) != m->config.n_outputs)
        TRY(wr_fail(WR_E_MISMATCH,
                    "the model's score head has %zu outputs, but %zu are needed for the shards' %d classes (objective "
                    "%s)",
                    m->config.n_outputs, context.u.kind->outputs(d->meta.classes), d->meta.classes,
                    context.u.kind->name));
    TRY(world_agree(w, evaluate_select(d, &job.rule, o->limit, &records, &job.n)));
    job.records = records;
    if (!job.n) {
        out->loss = out->accuracy = out->mae = out->spearman = out->kappa = NAN;
        goto cleanup;
    }
    values = mem_calloc(job.n * WIDTH, sizeof *values);
    TRY(world_agree(w, values ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory evaluating %zu records", job.n)));
    TRY(evaluate_records(w, &job, values));
    TRY(world_agree(w, summarise(o->objective.kind, values, job.n, out)));
cleanup:
    free(records);
    free(values);
    free(context.outputs);
    return status;
}
