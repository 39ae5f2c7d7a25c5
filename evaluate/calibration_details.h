/* What `evaluate` tells of probabilities: reliability by threshold, and calibration learned on other users. LOCAL. */
#ifndef WR_EVALUATE_CALIBRATION_DETAILS_H
#define WR_EVALUATE_CALIBRATION_DETAILS_H

#include "base/json.h"
#include "evaluate/statistics/predictions.h"

/* Members "adaptive_ece" and "reliability" of threshold k. p->above is there. */
wr_status reliability_write(json_writer *j, const predictions *p, int k, size_t bins);
/* Members "adaptive_ece" and "calibration". p->above is there, K >= 2. */
wr_status calibration_write(json_writer *j, const predictions *p, size_t bins, uint64_t seed);

#endif
