#include "data/prepare/unit_work.h"

#include "base/log.h"
#include "base/mem.h"
#include "data/shard/bytes.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_UNITS = 8 };

wr_status prepare_agree(const prepare_context *c, wr_status mine) {
    return c->w ? world_agree(c->w, mine) : mine < 0 ? mine : WR_OK;
}

wr_status prepare_stopped(const prepare_context *c) {
    bool stop = c->workers ? work_should_stop(c->workers) : world_stop_requested();
    return stop ? wr_fail(WR_E_INTERRUPTED, "stopped by a signal") : WR_OK;
}

static wr_status work_alone(const prepare_context *c, const work_plan *plan, work_fn fn, void *context) {
    wr_status status = WR_OK;
    strbuf task = {0}, result = {0};
    for (size_t i = 0; i < plan->n_tasks; i++) {
        strbuf_clear(&task);
        strbuf_clear(&result);
        TRY(prepare_stopped(c));
        wr_status got =
            plan->task_for ? plan->task_for(plan->context, 0, i, &task) : plan->task(plan->context, i, &task);
        TRY(got);
        if (got == WR_END) break;
        TRY(strbuf_status(&task));
        TRY(fn(context, strbuf_str(&task), task.len, &result));
        TRY(strbuf_status(&result));
        TRY(plan->result(plan->context, i, strbuf_str(&result), result.len));
    }
cleanup:
    strbuf_free(&task);
    strbuf_free(&result);
    return status;
}

wr_status work_run(const prepare_context *c, const work_plan *plan, work_fn fn, void *context) {
    return c->workers ? work_phase(c->workers, plan, fn, context, NULL) : work_alone(c, plan, fn, context);
}

void unit_list_free(unit_list *l) {
    free(l->units);
    free(l->dropped);
}

/* Rank 0 gives out units, some at a time, to whoever asks; ranks answer with how many they did. A unit's result is a
 * file in the work folder, so nothing large is sent.
 *
 *   rank 0    plan: units that have no file yet    -> file, block, bits of what is dropped
 *   any rank  fn(unit) -> OUT.partial/work/FFFFF-BBBBBB.kind
 *
 * Tasks are small at the end by being small throughout: at least eight a rank, at most MOST_UNITS units each. */
typedef struct unit_plan {
    const unit_list *units;
    size_t *pending, n, capacity; /* numbers of units */
    size_t next, each;            /* units of a task */
    uint64_t done;
    progress *progress;
} unit_plan;

static wr_status give_units(void *context, size_t index, strbuf *out) {
    (void)index;
    unit_plan *plan = context;
    if (plan->next == plan->n) return WR_END;
    for (size_t i = 0; i < plan->each && plan->next < plan->n; i++) {
        const unit_entry *u = &plan->units->units[plan->pending[plan->next++]];
        bytes_put_u32(out, u->id.file);
        bytes_put_u32(out, u->id.block);
        bytes_put_u64(out, u->conversations);
        unsigned char byte = 0;
        for (size_t k = 0; k < u->conversations; k++) {
            size_t at = u->first + k;
            byte |= (unsigned char)(unit_list_dropped(plan->units, at) << (k % 8));
            if (k % 8 == 7 || k + 1 == u->conversations) {
                bytes_put_u8(out, byte);
                byte = 0;
            }
        }
    }
    return WR_OK;
}

static wr_status took_units(void *context, size_t index, const void *bytes, size_t n) {
    (void)index;
    unit_plan *plan = context;
    bytes_reader r = bytes_reader_make(bytes, n);
    plan->done += bytes_get_u64(&r);
    progress_update(plan->progress, plan->done, NULL);
    return WR_OK;
}

/* On every rank: what to do with a unit. */
typedef struct worker {
    const prepare_context *c;
    const char *name;
    unit_fn fn;
    void *context;
} worker;

static wr_status do_units(void *context, const void *task, size_t n, strbuf *out) {
    wr_status status = WR_OK;
    const worker *w = context;
    bytes_reader r = bytes_reader_make(task, n);
    uint64_t done = 0;
    for (; r.at < r.end; done++) {
        unit_task t = {0};
        t.id.file = bytes_get_u32(&r);
        t.id.block = bytes_get_u32(&r);
        t.n = bytes_get_u64(&r);
        t.dropped = bytes_take(&r, (t.n + 7) / 8);
        if (r.bad) TRY(wr_fail(WR_E_FORMAT, "a task makes no sense"));
        TRY(prepare_stopped(w->c));
        world_task(w->c->w, "%s, block %u of file %u", w->name, t.id.block + 1, t.id.file + 1);
        TRY(w->fn(w->context, &t));
    }
    bytes_put_u64(out, done);
cleanup:
    return status;
}

static wr_status plan_units(const prepare_context *c, unit_plan *plan, const char *name, const char *kind) {
    wr_status status = WR_OK;
    const unit_list *l = plan->units;
    char path[PATH_CAP], title[64];
    for (size_t i = 0; i < l->n; i++) {
        if (kind) {
            TRY(unit_path(path, c->dir.work, l->units[i].id, kind));
            if (unit_present(path)) continue;
        }
        VEC_PUSH(plan->pending, plan->n, plan->capacity, i);
    }
    size_t ranks = c->w ? (size_t)world_size(c->w) : 1, each = plan->n / (8 * ranks);
    plan->each = each < 1 ? 1 : each > MOST_UNITS ? MOST_UNITS : each;
    snprintf(title, sizeof title, "prepare: %s", name);
    plan->progress = progress_create(title, "units", plan->n);
cleanup:
    return status;
}

wr_status units_each(const prepare_context *c, const unit_list *units, const char *name, const char *kind, unit_fn fn,
                     void *context) {
    wr_status status = WR_OK;
    unit_plan plan = {.units = units};
    worker each = {c, name, fn, context};
    if (c->root) status = plan_units(c, &plan, name, kind);
    TRY(prepare_agree(c, status));
    work_plan work = {
        .context = &plan, .n_tasks = WORK_UNKNOWN, .name = name, .task = give_units, .result = took_units};
    TRY(work_run(c, c->root ? &work : NULL, do_units, &each));
cleanup:
    free(plan.pending);
    progress_finish(plan.progress);
    return status;
}
