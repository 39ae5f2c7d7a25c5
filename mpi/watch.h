/* Inside of mpi/: the watch over the ranks of a run (mpi/world.h, world_watch). */
#ifndef WR_MPI_WATCH_H
#define WR_MPI_WATCH_H

#include "mpi/beats.h"
#include "mpi/internal.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>

enum { WATCH_HOST = 64, WATCH_STRANGERS = 64 };

/* Of a rank that is watched. Times are seconds that the watching thread has lived through itself. */
typedef struct watched {
    char host[WATCH_HOST];
    int pid;
    beat_line line;
    char task[BEAT_TASK]; /* the last one that it told of */
    uint64_t tasks;       /* begun by then */
    double at_task;       /* since the number of them changed */
    double age, gone_for; /* since its last sign of life; since its line broke */
    bool off;             /* is not watched, or has ended well */
    bool gone, told;      /* its line broke; that was said */
} watched;

struct watch {
    world *w;
    watch_options o;
    double tick_s;
    beat_place place;
    int listener, bell; /* bell: an eventfd that wakes the thread */
    pthread_t thread;
    bool running;
    atomic_bool all_called; /* whoever has no line by now is not watched */
    atomic_bool finalizing; /* MPI may be called no more */
    atomic_bool quit;
    pthread_mutex_t mutex; /* of the three below */
    char task[BEAT_TASK];  /* `whole` bytes of it, then the part */
    size_t whole;
    uint64_t tasks;
    /* the thread's: rank 0 watches the others ([rank], its own is off), they watch rank 0 alone */
    watched *ranks;
    int n_ranks;
    double next_warning; /* of rank 0, at_task */
    struct {
        beat_line line;
        double age;
    } strangers[WATCH_STRANGERS]; /* have not said who they are */
    struct pollfd *polled;        /* (2 + WATCH_STRANGERS + n_ranks) */
};

/* Leaves a process behind that kills the launcher of this one, should it not end within half a minute. Nothing where the
 * parent is no launcher. */
void launcher_end_later(void);

/* The thread's function: hears, beats, judges; ends the job itself. */
void *watch_main(void *watch);

#endif
