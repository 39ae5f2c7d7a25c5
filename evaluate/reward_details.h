/* Everything that `evaluate` tells of a reward model beside the first figures: intervals, classes, thresholds,
 * calibration, the confidence curve, consistency, length, own and new users. LOCAL. */
#ifndef WR_EVALUATE_REWARD_DETAILS_H
#define WR_EVALUATE_REWARD_DETAILS_H

#include "base/json.h"
#include "base/option_row.h"
#include "evaluate/reward_records.h"

typedef struct detail_options {
    size_t resamples, bins; /* of intervals (0: none); of calibration errors */
    uint64_t seed;
} detail_options;
extern const option_spec detail_rows[]; /* --resamples --bins; seed is the command's */

/* Members of the object that j is in. What the records do not give is null, and why stands in "missing". */
wr_status reward_details_write(const reward_records *r, const detail_options *o, json_writer *j);

#endif
