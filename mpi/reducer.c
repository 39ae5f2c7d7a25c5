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
 *     posted    k+1      (slot (k+1) % depth: staging, requests)
 *     summed    k        this rank's piece added up, gather messages under way
 *     done      k-1      all pieces received
 *
 * `depth` slices are in flight: while one is being added the next one is on its way. One pair of tags is enough, since
 * messages between two ranks keep their order.
 *
 * bf16 on the wire halves the bytes: every contribution is rounded, the owner's own too (or the bits would depend on
 * who owns what), added in f32 along the same tree, and the sum is rounded on its way out, for its owner as well.
 *
 * Where ranks keep only some of the sums (ZeRO), pieces are added where they are otherwise, so that every link has its
 * share of each slice, but go on to those alone who keep them:
 *
 *     slice    | piece 0 | piece 1 | piece 2 |      kept by rank 1 alone: pieces 0 and 2 go to it, nothing to others,
 *                                                   and the pages of the slice are free again on these */
#include "mpi/reducer.h"

#include "base/log.h"
#include "base/mem.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_SCATTER = 21, TAG_GATHER = 22 };

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

static void narrow(const float *restrict x, bf16 *restrict y, int n) {
    for (int i = 0; i < n; i++) y[i] = bf16_from_f32(x[i]);
}

static void widen(const bf16 *restrict x, float *restrict y, int n) {
    for (int i = 0; i < n; i++) y[i] = bf16_to_f32(x[i]);
}

/* --- slices and pieces -------------------------------------------------------------------------------------------- */

static reduce_slot *slot_of(const reducer *r, size_t k) { return &r->slots[k % r->o.depth]; }

/* Piece p of slice k, which is one of t's: where it begins in the slice, and its length (0 when there are fewer floats
 * than ranks). */
static size_t piece_of(const reducer *r, const reduce_task *t, size_t k, int p, int *length) {
    const size_t skipped = (k - t->first) * r->o.slice, left = t->n - skipped,
                 m = left < r->o.slice ? left : r->o.slice;
    const size_t size = (size_t)r->w->size, base = m / size, extra = m % size, i = (size_t)p;
    *length = (int)(base + (i < extra));
    return i * base + (i < extra ? i : extra);
}

/* What rank `to` gets of piece p of slice k: where in the slice, and how much. */
static size_t kept_of(const reducer *r, const reduce_task *t, size_t k, int p, int to, int *length) {
    const size_t at = piece_of(r, t, k, p, length);
    if (!r->keep || t->at == REDUCE_FOR_ALL) return at;
    const size_t base = t->at + (k - t->first) * r->o.slice, begin = base + at, end = begin + (size_t)*length;
    const size_t from = r->keep[2 * to] > begin ? r->keep[2 * to] : begin;
    const size_t until = r->keep[2 * to + 1] < end ? r->keep[2 * to + 1] : end;
    *length = from < until ? (int)(until - from) : 0;
    return *length ? from - base : at;
}

static float *slice_at(const reducer *r, const reduce_task *t, size_t k) {
    return t->buffer ? t->buffer + (k - t->first) * r->o.slice : slot_of(r, k)->spare;
}

/* One message of a slice, in either form: `length` numbers at x, or of y in bf16. */
static void receive(const reducer *r, float *x, bf16 *y, int length, int from, int tag, MPI_Request *q) {
    *q = MPI_REQUEST_NULL;
    if (!length) return;
    MPI_Irecv(y ? (void *)y : x, length, y ? MPI_UINT16_T : MPI_FLOAT, from, tag, r->comm, q);
}
static void transmit(const reducer *r, const float *x, const bf16 *y, int length, int to, int tag, MPI_Request *q) {
    *q = MPI_REQUEST_NULL;
    if (!length) return;
    MPI_Isend(y ? (const void *)y : x, length, y ? MPI_UINT16_T : MPI_FLOAT, to, tag, r->comm, q);
}

static void post_scatter(reducer *r, const reduce_task *t, size_t k) {
    const int size = r->w->size, me = r->w->rank;
    const reduce_slot *s = slot_of(r, k);
    int length;
    float *slice = slice_at(r, t, k);
    MPI_Request *q = s->scatter;
    piece_of(r, t, k, me, &length);
    for (int p = 0; p < size; p++) {
        const size_t at = (size_t)p * r->stride;
        receive(r, s->staging + at, s->in ? s->in + at : NULL, p == me ? 0 : length, p, TAG_SCATTER, &q[p]);
    }
    for (int p = 0; p < size; p++) {
        const size_t at = piece_of(r, t, k, p, &length);
        if (s->out && p != me) narrow(slice + at, s->out + at, length);
        transmit(r, slice + at, s->out ? s->out + at : NULL, p == me ? 0 : length, p, TAG_SCATTER, &q[size + p]);
    }
}

/* Adds this rank's piece of slice k and sends it out; receives the others' pieces in place, or in bf16 beside them. */
static void sum_and_post_gather(reducer *r, const reduce_task *t, size_t k) {
    const int size = r->w->size, me = r->w->rank;
    const reduce_slot *s = slot_of(r, k);
    int length;
    const size_t own = piece_of(r, t, k, me, &length);
    float *slice = slice_at(r, t, k), *mine = slice + own;
    bf16 *rounded = s->out ? s->out + own : NULL;
    for (int p = 0; p < size; p++) {
        const size_t at = (size_t)p * r->stride;
        r->rows[p] = p == me ? mine : s->staging + at;
        if (s->in && p != me) widen(s->in + at, s->staging + at, length);
    }
    if (rounded) narrow(mine, rounded, length), widen(rounded, mine, length);
    tree_sum(r->rows, 0, size, (size_t)length);
    if (me != 0 && length > 0) memcpy(mine, r->rows[0], (size_t)length * sizeof *mine);
    if (rounded) narrow(mine, rounded, length), widen(rounded, mine, length);
    for (int p = 0; p < size; p++) {
        int theirs, ours;
        const size_t at = kept_of(r, t, k, p, me, &theirs), from = kept_of(r, t, k, me, p, &ours);
        receive(r, slice + at, s->in ? s->in + (size_t)p * r->stride : NULL, p == me ? 0 : theirs, p, TAG_GATHER,
                &s->gather[p]);
        transmit(r, slice + from, s->out ? s->out + from : NULL, p == me ? 0 : ours, p, TAG_GATHER,
                 &s->gather[size + p]);
    }
}

/* What others keep of slice k is given back. */
static void drop_others(const reducer *r, const reduce_task *t, size_t k) {
    if (!r->keep || t->at == REDUCE_FOR_ALL || !t->buffer) return;
    const size_t skipped = (k - t->first) * r->o.slice, left = t->n - skipped,
                 m = left < r->o.slice ? left : r->o.slice;
    const size_t begin = t->at + skipped, end = begin + m, *mine = r->keep + 2 * (size_t)r->w->rank;
    const size_t from = mine[0] < begin ? begin : mine[0] > end ? end : mine[0];
    const size_t until = mine[1] < from ? from : mine[1] > end ? end : mine[1];
    float *slice = t->buffer + skipped;
    mem_drop(slice, (from - begin) * sizeof *slice);
    mem_drop(slice + (until - begin), (end - until) * sizeof *slice);
}

/* The others' pieces have come: where they came in bf16 they take their places. */
static void take_gathered(reducer *r, const reduce_task *t, size_t k) {
    const reduce_slot *s = slot_of(r, k);
    for (int p = 0; p < r->w->size && s->in; p++) {
        int length;
        const size_t at = kept_of(r, t, k, p, r->w->rank, &length);
        if (p != r->w->rank) widen(s->in + (size_t)p * r->stride, slice_at(r, t, k) + at, length);
    }
    drop_others(r, t, k);
}

/* --- moving on ---------------------------------------------------------------------------------------------------- */

static bool complete(const reducer *r, MPI_Request *requests) {
    int flag = 0;
    MPI_Testall(2 * r->w->size, requests, &flag, MPI_STATUSES_IGNORE);
    return flag;
}

/* The task of slice k, looked for from *at on, which is that of an earlier slice, of k itself, or none yet. */
static const reduce_task *task_of(const reducer *r, reduce_task **at, size_t k) {
    if (!*at) *at = r->tasks;
    while (k >= (*at)->end) *at = (*at)->next;
    return *at;
}

/* Slot k % depth is free for slice k's scatter once slice k-depth has been added up, and for its gather once that of
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
                post_scatter(r, t, r->posted);
                r->posted++;
                moved = true;
            }
        }
        if (r->done < r->summed && complete(r, slot_of(r, r->done)->gather)) {
            take_gathered(r, task_of(r, &r->at_done, r->done), r->done);
            if (r->done + 1 == r->posted) r->busy += clock_seconds() - r->since;
            r->done++;
            moved = true;
        }
        if (r->summed < r->posted && r->summed < r->done + r->o.depth && complete(r, slot_of(r, r->summed)->scatter)) {
            sum_and_post_gather(r, task_of(r, &r->at_sum, r->summed), r->summed);
            r->summed++;
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
    const size_t size = (size_t)r->w->size;
    TRY_ALLOC(s->staging = mem_aligned(size * r->stride, sizeof(float)));
    TRY_ALLOC(s->scatter = mem_calloc(2 * size, sizeof(MPI_Request)));
    TRY_ALLOC(s->gather = mem_calloc(2 * size, sizeof(MPI_Request)));
    if (spare) TRY_ALLOC(s->spare = mem_aligned(r->o.slice, sizeof(float)));
    if (r->o.half) TRY_ALLOC(s->out = mem_aligned(r->o.slice, sizeof(bf16)));
    if (r->o.half) TRY_ALLOC(s->in = mem_aligned(size * r->stride, sizeof(bf16)));
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
    const size_t staging = (s.slice + ranks - 1) / ranks * ranks, floats = staging + s.slice; /* and the spare one */
    return ranks > 1 ? s.depth * floats * (sizeof(float) + (s.half ? sizeof(bf16) : 0)) : 0;
}

wr_status reducer_open(reducer *r, world *w, MPI_Comm comm, const reduce_options *o, bool spares) {
    wr_status status = WR_OK;
    const size_t size = (size_t)w->size;
    *r = (reducer){.w = w, .comm = comm, .o = settled(o)};
    r->stride = (r->o.slice + size - 1) / size;
    TRY_ALLOC(r->rows = mem_calloc(size, sizeof *r->rows));
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
        free(s->scatter);
        free(s->gather);
    }
    free(r->slots);
    free(r->rows);
    free(r->counts);
    free(r->keep);
    r->keep = NULL;
    r->slots = NULL;
    r->rows = NULL;
    r->counts = NULL;
}
