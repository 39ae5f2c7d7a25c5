#include "status/metrics_tail.h"

#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* First so many bytes, and where no step's times stand in them (lines of evaluations are long), four times more. */
enum { FIRST_BYTES = 32 << 10, MOST_BYTES = 8 << 20 };

/* Sums over the steps that were looked at. */
typedef struct step_sums {
    double time, tokens, replies, records;
    size_t n;
} step_sums;

static double number(const json_value *row, const char *key) {
    double x;
    return json_get_double(row, key, &x) && isfinite(x) ? x : NAN;
}

/* From the last line backwards: what is set already came later. */
static void take_line(const json_value *row, metrics_tail *t, step_sums *sums) {
    int64_t step;
    if (!json_get_int(row, "step", &step) || step < 0) {
        t->bad++;
        return;
    }
    if (t->step < 0) {
        t->step = step;
        json_get_int(row, "skipped", &t->skipped);
    }
    if (isnan(t->loss)) t->loss = number(row, "loss");
    if (isnan(t->eval_s)) t->eval_s = number(row, "eval_time_s");
    const double time = number(row, "step_time_s");
    if (!(time > 0)) return;
    sums->n++;
    sums->time += time;
    sums->tokens += number(row, "tokens");
    sums->replies += number(row, "replies");
    sums->records += number(row, "records");
}

/* A name that one of the steps lacks made its sum NaN. */
static void settle(const step_sums *s, metrics_tail *t) {
    if (!s->n) return;
    t->step_s = s->time / (double)s->n;
    t->unit = !isnan(s->replies) ? "replies" : !isnan(s->tokens) ? "tokens" : !isnan(s->records) ? "records" : NULL;
    const double sum = !isnan(s->replies) ? s->replies : !isnan(s->tokens) ? s->tokens : s->records;
    t->per_s = sum / s->time;
}

bool metrics_tail_of(const char *bytes, size_t n, bool whole, metrics_tail *out) {
    step_sums sums = {0};
    arena *a = arena_create();
    out->step = -1;
    out->loss = out->step_s = out->per_s = out->eval_s = NAN;
    out->unit = NULL;
    out->skipped = 0;
    out->bad = 0;
    out->cut = n && bytes[n - 1] != '\n';
    while (n && bytes[n - 1] != '\n') n--; /* of a line that is being written, or was cut */
    while (a && n && sums.n < TAIL_STEPS) {
        const size_t end = n - 1;
        const json_value *row;
        size_t from = end;
        while (from && bytes[from - 1] != '\n') from--;
        if (!from && !whole) break; /* it begins before these bytes */
        arena_reset(a);
        if (json_parse(a, bytes + from, end - from, &row) >= 0)
            take_line(row, out, &sums);
        else if (end > from)
            out->bad++;
        n = from;
    }
    arena_free(a);
    settle(&sums, out);
    return whole || sums.n >= TAIL_STEPS;
}

/* The last n bytes of a file of `size`; a run may cut it meanwhile. */
static bool read_end(int fd, off_t size, char *bytes, size_t *n) {
    const off_t at = size - (off_t)*n;
    size_t got = 0;
    while (got < *n) {
        const ssize_t r = pread(fd, bytes + got, *n - got, at + (off_t)got);
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return false;
        if (r == 0) break;
        got += (size_t)r;
    }
    *n = got;
    return true;
}

static wr_status read_from(int fd, const char *path, metrics_tail *out) {
    wr_status status = WR_OK;
    struct stat info;
    struct timespec now;
    char *bytes = NULL;
    if (fstat(fd, &info) != 0) TRY(wr_fail(WR_E_IO, "cannot read %s: %s", path, strerror(errno)));
    if (!S_ISREG(info.st_mode)) TRY(wr_fail(WR_E_IO, "cannot read %s: it is no file", path));
    clock_gettime(CLOCK_REALTIME, &now);
    out->there = true;
    out->age_s = (double)(now.tv_sec - info.st_mtim.tv_sec) + 1e-9 * (double)(now.tv_nsec - info.st_mtim.tv_nsec);
    for (size_t want = FIRST_BYTES;; want *= 4) {
        const bool whole = info.st_size <= (off_t)want;
        size_t n = whole ? (size_t)info.st_size : want;
        free(bytes);
        TRY_ALLOC(bytes = malloc(n + 1));
        if (!read_end(fd, info.st_size, bytes, &n)) TRY(wr_fail(WR_E_IO, "cannot read %s: %s", path, strerror(errno)));
        if (metrics_tail_of(bytes, n, whole, out) || want * 4 > MOST_BYTES) break;
    }
cleanup:
    free(bytes);
    return status;
}

wr_status metrics_tail_read(const char *path, metrics_tail *out) {
    *out = (metrics_tail){.age_s = NAN};
    metrics_tail_of("", 0, true, out);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return errno == ENOENT ? WR_OK : wr_fail(WR_E_IO, "cannot open %s: %s", path, strerror(errno));
    const wr_status status = read_from(fd, path, out);
    close(fd);
    return status;
}

double metrics_tail_left(const metrics_tail *t, int64_t steps, int64_t eval_every) {
    if (t->step < 0 || steps <= 0 || isnan(t->step_s)) return NAN;
    if (t->step >= steps) return 0;
    int64_t evaluations = 1; /* at the end */
    if (eval_every > 0) evaluations += (steps - 1) / eval_every - t->step / eval_every;
    return (double)(steps - t->step) * t->step_s + (isnan(t->eval_s) ? 0 : (double)evaluations * t->eval_s);
}
