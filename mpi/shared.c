/* One copy a host of frozen weights, in memory shared by the ranks of the host. */
#include "mpi/world.h"

#include "base/log.h"
#include "base/mem.h"
#include "mpi/internal.h"

#include <stdlib.h>

enum { ALIGN = 64 };

struct shared_block {
    world *w;
    MPI_Win window; /* MPI_WIN_NULL: a copy of this rank's own */
    void *memory;
    void *own;
};

/* Asks for the shared window; false (on every rank of the host) when this host cannot give one. */
static bool window_create(world *w, size_t bytes, shared_block *s) {
    MPI_Errhandler before;
    MPI_Comm_get_errhandler(w->local, &before);
    MPI_Comm_set_errhandler(w->local, MPI_ERRORS_RETURN);
    void *base = NULL;
    int bad = MPI_Win_allocate_shared(w->local_rank == 0 ? (MPI_Aint)(bytes + ALIGN) : 0, 1, MPI_INFO_NULL, w->local, &base, &s->window) != MPI_SUCCESS;
    int any_bad = bad;
    MPI_Allreduce(&bad, &any_bad, 1, MPI_INT, MPI_MAX, w->local);
    if (!any_bad) {
        MPI_Aint size = 0;
        int unit = 0;
        any_bad = MPI_Win_shared_query(s->window, 0, &size, &unit, &s->memory) != MPI_SUCCESS;
    } else if (!bad) {
        MPI_Win_free(&s->window);
    }
    /* Mappings start on pages, so that every rank rounds up to the same byte of the block. */
    s->memory = (void *)(((uintptr_t)s->memory + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1));
    MPI_Comm_set_errhandler(w->local, before);
    MPI_Errhandler_free(&before);
    if (any_bad) s->window = MPI_WIN_NULL;
    return !any_bad;
}

wr_status shared_block_create(world *w, size_t bytes, wr_status (*fill)(void *context, void *memory), void *context, shared_block **out) {
    wr_status status = WR_OK;
    *out = NULL;
    shared_block *s = mem_calloc(1, sizeof *s);
    TRY(world_agree(w, s ? WR_OK : WR_E_NOMEM));
    s->w = w;
    s->window = MPI_WIN_NULL;
    bool shared = w->local_size > 1 && window_create(w, bytes, s);
    if (!shared) {
        if (w->local_size > 1 && w->local_rank == 0) {
            log_warn("host %s gives no shared memory window of %zu bytes (is /dev/shm full?): every rank keeps its own copy", w->host, bytes);
        }
        s->own = s->memory = mem_aligned(bytes ? bytes : 1, 1);
        if (!s->own) status = WR_E_NOMEM;
    }
    TRY(world_agree(w, status));
    if (!shared || w->local_rank == 0) status = fill(context, s->memory);
    TRY(world_agree(w, status)); /* also the barrier after which the others may read */
    if (shared) MPI_Win_fence(0, s->window);
    *out = s;
    s = NULL;
cleanup:
    if (s) shared_block_free(s);
    return status;
}

void *shared_block_data(shared_block *s) {
    return s->memory;
}

void shared_block_free(shared_block *s) {
    if (!s) return;
    if (s->window != MPI_WIN_NULL) MPI_Win_free(&s->window);
    free(s->own);
    free(s);
}
