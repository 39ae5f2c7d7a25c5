/* Messages between two ranks keep their order, so one tag is enough, and one message each way to each rank is under way
 * at a time: that fills a network as soon as there are some ranks, and memory does not grow with the range. Rank r turns
 * to r + 1 first, then to r + 2, so that nobody is everybody's first. */
#include "mpi/gather.h"

#include "base/mem.h"
#include "mpi/internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_GATHER_RANGE = 24, WAIT_US = 500, MESSAGE = 1 << 18 };

/* Between this rank and another: floats of either's range that have gone or come, and what is under way. */
typedef struct lane {
    size_t sent, got, sending, getting;
    MPI_Request out, in;
} lane;

struct gather {
    world *w;
    size_t *bounds; /* (size + 1) */
    size_t message, made;
    float *buffer;
    lane *lanes; /* (size) */
};

wr_status gather_create(world *w, const size_t *bounds, size_t message, gather **out) {
    wr_status status = WR_OK;
    const size_t size = (size_t)w->size;
    gather *g = *out = mem_calloc(1, sizeof *g);
    TRY_ALLOC(g);
    g->w = w;
    g->message = message && message < INT_MAX ? message : MESSAGE;
    TRY_ALLOC(g->bounds = mem_calloc(size + 1, sizeof *g->bounds));
    TRY_ALLOC(g->lanes = mem_calloc(size, sizeof *g->lanes));
    memcpy(g->bounds, bounds, (size + 1) * sizeof *bounds);
cleanup:
    if (status < 0) gather_free(g), *out = NULL;
    return status;
}

void gather_free(gather *g) {
    if (!g) return;
    free(g->bounds);
    free(g->lanes);
    free(g);
}

static size_t range_of(const gather *g, size_t p) { return g->bounds[p + 1] - g->bounds[p]; }

/* Floats of the message behind `done` of a range of n. */
static size_t next_message(const gather *g, size_t n, size_t done) {
    return n - done < g->message ? n - done : g->message;
}

static bool ended(MPI_Request *q) {
    int flag = 0;
    MPI_Test(q, &flag, MPI_STATUS_IGNORE); /* of one that is null, too */
    return flag;
}

/* Returns whether all of lane p is over. */
static bool lane_progress(gather *g, size_t p) {
    lane *l = &g->lanes[p];
    const size_t me = (size_t)g->w->rank, mine = range_of(g, me), theirs = range_of(g, p);
    if (ended(&l->in)) {
        l->got += l->getting;
        l->getting = next_message(g, theirs, l->got);
        if (l->getting)
            MPI_Irecv(g->buffer + g->bounds[p] + l->got, (int)l->getting, MPI_FLOAT, (int)p, TAG_GATHER_RANGE,
                      g->w->comm, &l->in);
    }
    if (ended(&l->out)) {
        l->sent += l->sending;
        l->sending = next_message(g, mine, l->sent);
        if (g->bounds[me] + l->sent + l->sending > g->made) l->sending = 0;
        if (l->sending)
            MPI_Isend(g->buffer + g->bounds[me] + l->sent, (int)l->sending, MPI_FLOAT, (int)p, TAG_GATHER_RANGE,
                      g->w->comm, &l->out);
    }
    return l->sent == mine && l->got == theirs;
}

static bool progress(gather *g) {
    bool over = true;
    const size_t size = (size_t)g->w->size, me = (size_t)g->w->rank;
    for (size_t d = 1; d < size; d++) over = lane_progress(g, (me + d) % size) && over;
    return over;
}

void gather_begin(gather *g, float *buffer) {
    g->buffer = buffer;
    g->made = g->bounds[g->w->rank];
    for (int p = 0; p < g->w->size; p++) g->lanes[p] = (lane){.out = MPI_REQUEST_NULL, .in = MPI_REQUEST_NULL};
    progress(g);
}

void gather_made(gather *g, size_t until) {
    g->made = until;
    progress(g);
}

void gather_finish(gather *g) {
    backoff b = backoff_make(WAIT_US);
    g->made = g->bounds[g->w->rank + 1];
    while (!progress(g)) backoff_pause(&b);
}
