/* Sum of flat f32 buffers over ranks: reduce-scatter by point-to-point messages, then all-gather, as a state machine
 * that never waits.
 *
 * A buffer is cut into slices, a slice into one piece for each rank, its owner. In the scatter half every rank sends
 * its values of piece r to rank r, which adds all contributions along one balanced binary tree over rank indices,
 *     sum(lo … hi) = sum(lo … mid) + sum(mid … hi),   mid = (lo + hi) / 2.
 * In the gather half owners send sums to everybody. Each rank sends and receives 2 n (size-1)/size floats, the least
 * that is possible, and adds n (size-1)/size. The tree depends on the rank count alone, so slices, pieces and tasks can
 * be of any size without changing a bit.
 *
 * The slices of all tasks make one sequence, the same on every rank, and each goes through three stages in order:
 *
 *     started   k ────── posted: scatter messages of k are under way
 *     posted    k+1      (slot (k+1) % 2: staging, requests)
 *     summed    k        this rank's piece added up, gather messages under way
 *     done      k-1      all pieces received
 *
 * Two slices are in flight: while one is being added the next one is on its way. One pair of tags is enough, since
 * messages between two ranks keep their order. */
#include "mpi/reducer.h"

#include "base/mem.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_US = 200, TAG_SCATTER = 21, TAG_GATHER = 22 };

static void add_into(float *restrict a, const float *restrict b, size_t n) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) a[i] += b[i];
}

void tree_sum(float **rows, int lo, int hi, size_t n) {
    if (hi - lo < 2) return;
    int mid = lo + (hi - lo) / 2;
    tree_sum(rows, lo, mid, n);
    tree_sum(rows, mid, hi, n);
    add_into(rows[lo], rows[mid], n);
}

/* --- slices and pieces -------------------------------------------------------------------------------------------- */

/* Piece p of slice k, which is one of t's: its first float, and its length (0 when there are fewer floats than
 * ranks). */
static float *piece_at(const reducer *r, const reduce_task *t, size_t k, int p, int *length) {
    const size_t skipped = (k - t->first) * r->slice, m = t->n - skipped < r->slice ? t->n - skipped : r->slice;
    const size_t size = (size_t)r->w->size, base = m / size, extra = m % size, i = (size_t)p;
    *length = (int)(base + (i < extra));
    return (t->buffer ? t->buffer + skipped : r->spare[k % 2]) + i * base + (i < extra ? i : extra);
}

static void post_scatter(reducer *r, const reduce_task *t, size_t k) {
    int size = r->w->size, me = r->w->rank, length;
    MPI_Request *q = r->scatter[k % 2];
    piece_at(r, t, k, me, &length);
    for (int p = 0; p < size; p++) {
        q[p] = MPI_REQUEST_NULL;
        if (p != me && length) {
            MPI_Irecv(r->staging[k % 2] + (size_t)p * r->stride, length, MPI_FLOAT, p, TAG_SCATTER, r->comm, &q[p]);
        }
    }
    for (int p = 0; p < size; p++) {
        const float *piece = piece_at(r, t, k, p, &length);
        q[size + p] = MPI_REQUEST_NULL;
        if (p != me && length) MPI_Isend(piece, length, MPI_FLOAT, p, TAG_SCATTER, r->comm, &q[size + p]);
    }
}

/* Adds this rank's piece of slice k and sends it out; receives the others' pieces in place. */
static void sum_and_post_gather(reducer *r, const reduce_task *t, size_t k) {
    int size = r->w->size, me = r->w->rank, length;
    float *mine = piece_at(r, t, k, me, &length);
    for (int p = 0; p < size; p++) r->rows[p] = p == me ? mine : r->staging[k % 2] + (size_t)p * r->stride;
    tree_sum(r->rows, 0, size, (size_t)length);
    if (me != 0 && length) memcpy(mine, r->rows[0], (size_t)length * sizeof *mine);
    MPI_Request *q = r->gather[k % 2];
    for (int p = 0; p < size; p++) {
        int theirs;
        float *piece = piece_at(r, t, k, p, &theirs);
        q[p] = q[size + p] = MPI_REQUEST_NULL;
        if (p == me) continue;
        if (theirs) MPI_Irecv(piece, theirs, MPI_FLOAT, p, TAG_GATHER, r->comm, &q[p]);
        if (length) MPI_Isend(mine, length, MPI_FLOAT, p, TAG_GATHER, r->comm, &q[size + p]);
    }
}

/* --- moving on ---------------------------------------------------------------------------------------------------- */

static bool complete(const reducer *r, MPI_Request *requests) {
    int flag = 0;
    MPI_Testall(2 * r->w->size, requests, &flag, MPI_STATUSES_IGNORE);
    return flag;
}

/* The task of slice k, looked for from t on, which is that of an earlier slice or of k itself. */
static reduce_task *task_of(reduce_task *t, size_t k) {
    while (t && k >= t->end) t = t->next;
    return t;
}

/* Every stage as far as it goes now. Slot k % 2 is free for slice k's scatter once slice k-2 has been added up, and for
 * its gather once that of k-2 is over; a task without a buffer keeps its floats in the slot, too. Returns whether
 * anything moved. */
static bool progress(reducer *r) {
    bool any = false;
    for (bool moved = true; moved; any = any || moved) {
        moved = false;
        if (r->posted < r->started && r->posted < r->summed + 2) {
            r->at_post = task_of(r->at_post ? r->at_post : r->tasks, r->posted);
            if (r->at_post->buffer || r->posted < r->done + 2) {
                post_scatter(r, r->at_post, r->posted);
                r->posted++;
                moved = true;
            }
        }
        if (r->done < r->summed && complete(r, r->gather[r->done % 2])) {
            r->done++;
            moved = true;
        }
        if (r->summed < r->posted && r->summed < r->done + 2 && complete(r, r->scatter[r->summed % 2])) {
            r->at_sum = task_of(r->at_sum ? r->at_sum : r->tasks, r->summed);
            sum_and_post_gather(r, r->at_sum, r->summed);
            r->summed++;
            moved = true;
        }
    }
    return any;
}

void reducer_drain(reducer *r) {
    backoff b = backoff_make(WAIT_US);
    while (r->done < r->started) {
        if (progress(r))
            b = backoff_make(WAIT_US);
        else
            backoff_pause(&b);
    }
}

void reduce_start(reducer *r, reduce_task *t, float *buffer, size_t n) {
    *t = (reduce_task){.buffer = buffer, .n = n, .first = r->started};
    if (r->w->size > 1) r->started += (n + r->slice - 1) / r->slice;
    t->end = r->started;
    if (r->last)
        r->last->next = t;
    else
        r->tasks = t;
    r->last = t;
    r->n_tasks++;
    progress(r);
}

bool reduce_test(reducer *r, const reduce_task *t) {
    progress(r);
    return r->done >= t->end;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

wr_status reducer_open(reducer *r, world *w, MPI_Comm comm, size_t slice, bool spares) {
    wr_status status = WR_OK;
    const size_t size = (size_t)w->size;
    if (slice > INT_MAX / 2) slice = INT_MAX / 2;
    *r = (reducer){.w = w, .comm = comm, .slice = slice, .stride = (slice + size - 1) / size};
    TRY_ALLOC(r->rows = mem_calloc(size, sizeof *r->rows));
    TRY_ALLOC(r->counts = mem_calloc(size, sizeof *r->counts));
    for (int i = 0; i < 2; i++) {
        TRY_ALLOC(r->staging[i] = mem_aligned(size * r->stride, sizeof(float)));
        TRY_ALLOC(r->scatter[i] = mem_calloc(2 * size, sizeof(MPI_Request)));
        TRY_ALLOC(r->gather[i] = mem_calloc(2 * size, sizeof(MPI_Request)));
        if (spares) TRY_ALLOC(r->spare[i] = mem_aligned(slice, sizeof(float)));
    }
cleanup:
    return status;
}

void reducer_close(reducer *r) {
    for (int i = 0; i < 2; i++) {
        free(r->staging[i]);
        free(r->spare[i]);
        free(r->scatter[i]);
        free(r->gather[i]);
    }
    free(r->rows);
    free(r->counts);
    *r = (reducer){0};
}

wr_status reducer_create(world *w, size_t slice_floats, reducer **out) {
    wr_status status = WR_OK;
    MPI_Comm comm = MPI_COMM_NULL;
    reducer *r = mem_calloc(1, sizeof *r);
    *out = NULL;
    if (!r) status = WR_E_NOMEM;
    if (r) status = reducer_open(r, w, MPI_COMM_NULL, slice_floats ? slice_floats : REDUCE_SLICE, w->size > 1);
    TRY(world_agree(w, status));
    MPI_Comm_dup(w->comm, &comm);
    r->comm = comm;
    *out = r;
    r = NULL;
cleanup:
    if (r) reducer_close(r);
    free(r);
    return status;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void wait_moving(reducer *r, MPI_Request *request) {
    backoff b = backoff_make(WAIT_US);
    for (int done = 0;;) {
        MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (done) return;
        if (progress(r))
            b = backoff_make(WAIT_US);
        else
            backoff_pause(&b);
    }
}

/* Ends what any rank has started: counts are exchanged, and a rank that lags behind joins in the tasks that it lacks,
 * with what its spares happen to hold, so that the messages of the others find their receivers. Returns false on a rank
 * that lagged behind. */
static bool drain_together(reducer *r) {
    const uint64_t mine = r->n_tasks;
    uint64_t most = 0, least = mine;
    int owner = 0;
    MPI_Request q;
    if (r->w->size == 1) return true;
    MPI_Iallgather(&mine, 1, MPI_UINT64_T, r->counts, 1, MPI_UINT64_T, r->comm, &q);
    wait_moving(r, &q);
    for (int p = 0; p < r->w->size; p++) {
        if (r->counts[p] > most) most = r->counts[p], owner = p;
        if (r->counts[p] < least) least = r->counts[p];
    }
    const reduce_task *t = r->tasks;
    for (uint64_t i = 0; i < most; i++, t = t ? t->next : NULL) {
        if (i < least) continue;
        uint64_t n = owner == r->w->rank ? t->n : 0;
        MPI_Ibcast(&n, 1, MPI_UINT64_T, owner, r->comm, &q);
        wait_moving(r, &q);
        if (i < mine) continue;
        reduce_task missing;
        reduce_start(r, &missing, NULL, (size_t)n);
        reducer_drain(r);
        r->last = NULL; /* `missing` is done and gone; so are all before it */
        r->tasks = r->at_post = r->at_sum = NULL;
    }
    reducer_drain(r);
    return mine == most;
}

wr_status reducer_finish(reducer *r, wr_status mine) {
    const size_t started = r->n_tasks;
    if (!drain_together(r) && mine >= 0)
        mine = wr_fail(WR_E_USAGE, "only %zu gradient sums were started here, more elsewhere", started);
    r->tasks = r->last = r->at_post = r->at_sum = NULL;
    r->n_tasks = 0;
    return world_agree(r->w, mine);
}

void reducer_free(reducer *r) {
    if (!r) return;
    drain_together(r);
    MPI_Comm_free(&r->comm);
    reducer_close(r);
    free(r);
}
