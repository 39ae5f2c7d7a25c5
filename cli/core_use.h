/* Which cores the ranks of a host may use, with how many threads each, and whether that fits. LOCAL. */
#ifndef WR_CLI_CORE_USE_H
#define WR_CLI_CORE_USE_H

#include "base/strbuf.h"
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct core_use {
    char host[64];
    cpu_set_t cores; /* that this rank may run on */
    int threads;     /* that it starts */
    int online;      /* cores that the host has in all */
    double quota;    /* cores' worth of time that the control group may take; 0: no limit */
} core_use;

void core_use_mine(const char *host, int threads, core_use *out);
/* One line "warning: …" a host for what is true of it: a rank with more threads than cores, ranks with more threads
 * together than the cores they have together, more threads than the control group's share of time, ranks bound to one
 * core while others lie idle. */
void core_use_warnings(const core_use *ranks, size_t n, bool launched, strbuf *out);

#endif
