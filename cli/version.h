/* What --version and doctor say, and what saved models record. LOCAL. */
#ifndef WR_CLI_VERSION_H
#define WR_CLI_VERSION_H

#include "base/strbuf.h"

const char *version_string(void); /* "0.1.0" */
const char *version_commit(void); /* of the source tree, with "-dirty" where it had changes */
/* "wildreward 0.1.0 (commit …)" and one line a library: name and version, of the one in use where it can tell. */
void version_text(strbuf *out);

#endif
