#include "base/log.h"

#include "base/printable.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The program's one global: a log line may be written from anywhere, also where no handle is at hand, and its settings
 * (who am I, how much to say) belong to the process. Set once by main before threads start, read-only afterwards. */
static struct {
    int rank;
    log_level threshold;
    bool terminal;
} settings = {.rank = 0, .threshold = LOG_INFO, .terminal = false};

void log_setup(int rank, log_level threshold) {
    settings.rank = rank;
    settings.threshold = threshold;
    settings.terminal = isatty(STDERR_FILENO) == 1;
}

int log_rank(void) { return settings.rank; }

bool log_terminal(void) { return settings.terminal; }

/* One write() a line, so that lines of several ranks on one terminal do not mix. */
void log_print(log_level level, const char *format, ...) {
    if (level < settings.threshold) {
        return;
    }
    static const char *const labels[] = {"debug: ", "", "warning: ", "error: "};
    char line[4096];
    size_t n = 0;
    if (settings.terminal) {
        n += (size_t)snprintf(line, sizeof line, "\r\033[K"); /* a progress line may stand there */
    }
    if (settings.rank > 0) {
        n += (size_t)snprintf(line + n, sizeof line - n, "[rank %d] ", settings.rank);
    }
    n += (size_t)snprintf(line + n, sizeof line - n, "%s", labels[level]);
    char text[sizeof line];
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) > 0) {
        n += printable(text, strlen(text), line + n, sizeof line - n - 1);
    }
    va_end(args);
    line[n++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, n); /* nowhere to report a failing stderr */
    (void)ignored;
}

static double seconds_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double clock_seconds(void) { return seconds_of(CLOCK_MONOTONIC); }

double clock_thread_cpu(void) { return seconds_of(CLOCK_THREAD_CPUTIME_ID); }
