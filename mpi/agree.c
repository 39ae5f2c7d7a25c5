/* Agreement on rank-local results, and small data: order-fixed sums, broadcasts, exchanges of bytes. All on the main
 * threads' communicator, all waiting with sleeps. */
#include "mpi/world.h"

#include "base/mem.h"
#include "mpi/internal.h"

#include <stdlib.h>
#include <string.h>

enum { WAIT_US = 500, LONG_WAIT_US = 5000, TAG_EXCHANGE = 11 };

static void wait_one(MPI_Request *r, long max_us) { requests_wait(1, r, max_us); }

wr_status world_agree(world *w, wr_status mine) {
    if (w->size == 1) return mine < 0 ? mine : WR_OK;
    /* The lowest failed rank, `size` when there is none. */
    int failed = mine < 0 ? w->rank : w->size, first = w->size;
    MPI_Request r;
    MPI_Iallreduce(&failed, &first, 1, MPI_INT, MPI_MIN, w->comm, &r);
    wait_one(&r, LONG_WAIT_US);
    if (first == w->size) return WR_OK;
    struct {
        char host[HOST_CAP], text[MESSAGE_CAP];
    } message = {{0}, {0}};
    if (w->rank == first) {
        memcpy(message.host, w->host, HOST_CAP);
        strncpy(message.text, wr_error(), MESSAGE_CAP - 1);
    }
    MPI_Ibcast(&message, (int)sizeof message, MPI_BYTE, first, w->comm, &r);
    wait_one(&r, WAIT_US);
    if (mine < 0) {
        if (w->rank != first && strcmp(message.text, wr_error()) == 0) wr_error_leave_to_others();
        return mine;
    }
    return wr_fail(WR_E_PEER, "rank %d (%s) failed: %s", first, message.host, message.text);
}

bool world_any(world *w, bool mine) {
    int in = mine, any = mine;
    if (w->size == 1) return mine;
    MPI_Request r;
    MPI_Iallreduce(&in, &any, 1, MPI_INT, MPI_MAX, w->comm, &r);
    wait_one(&r, LONG_WAIT_US);
    return any != 0;
}

bool world_stop_agreed(world *w) { return world_any(w, world_stop_requested()); }

void world_barrier(world *w) {
    if (w->size == 1) return;
    MPI_Request r;
    MPI_Ibarrier(w->comm, &r);
    wait_one(&r, LONG_WAIT_US);
}

/* Everyone's values on every rank, in blocks that fit the stack: folded in rank order. */
static void fold_doubles(world *w, double *values, size_t n, bool maximum) {
    enum { ROOM = 4096 };
    if (w->size == 1) return;
    double fixed[ROOM];
    size_t block = ROOM / (size_t)w->size;
    double *all = fixed, *heap = NULL;
    if (block == 0) {
        heap = malloc((size_t)w->size * sizeof *heap);
        if (!heap) MPI_Abort(w->comm, 1); /* a few bytes a rank: nothing can be agreed upon either */
        all = heap;
        block = 1;
    }
    for (size_t at = 0; at < n; at += block) {
        size_t m = n - at < block ? n - at : block;
        MPI_Request r;
        MPI_Iallgather(values + at, (int)m, MPI_DOUBLE, all, (int)m, MPI_DOUBLE, w->comm, &r);
        wait_one(&r, WAIT_US);
        for (size_t i = 0; i < m; i++) {
            double x = all[i];
            for (size_t k = 1; k < (size_t)w->size; k++) {
                double y = all[k * m + i];
                if (maximum)
                    x = !(x >= y) && x == x ? y : x; /* NaN stays visible */
                else
                    x += y;
            }
            values[at + i] = x;
        }
    }
    free(heap);
}

void world_sum(world *w, double *values, size_t n) { fold_doubles(w, values, n, false); }

void world_max(world *w, double *values, size_t n) { fold_doubles(w, values, n, true); }

void world_or(world *w, unsigned char *bits, size_t bytes) {
    for (size_t at = 0; at < bytes && w->size > 1; at += PIECE_BYTES) {
        MPI_Request r;
        MPI_Iallreduce(MPI_IN_PLACE, bits + at, (int)(bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES), MPI_BYTE,
                       MPI_BOR, w->comm, &r);
        wait_one(&r, WAIT_US);
    }
}

wr_status world_bcast(world *w, int root, strbuf *bytes) {
    wr_status status = WR_OK;
    if (w->size == 1) return strbuf_status(bytes);
    /* UINT64_MAX: the root has nothing to send because its memory ran out. */
    uint64_t n = w->rank == root ? (bytes->failed ? UINT64_MAX : bytes->len) : 0;
    MPI_Request r;
    MPI_Ibcast(&n, 1, MPI_UINT64_T, root, w->comm, &r);
    wait_one(&r, LONG_WAIT_US);
    if (n == UINT64_MAX) return wr_fail(WR_E_NOMEM, "out of memory on rank %d for a broadcast", root);
    if (w->rank != root) {
        strbuf_clear(bytes);
        bytes->failed = false;
        if (n && !strbuf_room(bytes, n))
            status = wr_fail(WR_E_NOMEM, "out of memory for a broadcast of %llu bytes", (unsigned long long)n);
    }
    TRY(world_agree(w, status));
    for (size_t at = 0; at < n; at += PIECE_BYTES) {
        size_t piece = n - at < PIECE_BYTES ? n - at : PIECE_BYTES;
        MPI_Bcast(bytes->data + at, (int)piece, MPI_BYTE, root, w->comm); /* all are here by now */
    }
cleanup:
    return status;
}

wr_status world_exchange(world *w, const strbuf *send, strbuf *recv) {
    wr_status status = WR_OK;
    size_t size = (size_t)w->size, n_requests = 0, pieces = 0;
    MPI_Request *requests = NULL, r;
    uint64_t *counts = mem_calloc(2 * size, sizeof *counts); /* (2, size): to send, to receive */
    if (!counts) status = WR_E_NOMEM;
    TRY(world_agree(w, status));
    for (size_t k = 0; k < size; k++) {
        counts[k] = send[k].len;
        if (send[k].failed) status = wr_fail(WR_E_NOMEM, "out of memory for a message to rank %zu", k);
        pieces += piece_count(send[k].len);
    }
    MPI_Ialltoall(counts, 1, MPI_UINT64_T, counts + size, 1, MPI_UINT64_T, w->comm, &r);
    wait_one(&r, LONG_WAIT_US);
    for (size_t k = 0; k < size && status >= 0; k++) {
        size_t n = counts[size + k];
        strbuf_clear(&recv[k]);
        recv[k].failed = false;
        pieces += piece_count(n);
        if (n && !strbuf_room(&recv[k], n))
            status = wr_fail(WR_E_NOMEM, "out of memory for a message of %zu bytes from rank %zu", n, k);
    }
    if (status >= 0 && !(requests = mem_calloc(pieces + 1, sizeof *requests))) status = WR_E_NOMEM;
    TRY(world_agree(w, status));
    for (size_t k = 0; k < size; k++) {
        if ((int)k == w->rank) {
            if (send[k].len) memcpy(recv[k].data, send[k].data, send[k].len);
            continue;
        }
        pieces_recv(recv[k].data, recv[k].len, (int)k, TAG_EXCHANGE, w->comm, requests + n_requests);
        n_requests += piece_count(recv[k].len);
    }
    for (size_t i = 1; i < size; i++) { /* everybody starts with another neighbour */
        size_t k = ((size_t)w->rank + i) % size;
        pieces_send(send[k].data, send[k].len, (int)k, TAG_EXCHANGE, w->comm, requests + n_requests);
        n_requests += piece_count(send[k].len);
    }
    requests_wait((int)n_requests, requests, WAIT_US);
cleanup:
    free(requests);
    free(counts);
    return status;
}

wr_status world_allgather(world *w, const strbuf *mine, strbuf *out) {
    wr_status status = WR_OK;
    strbuf *send = mem_calloc((size_t)w->size, sizeof *send);
    TRY(world_agree(w, send ? WR_OK : WR_E_NOMEM));
    for (int k = 0; k < w->size; k++) send[k] = *mine; /* views: not freed */
    TRY(world_exchange(w, send, out));
cleanup:
    free(send);
    return status;
}
