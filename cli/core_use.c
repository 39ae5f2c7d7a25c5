#include "cli/core_use.h"

#include "base/printable.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double group_quota(void) {
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    double quota = 0, period = 0;
    if (f && fscanf(f, "%lf %lf", &quota, &period) != 2) quota = 0; /* "max": no limit */
    if (f) fclose(f);
    return quota > 0 && period > 0 ? quota / period : 0;
}

void core_use_mine(const char *host, int threads, core_use *out) {
    memset(out, 0, sizeof *out);
    printable(host, strlen(host), out->host, sizeof out->host);
    if (sched_getaffinity(0, sizeof out->cores, &out->cores) != 0) CPU_ZERO(&out->cores);
    out->threads = threads;
    out->online = (int)sysconf(_SC_NPROCESSORS_ONLN);
    out->quota = group_quota();
}

/* The host of rank `first`, which is its first one. */
static void warn_host(const core_use *ranks, size_t n, size_t first, bool launched, strbuf *out) {
    const char *host = ranks[first].host;
    cpu_set_t together;
    int threads = 0, here = 0, single = 0;
    bool told = false;
    CPU_ZERO(&together);
    for (size_t r = first; r < n; r++) {
        if (strcmp(ranks[r].host, host) != 0) continue;
        int cores = CPU_COUNT(&ranks[r].cores);
        CPU_OR(&together, &together, &ranks[r].cores);
        threads += ranks[r].threads;
        single += cores == 1;
        here++;
        if (ranks[r].threads > cores && cores > 0 && !told) {
            strbuf_printf(out, "warning: rank %zu on %s has %d threads on %d core%s: set OMP_NUM_THREADS=%d%s\n", r,
                          host, ranks[r].threads, cores, cores == 1 ? "" : "s", cores,
                          launched ? ", or give it more cores (--bind-to none, --map-by ppr:1:node:pe=N)" : "");
            told = true;
        }
    }
    const int cores = CPU_COUNT(&together);
    if (!told && threads > cores && cores > 0)
        strbuf_printf(
            out, "warning: %d rank%s of %d threads in all share %d core%s of %s: set OMP_NUM_THREADS to %d or less\n",
            here, here == 1 ? "" : "s", threads, cores, cores == 1 ? "" : "s", host,
            cores / here > 0 ? cores / here : 1);
    if (ranks[first].quota > 0 && threads > ranks[first].quota + 0.5)
        strbuf_printf(out,
                      "warning: %d threads on %s, whose control group may take the time of %.1f cores: set "
                      "OMP_NUM_THREADS lower\n",
                      threads, host, ranks[first].quota);
    if (!told && single == here && cores < ranks[first].online && launched)
        strbuf_printf(out,
                      "warning: each rank on %s may use one core only, and %d of %d cores are nobody's: give --bind-to "
                      "none, or slots with cores (--map-by ppr:1:node:pe=N)\n",
                      host, ranks[first].online - cores, ranks[first].online);
}

void core_use_warnings(const core_use *ranks, size_t n, bool launched, strbuf *out) {
    for (size_t first = 0; first < n; first++) {
        size_t r = 0;
        while (strcmp(ranks[r].host, ranks[first].host) != 0) r++;
        if (r == first) warn_host(ranks, n, first, launched, out);
    }
}
