/* How fast this machine trains a model of some shape, from two seconds of it. LOCAL; ranks that share a host should
 * probe at the same time, as they will train. */
#ifndef WR_TRAINER_STEP_PROBE_H
#define WR_TRAINER_STEP_PROBE_H

#include "trainer/train_memory.h"

typedef struct step_speed {
    double token; /* seconds of forward and backward, of one token */
    double value; /* seconds of the optimizer, of one float that it updates */
} step_speed;
/* c->load.tokens above 0. WR_E_NOMEM; what the shape cannot be made of. */
wr_status step_probe(const train_case *c, double seconds, step_speed *out);

#endif
