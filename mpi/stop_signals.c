/* Stop signals: they are seen by a handler, and answered by the main threads where all ranks can agree to stop. SIGTERM
 * goes unanswered only for so long: a library that spins would otherwise keep a process for ever that its scheduler
 * believes gone. A handler ends it then, because no thread can be counted on, and nothing half-written has a final
 * name. */
#include "base/log.h"
#include "mpi/internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Seconds until SIGTERM must be answered, below Slurm's KillWait of 30; and how many times as long the saving behind it
 * may take. */
enum { GRACE_S = 20, SAVING_GRACES = 10, GRACE_MOST_S = 1000000 };
#define GRACE_ENV "WILDREWARD_GRACE_S"

/* The only mutable globals of the program: a signal handler has no other way to tell, nor to be told. The lines are
 * written before the handlers are set. */
static volatile sig_atomic_t stop_seen, interrupts_seen, answered, limited, launcher_warned;
static timer_t patience;
static time_t grace_s;
static char late_line[256], launcher_line[320];

static void write_line(const char *line) {
    ssize_t ignored = write(STDERR_FILENO, line, strlen(line));
    (void)ignored;
}

static void expect_answer(void) {
    const struct itimerspec when = {.it_value.tv_sec = answered ? grace_s * SAVING_GRACES : grace_s};
    timer_settime(patience, 0, &when, NULL);
}

static void on_stop_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    stop_seen = 1;
    if (number == SIGINT && ++interrupts_seen > 1) _exit(130);
    if (number != SIGTERM) return;
    if (limited) expect_answer();
    if (launcher_line[0] && !launcher_warned && info && info->si_pid == getppid()) {
        launcher_warned = 1;
        write_line(launcher_line);
    }
}

static void on_patience_end(int number) {
    (void)number;
    write_line(late_line);
    _exit(1);
}

static int patience_signal(void) { return SIGRTMIN + 6; }

/* The timer, once; and its line. */
static wr_status limit_waiting(void) {
    const char *wanted = getenv(GRACE_ENV);
    char *end = NULL, who[32] = "";
    long seconds = wanted ? strtol(wanted, &end, 10) : GRACE_S;
    if (wanted && (end == wanted || *end || seconds < 0 || seconds > GRACE_MOST_S))
        return wr_fail(WR_E_USAGE,
                       GRACE_ENV
                       "='%.40s': want seconds from SIGTERM to the end of a process that does not answer, 0: no limit",
                       wanted);
    if (log_rank() > 0) snprintf(who, sizeof who, "[rank %d] ", log_rank());
    snprintf(late_line, sizeof late_line,
             "wildreward: error: %sSIGTERM was not answered within the grace of %ld s (" GRACE_ENV
             "): ended without saving; the checkpoint before stays\n",
             who, seconds);
    if (seconds == 0 || limited) return WR_OK;
    grace_s = seconds;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = patience_signal()};
    struct sigaction action = {.sa_handler = on_patience_end};
    sigemptyset(&action.sa_mask);
    if (sigaction(patience_signal(), &action, NULL) != 0 || timer_create(CLOCK_MONOTONIC, &event, &patience) != 0)
        return WR_OK; /* without a limit */
    limited = 1;
    return WR_OK;
}

wr_status stop_signals_install(void) {
    static const int numbers[] = {SIGTERM, SIGUSR1, SIGINT};
    struct sigaction action = {.sa_sigaction = on_stop_signal, .sa_flags = SA_RESTART | SA_SIGINFO};
    wr_status status = limit_waiting();
    if (status < 0) return status;
    if (getenv("OMPI_COMM_WORLD_SIZE") && log_rank() == 0) {
        const char *longer = getenv("OMPI_MCA_odls_base_sigkill_timeout");
        snprintf(launcher_line, sizeof launcher_line,
                 "wildreward: warning: mpirun stops its ranks and kills them %.10s s after this; a save that takes "
                 "longer is lost, and the checkpoint before stays. "
                 "kill -USR1 to mpirun has no such limit\n",
                 longer ? longer : "1");
    }
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (sigaction(numbers[i], &action, NULL) != 0)
            return wr_fail(WR_E_IO, "cannot install the handler of signal %d", numbers[i]);
    }
    return WR_OK;
}

bool stop_signal_seen(void) { return stop_seen != 0; }

bool world_stop_requested(void) {
    if (!stop_seen) return false;
    if (!answered) {
        answered = 1;
        /* A signal between these lines sets the longer limit, too. */
        struct itimerspec left;
        if (limited && timer_gettime(patience, &left) == 0 && (left.it_value.tv_sec || left.it_value.tv_nsec))
            expect_answer();
    }
    return true;
}

void world_signals_default(void) {
    signal(SIGTERM, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    if (stop_seen) raise(SIGTERM);
}
