/* Phase read: which units there are is found on the way. Plain files tell how many blocks they have; a compressed
 * stream ends when a rank that was given a block of it finds none. */
#include "base/log.h"
#include "data/prepare/pipeline.h"
#include "data/prepare/read_counts.h"

#include <stdio.h>
#include <stdlib.h>

enum { AHEAD = 4 }; /* blocks of a file given at once, when it is long */

/* A source file while its blocks are given out. */
typedef struct file_state {
    size_t next, blocks;                 /* blocks: SIZE_MAX while unknown */
    size_t *done, n_done, done_capacity; /* sorted: blocks that an earlier run has read */
    size_t at_done;
    bool opened;
} file_state;

typedef struct read_plan {
    const prepare_context *c;
    file_state *files;
    size_t n_files;
    size_t *current; /* (ranks) file + 1 that the rank has open; 0: none */
    uint64_t bytes, before;
    progress *progress;
    size_t given;
} read_plan;

static wr_status find_done(read_plan *plan) {
    wr_status status = WR_OK;
    char **names = NULL, path[PATH_CAP];
    size_t n = 0;
    TRY(dir_list(plan->c->dir.work, "", "", &names, &n)); /* sorted, so blocks ascend */
    for (size_t i = 0; i < n; i++) {
        unsigned file, block;
        char kind[16];
        if (sscanf(names[i], "%5u-%6u%15s", &file, &block, kind) != 3 || file >= plan->n_files) continue;
        file_state *f = &plan->files[file];
        TRY(path_join(path, plan->c->dir.work, names[i]));
        if (strcmp(kind, ".end") == 0 && block < f->blocks) f->blocks = block;
        if (strcmp(kind, ".read") == 0 && unit_present(path)) {
            VEC_PUSH(f->done, f->n_done, f->done_capacity, block);
        }
    }
cleanup:
    names_free(names, n);
    return status;
}

/* Moves f->next to a block that is still to be read; false when there is none. */
static bool has_next(file_state *f) {
    while (f->at_done < f->n_done && f->done[f->at_done] <= f->next) {
        if (f->done[f->at_done] == f->next) f->next++;
        f->at_done++;
    }
    return f->next < f->blocks;
}

/* A rank goes on in the file it has open; else it opens one that nobody has; else it helps with another. */
static file_state *choose(read_plan *plan, int rank, size_t *file) {
    if (plan->current[rank] && has_next(&plan->files[plan->current[rank] - 1])) {
        *file = plan->current[rank] - 1;
        return &plan->files[*file];
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < plan->n_files; i++) {
            file_state *f = &plan->files[i];
            if ((round == 0 && f->opened) || !has_next(f)) continue;
            f->opened = true;
            plan->current[rank] = i + 1;
            *file = i;
            return f;
        }
    }
    return NULL;
}

static wr_status give(void *context, int rank, size_t index, strbuf *out) {
    (void)index;
    read_plan *plan = context;
    size_t file, most = plan->given++ < 4 * (size_t)(plan->c->w ? world_size(plan->c->w) : 1) ? 1 : AHEAD;
    file_state *f = choose(plan, rank, &file);
    if (!f) return WR_END;
    bytes_put_u64(out, file);
    for (size_t i = 0; i < most && has_next(f); i++) bytes_put_u64(out, f->next++);
    return WR_OK;
}

static wr_status taken(void *context, size_t index, const void *bytes, size_t n) {
    (void)index;
    read_plan *plan = context;
    bytes_reader r = bytes_reader_make(bytes, n);
    size_t file = bytes_get_u64(&r), end = bytes_get_u64(&r);
    plan->bytes += bytes_get_u64(&r);
    if (r.bad || file >= plan->n_files) return wr_fail(WR_E_FORMAT, "a rank's answer makes no sense");
    if (end < plan->files[file].blocks) plan->files[file].blocks = end;
    progress_update(plan->progress, plan->bytes >> 20, NULL);
    return WR_OK;
}

/* On every rank. */
typedef struct reader {
    const prepare_context *c;
    const prepare_tools *t;
} reader;

static wr_status do_blocks(void *context, const void *task, size_t n, strbuf *out) {
    wr_status status = WR_OK;
    const reader *me = context;
    bytes_reader r = bytes_reader_make(task, n);
    uint64_t bytes = 0;
    size_t file = bytes_get_u64(&r), end = SIZE_MAX;
    while (r.at < r.end && end == SIZE_MAX) {
        unit_id id = {(uint32_t)file, (uint32_t)bytes_get_u64(&r)};
        uint64_t of_block = 0;
        bool ended;
        TRY(unit_read(me->c, me->t, id, &of_block, &ended));
        bytes += of_block;
        if (ended) end = id.block;
    }
    bytes_put_u64(out, file);
    bytes_put_u64(out, end);
    bytes_put_u64(out, bytes);
cleanup:
    return status;
}

static wr_status begin(read_plan *plan, sources *s) {
    wr_status status = WR_OK;
    const prepare_context *c = plan->c;
    plan->n_files = sources_files(s);
    if (plan->n_files > 99999) TRY(wr_fail(WR_E_USAGE, "%zu source files: 99,999 at most; join some", plan->n_files));
    TRY_ALLOC(plan->files = mem_calloc(plan->n_files + 1, sizeof *plan->files));
    TRY_ALLOC(plan->current = mem_calloc(c->w ? (size_t)world_size(c->w) : 1, sizeof *plan->current));
    for (size_t i = 0; i < plan->n_files; i++) TRY(sources_blocks(s, i, &plan->files[i].blocks));
    TRY(find_done(plan));
    plan->progress = progress_create("prepare: reading", "MiB", 0);
cleanup:
    return status;
}

static void end_plan(read_plan *plan) {
    for (size_t i = 0; plan->files && i < plan->n_files; i++) free(plan->files[i].done);
    free(plan->files);
    free(plan->current);
    progress_finish(plan->progress);
}

/* The list of units, in source order. */
static wr_status list_units(const read_plan *plan, unit_list *l) {
    wr_status status = WR_OK;
    for (size_t f = 0; f < plan->n_files; f++) {
        for (size_t b = 0; b < plan->files[f].blocks; b++) {
            VEC_PUSH(l->units, l->n, l->capacity, ((unit_entry){.id = {(uint32_t)f, (uint32_t)b}}));
        }
    }
cleanup:
    return status;
}

wr_status phase_read(const prepare_context *c, const prepare_tools *t, unit_list *units) {
    wr_status status = WR_OK;
    read_plan plan = {.c = c};
    reader me = {c, t};
    if (c->root) status = begin(&plan, t->sources);
    TRY(prepare_agree(c, status));
    work_plan work = {.context = &plan, .n_tasks = WORK_UNKNOWN, .name = "READ", .task_for = give, .result = taken};
    TRY(work_run(c, c->root ? &work : NULL, do_blocks, &me));
    if (c->root) status = list_units(&plan, units);
    TRY(prepare_agree(c, status));
cleanup:
    end_plan(&plan);
    return status;
}
