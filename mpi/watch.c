/* Life of the watch: how the lines are made, what a rank tells of itself. mpi/watch_thread.c hears and judges. */
#include "mpi/watch.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

/* A sign of life every limit / BEATS_A_LIMIT seconds, every two at the least: a few lost ones are no death. */
static const double call_limit_s = 5, tick_most_s = 2, tick_least_s = 0.05;
enum { BEATS_A_LIMIT = 16, SPARE_FILES = 256 };

typedef struct identity {
    char host[WATCH_HOST];
    int pid;
} identity;

/* What rank 0 decides and tells. */
typedef struct invitation {
    watch_options o; /* but `again`, an address */
    identity who;
    beat_place place;
} invitation;

static identity own_identity(const world *w) {
    identity me = {.pid = (int)getpid()};
    snprintf(me.host, sizeof me.host, "%.*s", WATCH_HOST - 1, w->host);
    return me;
}

static void watch_free(watch *h) {
    if (!h) return;
    if (h->listener >= 0) close(h->listener);
    if (h->bell >= 0) close(h->bell);
    for (int i = 0; h->ranks && i < h->n_ranks; i++) line_close(&h->ranks[i].line);
    for (int i = 0; i < WATCH_STRANGERS; i++) line_close(&h->strangers[i].line);
    pthread_mutex_destroy(&h->mutex);
    free(h->ranks);
    free(h->polled);
    free(h);
}

/* NULL: without memory, which leaves this rank unwatched. */
static watch *watch_make(world *w) {
    watch *h = mem_calloc(1, sizeof *h);
    if (!h) return NULL;
    pthread_mutex_init(&h->mutex, NULL);
    h->w = w;
    h->listener = -1;
    h->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (int i = 0; i < WATCH_STRANGERS; i++) h->strangers[i].line.fd = -1;
    h->n_ranks = w->rank == 0 ? w->size : 1;
    h->ranks = mem_calloc((size_t)h->n_ranks, sizeof *h->ranks);
    h->polled = mem_calloc(2 + WATCH_STRANGERS + (size_t)h->n_ranks, sizeof *h->polled);
    for (int i = 0; h->ranks && i < h->n_ranks; i++) h->ranks[i].line.fd = -1;
    if (h->ranks && h->polled && h->bell >= 0) return h;
    watch_free(h);
    return NULL;
}

/* A line a rank is more than many systems let a process have open unasked. */
static void allow_files(int ranks) {
    struct rlimit r;
    const rlim_t wanted = (rlim_t)ranks + SPARE_FILES;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= wanted) return;
    r.rlim_cur = wanted < r.rlim_max ? wanted : r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
}

/* Stop signals are the main threads'. */
static bool start_thread(watch *h) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    h->running = pthread_create(&h->thread, NULL, watch_main, h) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return h->running;
}

/* Rank 0 hears from now on, also of those who have not called yet. */
static bool open_root(watch *h, const identity *who) {
    for (int r = 0; r < h->n_ranks; r++) {
        memcpy(h->ranks[r].host, who[r].host, WATCH_HOST);
        h->ranks[r].pid = who[r].pid;
        h->ranks[r].off = r == 0;
    }
    return h->listener >= 0 && start_thread(h);
}

static bool open_other(watch *h, const invitation *call) {
    beat hello = {.kind = BEAT_ALIVE, .rank = (uint32_t)h->w->rank};
    memcpy(hello.secret, call->place.secret, BEAT_SECRET);
    memcpy(h->ranks[0].host, call->who.host, WATCH_HOST);
    h->ranks[0].pid = call->who.pid;
    return beats_call_rank0(&call->place, &hello, call_limit_s, &h->ranks[0].line) && start_thread(h);
}

static void say_unwatched(const world *w, const beat_place *place) {
    char at[512];
    beats_place_text(place, at, sizeof at);
    if (w->rank == 0)
        log_warn("no sign of life of other ranks can be heard here: should one of them stall, nothing ends the job");
    else
        log_warn("rank 0 cannot be reached at %s, port %u: should this rank stall, nothing ends the job", at,
                 (unsigned)place->port);
}

/* One tick: BEATS_A_LIMIT of them are the limit, but none is longer than two seconds. */
static double tick_of(double limit_s) {
    const double tick = limit_s / BEATS_A_LIMIT;
    return tick > tick_most_s ? tick_most_s : tick < tick_least_s ? tick_least_s : tick;
}

static bool watch_open(watch *h, const watch_options *own, const invitation *call, const identity *who) {
    if (!h) return false;
    h->place = call->place;
    h->o = call->o;
    h->o.again = own->again;
    h->tick_s = tick_of(h->o.silent_s);
    return h->w->rank == 0 ? open_root(h, who) : open_other(h, call);
}

void world_watch(world *w, const watch_options *o) {
    if (w->size == 1) return;
    const identity me = own_identity(w);
    invitation call = {.o = *o, .who = me};
    watch *h = watch_make(w);
    identity *who = w->rank == 0 ? mem_calloc((size_t)w->size, sizeof *who) : NULL;
    if (w->rank == 0) {
        if (!who) MPI_Abort(MPI_COMM_WORLD, 1); /* a few bytes a rank: nothing can be agreed upon either */
        allow_files(w->size);
        if (h && o->silent_s > 0) h->listener = beats_listen(w->local_size == w->size, w->size, &call.place);
    }
    MPI_Bcast(&call, (int)sizeof call, MPI_BYTE, 0, w->comm);
    MPI_Gather(&me, (int)sizeof me, MPI_BYTE, who, (int)sizeof me, MPI_BYTE, 0, w->comm);
    const bool wanted = call.o.silent_s > 0, heard = wanted && watch_open(h, o, &call, who);
    if (wanted) {
        if (!heard && (w->rank == 0 || call.place.n)) say_unwatched(w, &call.place);
        world_barrier(w); /* who has called by now is watched */
    }
    if (heard) {
        w->watch = h;
        atomic_store(&h->all_called, true);
        log_debug("a sign of life every %g s, and %g s without one end the job", h->tick_s, h->o.silent_s);
    } else
        watch_free(h);
    free(who);
}

/* A whole task, or a part behind the whole. */
static void set_task(watch *h, bool whole, const char *format, va_list args) {
    char text[BEAT_TASK];
    vsnprintf(text, sizeof text, format, args);
    pthread_mutex_lock(&h->mutex);
    const size_t at = whole ? 0 : h->whole;
    const int n = snprintf(h->task + at, sizeof h->task - at, "%s%s", at ? ": " : "", text);
    if (whole) h->whole = n < BEAT_TASK ? (size_t)n : BEAT_TASK - 1;
    h->tasks++;
    pthread_mutex_unlock(&h->mutex);
}

void world_task(world *w, const char *format, ...) {
    va_list args;
    if (!w || !w->watch) return;
    va_start(args, format);
    set_task(w->watch, true, format, args);
    va_end(args);
}

void world_task_part(world *w, const char *format, ...) {
    va_list args;
    if (!w || !w->watch) return;
    va_start(args, format);
    set_task(w->watch, false, format, args);
    va_end(args);
}

void watch_finalizing(watch *h) {
    if (h) atomic_store(&h->finalizing, true);
}

void watch_end(watch *h) {
    if (!h) return;
    atomic_store(&h->quit, true);
    if (eventfd_write(h->bell, 1) == 0 || errno == EAGAIN) pthread_join(h->thread, NULL);
    watch_free(h);
}
