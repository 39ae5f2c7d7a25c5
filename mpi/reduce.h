/* Gradient sums on flat f32 buffers, blocking or beside other work. COLLECTIVE, unless said otherwise. */
#ifndef WR_MPI_REDUCE_H
#define WR_MPI_REDUCE_H

#include "mpi/world.h"

/* In place: buffer[i] = sum over ranks of buffer[i], the same bits on every rank. Each element is summed by one
 * balanced binary tree over rank indices, in f32, by the owner of its piece (reduce-scatter, then all-gather), in
 * slices of slice_floats (0 = default). Ranks of one host that are a subtree add up among themselves first, and hand
 * sums on to one another: what would leave the host for each of them leaves it once. Slice size and host layout never
 * change a bit. */
wr_status reduce_sum(world *w, float *buffer, size_t n, size_t slice_floats);
/* Obvious version (gather to rank 0, tree sum, broadcast), the oracle of the above. */
wr_status reduce_sum_ref(world *w, float *buffer, size_t n);
/* root's buffer to all. */
wr_status reduce_bcast(world *w, int root, float *buffer, size_t n);

/* The two ranks alone: x of `from` becomes y of `to`. */
void reduce_move(world *w, int from, int to, const float *x, float *y, size_t n);

/* --- beside other work
 * ------------------------------------------------------------------------------------------------ The same sums, to
 * the bit, as tasks: start, test now and then, finish. Tasks have a communicator of their own, so that the world's
 * collectives may run in between, and go through one pipeline in the order they were started in.
 *
 *     reducer_create(w, &options, &r);
 *     for each range: reduce_start(r, &task[i], grads + first, n); compute; reduce_test(r, &task[i]);
 *     status = reducer_finish(r, status);
 *
 * Every rank starts the same ranges in the same order, and all meet in reducer_finish. A rank that fails on the way
 * starts no more and goes there with its status: the ranges that it has not started are summed without it, so that
 * nobody waits for it, and every rank is told. */
typedef struct reducer reducer;

/* Of all this only `half` changes a bit. */
typedef struct reduce_options {
    size_t slice; /* floats; 0: the default */
    size_t depth; /* slices under way; 0: the default */
    /* bf16 on the wire, sums in f32: half the bytes, and rounded twice, wherever ranks run; what ranks of one host have
     * added together leaves it in f32 */
    bool half;
    bool background; /* a thread of this rank moves tasks on while it computes; else reduce_start and _test do */
    /* (2 * ranks), copied: rank p gets the sums of floats keep[2 p] … keep[2 p + 1]-1 alone, by the places that
     * reduce_start_at says; the others of its buffers become zeros, whose pages go back to the system. NULL: all */
    const size_t *keep;
} reduce_options;

/* One range. The caller's memory, and so are the floats, both until reducer_finish or reducer_free; fields are
 * private. */
typedef struct reduce_task {
    float *buffer;
    size_t at;            /* of buffer[0] among all floats */
    size_t n, first, end; /* slices of the reducer's whole sequence: first … end-1 */
    struct reduce_task *next;
} reduce_task;

/* LOCAL. Bytes that a reducer takes on so many ranks, whatever their hosts; 0 on one. */
size_t reducer_bytes(const reduce_options *o, size_t ranks);
/* Memory of 2 to 4 × depth slices, whatever the number of tasks. WR_E_NOMEM; WR_E_FAILED: no thread. */
wr_status reducer_create(world *w, const reduce_options *o, reducer **out);
/* Waits for what has been started, as reducer_finish does. NULL is fine. */
void reducer_free(reducer *r);
/* LOCAL: never waits, cannot fail. buffer[0 … n) may be neither read nor written until the task is done. at: the place
 * of buffer[0] among all floats, the same on every rank; REDUCE_FOR_ALL: every rank keeps all of these. */
#define REDUCE_FOR_ALL SIZE_MAX
void reduce_start_at(reducer *r, reduce_task *t, float *buffer, size_t n, size_t at);
static inline void reduce_start(reducer *r, reduce_task *t, float *buffer, size_t n) {
    reduce_start_at(r, t, buffer, n, REDUCE_FOR_ALL);
}
/* LOCAL: moves every started task on without waiting (with a helper thread that one does). true: t is done, its floats are the sums. */
bool reduce_test(reducer *r, const reduce_task *t);
/* LOCAL. With a helper thread: waits until at most `most` floats are under way, for whoever has to bound what is held.
 * Where nothing moves for a second another rank may have failed: then it waits no more until reducer_finish, which
 * tells. */
void reduce_catch_up(reducer *r, size_t most);
/* Waits for all tasks, then agrees as world_agree does: every rank passes how its own work went. OK: all are done, and
 * the reducer is as new. Otherwise what the buffers hold is no sum. A rank that started fewer than others and passes OK
 * is WR_E_USAGE. */
wr_status reducer_finish(reducer *r, wr_status mine);
/* LOCAL. Of the tasks up to the latest reducer_finish: seconds that slices were under way, and seconds that it waited
 * in there. What they differ by was hidden. */
void reduce_times(const reducer *r, double *busy_s, double *waited_s);
/* LOCAL. Bytes of those tasks that this rank sent to ranks of other hosts. */
uint64_t reduce_left_host(const reducer *r);

#endif
