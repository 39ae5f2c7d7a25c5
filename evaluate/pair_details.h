/* What `evaluate` tells of pairs of records of different label: the confidence curve, and how far scores hold across
 * prompts and users. LOCAL. */
#ifndef WR_EVALUATE_PAIR_DETAILS_H
#define WR_EVALUATE_PAIR_DETAILS_H

#include "evaluate/reward_details.h"

/* Members "confidence_curve" (scores on the labels' scale alone) and "consistency". order: records by rising score. */
wr_status pairs_write(json_writer *j, const predictions *p, const uint32_t *order, const detail_options *o);
/* Member "length_alone": the pairwise accuracy of a score that is the reply's length. p->length is there. */
wr_status length_alone_write(json_writer *j, const predictions *p);

#endif
