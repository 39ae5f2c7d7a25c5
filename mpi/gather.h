/* One flat f32 buffer of which each rank makes a range, to everybody while it is made:
 *
 *     gather_begin(g, buffer);
 *     make floats up to a; gather_made(g, a); make floats up to b; gather_made(g, b); …
 *     gather_finish(g);
 *
 *     rank 1's range   | made, sent | made | not yet |      whole messages go out, to each rank at its own pace, while
 *                      | 0  | 1 | 2 | 3 |  4         |      those of others come in */
#ifndef WR_MPI_GATHER_H
#define WR_MPI_GATHER_H

#include "mpi/world.h"

typedef struct gather gather;

/* LOCAL. bounds (ranks + 1), copied: rank p makes floats bounds[p] … bounds[p + 1]-1. message: floats of one; 0: chosen
 * here. WR_E_NOMEM. */
wr_status gather_create(world *w, const size_t *bounds, size_t message, gather **out);
void gather_free(gather *g); /* NULL is fine */
/* LOCAL, never waits. Others' ranges of the buffer belong to the gather until it is finished. */
void gather_begin(gather *g, float *buffer);
/* LOCAL, never waits: this rank's floats before buffer[until] are made, and change no more; moves messages on. */
void gather_made(gather *g, size_t until);
/* COLLECTIVE. All of its own is made: waits until everybody has everything. */
void gather_finish(gather *g);

#endif
