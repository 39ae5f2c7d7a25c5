/* AdamW's moments over ranks: all with every rank, or (ZeRO-1) a range with each; and how checkpoints keep them,
 * whichever it is. */
#ifndef WR_TRAINER_MOMENTS_RANKS_H
#define WR_TRAINER_MOMENTS_RANKS_H

#include "mpi/world.h"
#include "trainer/optimizer.h"

/* LOCAL. What of n trainables `rank` has: together all, in the order of ranks, none above n / ranks by a cache line. */
float_range moments_range(size_t n, size_t ranks, size_t rank);
/* LOCAL. The file that every checkpoint has. */
extern const char moments_first_file[];

/* COLLECTIVE. Rank 0 writes the moments of `of` trainables into its `dir`: one file of all where a has all, else files
 * of what a rank has, in pieces, so that it needs little room for others'. ready: what rank 0 has to say so far; below
 * WR_OK nothing is written. Rank 0 returns how that went, others WR_OK, or all that memory is short. */
wr_status moments_save(world *w, const char *dir, const adamw *a, size_t of, wr_status ready);
/* LOCAL. The files of what rank `rank` of `ranks` has, into a `dir` that all see: together those of moments_save. Where
 * a has all, rank 0 writes it, and the others nothing. */
wr_status moments_save_own(const char *dir, const adamw *a, size_t of, size_t ranks, size_t rank);
/* COLLECTIVE. Fills each rank's a from the files in rank 0's `dir`, however they were cut. Errors as moments_read,
 * agreed. */
wr_status moments_load(world *w, const char *dir, adamw *a, size_t of);

#endif
