#include "base/log.h"

#include "base/mem.h"
#include "base/printable.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TERMINAL_PERIOD 0.2 /* seconds between rewritten lines */
#define FILE_PERIOD 10.0    /* seconds between lines in a file */

struct progress {
    char *what, *unit, *note;
    uint64_t total, done;
    double started, shown;
};

progress *progress_create(const char *what, const char *unit, uint64_t total) {
    if (log_rank() != 0) {
        return NULL;
    }
    progress *p = mem_calloc(1, sizeof *p);
    if (!p) {
        return NULL; /* progress is a courtesy: every function takes NULL */
    }
    p->what = mem_strdup(what);
    p->unit = mem_strdup(unit);
    p->total = total;
    p->started = p->shown = clock_seconds();
    return p;
}

static void duration(double seconds, char *out, size_t cap) {
    unsigned long s = seconds > 0 && seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 0;
    if (s >= 3600) {
        snprintf(out, cap, "%luh%02lum", s / 3600, s / 60 % 60);
    } else if (s >= 60) {
        snprintf(out, cap, "%lum%02lus", s / 60, s % 60);
    } else {
        snprintf(out, cap, "%lus", s);
    }
}

static void show(progress *p, bool last) {
    double elapsed = clock_seconds() - p->started;
    double rate = elapsed > 0 ? (double)p->done / elapsed : 0;
    char line[512], time[32], amount[96], note[256] = "";
    if (p->total > 0) {
        snprintf(amount, sizeof amount, "%llu/%llu %s (%.0f%%)", (unsigned long long)p->done,
                 (unsigned long long)p->total, p->unit ? p->unit : "", 100.0 * (double)p->done / (double)p->total);
    } else {
        snprintf(amount, sizeof amount, "%llu %s", (unsigned long long)p->done, p->unit ? p->unit : "");
    }
    bool eta = !last && p->total > p->done && p->done > 0;
    duration(eta ? (double)(p->total - p->done) / rate : elapsed, time, sizeof time);
    if (p->note) {
        printable(p->note, strlen(p->note), note, sizeof note);
    }
    int n = snprintf(line, sizeof line, "%s%s: %s, %.3g/s, %s %s%s%s%s", log_terminal() ? "\r\033[K" : "",
                     p->what ? p->what : "", amount, rate, eta ? "left" : "took", time, p->note ? ", " : "", note,
                     last || !log_terminal() ? "\n" : "");
    size_t length = n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    ssize_t ignored = write(STDERR_FILENO, line, length);
    (void)ignored;
}

void progress_update(progress *p, uint64_t done, const char *note) {
    if (!p) {
        return;
    }
    p->done = done;
    double now = clock_seconds();
    if (note && (!p->note || strcmp(note, p->note) != 0)) {
        free(p->note);
        p->note = mem_strdup(note);
    }
    if (now - p->shown >= (log_terminal() ? TERMINAL_PERIOD : FILE_PERIOD)) {
        p->shown = now;
        show(p, false);
    }
}

void progress_finish(progress *p) {
    if (!p) {
        return;
    }
    show(p, true);
    free(p->what);
    free(p->unit);
    free(p->note);
    free(p);
}
