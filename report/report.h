/* report: run folders and evaluation files become one HTML file that needs nothing else. LOCAL. */
#ifndef WR_REPORT_REPORT_H
#define WR_REPORT_REPORT_H

#include "base/status.h"
#include <stddef.h>

/* sources: run folders (with metrics.jsonl; config.yaml where present) and JSON files of `evaluate`. Damaged metrics
 * lines are skipped and counted in the page. A source that cannot be shown is an error that names it; nothing is
 * written then. The page depends on the sources alone. */
wr_status report_write(const char *const *sources, size_t n, const char *title, const char *out_path);

#endif
