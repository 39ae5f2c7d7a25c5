/* Gradient collectives on flat f32 buffers. COLLECTIVE. */
#ifndef WR_MPI_REDUCE_H
#define WR_MPI_REDUCE_H

#include "mpi/world.h"

/* In place: buffer[i] = sum over ranks of buffer[i], the same bits on every rank. Each element is summed by one
 * balanced binary tree over rank indices, in f32, by the owner of its piece (reduce-scatter, then all-gather), in
 * slices of slice_floats (0 = default). Slice size and host layout never change a bit. */
wr_status reduce_sum(world *w, float *buffer, size_t n, size_t slice_floats);
/* Obvious version (gather to rank 0, tree sum, broadcast), the oracle of the above. */
wr_status reduce_sum_ref(world *w, float *buffer, size_t n);
/* root's buffer to all. */
wr_status reduce_bcast(world *w, int root, float *buffer, size_t n);

#endif
