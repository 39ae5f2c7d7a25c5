/* Tells a loss that is far above those before it: a damaged record, a rate that is too high. LOCAL. */
#ifndef WR_TRAINER_LOSS_WATCH_H
#define WR_TRAINER_LOSS_WATCH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct loss_watch {
    int64_t n, quiet;      /* losses so far; steps until the next may be told */
    double mean, variance; /* of the recent ones, exponentially weighted */
} loss_watch;

/* All zero at the beginning. True where the loss, the next one, lies LOSS_WATCH_SIGMAS standard deviations above the
 * mean of the recent ones; not among the first LOSS_WATCH_WARM, nor again within as many steps. */
enum { LOSS_WATCH_SIGMAS = 6, LOSS_WATCH_WARM = 20 };
bool loss_watch_note(loss_watch *l, double loss);
/* The same, and a line of rank 0's log where it is so. */
void loss_watch_tell(loss_watch *l, int64_t step, double loss);

#endif
