/* What the metrics of a run mean, for those who did not train it. LOCAL. */
#ifndef WR_REPORT_METRIC_NAMES_H
#define WR_REPORT_METRIC_NAMES_H

#include "report/metrics_series.h"

/* A run of training and one of DPO mean other things by a name. */
typedef enum run_kind { RUN_TRAIN, RUN_DPO } run_kind;
/* A run of DPO counts pairs. */
run_kind metrics_run_kind(const metrics_table *t);
/* A few words; NULL: unknown, as of a metric that a later version writes. */
const char *metric_meaning(const char *name, run_kind kind);
/* Of a member of what evaluate writes about a reward model. A name that ends in _low or _high is the end of an
 * interval. NULL: unknown. */
const char *evaluation_meaning(const char *name);

#endif
