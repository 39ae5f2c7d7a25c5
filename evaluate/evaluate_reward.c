/* Per record: what the objective makes of its outputs. Figures are of the whole list, taken in its order on every rank:
 * the loss by terms, all else by records. */
#include "base/mem.h"
#include "evaluate/reward_values.h"
#include "reward/objective.h"
#include "evaluate/metrics.h"

#include <math.h>
#include <stdlib.h>

typedef struct reward_context {
    const model *m;
    model_workspace *work;
    objective_use u;
    const score_rule *rule;
    bool judged;    /* the outputs are the objective's for these labels */
    float *outputs; /* (B, N) */
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
        double *v = values + i * VALUES;
        v[VALUE_LOSS] = c->judged ? u->kind->loss(u, 1, z, &sequences[i].label, 1, NULL) : 0;
        v[VALUE_TERMS] = c->judged ? (double)u->kind->terms(u, sequences[i].label) : 0;
        v[VALUE_SCORE] = c->rule->score(u->outputs, z);
        v[VALUE_CLASS] = c->judged && u->kind->class ? u->kind->class(u, z) : 0;
        v[VALUE_LABEL] = sequences[i].label;
        v[VALUE_VIOLATES] = c->judged && objective_violates(u, z);
        v[VALUE_SPREAD] = c->judged && u->kind->spread ? u->kind->spread(u, z) : 0;
        if (!isfinite(v[VALUE_LOSS]) || !isfinite(v[VALUE_SCORE]))
            TRY(wr_fail(WR_E_NUMERIC, "the model's score of a record is not a number"));
    }
cleanup:
    return status;
}

wr_status reward_summarise(const objective *kind, const double *values, size_t n, reward_figures *out) {
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
        const double *v = values + i * VALUES;
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
    context.judged = context.rule == kind->rule && kind->outputs(d->meta.classes) == context.u.outputs;
    if (m->config.head != HEAD_SCORE || (!context.judged && context.rule == kind->rule && !o->guessed))
        TRY(wr_fail(WR_E_MISMATCH,
                    "the model's score head has %zu outputs, but %zu are needed for the shards' %d classes (objective "
                    "%s)",
                    context.u.outputs, kind->outputs(d->meta.classes), d->meta.classes, kind->name));
    TRY(world_agree(w, evaluate_select(d, &job.rule, o->limit, &records, &job.n)));
    job.records = records;
    if (!job.n) {
        out->loss = out->accuracy = out->mae = out->spearman = out->kappa = out->violations = out->spread = NAN;
        goto cleanup;
    }
    values = mem_calloc(job.n * VALUES, sizeof *values);
    TRY(world_agree(w, values ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory evaluating %zu records", job.n)));
    TRY(evaluate_records(w, &job, values));
    TRY(world_agree(w, reward_summarise(context.judged ? kind : NULL, values, job.n, out)));
cleanup:
    free(records);
    free(values);
    free(context.outputs);
    return status;
}
