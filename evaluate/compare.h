/* evaluate --compare: two or more evaluations of the same records. LOCAL.
 *
 * Differences of figures have 95 % intervals of resampled users, each resample the same for all models (paired); p is
 * twice the smaller share of resamples on either side of 0, (count + 1) / (resamples + 1). Accuracy has McNemar's exact
 * test besides. With more than two models, p is adjusted for the number of pairs (Holm 1979), a figure at a time. */
#ifndef WR_EVALUATE_COMPARE_H
#define WR_EVALUATE_COMPARE_H

#include "base/strbuf.h"
#include "evaluate/reward_details.h"

/* Appends {"kind":"comparison", …}. n >= 2 files. WR_E_FORMAT: no evaluation of a reward model, or one without its
 * records. WR_E_MISMATCH: no common record, or another label of one. */
wr_status compare_evaluations(const char *const *files, size_t n, const detail_options *o, strbuf *out);

#endif
