/* One copy a host of frozen weights, in memory shared by the ranks of the host. */
#include "mpi/world.h"

#include "base/log.h"
#include "base/mem.h"
#include "mpi/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

/* margin: Open MPI's own part of a window's file, and what else wants room meanwhile */
enum { ALIGN = 64, MARGIN = 1 << 20, PATH_ROOM = 4096 };
#define ROOM_ENV "WILDREWARD_SHARED_ROOM"

struct shared_block {
    world *w;
    MPI_Win window; /* MPI_WIN_NULL: a copy of this rank's own */
    void *memory;
    void *own;
};

/* The folder of the files behind Open MPI's shared windows, from its own settings (environment, parameter files);
 * /dev/shm where it does not say. */
static void window_folder(char out[PATH_ROOM]) {
    int provided, index, count;
    snprintf(out, PATH_ROOM, "/dev/shm");
    if (MPI_T_init_thread(MPI_THREAD_MULTIPLE, &provided) != MPI_SUCCESS) return;
    MPI_T_cvar_handle handle;
    if (MPI_T_cvar_get_index("osc_sm_backing_directory", &index) == MPI_SUCCESS &&
        MPI_T_cvar_handle_alloc(index, NULL, &handle, &count) == MPI_SUCCESS) {
        char text[PATH_ROOM] = "";
        if (count > 0 && count < PATH_ROOM && MPI_T_cvar_read(handle, text) == MPI_SUCCESS && text[0])
            snprintf(out, PATH_ROOM, "%s", text);
        MPI_T_cvar_handle_free(&handle);
    }
    MPI_T_finalize();
}

/* Open MPI finds out on the first rank alone that the file does not fit, and the others wait for it for ever: so it is
 * asked here, and all are told. */
static bool has_room(world *w, size_t bytes) {
    int yes = 1;
    if (w->local_rank == 0) {
        char folder[PATH_ROOM], *end = NULL;
        struct statvfs v;
        const char *bound = getenv(ROOM_ENV);
        unsigned long long room = SIZE_MAX, most = bound ? strtoull(bound, &end, 10) : 0;
        window_folder(folder);
        if (statvfs(folder, &v) == 0) room = (unsigned long long)v.f_bavail * v.f_frsize;
        if (bound && end != bound && !*end && most < room) room = most;
        yes = room >= MARGIN && room - MARGIN >= bytes;
        if (!yes)
            log_warn("host %s: %s has room for %llu bytes of shared memory, the model needs %zu: every rank keeps its "
                     "own copy",
                     w->host, folder, room, bytes + MARGIN);
    }
    MPI_Bcast(&yes, 1, MPI_INT, 0, w->local);
    return yes;
}

/* Takes the pages of the window now: what was free a moment ago may be gone, and the first touch of a page without room
 * is a SIGBUS. */
static bool take_pages(void *memory, size_t bytes) {
#ifdef MADV_POPULATE_WRITE
    const uintptr_t page = 4096, first = (uintptr_t)memory & ~(page - 1), end = (uintptr_t)memory + bytes;
    return bytes == 0 || madvise((void *)first, (end - first + page - 1) & ~(page - 1), MADV_POPULATE_WRITE) == 0 ||
           (errno != EFAULT && errno != ENOMEM && errno != EHWPOISON);
#else
    (void)memory, (void)bytes;
    return true;
#endif
}

/* Asks for the shared window; false (on every rank of the host) when this host cannot give one. */
static bool window_create(world *w, size_t bytes, shared_block *s) {
    MPI_Errhandler before;
    MPI_Comm_get_errhandler(w->local, &before);
    MPI_Comm_set_errhandler(w->local, MPI_ERRORS_RETURN);
    void *base = NULL;
    int bad = MPI_Win_allocate_shared(w->local_rank == 0 ? (MPI_Aint)(bytes + ALIGN) : 0, 1, MPI_INFO_NULL, w->local,
                                      &base, &s->window) != MPI_SUCCESS;
    int any_bad = bad;
    if (bad) s->window = MPI_WIN_NULL;
    MPI_Allreduce(&bad, &any_bad, 1, MPI_INT, MPI_MAX, w->local);
    if (!any_bad) {
        MPI_Aint size = 0;
        int unit = 0;
        any_bad = MPI_Win_shared_query(s->window, 0, &size, &unit, &s->memory) != MPI_SUCCESS;
    } else if (!bad) {
        MPI_Win_free(&s->window);
    }
    bad = any_bad || (w->local_rank == 0 && !take_pages(s->memory, bytes + ALIGN));
    MPI_Allreduce(&bad, &any_bad, 1, MPI_INT, MPI_MAX, w->local);
    if (any_bad && s->window != MPI_WIN_NULL) MPI_Win_free(&s->window);
    /* Mappings start on pages, so that every rank rounds up to the same byte of the block. */
    s->memory = (void *)(((uintptr_t)s->memory + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1));
    MPI_Comm_set_errhandler(w->local, before);
    MPI_Errhandler_free(&before);
    if (any_bad) s->window = MPI_WIN_NULL;
    return !any_bad;
}

wr_status shared_block_create(world *w, size_t bytes, wr_status (*fill)(void *context, void *memory), void *context,
                              shared_block **out) {
    wr_status status = WR_OK;
    *out = NULL;
    shared_block *s = mem_calloc(1, sizeof *s);
    TRY(world_agree(w, s ? WR_OK : WR_E_NOMEM));
    s->w = w;
    s->window = MPI_WIN_NULL;
    const bool empty = bytes == 0; /* nothing to keep, only to check: once a host */
    const bool room = !empty && w->local_size > 1 && has_room(w, bytes), shared = room && window_create(w, bytes, s);
    if (!shared && !empty) {
        if (room && w->local_rank == 0)
            log_warn("host %s gives no shared memory window of %zu bytes: every rank keeps its own copy", w->host,
                     bytes);
        s->own = s->memory = mem_aligned(bytes, 1);
        if (!s->own) status = WR_E_NOMEM;
    }
    TRY(world_agree(w, status));
    if (w->local_rank == 0 || !(shared || empty)) status = fill(context, s->memory);
    TRY(world_agree(w, status)); /* also the barrier after which the others may read */
    if (shared) MPI_Win_fence(0, s->window);
    *out = s;
    s = NULL;
cleanup:
    if (s) shared_block_free(s);
    return status;
}

void *shared_block_data(shared_block *s) { return s->memory; }

void shared_block_free(shared_block *s) {
    if (!s) return;
    if (s->window != MPI_WIN_NULL) MPI_Win_free(&s->window);
    free(s->own);
    free(s);
}
