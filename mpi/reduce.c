/* The blocking sum, which is one task of mpi/reducer.c on the world's own communicator; its oracle; the broadcast. */
#include "mpi/reduce.h"

#include "base/mem.h"
#include "mpi/internal.h"
#include "mpi/reducer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

wr_status reduce_sum(world *w, float *buffer, size_t n, size_t slice_floats) {
    wr_status status = WR_OK;
    reducer r = {0};
    reduce_task task;
    if (w->size == 1 || n == 0) return WR_OK;
    const size_t slice = slice_floats ? slice_floats : REDUCE_SLICE;
    TRY(world_agree(w, reducer_open(&r, w, w->comm, &(reduce_options){.slice = slice < n ? slice : n}, false)));
    reducer_add(&r, &task, buffer, n, REDUCE_FOR_ALL);
    reducer_drain(&r);
cleanup:
    reducer_close(&r);
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

void reduce_move(world *w, int from, int to, const float *x, float *y, size_t n) {
    enum { TAG_MOVE = 23, WAIT_US = 500 };
    if (from == to) {
        if (n) memcpy(y, x, n * sizeof *y);
        return;
    }
    if (w->rank != from && w->rank != to) return;
    for (size_t at = 0; at < n; at += PIECE_BYTES / sizeof *y) {
        const size_t left = n - at, piece = left < PIECE_BYTES / sizeof *y ? left : PIECE_BYTES / sizeof *y;
        MPI_Request q;
        if (w->rank == from)
            MPI_Isend(x + at, (int)piece, MPI_FLOAT, to, TAG_MOVE, w->comm, &q);
        else
            MPI_Irecv(y + at, (int)piece, MPI_FLOAT, from, TAG_MOVE, w->comm, &q);
        requests_wait(1, &q, WAIT_US);
    }
}
