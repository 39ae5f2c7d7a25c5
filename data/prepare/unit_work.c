/* Pulled phases over the list of units, on any number of ranks; alone there is nobody to ask, and the same tasks are
 * done in a loop. */
#include "data/shard/bytes.h"
#include "data/prepare/pipeline.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_UNITS = 8 };

wr_status pipeline_agree(pipeline *p, wr_status mine) {
    return p->w ? world_agree(p->w, mine) : mine < 0 ? mine : WR_OK;
}

wr_status pipeline_stopped(pipeline *p) {
    bool stop = p->workers ? work_should_stop(p->workers) : world_stop_requested();
    return stop ? wr_fail(WR_E_INTERRUPTED, "stopped by a signal") : WR_OK;
}

static wr_status work_alone(pipeline *p, const work_plan *plan, work_fn fn) {
    wr_status status = WR_OK;
    strbuf task = {0}, result = {0};
    for (size_t i = 0; i < plan->n_tasks; i++) {
        strbuf_clear(&task);
        strbuf_clear(&result);
        TRY(pipeline_stopped(p));
        wr_status got =
            plan->task_for ? plan->task_for(plan->context, 0, i, &task) : plan->task(plan->context, i, &task);
        TRY(got);
        if (got == WR_END) break;
        TRY(strbuf_status(&task));
        TRY(fn(p, strbuf_str(&task), task.len, &result));
        TRY(strbuf_status(&result));
        TRY(plan->result(plan->context, i, strbuf_str(&result), result.len));
    }
cleanup:
    strbuf_free(&task);
    strbuf_free(&result);
    return status;
}

wr_status work_run(pipeline *p, const work_plan *plan, work_fn fn) {
    return p->workers ? work_phase(p->workers, plan, fn, p, NULL) : work_alone(p, plan, fn);
}

/* Rank 0: what is to do. */
typedef struct unit_plan {
    pipeline *p;
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
        const unit_entry *u = &plan->p->units[plan->pending[plan->next++]];
        bytes_put_u32(out, u->id.file);
        bytes_put_u32(out, u->id.block);
        bytes_put_u64(out, u->conversations);
        unsigned char byte = 0;
        for (size_t k = 0; k < u->conversations; k++) {
            size_t at = u->first + k;
            byte |= (unsigned char)((plan->p->dropped[at / 8] >> (at % 8) & 1) << (k % 8));
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

static wr_status do_units(void *context, const void *task, size_t n, strbuf *out) {
    wr_status status = WR_OK;
    pipeline *p = context;
    bytes_reader r = bytes_reader_make(task, n);
    uint64_t done = 0;
    for (; r.at < r.end; done++) {
        unit_task t = {0};
        t.id.file = bytes_get_u32(&r);
        t.id.block = bytes_get_u32(&r);
        t.n = bytes_get_u64(&r);
        t.dropped = bytes_take(&r, (t.n + 7) / 8);
        if (r.bad) TRY(wr_fail(WR_E_FORMAT, "a task makes no sense"));
        TRY(pipeline_stopped(p));
        TRY(p->unit_fn(p, p->unit_context, &t));
    }
    bytes_put_u64(out, done);
cleanup:
    return status;
}

static wr_status plan_units(unit_plan *plan, const char *name, const char *kind) {
    wr_status status = WR_OK;
    pipeline *p = plan->p;
    char path[PATH_CAP], title[64];
    for (size_t i = 0; i < p->n_units; i++) {
        if (kind) {
            TRY(unit_path(path, p->dir.work, p->units[i].id, kind));
            if (unit_present(path)) continue;
        }
        VEC_PUSH(plan->pending, plan->n, plan->capacity, i);
    }
    size_t ranks = p->w ? (size_t)world_size(p->w) : 1, each = plan->n / (8 * ranks);
    plan->each = each < 1 ? 1 : each > MOST_UNITS ? MOST_UNITS : each;
    snprintf(title, sizeof title, "prepare: %s", name);
    plan->progress = progress_create(title, "units", plan->n);
cleanup:
    return status;
}

wr_status units_each(pipeline *p, const char *name, const char *kind, unit_fn fn, void *context) {
    wr_status status = WR_OK;
    unit_plan plan = {.p = p};
    if (p->root) status = plan_units(&plan, name, kind);
    TRY(pipeline_agree(p, status));
    work_plan work = {
        .context = &plan, .n_tasks = WORK_UNKNOWN, .name = name, .task = give_units, .result = took_units};
    p->unit_fn = fn;
    p->unit_context = context;
    TRY(work_run(p, p->root ? &work : NULL, do_units));
cleanup:
    free(plan.pending);
    progress_finish(plan.progress);
    return status;
}
