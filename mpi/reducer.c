/* Sum of flat f32 buffers over ranks: reduce-scatter by point-to-point messages, then all-gather, as a state machine
 * that never waits.
 *
 * A buffer is cut into slices, a slice into one piece for each rank, its owner. Contributions to a piece are added along
 * one balanced binary tree over rank indices,
 *     sum(lo … hi) = sum(lo … mid) + sum(mid … hi),   mid = (lo + hi) / 2,
 * and the owner sends the sum to everybody. The tree depends on the rank count alone, so slices, pieces, tasks and
 * hosts can be any without changing a bit.
 *
 * A subtree whose ranks are all on one host is a group (mpi/reduce_groups.c), and what leaves a host is its groups'
 * sums. On two hosts, A with ranks 0 1 and B with 2 3, piece 0 goes
 *
 *     A   1 ──────────────► 0 = 0 + 1 ──► (0 + 1) + (2 + 3) ──┬────────────► 1
 *     B   3 ──► 2 = 2 + 3 ────────────────►                   └──► 2 ──────► 3
 *          collect                    sum                   gather    spread
 *
 * so that of L ranks on a host one message crosses in place of L, each way. Every rank collects as many pieces as the
 * others of its group do: all of them use the network. A rank that is a group alone has collected what it starts with,
 * and its sums need no spreading: then 2 n (size-1)/size floats are sent and received, the least where all are alike.
 *
 * The slices of all tasks make one sequence, the same on every rank, and each goes through the stages in order:
 *
 *     started     k   ────── posted: contributions of k are on their way inside the group
 *     posted      k+1        (slot (k+1) % depth: staging, messages)
 *     collected   k          the group's sums of the pieces that this rank collects are on their way to the owners
 *     summed      k-1        this rank's piece added up, and on its way to one rank of each group
 *     spread      k-1        sums have come to this rank, which sends them on inside the group
 *     done        k-2        all pieces received
 *
 * `depth` slices are in flight: while one is being added the next one is on its way. One tag a stage is enough, since
 * messages between two ranks keep their order.
 *
 * bf16 on the wire halves the bytes: every contribution is rounded, the owner's own too (or the bits would depend on
 * who owns what), added in f32 along the same tree, and the sum is rounded on its way out, for its owner as well. What a
 * group of several has added goes to the owner in f32: rounded there, bits would depend on who shares a host.
 *
 * Where ranks keep only some of the sums (ZeRO), pieces are added where they are otherwise, so that every link has its
 * share of each slice, but go on to those alone who keep them, straight, for hardly two on a host keep the same:
 *
 *     slice    | piece 0 | piece 1 | piece 2 |      kept by rank 1 alone: pieces 0 and 2 go to it, nothing to others,
 *                                                   and the pages of the slice are free again on these */
#include "mpi/reducer.h"

#include "base/log.h"
#include "base/mem.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* --- moving on ---------------------------------------------------------------------------------------------------- */

static bool complete(const reduce_messages *m) {
    int flag = 0;
    MPI_Testall(m->n, m->all, &flag, MPI_STATUSES_IGNORE);
    return flag;
}

/* The task of slice k, looked for from *at on, which is that of an earlier slice, of k itself, or none yet. */
static const reduce_task *task_of(const reducer *r, reduce_task **at, size_t k) {
    if (!*at) *at = r->tasks;
    while (k >= (*at)->end) *at = (*at)->next;
    return *at;
}

/* Slot k % depth is free for slice k's way up once slice k-depth has been added up, and for its way down once that of
 * k-depth is over; the floats of a task without a buffer, and what goes over the wire in bf16, lie in the slot until
 * then, too. */
bool reducer_progress(reducer *r) {
    bool any = false;
    for (bool moved = true; moved; any = any || moved) {
        moved = false;
        if (r->posted < r->started && r->posted < r->summed + r->o.depth) {
            const reduce_task *t = task_of(r, &r->at_post, r->posted);
            if ((t->buffer && !r->o.half) || r->posted < r->done + r->o.depth) {
                if (r->posted == r->done) r->since = clock_seconds();
                stage_post(r, t, r->posted);
                r->posted++;
                moved = true;
            }
        }
        if (r->done < r->spread && complete(&slot_of(r, r->done)->down)) {
            stage_finish(r, task_of(r, &r->at_done, r->done), r->done);
            if (r->done + 1 == r->posted) r->busy += clock_seconds() - r->since;
            r->done++;
            moved = true;
        }
        if (r->spread < r->summed && complete(&slot_of(r, r->spread)->down)) {
            stage_spread(r, task_of(r, &r->at_spread, r->spread), r->spread);
            r->spread++;
            moved = true;
        }
        if (r->summed < r->collected && r->summed < r->done + r->o.depth && complete(&slot_of(r, r->summed)->up)) {
            stage_sum(r, task_of(r, &r->at_sum, r->summed), r->summed);
            r->summed++;
            moved = true;
        }
        if (r->collected < r->posted && complete(&slot_of(r, r->collected)->up)) {
            stage_collect(r, task_of(r, &r->at_collect, r->collected), r->collected);
            r->collected++;
            moved = true;
        }
    }
    return any;
}

void reducer_drain(reducer *r) {
    backoff b = backoff_make(REDUCE_WAIT_US);
    while (r->done < r->started) {
        if (reducer_progress(r))
            b = backoff_make(REDUCE_WAIT_US);
        else
            backoff_pause(&b);
    }
}

/* The task is whole before `started` tells of it. */
void reducer_add(reducer *r, reduce_task *t, float *buffer, size_t n, size_t at) {
    const size_t first = r->started, slices = r->w->size > 1 ? (n + r->o.slice - 1) / r->o.slice : 0;
    *t = (reduce_task){.buffer = buffer, .at = at, .n = n, .first = first, .end = first + slices};
    if (r->last)
        r->last->next = t;
    else
        r->tasks = t;
    r->last = t;
    r->n_tasks++;
    r->started = first + slices;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static wr_status open_slot(const reducer *r, reduce_slot *s, bool spare) {
    wr_status status = WR_OK;
    const size_t size = (size_t)r->w->size, rows = staging_rows(size);
    TRY_ALLOC(s->staging = mem_aligned(rows * r->stride, sizeof(float)));
    TRY_ALLOC(s->up.all = mem_calloc(rows + size, sizeof(MPI_Request)));
    TRY_ALLOC(s->down.all = mem_calloc(rows + size, sizeof(MPI_Request)));
    if (spare) TRY_ALLOC(s->spare = mem_aligned(r->o.slice, sizeof(float)));
    if (r->o.half) TRY_ALLOC(s->out = mem_aligned(r->o.slice, sizeof(bf16)));
    if (r->o.half) TRY_ALLOC(s->in = mem_aligned(rows * r->stride, sizeof(bf16)));
cleanup:
    return status;
}

static reduce_options settled(const reduce_options *o) {
    reduce_options s = *o;
    if (!s.slice) s.slice = REDUCE_SLICE;
    if (s.slice > INT_MAX / 2) s.slice = INT_MAX / 2;
    if (!s.depth) s.depth = REDUCE_DEPTH;
    return s;
}

size_t reducer_bytes(const reduce_options *o, size_t ranks) {
    const reduce_options s = settled(o);
    const size_t staging = (s.slice + ranks - 1) / ranks * staging_rows(ranks),
                 floats = staging + s.slice; /* and the spare one */
    return ranks > 1 ? s.depth * floats * (sizeof(float) + (s.half ? sizeof(bf16) : 0)) : 0;
}

wr_status reducer_open(reducer *r, world *w, MPI_Comm comm, const reduce_options *o, bool spares) {
    wr_status status = WR_OK;
    const size_t size = (size_t)w->size;
    *r = (reducer){.w = w, .comm = comm, .o = settled(o)};
    r->stride = (r->o.slice + size - 1) / size;
    TRY_ALLOC(r->rows = mem_calloc(size, sizeof *r->rows));
    TRY_ALLOC(r->groups = mem_calloc(size, sizeof *r->groups));
    reduce_groups(w->hosts, w->size, r->groups);
    TRY_ALLOC(r->counts = mem_calloc(size, sizeof *r->counts));
    if (o->keep) {
        TRY_ALLOC(r->keep = mem_calloc(2 * size, sizeof *r->keep));
        memcpy(r->keep, o->keep, 2 * size * sizeof *r->keep);
    }
    TRY_ALLOC(r->slots = mem_calloc(r->o.depth, sizeof *r->slots));
    for (size_t i = 0; i < r->o.depth; i++) TRY(open_slot(r, &r->slots[i], spares));
cleanup:
    return status;
}

void reducer_close(reducer *r) {
    for (size_t i = 0; r->slots && i < r->o.depth; i++) {
        const reduce_slot *s = &r->slots[i];
        free(s->staging);
        free(s->spare);
        free(s->out);
        free(s->in);
        free(s->up.all);
        free(s->down.all);
    }
    free(r->slots);
    free(r->rows);
    free(r->groups);
    free(r->counts);
    free(r->keep);
    r->keep = NULL;
    r->slots = NULL;
    r->rows = NULL;
    r->groups = NULL;
    r->counts = NULL;
}
