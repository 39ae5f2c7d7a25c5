/* --autotune-comm: how large slices of the gradient sum are, and how many are under way, as this network likes them
 * best. No bit of a run depends on it. */
#ifndef WR_TRAINER_COMM_TUNE_H
#define WR_TRAINER_COMM_TUNE_H

#include "mpi/reduce.h"

/* COLLECTIVE. Fills in o->slice and o->depth where they are 0: as RUN/comm.json of `run` has them, where it was written
 * for as many ranks and the same type on the wire, else by measuring (seconds) and writing it. The same on every rank.
 * WR_E_NOMEM; WR_E_IO: the file cannot be written; WR_E_FORMAT: it is damaged. */
wr_status comm_tune(world *w, const char *run, reduce_options *o);

#endif
