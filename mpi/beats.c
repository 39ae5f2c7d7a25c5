/* Sockets of the signs of life. Rank 0 listens, every other rank calls it: a star, whose messages are so few (136 bytes
 * every two seconds) that one thread of rank 0 hears thousands. Which of a host's addresses another host can reach is
 * not known beforehand (bridges of containers, management networks), so all are tried at once:
 *
 *   rank 0   10.0.0.1  172.17.0.1  fd00::1        caller   connect ─┬─ 10.0.0.1    there: hello → answer → kept
 *              listens on all, one port                            ├─ 172.17.0.1  the caller's own bridge: refused
 *                                                                  └─ fd00::1     no way: never ready
 */
#include "mpi/beats.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG_LEAST = 64, ANSWER_MS = 2000 };

/* --- where rank 0 listens ----------------------------------------------------------------------------------------- */

static void add_address(beat_place *p, const struct sockaddr *a) {
    if (p->n == BEAT_ADDRESSES) return;
    p->at[p->n].family = a->sa_family;
    if (a->sa_family == AF_INET)
        memcpy(p->at[p->n].bytes, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
    else
        memcpy(p->at[p->n].bytes, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
    p->n++;
}

/* Those that another host may reach. */
static bool leads_out(const struct sockaddr *a) {
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET;
    if (a->sa_family != AF_INET6) return false;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    return !IN6_IS_ADDR_LOOPBACK(v6) && !IN6_IS_ADDR_LINKLOCAL(v6);
}

static void own_addresses(beat_place *p) {
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0) return;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next)
        if (i->ifa_addr && leads_out(i->ifa_addr)) add_address(p, i->ifa_addr);
    freeifaddrs(all);
}

typedef union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} any_address;

/* Bound and listening; 0.0.0.0 and :: hear every address of the host. */
static int open_listener(int family, bool one_host, int backlog, uint32_t *port) {
    any_address a;
    const bool v4 = family == AF_INET;
    socklen_t n = v4 ? sizeof a.v4 : sizeof a.v6;
    const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), off = 0;
    if (fd < 0) return -1;
    memset(&a, 0, sizeof a);
    a.any.sa_family = (sa_family_t)family;
    if (v4)
        a.v4.sin_addr.s_addr = htonl(one_host ? INADDR_LOOPBACK : INADDR_ANY);
    else
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, &a.any, n) != 0 || listen(fd, backlog) != 0 || getsockname(fd, &a.any, &n) != 0) {
        const int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    *port = ntohs(v4 ? a.v4.sin_port : a.v6.sin6_port);
    return fd;
}

int beats_listen(bool one_host, int ranks, beat_place *out) {
    const int backlog = ranks > BACKLOG_LEAST ? ranks : BACKLOG_LEAST;
    memset(out, 0, sizeof *out);
    if (getrandom(out->secret, sizeof out->secret, 0) != (ssize_t)sizeof out->secret) return -1;
    int fd = one_host ? -1 : open_listener(AF_INET6, false, backlog, &out->port);
    if (fd < 0) fd = open_listener(AF_INET, one_host, backlog, &out->port);
    if (fd < 0) return -1;
    if (!one_host) own_addresses(out);
    if (!out->n) {
        const struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        add_address(out, (const struct sockaddr *)&loopback);
    }
    return fd;
}

void beats_place_text(const beat_place *place, char *out, size_t n) {
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < place->n && at + INET6_ADDRSTRLEN + 2 < n; i++) {
        char text[INET6_ADDRSTRLEN] = "?";
        inet_ntop((int)place->at[i].family, place->at[i].bytes, text, sizeof text);
        at += (size_t)snprintf(out + at, n - at, "%s%s", i ? ", " : "", text);
    }
}

/* --- calling it --------------------------------------------------------------------------------------------------- */

static void set_up(int fd) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

int beats_accept(int listener) {
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) set_up(fd);
    return fd;
}

/* A connection under way; −1 where there is no way at all. */
static int begin_call(const beat_place *p, uint32_t i) {
    any_address a;
    const bool v4 = p->at[i].family == AF_INET;
    memset(&a, 0, sizeof a);
    a.any.sa_family = (sa_family_t)p->at[i].family;
    if (v4) {
        memcpy(&a.v4.sin_addr, p->at[i].bytes, 4);
        a.v4.sin_port = htons((uint16_t)p->port);
    } else {
        memcpy(&a.v6.sin6_addr, p->at[i].bytes, 16);
        a.v6.sin6_port = htons((uint16_t)p->port);
    }
    const int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (connect(fd, &a.any, v4 ? sizeof a.v4 : sizeof a.v6) == 0 || errno == EINPROGRESS) return fd;
    close(fd);
    return -1;
}

/* Says hello on a connection and waits for rank 0's answer; anybody else may listen on that port there. */
static bool is_answered(int fd, const beat_place *p, const beat *hello, beat_line *out) {
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    const double until = clock_seconds() + ANSWER_MS / 1e3;
    beat answer;
    int got = 0;
    *out = (beat_line){.fd = fd};
    set_up(fd);
    if (!line_send(out, hello)) return false;
    while (got == 0 && clock_seconds() < until) {
        poll(&ready, 1, ANSWER_MS);
        got = line_receive(out, &answer);
    }
    return got == 1 && memcmp(answer.secret, p->secret, BEAT_SECRET) == 0 && answer.rank == 0;
}

bool beats_call_rank0(const beat_place *place, const beat *hello, double limit_s, beat_line *out) {
    struct pollfd calls[BEAT_ADDRESSES];
    const double until = clock_seconds() + limit_s;
    bool found = false;
    uint32_t left = 0;
    for (uint32_t i = 0; i < place->n; i++) {
        calls[i] = (struct pollfd){.fd = begin_call(place, i), .events = POLLOUT};
        left += calls[i].fd >= 0;
    }
    while (left && !found && clock_seconds() < until) {
        poll(calls, place->n, (int)((until - clock_seconds()) * 1e3) + 1);
        for (uint32_t i = 0; i < place->n && !found; i++) {
            if (calls[i].fd < 0 || !calls[i].revents) continue;
            int why = 0;
            socklen_t n = sizeof why;
            getsockopt(calls[i].fd, SOL_SOCKET, SO_ERROR, &why, &n);
            found = why == 0 && is_answered(calls[i].fd, place, hello, out);
            if (!found) close(calls[i].fd);
            calls[i].fd = -1; /* closed, or kept in *out */
            left--;
        }
    }
    for (uint32_t i = 0; i < place->n; i++)
        if (calls[i].fd >= 0) close(calls[i].fd);
    if (!found) *out = (beat_line){.fd = -1};
    return found;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

bool line_send(beat_line *l, const beat *b) {
    if (l->fd < 0) return false;
    if (!l->out) l->going = *b;
    const ssize_t n =
        send(l->fd, (const char *)&l->going + l->out, sizeof l->going - l->out, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    l->out = (l->out + (size_t)n) % sizeof l->going;
    return true;
}

int line_receive(beat_line *l, beat *out) {
    const ssize_t n = recv(l->fd, (char *)&l->coming + l->in, sizeof l->coming - l->in, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) return -1;
    l->in += (size_t)n;
    if (l->in < sizeof l->coming) return 0;
    l->in = 0;
    *out = l->coming;
    out->task[BEAT_TASK - 1] = '\0';
    return 1;
}

void line_close(beat_line *l) {
    if (l->fd >= 0) close(l->fd);
    l->fd = -1;
}
