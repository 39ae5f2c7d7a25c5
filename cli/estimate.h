/* What a run would take, told: a table for people, or JSON. Of train --dry-run and doctor --model. LOCAL. */
#ifndef WR_CLI_ESTIMATE_H
#define WR_CLI_ESTIMATE_H

#include "base/option_row.h"
#include "base/strbuf.h"
#include "model/kernels/precision.h"
#include "trainer/dry_run.h"

typedef struct estimate_options {
    bool dry, json, probe;
} estimate_options;
extern const option_spec dry_run_rows[]; /* --dry-run --json --probe */

/* what: "train reward"; model: a folder or a shape. */
typedef struct estimate {
    const char *what, *model;
    precision p;
    const dry_run *d;
} estimate;
wr_status estimate_text(const estimate *e, bool json, strbuf *out);
/* "runs/model does not fit: the 2 ranks of this host need 3.2 GiB, and 2.1 GiB are available; it fits with …" */
wr_status estimate_misfit(const estimate *e, strbuf *out);

#endif
