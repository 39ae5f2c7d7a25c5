/* One step of data-parallel training. Everything that decides who does what is a function of (step, lengths, ranks):
 *
 *     this rank's micro-batches and records (trainer/step_records.h) -> terms of the global batch (summed)
 *     for each micro-batch: forward, loss, backward, scaled by 1 / terms: gradients add up to those of the mean
 *     sum over ranks, begun in the last backward pass -> norm, clip, AdamW (trainer/update.h) -> a line of metrics
 *
 * The scale is by the terms of the whole step, never of a micro-batch or rank: a mean of means would weigh records by
 * what they happen to lie beside. What lies around the steps is trainer/run_loop.h's. */
#include "trainer/train_loop.h"

#include "base/log.h"
#include "data/shard/conversation_runs.h"
#include "evaluate/evaluate.h"
#include "trainer/loss_watch.h"
#include "trainer/run_loop.h"
#include "trainer/step_records.h"
#include "trainer/train_setup.h"
#include "trainer/update.h"

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

/* Everything one rank holds during a run. */
typedef struct trainer {
    world *w;
    train_options options;  /* max_length bounded by the model's positions */
    const train_options *o; /* = &options */
    const train_kind *kind;
    sequence_rule rule;
    record_source *data, *test; /* test: NULL when there is none */
    train_start start;          /* model, tokenizer directory, template */
    model_workspace *work;
    updater u;
    step_order order;
    run_loop loop;
    uint8_t *continues; /* --order conversations; NULL: not asked for */
    size_t longer;      /* training records with more tokens than the rule's limit */
    int64_t steps;
    step_records records;
    packed pack;
    loss_watch watch;
} trainer;

/* --- set-up ------------------------------------------------------------------------------------------------------- */

static void drop_test(trainer *t, const char *why) {
    if (world_rank(t->w) == 0)
        log_warn("%s: %s %s*.wrs: the run goes without evaluation", t->o->data, why, t->kind->test_prefix);
    record_source_close(t->test);
    t->test = NULL;
}

static wr_status open_test(trainer *t) {
    wr_status status = record_source_open(t->w, t->o->data, t->kind->test_prefix, &t->test);
    if (status != WR_E_IO) return status; /* the same code on every rank: all lack it */
    drop_test(t, "no");
    return WR_OK;
}

/* What a run's evaluation would find out is found out at its start: a test side that does not belong to the training
 * side, or has no record that the rule accepts and that has something to predict among those that are evaluated.
 * COLLECTIVE. */
static wr_status check_test(trainer *t) {
    wr_status status;
    const dataset_index *d = record_source_index(t->data), *test = t->test ? record_source_index(t->test) : NULL;
    bool any = false;
    if (!test) return WR_OK;
    if (test->meta.classes != d->meta.classes || strcmp(test->meta.tokenizer_hash, d->meta.tokenizer_hash) != 0 ||
        strcmp(test->meta.template_hash, d->meta.template_hash) != 0)
        return wr_fail(WR_E_MISMATCH,
                       "%s: its %s*.wrs and %s*.wrs were prepared differently (classes, tokenizer or template); "
                       "prepare the folder again",
                       t->o->data, t->kind->train_prefix, t->kind->test_prefix);
    status = evaluate_any(t->w, t->test, &t->rule, t->o->eval_records, &any);
    if (status < 0 && world_any(t->w, status == WR_E_NOMEM)) return status;
    /* training does not need it; an evaluation fails with this, after what is trained is saved */
    if (status < 0 && world_rank(t->w) == 0)
        log_warn("%s: %s*.wrs: %s: evaluation will fail", t->o->data, t->kind->test_prefix, wr_error());
    if (status >= 0 && !any) drop_test(t, "no usable record in");
    return WR_OK;
}

/* How many records of the training side are learned from. */
static void tell_records(const trainer *t, const char *when) {
    const dataset_index *d = record_source_index(t->data);
    char longer[120] = "";
    const size_t left_out = d->n_records - t->order.usable;
    if (world_rank(t->w) != 0) return;
    if (t->longer)
        snprintf(longer, sizeof longer,
                 t->kind->kind == SHARD_CHAT ? "; %zu have more than %zu tokens: their end is cut off"
                                             : " (%zu have more than %zu tokens)",
                 t->longer, t->rule.max_length);
    if (t->longer || left_out)
        log_warn("%s: %zu of %zu used, %zu left out%s", when, t->order.usable, d->n_records, left_out, longer);
    else
        log_info("%s: all %zu used", when, d->n_records);
}

static wr_status plan_steps(trainer *t) {
    const train_options *o = t->o;
    const dataset_index *d = record_source_index(t->data);
    size_t limit = t->rule.max_length;
    wr_status status = step_order_create(d, o->run.seed, t->kind->min_length,
                                         t->kind->kind == SHARD_CHAT ? SIZE_MAX : limit, &t->order);
    if (status < 0) return status;
    if (!t->order.usable)
        return wr_fail(WR_E_FORMAT, "%s: no %s record of %zu to %zu tokens among %zu", o->data, t->kind->train_prefix,
                       t->kind->min_length, limit, d->n_records);
    for (size_t i = 0; i < d->n_records; i++) t->longer += d->lengths[i] > limit;
    tell_records(t, "records");
    t->steps = o->run.steps ? o->run.steps : (int64_t)((t->order.usable + o->global_batch - 1) / o->global_batch);
    return WR_OK;
}

static wr_status allocate(trainer *t) {
    wr_status status = WR_OK;
    const train_options *o = t->o;
    t->records = (step_records){.w = t->w,
                                .source = t->data,
                                .order = &t->order,
                                .rule = t->rule,
                                .batch = o->global_batch,
                                .max_tokens = o->micro_tokens,
                                .prefixes = prefix_rule_of(t->start.m),
                                .all_prefixes = o->share == SHARE_ALL};
    if (o->share == SHARE_OFF) t->records.prefixes.min_shared = SIZE_MAX;
    TRY(model_workspace_create(t->start.m, &t->work));
    model_workspace_recompute(t->work, o->run.recompute);
    model_workspace_fix_tiles(t->work, o->update.same_bits);
    TRY(updater_create(t->w, t->start.m, o->update.zero, &t->u));
    TRY(step_records_create(&t->records));
cleanup:
    return status;
}

static void announce(const trainer *t) {
    const dataset_index *d = record_source_index(t->data);
    char trained[80] = "";
    if (world_rank(t->w) != 0) return;
    if (t->start.m->lora)
        snprintf(trained, sizeof trained, " (%.2f M in adapters of rank %zu are trained)", (double)t->u.x.n / 1e6,
                 t->start.m->lora->rank);
    log_info("%.2f M parameters%s, %zu records of %s, %lld steps of %zu, %d rank%s × %d thread%s",
             (double)t->start.m->n_params / 1e6, trained, d->n_records, t->o->data, (long long)t->steps,
             t->o->global_batch, world_size(t->w), world_size(t->w) > 1 ? "s" : "", omp_get_max_threads(),
             omp_get_max_threads() > 1 ? "s" : "");
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

/* Lays out micro-batch i of the plan. */
static wr_status pack_micro(trainer *t, const rank_plan *plan, size_t i, const sequence *s) {
    const size_t first = plan->micro[i].first, n = plan->micro[i].count;
    const int32_t pad_id = t->start.m->config.pad_id;
    return plan->unit
               ? packed_fill_shared(&t->pack, &t->rule, s + first, n, pad_id, plan->unit + first, t->records.prefixes)
               : packed_fill(&t->pack, &t->rule, s + first, n, pad_id);
}

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
        TRY(pack_micro(t, plan, i, sequences));
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
    *nothing = !t->test;
    if (t->test) status = t->kind->evaluate(t->w, t->o, t->start.m, t->work, t->test, line, nothing);
    if (status >= 0 && t->test && *nothing) drop_test(t, "nothing to measure in the records of");
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
    snprintf(r.state.data_hash, sizeof r.state.data_hash, "%s", record_source_index(t->data)->hash);
    snprintf(r.state.parent_hash, sizeof r.state.parent_hash, "%s", t->start.m->parent_hash);
    return r;
}

static wr_status trainer_open(trainer *t) {
    wr_status status = WR_OK;
    const train_options *o = t->o;
    TRY(record_source_open(t->w, o->data, t->kind->train_prefix, &t->data));
    const dataset_index *d = record_source_index(t->data);
    TRY(train_start_open(t->w, o, t->kind->head, d, &t->start));
    t->options.objective.classes = d->meta.classes;
    t->options.objective.outputs = config_logits(&t->start.m->config);
    if (t->kind->open) TRY(t->kind->open(t->kind->scratch, t->w, t->o, d));
    if (!o->pairs) TRY(open_test(t));
    const size_t limit = t->start.m->config.max_positions * (o->pairs ? 2 : 1); /* pairs: of both texts together */
    if (limit && limit < o->max_length) t->options.max_length = limit;
    t->rule = (sequence_rule){t->kind->kind, o->max_length, o->loss_on_all, d->meta.classes};
    TRY(world_agree(t->w, plan_steps(t)));
    if (o->order == ORDER_CONVERSATIONS) TRY(conversation_runs_find(t->w, t->data, &t->continues));
    t->order.continues = t->continues;
    TRY(check_test(t));
    TRY(world_agree(t->w, allocate(t)));
    /* Only now, when all inputs are known to fit together, does the run's folder appear. */
    t->loop = run_of(t);
    TRY(run_loop_open(&t->loop));
    TRY(updater_tune(&t->u, &o->update, run_path(t->loop.dir)));
    announce(t);
cleanup:
    return status;
}

static void trainer_close(trainer *t) {
    run_loop_close(&t->loop);
    record_source_close(t->data);
    record_source_close(t->test);
    model_workspace_free(t->work);
    updater_free(&t->u);
    train_start_close(&t->start);
    step_order_free(&t->order);
    free(t->continues);
    step_records_free(&t->records);
    packed_free(&t->pack);
}

wr_status train_run(world *w, const train_options *o, const train_kind *kind) {
    wr_status status = WR_OK;
    trainer t = {.w = w, .options = *o, .kind = kind};
    t.o = &t.options;
    if (!o->objective.kind) t.options.objective = objective_with_defaults(objective_find(""), 0);
    TRY(trainer_open(&t));
    status = run_loop_go(&t.loop);
    /* again among the log's last lines, where a person looks */
    if (t.loop.finished) tell_records(&t, "trained on the records");
cleanup:
    trainer_close(&t);
    return status;
}
