#include "bench/peer.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

wr_status peer_start(const char *command, peer *out) {
    int to[2], from[2];
    char line[64];
    *out = (peer){0};
    if (pipe(to) < 0) return wr_fail(WR_E_IO, "no pipe for: %s", command);
    if (pipe(from) < 0) {
        close(to[0]), close(to[1]);
        return wr_fail(WR_E_IO, "no pipe for: %s", command);
    }
    out->pid = fork();
    if (out->pid == 0) {
        dup2(to[0], STDIN_FILENO), dup2(from[1], STDOUT_FILENO);
        close(to[0]), close(to[1]), close(from[0]), close(from[1]);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(to[0]), close(from[1]);
    out->to = fdopen(to[1], "w");
    out->from = fdopen(from[0], "r");
    if (out->pid > 0 && out->to && out->from && fgets(line, sizeof line, out->from) && strcmp(line, "ready\n") == 0)
        return WR_OK;
    peer_stop(out);
    return wr_fail(WR_E_FAILED, "the peer did not start: %s", command);
}

wr_status peer_run(peer *p, double *seconds) {
    char line[64];
    if (fputs("run\n", p->to) < 0 || fflush(p->to) != 0 || !fgets(line, sizeof line, p->from) ||
        !((*seconds = strtod(line, NULL)) > 0))
        return wr_fail(WR_E_FAILED, "the peer ended, or printed no time");
    return WR_OK;
}

void peer_stop(peer *p) {
    if (p->to) fclose(p->to); /* it ends with its input */
    if (p->from) fclose(p->from);
    if (p->pid > 0) {
        kill(p->pid, SIGTERM);
        waitpid(p->pid, NULL, 0);
    }
    *p = (peer){0};
}
