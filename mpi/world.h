/* The MPI world of this process. mpi/ is the only folder that includes <mpi.h>; others see this header.
 * A program started without mpirun is a world of one rank. */
#ifndef WR_MPI_WORLD_H
#define WR_MPI_WORLD_H

#include "base/status.h"
#include "base/strbuf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct world world;

/* COLLECTIVE. MPI_Init_thread(MULTIPLE); finds ranks of this host; sets the OpenMP/OpenBLAS thread count to cores of
 * this host / ranks on it unless OMP_NUM_THREADS is set; installs the stop-signal handlers (before MPI_Init). */
wr_status world_create(int *argc, char ***argv, world **out);
void world_free(world *w);            /* COLLECTIVE: MPI_Finalize */
void world_abort(world *w, int code); /* LOCAL: MPI_Abort; only for errors that cannot be agreed upon */
/* COLLECTIVE. The first `ranks` ranks of w as a world with communicators of its own; all of them: for a second thread of
 * every rank, which agrees and sends beside the first. *out of the others is NULL. WR_E_NOMEM. */
wr_status world_part(world *w, int ranks, world **out);
void world_part_free(world *part); /* COLLECTIVE over its ranks. NULL is fine */
int world_rank(const world *w);
int world_size(const world *w);
int world_local_rank(const world *w); /* among the ranks of this host */
int world_local_size(const world *w);
const char *world_host(const world *w);
/* True when the environment says that a launcher (mpirun, srun) started this process. LOCAL, before world_create. */
bool world_launched(void);
/* True when it may have started others, too. Open MPI's MPI_Init never returns where another process of the job ends
 * without having called it: then every process calls world_create, whatever it was told. LOCAL, before world_create. */
bool world_launched_many(void);
/* LOCAL, also before world_create. "Open MPI v4.1.4, …", one line, static storage. */
const char *world_library(void);
/* LOCAL. The thread level that MPI_Init_thread gave: "multiple", "serialized", "funneled", "single". */
const char *world_thread_level(const world *w);

/* --- who is still there ------------------------------------------------------------------------------------------- */
typedef struct watch_options {
    double silent_s;   /* without a sign of life; 0: no watch at all */
    double task_s;     /* at one task; 0: for ever */
    const char *again; /* how the work goes on after that, for the line; static */
} watch_options;

/* COLLECTIVE. From now on until world_free each rank gives signs of life beside MPI, from a thread of its own, and one
 * from which none has come for silent_s (rank 0's options count) ends the job with code 1 and a line that names it, its
 * host, what it was at and for how long it has been silent; so does one that dies. A rank that computes, waits or writes
 * is never silent, however long that takes: one that is at its task longer than ten minutes is told of, and ends the job
 * after task_s alone. A rank that cannot be heard is not watched, with a warning. A world of one rank pays nothing. */
void world_watch(world *w, const watch_options *o);
/* LOCAL, main thread. What this rank is at from now on: "step 7 of 100", 100 bytes at most. Below 1 µs; nothing where
 * nobody is watched, or w is NULL. */
void world_task(world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same of a part of it, until the next of either: "step 7 of 100: sum of gradients". */
void world_task_part(world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- agreement (COLLECTIVE) --------------------------------------------------------------------------------------- */
/* Every rank passes its own status. All ranks return OK if all passed >= 0. Otherwise a failed rank gets its own code
 * back and the others get WR_E_PEER with a message that names the lowest failed rank, its host and its message. */
wr_status world_agree(world *w, wr_status mine);
/* True on every rank when any rank passed true. */
bool world_any(world *w, bool mine);
/* A stop signal (SIGTERM, SIGUSR1, SIGINT) has been seen by any rank. */
bool world_stop_agreed(world *w);
/* LOCAL: this process has seen one. Asking is the answer to it: a process that does not ask within WILDREWARD_GRACE_S
 * seconds (20; 0: no limit) of a SIGTERM is ended with code 1, and ten times as long is left for what follows. A second
 * SIGINT ends it at once. */
bool world_stop_requested(void);
/* LOCAL: stop signals end this process again, as for a program that has nothing to save. */
void world_signals_default(void);

/* --- small data (COLLECTIVE) -------------------------------------------------------------------------------------- */
void world_barrier(world *w); /* polls with sleeps: an idle rank does not burn its core */
/* Order-fixed sums: added in rank order, the same bits on every rank. */
void world_sum(world *w, double *values, size_t n);
void world_max(world *w, double *values, size_t n);
/* Bits that are set on any rank. */
void world_or(world *w, unsigned char *bits, size_t bytes);
/* root's bytes to all: others' strbuf is replaced. Waits with sleeps (for long waits, e.g. rank 0 preparing). */
wr_status world_bcast(world *w, int root, strbuf *bytes);
/* Everyone's bytes on every rank: out[r] for r < size (caller frees each with strbuf_free, array given by caller). */
wr_status world_allgather(world *w, const strbuf *mine, strbuf *out);
/* send[r] goes to rank r; recv[r] comes from rank r. Arrays of size() strbufs; recv zeroed by the caller. */
wr_status world_exchange(world *w, const strbuf *send, strbuf *recv);

/* One read-only copy of `bytes` per host, in shared memory (MPI_Win_allocate_shared). `fill` runs on one rank of each
 * host. Where the host's folder of shared memory has less room, which its first rank finds out before any window is
 * asked for, every rank of the host fills a copy of its own, with a warning. WILDREWARD_SHARED_ROOM bounds the bytes
 * taken to be free there; 0: never share. COLLECTIVE. */
typedef struct shared_block shared_block;
wr_status shared_block_create(world *w, size_t bytes, wr_status (*fill)(void *context, void *memory), void *context,
                              shared_block **out);
void *shared_block_data(shared_block *s);
void shared_block_free(shared_block *s); /* COLLECTIVE */

#endif
