/* Phase count: the terms of the turns that are kept, for the weights and thresholds of the mining. Sums do not care who
 * counts what, so each rank counts what it pulls, leaves its counts in a file, and rank 0 adds them up. The result is
 * kept in work/mining: a run that goes on does not count again. */
#include "base/hash.h"
#include "data/prepare/pipeline.h"
#include "data/prepare/unit_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* On every rank. */
typedef struct counter {
    const prepare_context *c;
    size_t n_annotators;
    mining *mining;
} counter;

static wr_status count_unit(void *context, const unit_task *task) {
    wr_status status = WR_OK;
    const counter *me = context;
    spill_reader *r = NULL;
    const spilled *rows;
    size_t n, *at = NULL, capacity = 0, turn_capacity = 0;
    turn_text *turns = NULL;
    TRY(spill_reader_open(me->c->dir.work, task->id, me->n_annotators, &r));
    for (;;) {
        wr_status got = spill_reader_next(r, &rows, &n);
        TRY(got);
        if (got == WR_END) break;
        for (size_t i = 0; i < n; i++) {
            const conversation *c = &rows[i].c;
            size_t count;
            if (rows[i].number >= task->n) TRY(wr_fail(WR_E_FORMAT, "working files of prepare do not belong together"));
            if (unit_dropped(task, rows[i].number)) continue;
            TRY(followups(c, &at, &capacity, &count));
            TRY(mem_reserve((void **)&turns, &turn_capacity, count + 1, sizeof *turns));
            for (size_t k = 0; k < count; k++) turns[k] = turn_texts(c, at[k]);
            if (count) TRY(mining_observe(me->mining, hash64(c->id, strlen(c->id), 3), turns, count));
        }
    }
cleanup:
    spill_reader_close(r);
    free(at);
    free(turns);
    return status;
}

static wr_status counts_path(const prepare_context *c, int rank, char path[PATH_CAP]) {
    char name[32];
    snprintf(name, sizeof name, "counts-%d", rank);
    return path_join(path, c->dir.work, name);
}

static wr_status save(const mining *m, const char *path) {
    wr_status status = WR_OK;
    strbuf bytes = {0};
    TRY(mining_write(m, &bytes));
    TRY(file_write_atomic(path, bytes.data, bytes.len));
cleanup:
    strbuf_free(&bytes);
    return status;
}

static wr_status merge(mining *m, const char *path) {
    wr_status status = WR_OK;
    char *bytes = NULL;
    size_t n;
    TRY(file_read(path, 0, &bytes, &n));
    TRY(wr_context(mining_merge(m, bytes, n), "%s", path));
cleanup:
    free(bytes);
    return status;
}

/* Rank 0: everyone's counts into its own, calibrated and kept. */
static wr_status add_up(const prepare_context *c, mining *m, const char *kept) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    for (int r = 1; c->w && r < world_size(c->w); r++) {
        TRY(counts_path(c, r, path));
        TRY(merge(m, path));
        unlink(path);
    }
    TRY(save(m, kept));
cleanup:
    return status;
}

wr_status phase_count(const prepare_context *c, const unit_list *units, size_t n_annotators, mining **m) {
    wr_status status = WR_OK;
    char kept[PATH_CAP], path[PATH_CAP];
    if (c->o->similarity) return WR_OK;
    TRY(path_join(kept, c->dir.work, "mining"));
    bool done = c->root && file_exists(kept);
    if (c->w) done = world_any(c->w, done);
    TRY(prepare_agree(c, mining_create(c->o->seed, m)));
    if (!done) {
        counter me = {c, n_annotators, *m};
        TRY(units_each(c, units, "counting terms", NULL, count_unit, &me));
        if (!c->root) status = counts_path(c, world_rank(c->w), path) < 0 ? WR_E_USAGE : save(*m, path);
        TRY(prepare_agree(c, status));
        if (c->root) status = add_up(c, *m, kept);
        TRY(prepare_agree(c, status));
        if (!c->root) { /* the sums instead of the own counts */
            mining_free(*m);
            *m = NULL;
            status = mining_create(c->o->seed, m);
        }
    }
    if (status >= 0 && (done || !c->root)) status = merge(*m, kept);
    if (status >= 0) status = mining_calibrate(*m);
    TRY(prepare_agree(c, status));
cleanup:
    return status;
}
