/* Sums as tasks beside other work: the pipeline of mpi/reducer.c with a communicator of its own, an end where all ranks
 * meet, and, where it is wanted, a helper thread that moves it on while the caller computes:
 *
 *     caller   start ──── compute ──── start ──── compute ──── finish: takes over, drains, agrees
 *                │ started                │
 *     helper   wake ─ progress, pause, progress … ─ (nothing left: sleeps) ─ progress …
 *
 * Messages move only inside MPI calls, and a layer's backward pass makes none: without the helper two slices a layer
 * would be hidden, with it all that fit beside the computing. */
#include "mpi/reducer.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

void reduce_start_at(reducer *r, reduce_task *t, float *buffer, size_t n, size_t at) {
    if (!r->n_tasks) r->busy = 0, r->left_host = 0, r->patient = true; /* nothing is under way */
    if (!r->helped) {
        reducer_add(r, t, buffer, n, at);
        reducer_progress(r);
        return;
    }
    pthread_mutex_lock(&r->sleep);
    reducer_add(r, t, buffer, n, at);
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->sleep);
}

bool reduce_test(reducer *r, const reduce_task *t) {
    if (!r->helped) reducer_progress(r);
    return r->done >= t->end;
}

void reduce_catch_up(reducer *r, size_t most) {
    static const double PATIENCE = 1;
    backoff b = backoff_make(REDUCE_WAIT_US);
    double since = clock_seconds();
    size_t before = r->done;
    while (r->helped && r->patient && (r->started - r->done) * r->o.slice > most) {
        backoff_pause(&b);
        if (r->done != before)
            before = r->done, since = clock_seconds();
        else
            r->patient = clock_seconds() - since < PATIENCE;
    }
}

void reduce_times(const reducer *r, double *busy_s, double *waited_s) {
    *busy_s = r->busy;
    *waited_s = r->waited;
}

uint64_t reduce_left_host(const reducer *r) { return r->left_host; }

/* --- the helper --------------------------------------------------------------------------------------------------- */

static void *helper_main(void *context) {
    reducer *r = context;
    backoff b = backoff_make(REDUCE_WAIT_US);
    for (;;) {
        pthread_mutex_lock(&r->sleep);
        while (!r->quit && r->done == r->started) pthread_cond_wait(&r->wake, &r->sleep);
        const bool quit = r->quit;
        pthread_mutex_unlock(&r->sleep);
        if (quit) return NULL;
        pthread_mutex_lock(&r->drive);
        const bool moved = reducer_progress(r);
        pthread_mutex_unlock(&r->drive);
        if (moved)
            b = backoff_make(REDUCE_WAIT_US);
        else
            backoff_pause(&b);
    }
}

static wr_status helper_start(reducer *r) {
    pthread_mutex_init(&r->drive, NULL);
    pthread_mutex_init(&r->sleep, NULL);
    pthread_cond_init(&r->wake, NULL);
    r->helped = true;
    if (pthread_create(&r->thread, NULL, helper_main, r) == 0) return WR_OK;
    r->helped = false;
    return wr_fail(WR_E_FAILED, "the thread that sums gradients beside the backward pass could not be started");
}

static void helper_stop(reducer *r) {
    if (!r->helped) return;
    pthread_mutex_lock(&r->sleep);
    r->quit = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->sleep);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->sleep);
    pthread_mutex_destroy(&r->drive);
    r->helped = false;
}

/* From the first to the second the caller alone moves on: between them the helper sleeps or waits. */
static void take_over(reducer *r) {
    if (r->helped) pthread_mutex_lock(&r->drive);
}
static void hand_back(reducer *r) {
    if (r->helped) pthread_mutex_unlock(&r->drive);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

wr_status reducer_create(world *w, const reduce_options *o, reducer **out) {
    wr_status status = WR_OK;
    MPI_Comm comm = MPI_COMM_NULL;
    reducer *r = mem_calloc(1, sizeof *r);
    *out = NULL;
    if (!r) status = WR_E_NOMEM;
    if (r) status = reducer_open(r, w, MPI_COMM_NULL, o, w->size > 1);
    if (status >= 0 && o->background && w->size > 1) status = helper_start(r);
    TRY(world_agree(w, status));
    MPI_Comm_dup(w->comm, &comm);
    r->comm = comm;
    *out = r;
    r = NULL;
cleanup:
    if (r) {
        helper_stop(r);
        reducer_close(r);
    }
    free(r);
    return status;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void wait_moving(reducer *r, MPI_Request *request) {
    backoff b = backoff_make(REDUCE_WAIT_US);
    for (int done = 0;;) {
        MPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (done) return;
        if (reducer_progress(r))
            b = backoff_make(REDUCE_WAIT_US);
        else
            backoff_pause(&b);
    }
}

static void forget_tasks(reducer *r) {
    r->tasks = r->last = NULL;
    r->at_post = r->at_collect = r->at_sum = r->at_spread = r->at_done = NULL;
}

/* Ends what any rank has started: counts are exchanged, and a rank that lags behind joins in the tasks that it lacks,
 * with what its spares happen to hold, so that the messages of the others find their receivers. Returns false on a rank
 * that lagged behind. */
static bool drain_together(reducer *r) {
    const uint64_t mine = r->n_tasks;
    uint64_t most = 0, least = mine;
    int owner = 0;
    MPI_Request q;
    if (r->w->size == 1) return true;
    MPI_Iallgather(&mine, 1, MPI_UINT64_T, r->counts, 1, MPI_UINT64_T, r->comm, &q);
    wait_moving(r, &q);
    for (int p = 0; p < r->w->size; p++) {
        if (r->counts[p] > most) most = r->counts[p], owner = p;
        if (r->counts[p] < least) least = r->counts[p];
    }
    const reduce_task *t = r->tasks;
    for (uint64_t i = 0; i < most; i++, t = t ? t->next : NULL) {
        if (i < least) continue;
        uint64_t what[2] = {owner == r->w->rank ? t->n : 0, owner == r->w->rank ? t->at : 0};
        MPI_Ibcast(what, 2, MPI_UINT64_T, owner, r->comm, &q);
        wait_moving(r, &q);
        if (i < mine) continue;
        reduce_task missing;
        reducer_add(r, &missing, NULL, (size_t)what[0], (size_t)what[1]);
        reducer_drain(r);
        forget_tasks(r); /* `missing` is done and gone; so are all before it */
    }
    reducer_drain(r);
    return mine == most;
}

wr_status reducer_finish(reducer *r, wr_status mine) {
    const double began = clock_seconds();
    take_over(r);
    const size_t started = r->n_tasks;
    if (!drain_together(r) && mine >= 0)
        mine = wr_fail(WR_E_USAGE, "only %zu gradient sums were started here, more elsewhere", started);
    forget_tasks(r);
    r->n_tasks = 0;
    r->waited = clock_seconds() - began;
    hand_back(r);
    return world_agree(r->w, mine);
}

void reducer_free(reducer *r) {
    if (!r) return;
    take_over(r);
    drain_together(r);
    hand_back(r);
    helper_stop(r);
    MPI_Comm_free(&r->comm);
    reducer_close(r);
    free(r);
}
