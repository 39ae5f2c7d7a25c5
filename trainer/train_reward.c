#include "base/log.h"
#include "base/mem.h"
#include "evaluate/reward_line.h"
#include "reward/objective.h"
#include "trainer/pair_run.h"
#include "trainer/train_loop.h"

#include <math.h>
#include <stdlib.h>

typedef struct reward_scratch {
    head_scratch head;
    float *margins; /* of a micro-batch of pairs */
    size_t margins_capacity;
    record_weights *weights; /* NULL: all records count alike */
} reward_scratch;

/* AdamW moves a parameter by about its rate a step, whatever the gradient: what begins a level from where it belongs
 * never gets there at a rate that suits weights of a hundredth. */
static void tell_reach(const train_options *o, const dataset_index *d) {
    const adamw_options *a = &o->update.adam;
    const double scale = a->head_scale > 0 ? a->head_scale : 1, steps = (double)o->run.steps,
                 epoch = ceil((double)d->n_records / (double)o->global_batch);
    const double reach = a->lr * scale * (steps > 0 ? steps : epoch);
    if (o->objective.kind->own && reach < 0.1)
        log_warn("--objective %s: what it has beside the score head moves by %.2g at most in this run (steps x rate); "
                 "--head-lr-scale X gives the head a larger rate",
                 o->objective.kind->name, reach);
}

static wr_status reward_open(void *scratch, world *w, const train_options *o, const dataset_index *d) {
    reward_scratch *s = scratch;
    if (world_rank(w) == 0) tell_reach(o, d);
    if (o->objective.kind->pairs) return WR_OK;
    return record_weights_create(w, &o->weights, o->data, d, &s->weights);
}

static double weight_of(const reward_scratch *s, const sequence *x) {
    return record_weight(s->weights, x->label, x->user, x->weight);
}

/* Rows 2i and 2i + 1 are a pair's. */
static wr_status take_pairs(reward_scratch *s, const train_micro *x, objective_use *u, step_sums *sums) {
    const wr_status status = mem_reserve((void **)&s->margins, &s->margins_capacity, x->n, sizeof *s->margins);
    for (size_t i = 0; i < x->n && status >= 0; i++) {
        s->margins[i] = x->sequences[i].margin;
        sums->correct += s->head.out[2 * i] > s->head.out[2 * i + 1];
        sums->judged += 1;
    }
    u->margins = s->margins;
    return status;
}

/* Loss of the micro-batch, and dz scaled: sum over records of weight x loss. */
static double reward_loss(reward_scratch *s, const train_micro *x, const objective_use *u) {
    const size_t N = u->outputs;
    const int *labels = x->p->targets;
    float *z = s->head.out, *dz = s->head.dout;
    double sum = 0;
    if (!s->weights) return u->kind->loss(u, x->p->N, z, labels, x->scale, dz);
    for (size_t i = 0; i < x->n; i++) {
        const double weight = weight_of(s, &x->sequences[i]);
        sum += weight * u->kind->loss(u, 1, z + i * N, labels + i, (float)(weight * (double)x->scale), dz + i * N);
    }
    return sum;
}

static wr_status reward_micro(void *scratch, const train_micro *x, step_sums *sums) {
    wr_status status = WR_OK;
    reward_scratch *s = scratch;
    objective_use u = x->o->objective;
    const packed *p = x->p;
    const float *hidden;                                                    /* (T, C) */
    const size_t T = p->batch.offsets[p->batch.B], n = p->N, N = u.outputs; /* n: of pairs, twice x->n */
    u.smoothing = x->o->label_smoothing;
    TRY(model_forward(x->m, &p->batch, x->work, true, &hidden));
    TRY(head_scratch_fit(&s->head, T * x->m->config.C, n * N));
    TRY(score_logits(x->m, hidden, n, p->rows, s->head.out)); /* (n, N) */
    if (u.kind->pairs) TRY(take_pairs(s, x, &u, sums));
    sums->loss += reward_loss(s, x, &u);
    for (size_t i = 0; i < n && u.kind->class; i++) {
        sums->correct += u.kind->class(&u, s->head.out + i * N) == p->targets[i];
        sums->judged += 1;
    }
    if (!isfinite(sums->loss)) return WR_OK; /* the loop names it */
    TRY(score_backward(x->m, hidden, n, p->rows, s->head.dout, s->head.dhidden, x->grads));
    TRY(model_backward_hooked(x->m, &p->batch, x->work, s->head.dhidden, x->grads, x->hook));
cleanup:
    return status;
}

static double reward_terms(void *scratch, const train_options *o, const sequence *x) {
    return weight_of(scratch, x) * (double)o->objective.kind->terms(&o->objective, x->label);
}

static void reward_describe(const train_options *o, const step_sums *sums, double terms, json_writer *line) {
    (void)terms;
    if (!o->objective.kind->class && !o->objective.kind->pairs) return;
    json_member_double(line, "accuracy", sums->correct / sums->judged);
}

static wr_status reward_evaluate(world *w, const train_options *o, const model *m, model_workspace *work,
                                 const test_side *test, json_writer *line, bool *nothing) {
    enum { RESAMPLES = 1000 };
    reward_figures f = {0};
    reward_records records = {0};
    evaluate_options e = {.max_length = o->max_length,
                          .max_tokens = o->micro_tokens,
                          .limit = o->eval_records,
                          .only = test->only,
                          .objective = o->objective,
                          .records = &records,
                          .nameless = !test->last};
    wr_status status = evaluate_reward(w, m, work, test->records, &e, &f);
    *nothing = status >= 0 && f.records == 0;
    if (status < 0 || *nothing) goto cleanup;
    if (world_rank(w) == 0) status = reward_line_write(&f, &records, test->last ? RESAMPLES : 0, line);
    TRY(world_agree(w, status));
cleanup:
    reward_records_free(&records);
    reward_figures_free(&f);
    return status;
}

static wr_status train_records(world *w, const train_options *o) {
    reward_scratch scratch = {0};
    train_kind kind = {.train_prefix = "reward-train-",
                       .test_prefix = "reward-test-",
                       .kind = SHARD_REWARD,
                       .head = HEAD_SCORE,
                       .min_length = 1,
                       .micro = reward_micro,
                       .terms = reward_terms,
                       .open = reward_open,
                       .evaluate = reward_evaluate,
                       .describe = reward_describe,
                       .scratch = &scratch};
    wr_status status = train_run(w, o, &kind);
    head_scratch_free(&scratch.head);
    record_weights_free(scratch.weights);
    free(scratch.margins);
    return status;
}

wr_status train_reward(world *w, const train_options *o) {
    return o->pairs ? pair_run(w, o, train_records) : train_records(w, o);
}
