/* Inside of mpi/: the messages of pulled work and the coordinator's fields.
 *
 * Worker to coordinator (TAG_UP), framed msgpack maps:
 *   {"op":"request","phase":p[,"index":i,"result":bin]}   wants a task; carries the result of the one before
 *   {"op":"fail","phase":p,"code":c,"text":s}             its task failed
 *   {"op":"stop","phase":p}                               it has seen a stop signal
 * Coordinator to worker (TAG_DOWN):
 *   {"op":"task","index":i,"name":s,"body":bin}           name: the plan's, for messages
 *   {"op":"done","outcome":bin}                           all results are in
 *   {"op":"end","code":c,"rank":r,"host":s,"text":s}      stopped, by a signal or by rank r's failure
 * Each rank gets exactly one "done" or "end" a phase, possibly in the middle of a task; a message of an ended phase
 * that was under way meanwhile is dropped by its phase number. Requests of the next phase that come before rank 0 has
 * its plan are kept. */
#ifndef WR_MPI_COORDINATOR_H
#define WR_MPI_COORDINATOR_H

#include "mpi/internal.h"
#include "mpi/wire.h"
#include "mpi/work.h"
#include <pthread.h>

enum { TAG_UP = 1, TAG_DOWN = 2 };

typedef struct peer {
    bool asking;  /* a request is unanswered */
    bool ended;   /* has got this phase's "done" or "end" */
    strbuf early; /* its request of the next phase */
    bool early_stop;
} peer;

struct coordinator {
    world *w;
    MPI_Comm comm;
    uint64_t phase; /* main thread: phases begun */
    /* rank 0 only */
    bool running;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool quit;             /* under mutex */
    const work_plan *plan; /* under mutex: posted by the main thread, taken by the coordinator thread */
    double cpu_at_end;
    /* coordinator thread only */
    const work_plan *active;
    uint64_t active_phase;
    size_t n_tasks, next_task, results_in; /* n_tasks: WORK_UNKNOWN until the plan has said WR_END */
    bool *have_result;                     /* (next_task) */
    size_t have_capacity;
    peer *peers; /* (size) */
    int n_ended;
    bool over, ended_badly; /* the phase's end is decided */
};

/* Receives one message if there is one (message->len > 0 then); *from = its rank. */
wr_status message_poll(MPI_Comm comm, int tag, strbuf *message, int *from);
/* Frames body (msgpack) and sends it, waiting with sleeps. */
wr_status message_send(MPI_Comm comm, int to, int tag, const strbuf *body);
/* The coordinator thread's function. */
void *coordinator_main(void *c);

#endif
