/* One step of data-parallel training. Everything that decides who does what is a function of (step, lengths, ranks):
 *
 *     this rank's micro-batches and records (trainer/step_records.h) -> terms of the global batch (summed)
 *     for each micro-batch: forward, loss, backward, scaled by 1 / terms: gradients add up to those of the mean
 *     sum over ranks, begun in the last backward pass -> norm, clip, AdamW (trainer/update.h) -> a line of metrics
 *
 * The scale is by the terms of the whole step, never of a micro-batch or rank: a mean of means would weigh records by
 * what they happen to lie beside. What lies before the steps is trainer/trainer.h's, what lies around
 * them trainer/run_loop.h's. */
#include "trainer/trainer.h"

#include "base/log.h"
#include "base/process_memory.h"
#include "trainer/dry_run.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

wr_status head_scratch_fit(head_scratch *s, size_t hidden_floats, size_t out_floats) {
    wr_status status = WR_OK;
    TRY(mem_reserve((void **)&s->dhidden, &s->dhidden_capacity, hidden_floats, sizeof *s->dhidden));
    TRY(mem_reserve((void **)&s->out, &s->out_capacity, out_floats, sizeof *s->out));
    TRY(mem_reserve((void **)&s->dout, &s->dout_capacity, out_floats, sizeof *s->dout));
    memset(s->dhidden, 0, hidden_floats * sizeof *s->dhidden);
cleanup:
    return status;
}

void head_scratch_free(head_scratch *s) {
    free(s->dhidden);
    free(s->out);
    free(s->dout);
    *s = (head_scratch){0};
}

/* --- one step ----------------------------------------------------------------------------------------------------- */

/* What a step reports. Everything but the times is the same on every rank. */
typedef struct step_report {
    step_sums sums;          /* of all ranks; loss: the sum over terms */
    double terms, loss;      /* loss: the mean */
    double tokens, computed; /* computed: tokens that several records share counted once */
    double grad_norm, lr, step_time, reduce_time, reduce_busy, reduce_wait;
    uint64_t epoch;
} step_report;

enum { SUM_LOSS, SUM_CORRECT, SUM_JUDGED, SUM_COMPUTED, TOTAL_TERMS = 0, TOTAL_TOKENS };

/* Forward and backward of the micro-batches of `share` from *next on; gradients are those of its share of the global
 * loss. */
static wr_status share_of_gradient(trainer *t, size_t share, const rank_plan *plan, size_t *next,
                                   const sequence *sequences, double terms) {
    wr_status status = WR_OK;
    const model *m = t->start.m;
    step_sums sums = {0};
    double computed = 0;
    updater_share(&t->u);
    for (; *next < plan->n_micro && plan->micro[*next].share == share; ++*next) {
        const size_t i = *next, n = plan->micro[i].count;
        const sequence *s = sequences + plan->micro[i].first;
        const bool last = i + 1 == plan->n_micro || plan->micro[i + 1].share != share;
        TRY(trainer_pack(t, plan, i, sequences));
        computed += (double)t->pack.batch.offsets[t->pack.batch.B];
        const train_micro micro = {.o = t->o,
                                   .m = m,
                                   .work = t->work,
                                   .p = &t->pack,
                                   .sequences = s,
                                   .n = n,
                                   .scale = (float)(1 / terms),
                                   .grads = t->u.grads,
                                   .hook = updater_hook(&t->u, last)};
        TRY(sequences_name(t->kind->micro(t->kind->scratch, &micro, &sums), s, n));
        TRY(sequences_name(updater_check_loss(&t->u, sums.loss), s, n));
    }
    double *of_share = updater_sums(&t->u, share);
    of_share[SUM_LOSS] = sums.loss;
    of_share[SUM_CORRECT] = sums.correct;
    of_share[SUM_JUDGED] = sums.judged;
    of_share[SUM_COMPUTED] = computed;
cleanup:
    return status;
}

static wr_status shares_of_gradient(trainer *t, const rank_plan *plan, const sequence *sequences, double terms) {
    wr_status status = WR_OK;
    const share_range mine = t->u.mine;
    size_t next = 0;
    for (size_t share = mine.first; share < mine.first + mine.count; share++)
        TRY(share_of_gradient(t, share, plan, &next, sequences, terms));
cleanup:
    return status;
}

/* Of the records of each share, to be summed over all. */
static void add_totals(trainer *t, const rank_plan *plan, const sequence *sequences) {
    for (size_t k = 0; k < plan->n_micro; k++) {
        const micro_batch *micro = &plan->micro[k];
        double *of_share = updater_sums(&t->u, micro->share);
        for (size_t i = micro->first; i < micro->first + micro->count; i++) {
            of_share[TOTAL_TERMS] += t->kind->terms(t->kind->scratch, t->o, &sequences[i]);
            of_share[TOTAL_TOKENS] += (double)sequences[i].n;
            updater_touch(&t->u, sequences[i].ids, sequences[i].n);
        }
    }
}

static wr_status train_step(trainer *t, int64_t step, step_report *r) {
    wr_status status = WR_OK;
    rank_plan plan = {0};
    sequence *sequences = NULL;
    double began = clock_seconds(), sum[UPDATE_SUMS], totals[UPDATE_SUMS];
    TRY(updater_begin(&t->u, &t->o->update));
    t->records.shares = t->u.shares, t->records.mine = t->u.mine;
    TRY(step_records_take(&t->records, step, &plan, &sequences));
    add_totals(t, &plan, sequences);
    if (t->kind->head == HEAD_SCORE) TRY(updater_rows(&t->u));
    updater_total(&t->u, totals);
    /* A step whose records hold no target at all has loss 0 and gradient 0. */
    r->terms = totals[TOTAL_TERMS] > 0 ? totals[TOTAL_TERMS] : 1;
    r->tokens = totals[TOTAL_TOKENS];
    const wr_status mine = shares_of_gradient(t, &plan, sequences, r->terms);
    double reducing = clock_seconds();
    TRY(updater_reduce(&t->u, mine, &r->grad_norm));
    updater_total(&t->u, sum);
    r->reduce_time = clock_seconds() - reducing;
    updater_times(&t->u, &r->reduce_busy, &r->reduce_wait);
    r->sums = (step_sums){sum[SUM_LOSS], sum[SUM_CORRECT], sum[SUM_JUDGED]};
    r->computed = sum[SUM_COMPUTED];
    r->loss = r->sums.loss / r->terms;
    TRY(updater_check_loss(&t->u, r->loss));
    r->lr = run_loop_rate(&t->loop, t->o->update.adam.lr, step);
    updater_apply(&t->u, &t->o->update, r->grad_norm, r->lr);
    r->epoch = (uint64_t)(step - 1) * t->o->global_batch / t->order.usable;
    r->step_time = clock_seconds() - began;
cleanup:
    rank_plan_free(&plan);
    return status == WR_E_NUMERIC ? wr_context(status, "step %lld", (long long)step) : status;
}

/* --- as the run sees it ------------------------------------------------------------------------------------------- */

static void write_step(const trainer *t, int64_t step, const step_report *r, strbuf *line) {
    json_writer j = json_writer_make(line);
    json_begin_object(&j);
    json_member_int(&j, "step", step);
    json_member_double(&j, "loss", r->loss);
    t->kind->describe(t->o, &r->sums, r->terms, &j);
    json_member_double(&j, "lr", r->lr);
    json_member_double(&j, "grad_norm", r->grad_norm);
    json_member_int(&j, "tokens", (int64_t)r->tokens);
    if (t->o->share != SHARE_OFF) json_member_int(&j, "tokens_shared", (int64_t)(r->tokens - r->computed));
    json_member_int(&j, "records", (int64_t)t->o->global_batch);
    json_member_int(&j, "epoch", (int64_t)r->epoch);
    json_member_double(&j, "step_time_s", r->step_time);
    json_member_double(&j, "reduce_time_s", r->reduce_time);
    json_member_double(&j, "reduce_s", r->reduce_busy);
    json_member_double(&j, "reduce_wait_s", r->reduce_wait);
    json_member_double(&j, "tokens_per_s", r->step_time > 0 ? r->tokens / r->step_time : 0);
    json_end_object(&j);
}

static wr_status run_step(void *context, int64_t step, strbuf *line, char note[RUN_NOTE]) {
    trainer *t = context;
    step_report r = {0};
    const wr_status status = train_step(t, step, &r);
    if (status < 0) return status;
    write_step(t, step, &r, line);
    loss_watch_tell(&t->watch, step, r.loss);
    snprintf(note, RUN_NOTE, "loss %.4f  %.0f tokens/s", r.loss, r.step_time > 0 ? r.tokens / r.step_time : 0);
    return WR_OK;
}

static wr_status run_evaluate(void *context, json_writer *line, bool *nothing) {
    trainer *t = context;
    wr_status status = WR_OK;
    *nothing = !t->test.records;
    if (*nothing) return WR_OK;
    t->test.last = t->loop.state.step == t->loop.state.steps;
    status = t->kind->evaluate(t->w, t->o, t->start.m, t->work, &t->test, line, nothing);
    if (status >= 0 && *nothing) trainer_drop_test(t, "nothing to measure in the records of");
    return status;
}

static run_loop run_of(trainer *t) {
    const train_options *o = t->o;
    run_loop r = {.w = t->w,
                  .m = t->start.m,
                  .opt = &t->u.opt,
                  .o = &o->run,
                  .eval_every = o->eval_every,
                  .how = {.tokenizer_dir = t->start.tokenizer_dir,
                          .template_text = t->start.template_text,
                          .chat_template = t->start.chat_template,
                          .base = o->model},
                  .state = {.terms = o->terms, .steps = t->steps, .data_options = "--data"},
                  .name = "train",
                  .context = t,
                  .step = run_step,
                  .evaluate = run_evaluate};
    snprintf(r.state.data_hash, sizeof r.state.data_hash, "%s", t->data_hash);
    snprintf(r.state.parent_hash, sizeof r.state.parent_hash, "%s", t->start.m->parent_hash);
    return r;
}

static void announce(const trainer *t) {
    const dataset_index *d = record_source_index(t->data);
    char trained[80] = "";
    if (world_rank(t->w) != 0) return;
    if (t->start.m->lora)
        snprintf(trained, sizeof trained, " (%.2f M in adapters of rank %zu are trained)", (double)t->u.x.n / 1e6,
                 t->start.m->lora->rank);
    log_info("%.2f M parameters%s, %zu records of %s, %lld steps of %zu, %d rank%s × %d thread%s",
             (double)t->start.m->n_params / 1e6, trained, d->n_records - (t->n_left_out - t->n_aside), t->o->data,
             (long long)t->steps, t->o->global_batch, world_size(t->w), world_size(t->w) > 1 ? "s" : "",
             omp_get_max_threads(), omp_get_max_threads() > 1 ? "s" : "");
}

/* COLLECTIVE. To hold --dry-run against, and the next run's request for memory. */
static void tell_peak(world *w) {
    double most = (double)process_memory_peak();
    world_max(w, &most, 1);
    if (world_rank(w) == 0 && most > 0) log_info("memory of a rank at its peak: %.0f MiB", ceil(most / (1 << 20)));
}

wr_status train_run(world *w, const train_options *o, const train_kind *kind) {
    wr_status status = WR_OK;
    trainer t = {.w = w, .options = *o, .kind = kind};
    t.o = &t.options;
    if (!o->objective.kind) t.options.objective = objective_with_defaults(objective_find(""), 0);
    TRY(trainer_open(&t));
    if (o->dry) {
        TRY(dry_run_go(&t, o->dry));
        goto cleanup;
    }
    /* Only now, when all inputs are known to fit together, does the run's folder appear. */
    t.loop = run_of(&t);
    TRY(run_loop_open(&t.loop));
    TRY(updater_tune(&t.u, &o->update, run_path(t.loop.dir)));
    announce(&t);
    status = run_loop_go(&t.loop);
    /* again among the log's last lines, where a person looks */
    if (t.loop.finished) trainer_tell_records(&t, "trained on the records");
    if (status >= 0) tell_peak(w);
cleanup:
    trainer_close(&t);
    return status;
}
