/* Pulled work. A coordinator thread on rank 0 (own duplicated communicator, idle sleep doubling from 1 to 10 ms) owns
 * the plan and hands out tasks; the main thread of every rank, rank 0 included, asks for one, does it, and sends the
 * result with its next request. An error or a stop signal on any rank goes to the coordinator, which answers every next
 * request with STOP(reason). */
#ifndef WR_MPI_WORK_H
#define WR_MPI_WORK_H

#include "mpi/world.h"

#define WORK_UNKNOWN SIZE_MAX

typedef struct coordinator coordinator;
wr_status coordinator_create(world *w, coordinator **out); /* COLLECTIVE; starts the thread on rank 0 */
void coordinator_free(coordinator *c);                     /* COLLECTIVE; NULL is fine */
/* CPU seconds of the coordinator thread so far (rank 0; 0 elsewhere). */
double coordinator_cpu_seconds(const coordinator *c);

/* The plan of one phase, on rank 0, called from the coordinator thread only. Tasks are numbered 0 … n_tasks-1 and given
 * out in this order, so what a task holds is a pure function of the plan and never of timing. */
typedef struct work_plan {
    void *context;
    size_t n_tasks;   /* WORK_UNKNOWN: until task() says WR_END, which ends the giving out for all ranks */
    const char *name; /* "SAMPLE", "SCORE", "EVALUATE": for messages and progress */
    /* appends the task's msgpack body */
    wr_status (*task)(void *context, size_t index, strbuf *out);
    /* takes a result's msgpack body */
    wr_status (*result)(void *context, size_t index, const void *bytes, size_t n);
    /* all results are in: msgpack body for every rank; may be NULL */
    wr_status (*finish)(void *context, strbuf *outcome);
    /* Instead of task, where who asks matters for speed (a rank goes on in the file it has open). What comes of it must
     * not matter. */
    wr_status (*task_for)(void *context, int rank, size_t index, strbuf *out);
} work_plan;

/* Does one task on this rank's main thread: task body in, result body appended to out. */
typedef wr_status (*work_fn)(void *context, const void *task, size_t n, strbuf *out);

/* COLLECTIVE. plan is read on rank 0 only (NULL elsewhere). outcome (may be NULL): the finish() bytes, on every rank.
 * WR_E_INTERRUPTED on every rank after a stop signal; the failing rank's own code there and WR_E_PEER elsewhere after
 * an error. */
wr_status work_phase(coordinator *c, const work_plan *plan, work_fn fn, void *context, strbuf *outcome);

/* True when this process has seen a stop signal or the coordinator has ended the phase: to be polled inside a long
 * task, between decode steps for instance; the work_fn then returns WR_E_INTERRUPTED. Main thread of a rank inside
 * work_phase. The argument is the coordinator (as void *, so that it fits sampler_generate's should_stop). */
bool work_should_stop(void *coordinator);

#endif
