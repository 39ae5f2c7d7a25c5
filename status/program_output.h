/* What another program says: for the commands of a cluster. LOCAL. */
#ifndef WR_STATUS_PROGRAM_OUTPUT_H
#define WR_STATUS_PROGRAM_OUTPUT_H

#include "base/strbuf.h"

/* Runs words[0] (found by PATH, without a shell; NULL ends the words) with nothing to read, and appends what it writes
 * to out and err, each cut after 1 MiB. *code: its exit code, 128 and more where a signal ended it. WR_END: there is no
 * such program. WR_E_FAILED: it cannot be started, or had not ended after limit_s and was killed. */
wr_status program_output(const char *const words[], double limit_s, strbuf *out, strbuf *err, int *code);

#endif
