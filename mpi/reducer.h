/* What the blocking sum and the tasks of mpi/reduce.h share: the pipeline of slices. Internal to mpi/. */
#ifndef WR_MPI_REDUCER_H
#define WR_MPI_REDUCER_H

#include "base/bf16.h"
#include "mpi/internal.h"
#include "mpi/reduce.h"

#include <pthread.h>
#include <stdatomic.h>

enum { REDUCE_SLICE = 1 << 18, REDUCE_DEPTH = 2, REDUCE_WAIT_US = 200 };

/* --- who adds with whom (mpi/reduce_groups.c) --------------------------------------------------------------------- */

/* Where the tree over ranks lo … hi-1 is parted. */
static inline int tree_mid(int lo, int hi) { return lo + (hi - lo) / 2; }

/* Ranks first … end-1: a subtree of the tree over ranks, all on one host, and no larger one is. */
typedef struct reduce_group {
    int first, end;
} reduce_group;

/* LOCAL. groups (size): of each rank. */
void reduce_groups(const int *hosts, int size, reduce_group *groups);
/* LOCAL. The rank of a group that collects piece p: its owner, if that is in the group; else each collects as many as
 * the others, and owners in the same place of groups of equal lengths meet the same place. */
int reduce_collector(reduce_group g, int p);
/* LOCAL. Rows of staging that are enough for any groups of so many ranks: as many as ranks, or, where those cannot be
 * halved evenly, up to half as many again. */
size_t staging_rows(size_t size);

/* --- the pipeline ------------------------------------------------------------------------------------------------- */

typedef struct reduce_messages {
    MPI_Request *all; /* (rows + size) */
    int n;
} reduce_messages;

/* What a slice under way needs beside its floats. */
typedef struct reduce_slot {
    float *staging; /* (rows, stride): contributions of the group's others to pieces that this rank collects; then other
                     * groups' sums of its own piece, by the rank that sent them */
    float *spare;   /* (slice): stands in for the buffer of a task that this rank did not start; NULL: none */
    bf16 *out, *in; /* bf16 on the wire: (slice), (rows, stride); else NULL */
    reduce_messages up, down; /* towards the sum; back from it */
} reduce_slot;

struct reducer {
    world *w;
    MPI_Comm comm; /* the world's, or the reducer's own */
    reduce_options o;
    size_t stride;        /* floats of a slice's largest piece */
    reduce_slot *slots;   /* (o.depth) */
    float **rows;         /* (size) */
    reduce_group *groups; /* (size) */
    uint64_t *counts;     /* (size): tasks that each rank started */
    size_t *keep;         /* (2 * size) as reduce_options has it; NULL: all */
    reduce_task *tasks, *last;
    size_t n_tasks;
    /* slices of all tasks; of them, in this order: sent to who collects them, collected, added up, spread in the group,
     * received whole. One thread starts, one (the same or the helper) moves on: `started` and `done` are all that passes
     * between them. */
    atomic_size_t started, done;
    size_t posted, collected, summed, spread;
    reduce_task *at_post, *at_collect, *at_sum, *at_spread, *at_done; /* the tasks of the next slice of each stage */
    double since, busy; /* since when slices are under way; seconds they were, since the latest finish */
    double waited;      /* seconds of the latest finish */
    uint64_t left_host; /* bytes sent to other hosts, since the latest finish */
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

/* --- a slice's stages (mpi/reduce_stages.c) ----------------------------------------------------------------------- */

static inline reduce_slot *slot_of(const reducer *r, size_t k) { return &r->slots[k % r->o.depth]; }

/* LOCAL. Slice k, one of t's. Each but the last sends and receives by its slot's messages, which must be complete before
 * the next: up for post and collect, down for sum and spread. */
void stage_post(reducer *r, const reduce_task *t, size_t k);
void stage_collect(reducer *r, const reduce_task *t, size_t k);
void stage_sum(reducer *r, const reduce_task *t, size_t k);
void stage_spread(reducer *r, const reduce_task *t, size_t k);
void stage_finish(reducer *r, const reduce_task *t, size_t k);

/* rows[lo] = tree sum of rows[lo … hi), of n floats each. A row that is NULL is in the sum of an earlier one already. */
void tree_sum(float **rows, int lo, int hi, size_t n);

#endif
