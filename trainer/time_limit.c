/*     now ──── another step ────┬──── a save under way, and the last one ────┬─ margin ─┤ the limit
 *          1.25 × the longest               2 × 1.25 × the longest              10 s                          */
#include "trainer/time_limit.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define SPARE 1.25
#define MARGIN_S 10.0
#define UNKNOWN_RATE 1e8 /* bytes a second of a save that was never measured: a slow disk's */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

wr_status time_limit_find(time_limit *out) {
    const char *text = getenv("SLURM_JOB_END_TIME"), *job = getenv("SLURM_JOB_ID");
    char *end = NULL;
    *out = (time_limit){0};
    if (!text && job)
        return wr_fail(WR_E_USAGE,
                       "--stop-before-time-limit: job %.40s does not say when it ends; set SLURM_JOB_END_TIME (seconds "
                       "since 1970), as slurm/common.sh does",
                       job);
    if (!text) {
        log_info(
            "--stop-before-time-limit: this is no job of Slurm (no SLURM_JOB_ID, no SLURM_JOB_END_TIME): no limit");
        return WR_OK;
    }
    errno = 0;
    const long long seconds = strtoll(text, &end, 10);
    if (errno || end == text || *end || seconds <= 0)
        return wr_fail(WR_E_USAGE, "SLURM_JOB_END_TIME='%.40s': want seconds since 1970", text);
    out->end = (double)seconds;
    return WR_OK;
}

void time_limit_step(time_limit *t) {
    const double ended = clock_seconds();
    if (t->before > 0 && ended - t->before > t->longest) t->longest = ended - t->before;
    t->before = ended;
}

bool time_limit_near(const time_limit *t, double save_s, size_t bytes, double *left) {
    *left = t->end - now();
    if (t->end <= 0 || t->longest <= 0) return false;
    const double save = save_s > 0 ? save_s : (double)bytes / UNKNOWN_RATE;
    return *left < SPARE * (t->longest + 2 * save) + MARGIN_S;
}
