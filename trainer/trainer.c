/* From options to a rank that can make a step: shards, model, which records are learned from, memory. What a run's end
 * would find out is found out here. */
#include "trainer/trainer.h"

#include "base/log.h"
#include "base/mem.h"
#include "data/shard/conversation_runs.h"
#include "data/shard/valid_users.h"
#include "evaluate/evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void close_test(trainer *t) {
    if (t->test.records != t->data) record_source_close(t->test.records);
    t->test.records = NULL;
}

void trainer_drop_test(trainer *t, const char *why) {
    if (world_rank(t->w) == 0 && t->aside)
        log_warn("%s: %s the users kept aside (--valid-users %g): the run goes without evaluation", t->o->data, why,
                 t->o->valid_users);
    else if (world_rank(t->w) == 0)
        log_warn("%s: %s %s*.wrs: the run goes without evaluation", t->o->data, why, t->kind->test_prefix);
    close_test(t);
}

static wr_status open_test(trainer *t) {
    wr_status status = record_source_open(t->w, t->o->data, t->kind->test_prefix, &t->test.records);
    if (status != WR_E_IO) return status; /* the same code on every rank: all lack it */
    trainer_drop_test(t, "no");
    return WR_OK;
}

/* COLLECTIVE. Evaluations are of users of the training side whose records are not trained on. */
static wr_status keep_aside(trainer *t) {
    wr_status status = WR_OK;
    const size_t n = record_source_index(t->data)->n_records;
    TRY(valid_users_find(t->w, t->data, t->o->valid_users, &t->aside, &t->n_aside));
    if (t->n_aside == n)
        TRY(wr_fail(WR_E_FORMAT,
                    "%s: --valid-users %g keeps all of the training side's users aside: nothing is left to "
                    "train on",
                    t->o->data, t->o->valid_users));
    t->test = (test_side){.records = t->data, .only = t->aside};
    if (t->n_aside && world_rank(t->w) == 0)
        log_info("%s: %zu of %zu records, of %g of the users, are kept aside: evaluations are of these", t->o->data,
                 t->n_aside, n, t->o->valid_users);
cleanup:
    return status;
}

/* Of the training side, what `only` does not mark is left out, beside what is kept aside. */
static wr_status leave_out(trainer *t) {
    const dataset_index *d = record_source_index(t->data);
    const uint8_t *only = t->o->only;
    t->n_left_out = t->n_aside;
    snprintf(t->data_hash, sizeof t->data_hash, "%s", d->hash);
    if (!only) return WR_OK;
    t->left_out = mem_calloc(d->n_records + 1, sizeof *t->left_out);
    if (!t->left_out) return wr_fail(WR_E_NOMEM, "out of memory for the records that are learned from");
    t->n_left_out = 0;
    for (size_t i = 0; i < d->n_records; i++) t->n_left_out += t->left_out[i] = !only[i] || (t->aside && t->aside[i]);
    train_data_hash(d, only, t->data_hash);
    return WR_OK;
}

static const uint8_t *unused_records(const trainer *t) { return t->left_out ? t->left_out : t->aside; }

/* What a run's evaluation would find out is found out at its start: a test side that does not belong to the training
 * side, or has no record that the rule accepts and that has something to predict among those that are evaluated.
 * COLLECTIVE. */
static wr_status check_test(trainer *t) {
    wr_status status;
    const dataset_index *d = record_source_index(t->data),
                        *test = t->test.records ? record_source_index(t->test.records) : NULL;
    bool any = false;
    if (!test) return WR_OK;
    if (test->meta.classes != d->meta.classes || strcmp(test->meta.tokenizer_hash, d->meta.tokenizer_hash) != 0 ||
        strcmp(test->meta.template_hash, d->meta.template_hash) != 0)
        return wr_fail(WR_E_MISMATCH,
                       "%s: its %s*.wrs and %s*.wrs were prepared differently (classes, tokenizer or template); "
                       "prepare the folder again",
                       t->o->data, t->kind->train_prefix, t->kind->test_prefix);
    status = evaluate_any(t->w, t->test.records, &t->rule, t->test.only, t->o->eval_records, &any);
    if (status < 0 && world_any(t->w, status == WR_E_NOMEM)) return status;
    /* training does not need it; an evaluation fails with this, after what is trained is saved */
    if (status < 0 && world_rank(t->w) == 0)
        log_warn("%s: %s*.wrs: %s: evaluation will fail", t->o->data, t->kind->test_prefix, wr_error());
    if (status >= 0 && !any) trainer_drop_test(t, "no usable record in");
    return WR_OK;
}

/* A model of the best evaluation is found by evaluations. */
static wr_status check_best(const trainer *t) {
    const char *best = t->o->run.best;
    if (t->test.records || t->o->pairs || !best || strcmp(best, "none") == 0) return WR_OK;
    return wr_fail(WR_E_USAGE, "--keep-best %s: there is nothing to evaluate (see above); leave it out, or give %s",
                   best,
                   t->aside ? "a larger --valid-users" : "--valid-users 0.1 to keep users of the training side aside");
}

/* How many records of the training side are learned from. */
void trainer_tell_records(const trainer *t, const char *when) {
    const dataset_index *d = record_source_index(t->data);
    char longer[120] = "";
    const size_t there = d->n_records - t->n_left_out, left_out = there - t->order.usable;
    if (world_rank(t->w) != 0) return;
    if (t->longer)
        snprintf(longer, sizeof longer,
                 t->kind->kind == SHARD_CHAT ? "; %zu have more than %zu tokens: their end is cut off"
                                             : " (%zu have more than %zu tokens)",
                 t->longer, t->rule.max_length);
    if (t->longer || left_out)
        log_warn("%s: %zu of %zu used, %zu left out%s", when, t->order.usable, there, left_out, longer);
    else
        log_info("%s: all %zu used", when, there);
}

static wr_status plan_steps(trainer *t) {
    const train_options *o = t->o;
    const dataset_index *d = record_source_index(t->data);
    size_t limit = t->rule.max_length;
    wr_status status = step_order_create(d, o->run.seed, t->kind->min_length,
                                         t->kind->kind == SHARD_CHAT ? SIZE_MAX : limit, &t->order);
    if (status < 0) return status;
    const uint8_t *unused = unused_records(t);
    step_order_leave_out(&t->order, unused);
    if (!t->order.usable)
        return wr_fail(WR_E_FORMAT, "%s: no %s record of %zu to %zu tokens among %zu", o->data, t->kind->train_prefix,
                       t->kind->min_length, limit, d->n_records);
    for (size_t i = 0; i < d->n_records; i++) t->longer += d->lengths[i] > limit && !(unused && unused[i]);
    trainer_tell_records(t, "records");
    t->steps = o->run.steps ? o->run.steps : (int64_t)((t->order.usable + o->global_batch - 1) / o->global_batch);
    return WR_OK;
}

wr_status trainer_pack(trainer *t, const rank_plan *plan, size_t i, const sequence *s) {
    const size_t first = plan->micro[i].first, n = plan->micro[i].count;
    const int32_t pad_id = t->start.m->config.pad_id;
    return plan->unit
               ? packed_fill_shared(&t->pack, &t->rule, s + first, n, pad_id, plan->unit + first, t->records.prefixes)
               : packed_fill(&t->pack, &t->rule, s + first, n, pad_id);
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
    TRY(step_records_create(&t->records));
    if (o->dry) goto cleanup;
    TRY(model_workspace_create(t->start.m, &t->work));
    model_workspace_recompute(t->work, o->run.recompute);
    model_workspace_fix_tiles(t->work, o->update.same_bits);
    TRY(updater_create(t->w, t->start.m, o->update.zero, &t->u));
cleanup:
    return status;
}

wr_status trainer_open(trainer *t) {
    wr_status status = WR_OK;
    const train_options *o = t->o;
    TRY(record_source_open(t->w, o->data, t->kind->train_prefix, &t->data));
    const dataset_index *d = record_source_index(t->data);
    TRY(train_start_open(t->w, o, t->kind->head, d, &t->start));
    t->options.objective.classes = d->meta.classes;
    t->options.objective.outputs = config_logits(&t->start.m->config);
    if (t->kind->open) TRY(t->kind->open(t->kind->scratch, t->w, t->o, d));
    if (!o->pairs) TRY(o->valid_users > 0 ? keep_aside(t) : open_test(t));
    TRY(world_agree(t->w, leave_out(t)));
    size_t limit = t->start.m->config.max_positions;
    if (o->pairs) limit *= 2; /* of both texts together */
    if (limit && limit < o->max_length) t->options.max_length = limit;
    t->rule = (sequence_rule){t->kind->kind, o->max_length, o->loss_on_all, d->meta.classes};
    TRY(world_agree(t->w, plan_steps(t)));
    if (o->order == ORDER_CONVERSATIONS) TRY(conversation_runs_find(t->w, t->data, &t->continues));
    t->order.continues = t->continues;
    TRY(check_test(t));
    TRY(check_best(t));
    TRY(world_agree(t->w, allocate(t)));
cleanup:
    return status;
}

void trainer_close(trainer *t) {
    run_loop_close(&t->loop);
    close_test(t);
    record_source_close(t->data);
    model_workspace_free(t->work);
    updater_free(&t->u);
    train_start_close(&t->start);
    step_order_free(&t->order);
    free(t->continues);
    free(t->aside);
    free(t->left_out);
    step_records_free(&t->records);
    packed_free(&t->pack);
}
