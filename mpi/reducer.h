/* What the blocking sum and the tasks of mpi/reduce.h share: the pipeline of slices. Internal to mpi/. */
#ifndef WR_MPI_REDUCER_H
#define WR_MPI_REDUCER_H

#include "base/bf16.h"
#include "mpi/internal.h"
#include "mpi/reduce.h"

#include <pthread.h>
#include <stdatomic.h>

enum { REDUCE_SLICE = 1 << 18, REDUCE_DEPTH = 2, REDUCE_WAIT_US = 200 };

/* What a slice under way needs beside its floats. */
typedef struct reduce_slot {
    float *staging; /* (size, stride): contributions to this rank's piece */
    float *spare;   /* (slice): stands in for the buffer of a task that this rank did not start; NULL: none */
    bf16 *out, *in; /* bf16 on the wire: (slice), (size, stride); else NULL */
    MPI_Request *scatter, *gather; /* (2 * size) */
} reduce_slot;

struct reducer {
    world *w;
    MPI_Comm comm; /* the world's, or the reducer's own */
    reduce_options o;
    size_t stride;      /* floats of a slice's largest piece */
    reduce_slot *slots; /* (o.depth) */
    float **rows;       /* (size) */
    uint64_t *counts;   /* (size): tasks that each rank started */
    size_t *keep;       /* (2 * size) as reduce_options has it; NULL: all */
    reduce_task *tasks, *last;
    size_t n_tasks;
    /* slices of all tasks; of them, in this order: sent out, added up, received whole. One thread starts, one (the same
     * or the helper) moves on: `started` and `done` are all that passes between them. */
    atomic_size_t started, done;
    size_t posted, summed;
    reduce_task *at_post, *at_sum, *at_done; /* the tasks of slices `posted`, `summed` and `done` */
    double since, busy; /* since when slices are under way; seconds they were, since the latest finish */
    double waited;      /* seconds of the latest finish */
    /* the helper: sleeps on `wake` (under `sleep`) while nothing is started, and holds `drive` while it moves on */
    bool helped, quit, patient; /* patient: reduce_catch_up waits */
    pthread_t thread;
    pthread_mutex_t drive, sleep;
    pthread_cond_t wake;
};

/* LOCAL. With spares it can take part in tasks of others. Closed after a failure, too. */
wr_status reducer_open(reducer *r, world *w, MPI_Comm comm, const reduce_options *o, bool spares);
void reducer_close(reducer *r);
/* Puts a task at the end of the sequence. buffer NULL: one that this rank has no part in. */
void reducer_add(reducer *r, reduce_task *t, float *buffer, size_t n, size_t at);
/* Every stage as far as it goes now. Returns whether anything moved. */
bool reducer_progress(reducer *r);
/* Waits until every started task is done. LOCAL, in that only tasks all ranks have started end. */
void reducer_drain(reducer *r);

/* rows[lo] = tree sum of rows[lo … hi), of n floats each. */
void tree_sum(float **rows, int lo, int hi, size_t n);

#endif
