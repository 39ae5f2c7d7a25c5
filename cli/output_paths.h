/* What a command writes is neither what it reads nor what else it writes: a file that is given twice would lose what
 * stood there first. LOCAL. */
#ifndef WR_CLI_OUTPUT_PATHS_H
#define WR_CLI_OUTPUT_PATHS_H

#include "base/options.h"

/* The options named (lists ended by NULL); arguments are read. Those that are not given, "-", pipes and devices are
 * nothing to lose. WR_E_USAGE names both options and the file. */
wr_status output_paths_check(const options *o, const char *const *outputs, const char *const *inputs);

#endif
