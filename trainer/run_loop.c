#include "trainer/run_loop.h"

#include "base/mem.h"
#include "trainer/model_card.h"
#include "trainer/replicas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_root(const run_loop *r) { return world_rank(r->w) == 0; }

/* COLLECTIVE. Is it time to stop? */
static void settle_patience(run_loop *r) {
    const bool enough = is_root(r) && r->o->patience && r->best.since >= r->o->patience;
    r->enough = world_any(r->w, enough);
}

static wr_status open_limit(run_loop *r) {
    if (!r->o->stop_before_limit) return WR_OK;
    return world_agree(r->w, is_root(r) ? time_limit_find(&r->limit) : WR_OK);
}

static wr_status open_best(run_loop *r) {
    wr_status status = WR_OK;
    if (!r->o->best || strcmp(r->o->best, "none") == 0) return WR_OK;
    if (!r->evaluate || !r->eval_every)
        return wr_fail(WR_E_USAGE, "--keep-best %s: the run does not evaluate between steps; give --eval-every N",
                       r->o->best);
    r->best = best_make(r->o->best);
    if (is_root(r)) status = best_read(&r->best, run_path(r->dir));
    status = world_agree(r->w, status);
    if (status >= 0) settle_patience(r);
    return status;
}

/* COLLECTIVE. The run's config.yaml also says how many steps there are, which may follow from the data: no option does
 * then. status/run_config.c reads it. */
static wr_status open_folder(run_loop *r) {
    run_terms terms = *r->state.terms;
    strbuf about = {0};
    strbuf_printf(&about, "%s# steps in all: %lld\n", terms.about ? terms.about : "", (long long)r->state.steps);
    terms.about = strbuf_str(&about);
    wr_status status = world_agree(r->w, strbuf_status(&about));
    if (status >= 0) status = run_open(r->w, r->o->out, r->o->resume, &terms, &r->dir);
    strbuf_free(&about);
    return status;
}

wr_status run_loop_open(run_loop *r) {
    wr_status status = WR_OK;
    bool found = false;
    r->saved = -1;
    r->state.seed = r->o->seed;
    if (!r->state.steps) r->state.steps = r->o->steps;
    r->how.stored = r->o->save_precision;
    r->how.merge = r->o->lora_merge;
    r->how.keep = r->o->keep;
    world_task(r->w, "opening the run %s", r->o->out);
    TRY(open_limit(r));
    TRY(open_folder(r));
    TRY(world_agree(r->w, saver_create(r->w, r->dir, r->o->background_save, &r->saver)));
    TRY(checkpoint_load(r->w, r->dir, r->m, r->opt, &r->state, &found));
    TRY(replicas_equal(r->w, r->m, NULL));
    if (found) r->saved = r->state.step;
    TRY(open_best(r));
    if (is_root(r) && r->o->tensorboard)
        status =
            event_file_create(run_path(r->dir), world_host(r->w), r->o->resume ? r->state.step + 1 : 0, &r->events);
    TRY(world_agree(r->w, status));
cleanup:
    return status;
}

void run_loop_close(run_loop *r) {
    progress_finish(r->bar);
    saver_free(r->saver);
    run_close(r->dir);
    event_file_close(r->events);
    strbuf_free(&r->state.extra);
    r->bar = NULL;
    r->events = NULL;
    r->saver = NULL;
    r->dir = NULL;
}

double run_loop_rate(const run_loop *r, double peak, int64_t step) {
    const int64_t steps = r->state.steps;
    return lr_at(r->o->schedule, peak, step - 1, lr_warmup_steps(r->o->warmup_ratio, steps), steps, 0);
}

static void announce(const run_loop *r) {
    if (!is_root(r) || !r->o->resume) return;
    if (r->saved >= 0)
        log_info("%s: continuing after step %lld of %lld", r->o->out, (long long)r->saved, (long long)r->state.steps);
    else
        log_info("%s: no checkpoint yet, starting at the first step", r->o->out);
}

/* A line of metrics, wherever it goes. */
static wr_status write_metrics(run_loop *r, const strbuf *line) {
    wr_status status = run_metrics(r->dir, line);
    if (status >= 0 && r->events) status = event_file_add(r->events, strbuf_str(line), line->len);
    return world_agree(r->w, status);
}

/* --- saving and measuring ----------------------------------------------------------------------------------------- */

static wr_status save(run_loop *r) {
    if (r->saved == r->state.step) return WR_OK;
    world_task(r->w, "saving step %lld", (long long)r->state.step);
    const wr_status status = saver_save(r->saver, r->m, r->opt, &r->state, &r->how);
    if (status >= 0) r->saved = r->state.step;
    return status;
}

/* Behind the last step: on disk when this returns. */
static wr_status save_last(run_loop *r) {
    if (r->saved == r->state.step) return saver_wait(r->saver);
    const wr_status status = saver_save_last(r->saver, r->m, r->opt, &r->state, &r->how);
    if (status >= 0) r->saved = r->state.step;
    return status;
}

/* The run ends for `cause`, which all ranks have; what is trained so far is saved first. */
static wr_status end_saved(run_loop *r, wr_status cause, const char *why) {
    wr_status status = WR_OK;
    TRY(save_last(r));
    status = wr_fail(cause, "%s (step %lld is saved)", why, (long long)r->state.step);
cleanup:
    return status;
}

/* Keeps the model where this line of an evaluation is the best. */
static wr_status keep_best(run_loop *r, const strbuf *line) {
    wr_status status = WR_OK;
    bool better = false;
    if (!r->best.metric) return WR_OK;
    if (is_root(r)) status = best_note(&r->best, strbuf_str(line), line->len, &better);
    TRY(world_agree(r->w, status));
    if (world_any(r->w, better)) TRY(run_save_best(r->w, r->dir, r->m, &r->state, &r->how));
    settle_patience(r);
cleanup:
    return status;
}

static wr_status evaluate_now(run_loop *r) {
    wr_status status = WR_OK;
    strbuf line = {0};
    bool nothing = false;
    const double began = clock_seconds();
    world_task(r->w, "evaluation after step %lld", (long long)r->state.step);
    json_writer j = json_writer_make(&line);
    json_begin_object(&j);
    json_member_int(&j, "step", r->state.step);
    TRY(wr_context(r->evaluate(r->context, &j, &nothing), "evaluation after step %lld", (long long)r->state.step));
    if (nothing) goto cleanup;
    json_member_double(&j, "eval_time_s", clock_seconds() - began);
    json_end_object(&j);
    TRY(write_metrics(r, &line));
    if (is_root(r)) log_info("evaluation %s", strbuf_str(&line));
    TRY(keep_best(r, &line));
cleanup:
    strbuf_free(&line);
    return status;
}

/* Where its records cannot be read the steps so far are saved before the run ends, and --resume goes on behind it; a
 * model whose figures are no numbers is not saved over better ones. */
static wr_status evaluate_between(run_loop *r) {
    wr_status status = WR_OK;
    const wr_status evaluated = evaluate_now(r);
    char *why = evaluated < 0 ? mem_strdup(wr_error()) : NULL;
    if (evaluated >= 0) goto cleanup;
    /* One rank knows the cause, the others that there is one: they decide together. */
    if (world_any(r->w, evaluated == WR_E_NUMERIC || evaluated == WR_E_INTERRUPTED)) {
        status = evaluated;
        goto cleanup;
    }
    status = end_saved(r, evaluated, why ? why : "an evaluation failed");
cleanup:
    free(why);
    return status;
}

/* A checkpoint that was being written beside the steps failed: they are not lost where now one can be written. */
static wr_status after_failed_save(run_loop *r, wr_status cause) {
    char *why = mem_strdup(wr_error());
    r->saved = -1;
    const wr_status status = end_saved(r, cause, why ? why : "a checkpoint could not be written");
    free(why);
    return status;
}

/* wrote: how the save before went, which has ended. */
static wr_status settle_save(run_loop *r, wr_status wrote) { return wrote < 0 ? after_failed_save(r, wrote) : WR_OK; }

static void tell_saves(const run_loop *r) {
    const saver_times t = saver_spent(r->saver);
    if (is_root(r) && t.saves && r->o->background_save)
        log_info("%s: %lld checkpoints beside the steps, %.3f s of writing; they stood still for %.3f s", r->o->out,
                 (long long)t.saves, t.wrote, t.stood);
}

/* Of RUN/model, where there is one: adapters need not be merged. */
static wr_status model_card(const run_loop *r) {
    if (r->m->lora && !r->how.merge) return WR_OK;
    return model_card_write(run_path(r->dir), r->name, r->m, &r->state, &r->how);
}

/* The model is saved before it is evaluated, whatever comes of that. Where saving changes it (adapters are merged in),
 * its checkpoint is there, and a failed evaluation is told after the model is saved, too. */
static wr_status finish(run_loop *r) {
    wr_status status = WR_OK, evaluated = WR_OK;
    const bool merging = r->m->lora != NULL;
    char *why = NULL;
    world_task(r->w, "saving the model");
    if (!merging) TRY(run_save_model(r->w, r->dir, r->m, &r->state, &r->how));
    if (r->evaluate && !r->enough) evaluated = evaluate_now(r); /* that it is enough an evaluation of this step said */
    if (evaluated < 0) why = mem_strdup(wr_error());
    if (merging) TRY(run_save_model(r->w, r->dir, r->m, &r->state, &r->how));
    if (is_root(r)) status = model_card(r);
    TRY(world_agree(r->w, status));
    r->finished = true;
    if (evaluated < 0) TRY(wr_fail(evaluated, "%s (the model is saved)", why ? why : "the last evaluation failed"));
cleanup:
    free(why);
    return status;
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

/* COLLECTIVE, of a step that failed on all ranks. May the run go on without it? Not where no step was good before: then
 * the model or the rate is at fault, not some records. */
static bool may_skip(run_loop *r, wr_status did) {
    if (!world_any(r->w, did == WR_E_NUMERIC)) return false;
    return (r->trained || r->saved > 0) && r->skipped < r->o->skip_nonfinite;
}

/* Weights and optimizer are as they were; the step's records are passed over. */
static void skip_step(run_loop *r, strbuf *line) {
    r->skipped++;
    if (is_root(r))
        log_warn("%s; the step is skipped (%lld of at most %lld in a row)", wr_error(), (long long)r->skipped,
                 (long long)r->o->skip_nonfinite);
    strbuf_clear(line);
    json_writer j = json_writer_make(line);
    json_begin_object(&j);
    json_member_int(&j, "step", r->state.step + 1);
    json_member_int(&j, "skipped", r->skipped);
    json_end_object(&j);
}

static wr_status one_step(run_loop *r) {
    wr_status status = WR_OK;
    strbuf line = {0};
    char note[RUN_NOTE] = "";
    world_task(r->w, "step %lld of %lld", (long long)r->state.step + 1, (long long)r->state.steps);
    const wr_status did = r->step(r->context, r->state.step + 1, &line, note);
    if (did < 0 && (did == WR_E_INTERRUPTED || !may_skip(r, did))) TRY(did);
    if (did < 0)
        skip_step(r, &line);
    else
        r->skipped = 0, r->trained = true;
    r->state.step++;
    TRY(write_metrics(r, &line));
    if (r->bar) progress_update(r->bar, (uint64_t)r->state.step, note);
cleanup:
    strbuf_free(&line);
    return status;
}

static wr_status after_step(run_loop *r) {
    wr_status status = WR_OK;
    const int64_t step = r->state.step;
    const bool last = step == r->state.steps;
    if (r->evaluate && !last && r->eval_every && step % r->eval_every == 0) TRY(evaluate_between(r));
    if (last || r->enough) {
        TRY(settle_save(r, saver_wait(r->saver)));
        TRY(save_last(r));
    } else if (!r->skipped && r->o->checkpoint_every && step % r->o->checkpoint_every == 0) {
        /* a step that was skipped has nothing to save, and must not push out what was saved before */
        TRY(settle_save(r, saver_next(r->saver)));
        TRY(save(r));
    }
cleanup:
    return status;
}

/* why: "by a signal". */
static wr_status stop_here(run_loop *r, const char *why) {
    wr_status status = WR_OK;
    TRY(settle_save(r, saver_wait(r->saver)));
    TRY(save_last(r));
    status = wr_fail(WR_E_INTERRUPTED, "%s: stopped %s after step %lld of %lld, all saved; continue with --resume",
                     r->o->out, why, (long long)r->state.step, (long long)r->state.steps);
cleanup:
    return status;
}

/* COLLECTIVE. The job ends before another step and a save would. */
static bool must_end(run_loop *r) {
    double left = 0;
    if (!r->o->stop_before_limit) return false;
    const double save = saver_spent(r->saver).longest;
    const bool near =
        is_root(r) && time_limit_near(&r->limit, save, 3 * model_trainables(r->m).n * sizeof(float), &left);
    if (near)
        log_info("%s: the job ends in %.0f s; the longest step took %.1f s, the longest save %.1f s", r->o->out, left,
                 r->limit.longest, save);
    return world_any(r->w, near);
}

wr_status run_loop_go(run_loop *r) {
    wr_status status = WR_OK;
    announce(r);
    if (is_root(r)) r->bar = progress_create(r->name, "steps", (uint64_t)r->state.steps);
    if (run_saves_beside(r->o, r->state.steps)) saver_prepare(r->saver, r->m, r->opt);
    while (r->state.step < r->state.steps && !r->enough) {
        time_limit_step(&r->limit);
        if (world_stop_agreed(r->w)) return stop_here(r, "by a signal");
        if (must_end(r)) return stop_here(r, "before the time limit");
        TRY(settle_save(r, saver_poll(r->saver)));
        const wr_status did = one_step(r);
        if (did == WR_E_INTERRUPTED) return stop_here(r, "by a signal");
        TRY(did);
        TRY(after_step(r));
    }
    if (r->enough && is_root(r))
        log_info("%s: %s has not been better for %lld evaluations: the run ends after step %lld of %lld", r->o->out,
                 r->best.metric, (long long)r->best.since, (long long)r->state.step, (long long)r->state.steps);
    TRY(finish(r));
    tell_saves(r);
    if (is_root(r) && r->best.metric && r->best.step >= 0)
        log_info("%s/best: the model after step %lld, %s %.6g", r->o->out, (long long)r->best.step, r->best.metric,
                 r->best.value);
cleanup:
    return status;
}
