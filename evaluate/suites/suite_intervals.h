/* Intervals of a suite's figures. LOCAL. */
#ifndef WR_EVALUATE_SUITES_SUITE_INTERVALS_H
#define WR_EVALUATE_SUITES_SUITE_INTERVALS_H

#include "evaluate/suites/suite.h"

/* Fills low and high of f, what kind's judge made of s and scores: 95 %, by resampling prompts (suite_item.prompt) with
 * all their rows. A resample in which a group of the suite has no row does not count; f->defined says how many did.
 * WR_E_NOMEM. */
wr_status suite_intervals(const suite *kind, const suite_set *s, const double *scores, size_t resamples, uint64_t seed,
                          suite_figures *f);

#endif
