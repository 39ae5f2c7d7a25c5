/* report: run folders, prepared folders and evaluation files become one HTML file that needs nothing else. LOCAL. */
#ifndef WR_REPORT_REPORT_H
#define WR_REPORT_REPORT_H

#include "base/strbuf.h"
#include <stddef.h>

/* sources: run folders (with metrics.jsonl; config.yaml where present) and JSON files of `evaluate`. Damaged metrics
 * lines are skipped and counted in the page. A source that cannot be shown is an error that names it; nothing is
 * written then. The page depends on the sources alone. */
wr_status report_write(const char *const *sources, size_t n, const char *title, const char *out_path);
/* Likewise; where summaries[i] is not empty, source i is a prepared folder and this the JSON object that
 * data/prepare/prepare_summary.h describes. */
wr_status report_write_data(const char *const *sources, const strbuf *summaries, size_t n, const char *title,
                            const char *out_path);

#endif
