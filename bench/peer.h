/* A peer's program that does one piece of the same work at a time: it prints "ready", then for each line it reads runs
 * once and prints its seconds. */
#ifndef WR_BENCH_PEER_H
#define WR_BENCH_PEER_H

#include "base/status.h"
#include <stdio.h>
#include <sys/types.h>

typedef struct peer {
    pid_t pid;
    FILE *to, *from;
} peer;

/* command: for /bin/sh. Waits until it is ready. */
wr_status peer_start(const char *command, peer *out);
wr_status peer_run(peer *p, double *seconds);
void peer_stop(peer *p);

#endif
