/* The end of a launcher that would never end. Open MPI's mpirun asks its daemons on all machines to end a job, and waits
 * for their answers, also for that of a machine that is gone: until TCP gives up, a quarter of an hour later. So a
 * process of the job stays behind, waits, and then kills it:
 *
 *   rank 0  ── MPI_Abort ──→ mpirun ──→ daemons, ranks killed      mpirun ends: good
 *      └ clone ─→ sleeps, looks ─────────────────────────────────→ it does not: SIGKILL
 *
 * Its daemons on the machines that are left see that, and go with their ranks. */
#include "mpi/watch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LAUNCHER_S = 30, FILES_MOST = 65536, PATH_ROOM = 64, NAME_ROOM = 32 };

/* Is this process one of Open MPI's launchers? Only calls that a forked child of threads may make. */
static bool is_launcher(const char *comm_path) {
    static const char *const names[] = {"mpirun\n", "mpiexec\n", "orterun\n", "prterun\n"};
    char name[NAME_ROOM] = "";
    const int fd = open(comm_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const ssize_t n = read(fd, name, sizeof name - 1);
    close(fd);
    for (size_t i = 0; n > 0 && i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

/* A launcher waits for its pipes to close, too. */
static void close_all(void) {
#ifdef SYS_close_range
    if (syscall(SYS_close_range, 0U, ~0U, 0U) == 0) return;
#endif
    for (int fd = 0; fd < FILES_MOST; fd++) close(fd);
}

void launcher_end_later(void) {
    const pid_t launcher = getppid();
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)launcher);
    if (!is_launcher(path)) return;
    /* Without the handlers that libraries have for fork(): their locks may be held. */
    if (syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L) != 0) return;
    setsid();
    close_all();
    for (int i = 0; i < LAUNCHER_S; i++) {
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        if (!is_launcher(path)) _exit(0);
    }
    kill(launcher, SIGKILL);
    _exit(0);
}
