/* The refusals of a prepared folder as a table on standard output (inspect --refusals). LOCAL. */
#ifndef WR_CLI_INSPECT_REFUSALS_H
#define WR_CLI_INSPECT_REFUSALS_H

#include "base/status.h"

wr_status inspect_refusals(const char *dir);

#endif
