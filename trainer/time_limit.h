/* When a batch system ends a job, and whether there is still time for another step and a checkpoint before it. LOCAL. */
#ifndef WR_TRAINER_TIME_LIMIT_H
#define WR_TRAINER_TIME_LIMIT_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct time_limit {
    double end; /* seconds since 1970; 0: none is known */
    double
        longest; /* seconds from the end of a step to that of the next one, evaluations and copies included; 0: none yet */
    double before; /* when the latest ended */
} time_limit;

/* From SLURM_JOB_END_TIME (slurm/common.sh sets it where Slurm does not). WR_E_USAGE: a job that does not say when it
 * ends, or what is no time. Outside of a job there is no limit, which a line tells. */
wr_status time_limit_find(time_limit *out);
/* A step and what belongs to it has ended, or the first is about to begin. */
void time_limit_step(time_limit *t);
/* Is it time to save? save_s: how long the longest save took; 0: there was none, of this many bytes. Not before a step was
 * made: a job that can do none must not be requeued for ever without a word. *left: seconds to the limit. */
bool time_limit_near(const time_limit *t, double save_s, size_t bytes, double *left);

#endif
