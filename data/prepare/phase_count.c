/* Phase count: the terms of the turns that are kept, for the weights and thresholds of the mining. Sums do not care who
 * counts what, so each rank counts what it pulls, leaves its counts in a file, and rank 0 adds them up. The result is
 * kept in work/mining: a run that goes on does not count again. */
#include "base/hash.h"
#include "data/prepare/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static wr_status count_unit(pipeline *p, void *context, const unit_task *task) {
    (void)context;
    wr_status status = WR_OK;
    spill_reader *r = NULL;
    const spilled *rows;
    size_t n, *at = NULL, capacity = 0, turn_capacity = 0;
    turn_text *turns = NULL;
    TRY(spill_reader_open(p, task->id, &r));
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
            if (count) TRY(mining_observe(p->mining, hash64(c->id, strlen(c->id), 3), turns, count));
        }
    }
cleanup:
    spill_reader_close(r);
    free(at);
    free(turns);
    return status;
}

static wr_status counts_path(pipeline *p, int rank, char path[PATH_CAP]) {
    char name[32];
    snprintf(name, sizeof name, "counts-%d", rank);
    return path_join(path, p->dir.work, name);
}

static wr_status save(pipeline *p, const char *path) {
    wr_status status = WR_OK;
    strbuf bytes = {0};
    TRY(mining_write(p->mining, &bytes));
    TRY(file_write_atomic(path, bytes.data, bytes.len));
cleanup:
    strbuf_free(&bytes);
    return status;
}

static wr_status merge(pipeline *p, const char *path) {
    wr_status status = WR_OK;
    char *bytes = NULL;
    size_t n;
    TRY(file_read(path, 0, &bytes, &n));
    TRY(wr_context(mining_merge(p->mining, bytes, n), "%s", path));
cleanup:
    free(bytes);
    return status;
}

/* Rank 0: everyone's counts into its own, calibrated and kept. */
static wr_status add_up(pipeline *p, const char *kept) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    for (int r = 1; p->w && r < world_size(p->w); r++) {
        TRY(counts_path(p, r, path));
        TRY(merge(p, path));
        unlink(path);
    }
    TRY(save(p, kept));
cleanup:
    return status;
}

wr_status phase_count(pipeline *p) {
    wr_status status = WR_OK;
    char kept[PATH_CAP], path[PATH_CAP];
    if (p->o->similarity) return WR_OK;
    TRY(path_join(kept, p->dir.work, "mining"));
    bool done = p->root && file_exists(kept);
    if (p->w) done = world_any(p->w, done);
    if (!done) {
        TRY(units_each(p, "counting terms", NULL, count_unit, NULL));
        if (!p->root) status = counts_path(p, world_rank(p->w), path) < 0 ? WR_E_USAGE : save(p, path);
        TRY(pipeline_agree(p, status));
        if (p->root) status = add_up(p, kept);
        TRY(pipeline_agree(p, status));
        if (!p->root) { /* the sums instead of the own counts */
            mining_free(p->mining);
            p->mining = NULL;
            status = mining_create(p->o->seed, &p->mining);
        }
    }
    if (status >= 0 && (done || !p->root)) status = merge(p, kept);
    if (status >= 0) status = mining_calibrate(p->mining);
    TRY(pipeline_agree(p, status));
cleanup:
    return status;
}
