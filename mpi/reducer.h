/* What the blocking sum and the tasks of mpi/reduce.h share: the pipeline of slices. Internal to mpi/. */
#ifndef WR_MPI_REDUCER_H
#define WR_MPI_REDUCER_H

#include "mpi/internal.h"
#include "mpi/reduce.h"

enum { REDUCE_SLICE = 1 << 18 };

struct reducer {
    world *w;
    MPI_Comm comm;           /* the world's, or the reducer's own */
    size_t slice, stride;    /* floats of a slice; of its largest piece */
    float *staging[2];       /* (size, stride): contributions to this rank's piece, for two slices in flight */
    float *spare[2];         /* (slice): stands in for the buffer of a task that this rank did not start; NULL: none */
    float **rows;            /* (size) */
    MPI_Request *scatter[2]; /* (2 * size) */
    MPI_Request *gather[2];
    uint64_t *counts; /* (size): tasks that each rank started */
    reduce_task *tasks, *last;
    size_t n_tasks;
    size_t started; /* slices of all tasks; of them, in this order: sent out, added up, received whole */
    size_t posted, summed, done;
    reduce_task *at_post, *at_sum; /* the tasks of slices `posted` and `summed` */
};

/* LOCAL. With spares it can take part in tasks of others. Closed after a failure, too. */
wr_status reducer_open(reducer *r, world *w, MPI_Comm comm, size_t slice, bool spares);
void reducer_close(reducer *r);
/* Waits until every started task is done. LOCAL, in that only tasks all ranks have started end. */
void reducer_drain(reducer *r);

/* rows[lo] = tree sum of rows[lo … hi), of n floats each. */
void tree_sum(float **rows, int lo, int hi, size_t n);

#endif
