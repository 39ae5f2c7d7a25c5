/* What a folder is that was given for another kind of folder: a run for its model, a prepared folder for a model, and
 * so on. LOCAL. */
#ifndef WR_CLI_PATH_HINT_H
#define WR_CLI_PATH_HINT_H

#include "base/options.h"

/* After a command has failed with `status`: puts behind the error message which option names a folder (or file) of
 * another kind, and what to give instead. Returns status. */
wr_status path_hint(wr_status status, const options *o);

#endif
