/* The page of a prepared folder: what prepare read, how it was labelled and what was kept, whose it is, refusals, and
 * examples to skim. LOCAL. */
#ifndef WR_REPORT_PREPARE_PAGE_H
#define WR_REPORT_PREPARE_PAGE_H

#include "base/json.h"
#include "base/strbuf.h"

/* summary: the object that data/prepare/prepare_summary.h describes; members that are absent are left out of the
 * page. */
void prepare_section(strbuf *out, const json_value *summary);

#endif
