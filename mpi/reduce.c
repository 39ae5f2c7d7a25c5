/* Sum of flat f32 buffers over ranks: reduce-scatter by point-to-point messages, then all-gather.
 *
 * The buffer is cut into slices, a slice into one piece for each rank, its owner. In the scatter half every rank sends
 * its values of piece r to rank r, which adds all contributions along one balanced binary tree over rank indices: (0 …
 * m) + (m … size), m = size/2, recursively. In the gather half owners send sums to everybody. The tree depends on the
 * rank count alone, so slices and pieces can be of any size without changing a bit. Two slices are in flight: while one
 * is being added the next one is on its way. */
#include "mpi/reduce.h"

#include "base/mem.h"
#include "mpi/internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_SLICE = 1 << 18, WAIT_US = 200, TAG_SCATTER = 21, TAG_GATHER = 22 };

static void add_into(float *restrict a, const float *restrict b, size_t n) {
#pragma omp simd
    for (size_t i = 0; i < n; i++) a[i] += b[i];
}

/* rows[lo] = tree sum of rows[lo … hi). */
static void tree_sum(float **rows, int lo, int hi, size_t n) {
    if (hi - lo < 2) return;
    int mid = lo + (hi - lo) / 2;
    tree_sum(rows, lo, mid, n);
    tree_sum(rows, mid, hi, n);
    add_into(rows[lo], rows[mid], n);
}

typedef struct reduction {
    world *w;
    float *buffer;
    size_t n, slice, n_slices;
    size_t stride;           /* floats of the largest piece */
    float *staging[2];       /* (size, stride): contributions to this rank's piece, for two slices in flight */
    float **rows;            /* (size) */
    MPI_Request *scatter[2]; /* (2 * size) */
    MPI_Request *gather[2];
} reduction;

static size_t slice_length(const reduction *r, size_t k) {
    size_t first = k * r->slice;
    return r->n - first < r->slice ? r->n - first : r->slice;
}

/* Piece p of slice k: its first float in the buffer, and its length (0 when there are fewer floats than ranks). */
static float *piece_at(const reduction *r, size_t k, int p, int *length) {
    size_t m = slice_length(r, k), size = (size_t)r->w->size;
    size_t base = m / size, extra = m % size, i = (size_t)p;
    size_t first = i * base + (i < extra ? i : extra);
    *length = (int)(base + (i < extra));
    return r->buffer + k * r->slice + first;
}

static void post_scatter(reduction *r, size_t k) {
    int size = r->w->size, me = r->w->rank, length;
    MPI_Request *q = r->scatter[k % 2];
    piece_at(r, k, me, &length);
    for (int p = 0; p < size; p++) {
        q[p] = MPI_REQUEST_NULL;
        if (p != me && length) {
            MPI_Irecv(r->staging[k % 2] + (size_t)p * r->stride, length, MPI_FLOAT, p, TAG_SCATTER, r->w->comm, &q[p]);
        }
    }
    for (int p = 0; p < size; p++) {
        const float *piece = piece_at(r, k, p, &length);
        q[size + p] = MPI_REQUEST_NULL;
        if (p != me && length) MPI_Isend(piece, length, MPI_FLOAT, p, TAG_SCATTER, r->w->comm, &q[size + p]);
    }
}

/* Adds this rank's piece of slice k and sends it out; receives the others' pieces in place. */
static void sum_and_post_gather(reduction *r, size_t k) {
    int size = r->w->size, me = r->w->rank, length;
    requests_wait(2 * size, r->scatter[k % 2], WAIT_US);
    float *mine = piece_at(r, k, me, &length);
    for (int p = 0; p < size; p++) r->rows[p] = p == me ? mine : r->staging[k % 2] + (size_t)p * r->stride;
    tree_sum(r->rows, 0, size, (size_t)length);
    if (me != 0 && length) memcpy(mine, r->rows[0], (size_t)length * sizeof *mine);
    MPI_Request *q = r->gather[k % 2];
    for (int p = 0; p < size; p++) {
        int theirs;
        float *piece = piece_at(r, k, p, &theirs);
        q[p] = q[size + p] = MPI_REQUEST_NULL;
        if (p == me) continue;
        if (theirs) MPI_Irecv(piece, theirs, MPI_FLOAT, p, TAG_GATHER, r->w->comm, &q[p]);
        if (length) MPI_Isend(mine, length, MPI_FLOAT, p, TAG_GATHER, r->w->comm, &q[size + p]);
    }
}

wr_status reduce_sum(world *w, float *buffer, size_t n, size_t slice_floats) {
    wr_status status = WR_OK;
    if (w->size == 1 || n == 0) return WR_OK;
    size_t size = (size_t)w->size;
    size_t slice = slice_floats ? slice_floats : DEFAULT_SLICE;
    if (slice > n) slice = n;
    if (slice > INT_MAX / 2) slice = INT_MAX / 2;
    reduction r = {.w = w,
                   .buffer = buffer,
                   .n = n,
                   .slice = slice,
                   .n_slices = (n + slice - 1) / slice,
                   .stride = (slice + size - 1) / size};
    r.rows = mem_calloc(size, sizeof *r.rows);
    for (int i = 0; i < 2; i++) {
        r.staging[i] = mem_aligned(size * r.stride, sizeof(float));
        r.scatter[i] = mem_calloc(2 * size, sizeof(MPI_Request));
        r.gather[i] = mem_calloc(2 * size, sizeof(MPI_Request));
        if (!r.staging[i] || !r.scatter[i] || !r.gather[i] || !r.rows) status = WR_E_NOMEM;
    }
    TRY(world_agree(w, status));
    post_scatter(&r, 0);
    for (size_t k = 0; k < r.n_slices; k++) {
        /* Staging and requests of slice k+1 are those of k-1, whose scatter is over; its gather may still run, on
         * requests of its own. */
        if (k + 1 < r.n_slices) post_scatter(&r, k + 1);
        if (k >= 2) requests_wait(2 * w->size, r.gather[k % 2], WAIT_US);
        sum_and_post_gather(&r, k);
    }
    for (size_t i = 0; i < 2 && i < r.n_slices; i++)
        requests_wait(2 * w->size, r.gather[(r.n_slices - 1 - i) % 2], WAIT_US);
cleanup:
    for (int i = 0; i < 2; i++) {
        free(r.staging[i]);
        free(r.scatter[i]);
        free(r.gather[i]);
    }
    free(r.rows);
    return status;
}

wr_status reduce_sum_ref(world *w, float *buffer, size_t n) {
    wr_status status = WR_OK;
    float *all = NULL, **rows = NULL;
    size_t size = (size_t)w->size;
    if (size == 1 || n == 0) return WR_OK;
    if (n > INT_MAX) status = wr_fail(WR_E_USAGE, "reduce_sum_ref takes at most %d floats", INT_MAX);
    if (status >= 0 && w->rank == 0) {
        all = mem_calloc(size * n, sizeof *all);
        rows = mem_calloc(size, sizeof *rows);
        if (!all || !rows) status = WR_E_NOMEM;
    }
    TRY(world_agree(w, status));
    MPI_Gather(buffer, (int)n, MPI_FLOAT, all, (int)n, MPI_FLOAT, 0, w->comm);
    if (w->rank == 0) {
        for (size_t k = 0; k < size; k++) rows[k] = all + k * n;
        tree_sum(rows, 0, w->size, n);
        memcpy(buffer, rows[0], n * sizeof *buffer);
    }
    MPI_Bcast(buffer, (int)n, MPI_FLOAT, 0, w->comm);
cleanup:
    free(all);
    free(rows);
    return status;
}

wr_status reduce_bcast(world *w, int root, float *buffer, size_t n) {
    if (w->size == 1) return WR_OK;
    world_barrier(w); /* waits for a late root with sleeps; the broadcast itself may then block */
    for (size_t at = 0; at < n; at += PIECE_BYTES / sizeof *buffer) {
        size_t piece = n - at < PIECE_BYTES / sizeof *buffer ? n - at : PIECE_BYTES / sizeof *buffer;
        MPI_Bcast(buffer + at, (int)piece, MPI_FLOAT, root, w->comm);
    }
    return WR_OK;
}
