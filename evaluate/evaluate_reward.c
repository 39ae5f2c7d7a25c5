/* Per record: what the objective makes of its outputs. Figures are of the whole list, taken in its order on every rank:
 * the loss by terms, all else by records. */
#include "base/mem.h"
#include "evaluate/reward_values.h"
#include "reward/objective.h"
#include "evaluate/statistics/metrics.h"

#include <math.h>
#include <stdlib.h>

typedef struct reward_context {
    const model *m;
    model_workspace *work;
    objective_use u;
    const score_rule *rule;
    bool judged;              /* the outputs are the objective's for these labels */
    size_t width, thresholds; /* of a row of values: VALUES, and P(y > k) behind them where they are wanted */
    float *outputs;           /* (B, N) */
    size_t outputs_capacity;
} reward_context;

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
        double *v = values + i * c->width;
        v[VALUE_LOSS] = c->judged ? u->kind->loss(u, 1, z, &sequences[i].label, 1, NULL) : 0;
        v[VALUE_TERMS] = c->judged ? (double)u->kind->terms(u, sequences[i].label) : 0;
        v[VALUE_SCORE] = c->rule->score(u->outputs, z);
        v[VALUE_CLASS] = c->judged && u->kind->class ? u->kind->class(u, z) : 0;
        v[VALUE_LABEL] = sequences[i].label;
        v[VALUE_VIOLATES] = c->judged && objective_violates(u, z);
        v[VALUE_SPREAD] = c->judged && u->kind->spread ? u->kind->spread(u, z) : 0;
        if (c->thresholds) u->kind->passes(u, z, v + VALUES);
        if (!isfinite(v[VALUE_LOSS]) || !isfinite(v[VALUE_SCORE]))
            TRY(wr_fail(WR_E_NUMERIC, "the model's score of a record is not a number"));
    }
cleanup:
    return status;
}

wr_status reward_summarise(const objective *kind, const double *values, size_t width, size_t n, reward_figures *out) {
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
        const double *v = values + i * width;
        score[i] = v[VALUE_SCORE];
        label[i] = v[VALUE_LABEL];
        truth[i] = (int)v[VALUE_LABEL];
        class[i] = (int)v[VALUE_CLASS];
        out->loss += v[VALUE_LOSS];
        terms += v[VALUE_TERMS];
        out->accuracy += truth[i] == class[i];
        out->mae += fabs(v[VALUE_SCORE] - v[VALUE_LABEL]);
        out->violations += v[VALUE_VIOLATES];
        out->spread += v[VALUE_SPREAD];
        out->mean_score[truth[i] - 1] += v[VALUE_SCORE];
        out->count[truth[i] - 1]++;
    }
    out->records = n;
    const bool classes = kind && kind->class;
    out->loss = kind ? out->loss / terms : NAN;
    out->accuracy = classes ? out->accuracy / (double)n : NAN;
    out->mae = kind && kind->scores_classes ? out->mae / (double)n : NAN;
    if (!kind || !kind->passes) out->violations = NAN;
    out->spread = kind && kind->spread ? out->spread / (double)n : NAN;
    for (int k = 0; k < out->classes; k++)
        out->mean_score[k] = out->count[k] ? out->mean_score[k] / (double)out->count[k] : NAN;
    out->kappa = classes ? quadratic_kappa(truth, class, n) : NAN;
    TRY(spearman(score, label, n, &out->spearman));
cleanup:
    free(score);
    free(label);
    free(truth);
    free(class);
    return status;
}

wr_status reward_records_of_values(const objective *kind, int classes, const double *values, size_t width, size_t n,
                                   reward_records *out) {
    wr_status status = WR_OK;
    const size_t thresholds = width - VALUES;
    TRY(reward_records_create(out, n, classes, kind && kind->class, thresholds > 0));
    for (size_t i = 0; i < n; i++) {
        const double *v = values + i * width;
        out->score[i] = v[VALUE_SCORE];
        out->label[i] = (int)v[VALUE_LABEL];
        if (out->class) out->class[i] = (int)v[VALUE_CLASS];
        if (out->class && (out->class[i] < 1 || out->class[i] > classes))
            TRY(wr_fail(WR_E_FAILED, "the objective %s predicts class %d of %d", kind->name, out->class[i], classes));
        for (size_t k = 0; k < thresholds; k++)
            out->above[i * thresholds + k] = fmin(1, fmax(0, v[VALUES + k])); /* sums may round past 1 */
    }
    out->p.on_scale = kind && kind->scores_classes;
cleanup:
    return status;
}

/* What figures of single records need, on rank 0. COLLECTIVE. */
static wr_status keep_records(world *w, const evaluate_job *job, const objective *kind, int classes,
                              const double *values, bool nameless, reward_records *out) {
    wr_status status = WR_OK;
    const size_t n = world_rank(w) == 0 ? job->n : 0;
    TRY(world_agree(w, reward_records_of_values(kind, classes, values, job->width, n, out)));
    if (nameless)
        out->p.length = NULL;
    else
        TRY(reward_records_read(w, job->source, job->records, n, out));
cleanup:
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
                        .width = VALUES,
                        .fn = reward_values,
                        .context = &context,
                        .stoppable = o->stoppable,
                        .show = o->show};
    uint32_t *records = NULL;
    double *values = NULL;
    *out = (reward_figures){.classes = d->meta.classes};
    context.u.classes = d->meta.classes;
    context.u.outputs = config_logits(&m->config);
    const objective *kind = context.u.kind;
    context.rule = o->rule ? o->rule : kind->rule;
    context.judged = !kind->pairs && context.rule == kind->rule && kind->outputs(d->meta.classes) == context.u.outputs;
    if (m->config.head != HEAD_SCORE || (!context.judged && !kind->pairs && context.rule == kind->rule && !o->guessed))
        TRY(wr_fail(WR_E_MISMATCH,
                    "the model's score head has %zu outputs, but %zu are needed for the shards' %d classes (objective "
                    "%s)",
                    context.u.outputs, kind->outputs(d->meta.classes), d->meta.classes, kind->name));
    if (o->records && context.judged && kind->passes) context.thresholds = (size_t)d->meta.classes - 1;
    context.width = job.width = VALUES + context.thresholds;
    TRY(world_agree(w, evaluate_select(d, &job.rule, o->only, o->limit, &records, &job.n)));
    job.records = records;
    if (!job.n) {
        out->loss = out->accuracy = out->mae = out->spearman = out->kappa = out->violations = out->spread = NAN;
        goto cleanup;
    }
    values = mem_calloc(job.n * job.width, sizeof *values);
    TRY(world_agree(w, values ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory evaluating %zu records", job.n)));
    TRY(evaluate_records(w, &job, values));
    TRY(world_agree(w, reward_summarise(context.judged ? kind : NULL, values, job.width, job.n, out)));
    if (o->records)
        TRY(keep_records(w, &job, context.judged ? kind : NULL, d->meta.classes, values, o->nameless, o->records));
cleanup:
    free(records);
    free(values);
    free(context.outputs);
    return status;
}
