#include "trainer/dry_run.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/process_memory.h"
#include "evaluate/evaluate.h"
#include "mpi/reduce.h"
#include "trainer/step_probe.h"
#include "trainer/trainer.h"

#include <math.h>
#include <stdlib.h>

static const double PROBE_SECONDS = 1.5; /* of passes; with what lies around them about two */
enum { SUMMED_FLOATS = 4 << 20 };        /* at most, to see how fast sums over ranks are */

void dry_run_free(dry_run *d) { strbuf_free(&d->changes); }

/* --- the data ----------------------------------------------------------------------------------------------------- */

typedef struct walk {
    double tokens, micros; /* of all steps looked at, on this rank */
} walk;

static void see_micro(const trainer *t, const sequence *s, size_t n, train_load *x) {
    const size_t tokens = t->pack.batch.offsets[t->pack.batch.B];
    if (tokens > x->tokens) x->tokens = tokens;
    if (t->kind->kind == SHARD_CHAT && t->pack.N > x->head_rows) x->head_rows = t->pack.N;
    for (size_t i = 0; i < n; i++)
        if (s[i].n > x->longest) x->longest = s[i].n;
}

static wr_status take_step(trainer *t, int64_t step, train_load *x, walk *seen) {
    wr_status status = WR_OK;
    rank_plan plan = {0};
    sequence *sequences = NULL;
    TRY(step_records_take(&t->records, step, &plan, &sequences));
    for (size_t i = 0; i < plan.n_micro && status >= 0; i++) {
        status = trainer_pack(t, &plan, i, sequences);
        if (status < 0) break;
        see_micro(t, sequences + plan.micro[i].first, plan.micro[i].count, x);
        seen->tokens += (double)t->pack.batch.offsets[t->pack.batch.B];
        seen->micros++;
    }
    TRY(world_agree(t->w, status));
cleanup:
    rank_plan_free(&plan);
    return status;
}

/* Tokens of the fullest batch of an evaluation: they are cut as evaluate_records cuts them. */
static wr_status tested_tokens(const trainer *t, size_t *most) {
    wr_status status = WR_OK;
    uint32_t *records = NULL;
    size_t n = 0, tokens = 0;
    *most = 0;
    if (!t->test.records) return WR_OK;
    const dataset_index *d = record_source_index(t->test.records);
    TRY(evaluate_select(d, &t->rule, t->test.only, t->o->eval_records, &records, &n));
    for (size_t i = 0; i < n; i++) {
        const size_t length = d->lengths[records[i]], kept = length < t->rule.max_length ? length : t->rule.max_length;
        tokens = tokens && tokens + kept <= t->o->micro_tokens ? tokens + kept : kept;
        if (tokens > *most) *most = tokens;
    }
cleanup:
    free(records);
    return status;
}

/* Every record of an epoch, or of the run where that is shorter. */
static wr_status walk_steps(trainer *t, dry_run *d, walk *seen) {
    wr_status status = WR_OK;
    const int64_t epoch = (int64_t)((t->order.usable + t->o->global_batch - 1) / t->o->global_batch);
    progress *bar = NULL;
    d->looked_at = t->steps < epoch ? t->steps : epoch;
    if (world_rank(t->w) == 0) bar = progress_create("read", "steps", (uint64_t)d->looked_at);
    for (int64_t step = 1; step <= d->looked_at; step++) {
        if (world_stop_agreed(t->w)) TRY(wr_fail(WR_E_INTERRUPTED, "stopped by a signal"));
        TRY(wr_context(take_step(t, step, &d->load, seen), "step %lld", (long long)step));
        if (bar) progress_update(bar, (uint64_t)step, NULL);
    }
    TRY(world_agree(t->w, tested_tokens(t, &d->load.tested)));
cleanup:
    progress_finish(bar);
    return status;
}

/* --- seconds ------------------------------------------------------------------------------------------------------ */

wr_status dry_run_seconds(const train_case *c, double tokens, step_seconds *out) {
    wr_status status = WR_OK;
    step_speed speed;
    const size_t trained = model_trainables(c->m).n, ranks = (size_t)c->ranks;
    const float_range own = updater_moments(trained, c->update->zero, ranks, 0);
    TRY(step_probe(c, PROBE_SECONDS, &speed));
    *out = (step_seconds){.compute = tokens * speed.token, .update = (double)(own.end - own.begin) * speed.value};
    out->step = out->compute + out->update;
cleanup:
    return status;
}

/* COLLECTIVE. Seconds of the sum of n floats over ranks. */
static wr_status time_sum(world *w, const update_options *u, size_t n, double *seconds) {
    wr_status status = WR_OK;
    const size_t m = n < SUMMED_FLOATS ? n : SUMMED_FLOATS;
    double began = 0;
    float *x = mem_aligned(m, sizeof *x);
    TRY(world_agree(w, x ? WR_OK : WR_E_NOMEM));
    for (int i = 0; i < 2; i++) {
        world_barrier(w);
        began = clock_seconds();
        TRY(reduce_sum(w, x, m, u->reduce.slice));
    }
    *seconds = (clock_seconds() - began) * (double)n / (double)m;
cleanup:
    free(x);
    return status;
}

/* COLLECTIVE. */
static wr_status find_seconds(const trainer *t, const train_case *c, const walk *seen, double steps,
                              step_seconds *out) {
    wr_status status = WR_OK;
    const update_options *u = c->update;
    const double tokens = seen->tokens / steps;
    double tell[4], all = tokens;
    TRY(world_agree(t->w, dry_run_seconds(c, tokens, out)));
    if (c->ranks > 1) TRY(time_sum(t->w, u, model_trainables(c->m).n, &out->reduce));
    /* in the backward pass, two thirds of the work, of the last micro-batch */
    if (c->ranks > 1 && u->reduce.background && seen->micros > 0)
        out->hidden = fmin(u->zero ? out->reduce / 2 : out->reduce, /* updated weights go out behind the step */
                           out->compute * 2 / 3 / fmax(1, seen->micros / steps));
    tell[0] = out->compute, tell[1] = out->update, tell[2] = out->reduce, tell[3] = -out->hidden;
    world_max(t->w, tell, 4);
    world_sum(t->w, &all, 1);
    *out = (step_seconds){.compute = tell[0], .update = tell[1], .reduce = tell[2], .hidden = -tell[3], .tokens = all};
    out->step = out->compute + out->update + out->reduce - out->hidden;
cleanup:
    return status;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

/* COLLECTIVE. Each figure becomes the largest of all ranks'. */
static void largest(world *w, size_t *const *figures, size_t n) {
    double x[8];
    for (size_t i = 0; i < n; i++) x[i] = (double)*figures[i];
    world_max(w, x, n);
    for (size_t i = 0; i < n; i++) *figures[i] = (size_t)x[i];
}

/* COLLECTIVE. */
static wr_status find_memory(trainer *t, const train_case *c, dry_run *d) {
    wr_status status = WR_OK;
    train_host host = {.ranks = world_local_size(t->w), .available = d->available};
    size_t program = process_memory_now(), room = d->available ? SIZE_MAX / 2 - d->available : 0;
    TRY(world_agree(t->w, train_memory_of(c, &d->memory)));
    largest(t->w, (size_t *const[]){&program}, 1);
    d->memory.program = program;
    TRY(world_agree(t->w, train_host_need(c, &host, &d->need)));
    largest(t->w, (size_t *const[]){&room}, 1); /* the host where least is left decides */
    d->room = room ? SIZE_MAX / 2 - room : 0;
    d->fits = !world_any(t->w, d->available && d->need > d->available);
    d->host_ranks = host.ranks;
    host.available = d->room;
    if (!d->fits && world_rank(t->w) == 0) status = train_fit_changes(c, t->start.m, &host, &d->changes);
    TRY(world_agree(t->w, status));
cleanup:
    return status;
}

wr_status dry_run_go(trainer *t, dry_run *d) {
    wr_status status = WR_OK;
    walk seen = {0};
    train_case c = {.m = t->start.m,
                    .update = &t->o->update,
                    .ranks = world_size(t->w),
                    .recompute = t->o->run.recompute,
                    .background = run_saves_beside(&t->o->run, t->steps)};
    const size_t ranks = (size_t)c.ranks;
    t->records.shares = c.update->same_bits ? c.update->parts : ranks;
    t->records.mine = rank_shares(t->records.shares, ranks, (size_t)world_rank(t->w));
    d->parameters = t->start.m->n_params;
    d->trained = model_trainables(t->start.m).n;
    d->records = t->order.usable;
    d->steps = t->steps;
    d->ranks = c.ranks;
    d->seconds = (step_seconds){NAN, NAN, NAN, NAN, NAN, NAN};
    TRY(walk_steps(t, d, &seen));
    train_load *x = &d->load;
    largest(t->w, (size_t *const[]){&x->tokens, &x->longest, &x->head_rows, &x->tested}, 4);
    c.load = *x;
    if (d->probe) TRY(find_seconds(t, &c, &seen, (double)d->looked_at, &d->seconds));
    TRY(find_memory(t, &c, d));
cleanup:
    return status;
}
