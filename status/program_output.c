#include "status/program_output.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_OUTPUT = 1 << 20 };

typedef struct ends {
    int read, write;
} ends;

static void close_end(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* Signals are the child's own again: this program ignores SIGPIPE. Returns an errno. */
static int start(const char *const words[], const ends *out, const ends *err, pid_t *child) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, SIGPIPE);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out->write, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, err->write, STDERR_FILENO);
    posix_spawnattr_setsigdefault(&attributes, &own);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    const int fault = posix_spawnp(child, words[0], &files, &attributes, (char *const *)words, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return fault;
}

/* False: not both ended in time. */
static bool read_both(ends *out, ends *err, double until, strbuf *to_out, strbuf *to_err) {
    char bytes[4096];
    while (out->read >= 0 || err->read >= 0) {
        struct pollfd p[] = {{.fd = out->read, .events = POLLIN}, {.fd = err->read, .events = POLLIN}};
        const double left = until - clock_seconds();
        if (left <= 0) return false;
        if (poll(p, 2, (int)(left * 1000) + 1) < 0 && errno != EINTR) return false;
        for (int i = 0; i < 2; i++) {
            strbuf *to = i ? to_err : to_out;
            if (p[i].fd < 0 || !p[i].revents) continue;
            const ssize_t n = read(p[i].fd, bytes, sizeof bytes);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0)
                close_end(i ? &err->read : &out->read);
            else if (to->len < MOST_OUTPUT)
                strbuf_append(to, bytes, (size_t)n);
        }
    }
    return true;
}

wr_status program_output(const char *const words[], double limit_s, strbuf *out, strbuf *err, int *code) {
    ends o = {-1, -1}, e = {-1, -1};
    int pipes[2], how = 0, fault = 0;
    pid_t child = -1;
    bool ended = false;
    const double until = clock_seconds() + limit_s;
    if (pipe2(pipes, O_CLOEXEC) == 0) o = (ends){pipes[0], pipes[1]};
    if (o.read >= 0 && pipe2(pipes, O_CLOEXEC) == 0) e = (ends){pipes[0], pipes[1]};
    fault = e.read < 0 ? errno : start(words, &o, &e, &child);
    close_end(&o.write);
    close_end(&e.write);
    if (!fault) {
        ended = read_both(&o, &e, until, out, err);
        if (!ended) kill(child, SIGKILL);
        while (waitpid(child, &how, 0) < 0 && errno == EINTR) {
        }
    }
    close_end(&o.read);
    close_end(&e.read);
    if (fault == ENOENT) return WR_END;
    if (fault) return wr_fail(WR_E_FAILED, "%s cannot be started: %s", words[0], strerror(fault));
    if (!ended) return wr_fail(WR_E_FAILED, "%s has not answered within %.0f s", words[0], limit_s);
    *code = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
    wr_status status = strbuf_status(out);
    return status < 0 ? status : strbuf_status(err);
}
