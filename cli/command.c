#include "cli/command.h"

int exit_code(wr_status s) { return s >= 0 ? 0 : s == WR_E_USAGE ? 2 : s == WR_E_INTERRUPTED ? 75 : 1; }
