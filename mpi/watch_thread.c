/* The watching thread of a rank. It sends a sign of life every tick, which stops when the process is stopped, dead, or
 * its machine gone, and with it the task that the rank is at:
 *
 *   rank 1 ──┐ alive, "step 7 of 100"           rank 0 judges all the others;
 *   rank 2 ──┼──────────────────────→ rank 0    rank 1 judges rank 0, and where it is gone, too, the next
 *   rank 3 ──┘ ←────────────────────── alive    ones do, each a little later
 *
 * A rank that computes, waits or writes for hours beats all the while and is let be. Silence counts in time that the
 * listener has lived through itself: where a whole job is suspended and continued, all clocks jump, and no rank is
 * overdue. A line that breaks without a goodbye is a death, told at once: the launcher, which ends the job then, gives
 * little time for that. */
#include "base/log.h"
#include "mpi/watch.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A launcher ends a job with a dead rank itself; where it does not, this long after. A caller has STRANGER_S to say who
 * it is. Rank 1 judges at once, others after it: 6 to 10 s. */
static const double launcher_s = 5, stranger_s = 5, next_judge_s = 6, judges_apart_s = 0.125;
/* At one task, once a command has told of tasks of its own (more than those that cli/main.c begins). */
static const double long_task_s = 600;
enum { TASKS_OF_MAIN = 2 };
enum { JUDGES = 32, LINES_MOST = 8, END_WITHIN_S = 10 };

static void take(watched *r, const beat *b) {
    r->age = 0;
    if (b->tasks != r->tasks) r->at_task = 0;
    r->tasks = b->tasks;
    memcpy(r->task, b->task, sizeof r->task);
    if (b->kind == BEAT_BYE) r->off = true;
    if (b->kind == BEAT_ENDING) r->told = true;
}

static beat own_beat(watch *h, beat_kind kind) {
    beat b = {.kind = kind, .rank = (uint32_t)h->w->rank};
    memcpy(b.secret, h->place.secret, BEAT_SECRET);
    pthread_mutex_lock(&h->mutex);
    memcpy(b.task, h->task, sizeof b.task);
    b.tasks = h->tasks;
    pthread_mutex_unlock(&h->mutex);
    return b;
}

static void beat_all(watch *h, beat_kind kind) {
    const beat b = own_beat(h, kind);
    for (int i = 0; i < h->n_ranks; i++) line_send(&h->ranks[i].line, &b); /* a broken one is found when it is read */
}

/* --- saying so, and the end --------------------------------------------------------------------------------------- */

static int rank_of(const watch *h, const watched *r) { return h->w->rank == 0 ? (int)(r - h->ranks) : 0; }

static void say(const watch *h, watched *r) {
    const char *ends = h->o.again ? "; the job ends; " : "; the job ends";
    r->told = true;
    log_error("rank %d (host %s, pid %d) %shas given no sign of life for %.0f s; last task: %s%s%s", rank_of(h, r),
              r->host, r->pid, r->gone ? "is gone, killed or ended by itself, and " : "", r->age,
              r->task[0] ? r->task : "starting", ends, h->o.again ? h->o.again : "");
}

/* Never returns. MPI_Abort lets the launcher kill all ranks, stopped ones too; should it not return, a signal ends this
 * one. */
static _Noreturn void end_job(watch *h) {
    beat_all(h, BEAT_ENDING);
    signal(SIGALRM, SIG_DFL);
    alarm(END_WITHIN_S);
    launcher_end_later();
    if (!atomic_load(&h->finalizing)) MPI_Abort(MPI_COMM_WORLD, 1);
    _exit(1);
}

static void end_for(watch *h, watched *first) {
    int lines = 0, more = 0;
    if (!first->told) say(h, first);
    for (int i = 0; i < h->n_ranks; i++) { /* those of the same machine */
        watched *r = &h->ranks[i];
        if (r->off || r->told || r->age < 0.75 * h->o.silent_s) continue;
        if (lines++ < LINES_MOST)
            say(h, r);
        else
            more++;
    }
    if (more) log_error("so have %d more ranks", more);
    end_job(h);
}

/* Rank 0 looks for the rank that has been longest at its task: the others came later to theirs, and most likely wait
 * for it. */
static void judge_tasks(watch *h) {
    watched *longest = NULL;
    const beat own = own_beat(h, BEAT_ALIVE);
    take(&h->ranks[0], &own);
    for (int i = 0; i < h->n_ranks; i++) {
        watched *r = &h->ranks[i];
        if (r->gone || (i > 0 && r->off) || r->tasks <= TASKS_OF_MAIN) continue;
        if (!longest || r->at_task > longest->at_task) longest = r;
    }
    if (!longest || longest->at_task < long_task_s) h->next_warning = long_task_s;
    if (!longest) return;
    const bool ends = h->o.task_s > 0 && longest->at_task > h->o.task_s;
    if (!ends && longest->at_task < h->next_warning) return;
    h->next_warning *= 2;
    log_print(ends ? LOG_ERROR : LOG_WARN,
              "rank %d (host %s, pid %d) has been at its task for %.0f s: %s; it gives signs of life%s%s",
              rank_of(h, longest), longest->host, longest->pid, longest->at_task, longest->task,
              ends ? ", but --task-limit is over: the job ends; " : ", and is waited for",
              ends && h->o.again ? h->o.again : "");
    if (ends) end_job(h);
}

/* Seconds after which it is this rank's turn. */
static double own_turn(const watch *h) {
    const int rank = h->w->rank;
    return rank < 2 ? 0 : next_judge_s + judges_apart_s * (rank < JUDGES ? rank : JUDGES);
}

static void judge(watch *h) {
    const double turn = own_turn(h);
    for (int i = 0; i < h->n_ranks; i++) {
        watched *r = &h->ranks[i];
        if (r->off) continue;
        /* Ranks that die behind a stop signal are the launcher's doing. */
        if (r->gone && !r->told && r->gone_for >= turn && !stop_signal_seen()) {
            say(h, r);
            beat_all(h, BEAT_ENDING); /* who dies of it need not be told of */
        }
        if (r->gone ? r->gone_for > turn + launcher_s : r->age > turn + h->o.silent_s) end_for(h, r);
    }
}

/* --- hearing ------------------------------------------------------------------------------------------------------ */

static void hear_rank(const watch *h, watched *r) {
    beat b;
    int got = 0;
    while (r->line.fd >= 0 && !r->off && (got = line_receive(&r->line, &b)) == 1) take(r, &b);
    if (r->off || got < 0) line_close(&r->line);
    if (got >= 0 || r->off) return;
    r->gone = true;
    /* Behind MPI_Finalize all is done and nobody is waited for. */
    if (atomic_load(&h->quit)) r->off = true;
}

/* A caller that knows the secret and says which rank it is becomes that rank's line; any other is let go. */
static void hear_stranger(watch *h, beat_line *l) {
    beat b;
    const int got = line_receive(l, &b);
    if (got == 0) return;
    watched *r = got == 1 && b.rank > 0 && b.rank < (uint32_t)h->n_ranks ? &h->ranks[b.rank] : NULL;
    if (!r || r->line.fd >= 0 || r->off || r->gone || memcmp(b.secret, h->place.secret, BEAT_SECRET) != 0) {
        line_close(l);
        return;
    }
    const beat answer = own_beat(h, BEAT_ALIVE);
    r->line = *l;
    l->fd = -1;
    take(r, &b);
    line_send(&r->line, &answer);
}

/* Room for one more, NULL: none. */
static beat_line *free_line(watch *h) {
    for (int i = 0; i < WATCH_STRANGERS; i++) {
        if (h->strangers[i].line.fd >= 0) continue;
        h->strangers[i].age = 0;
        return &h->strangers[i].line;
    }
    return NULL;
}

static void let_in(watch *h) {
    for (beat_line *l; (l = free_line(h)) != NULL;) {
        *l = (beat_line){.fd = beats_accept(h->listener)};
        if (l->fd < 0) return;
    }
}

/* Sleeps until something comes, at most so long. */
static void wait_for_news(watch *h, double seconds) {
    struct pollfd *p = h->polled;
    nfds_t n = 0;
    p[n++] = (struct pollfd){.fd = h->bell, .events = POLLIN};
    p[n++] = (struct pollfd){.fd = free_line(h) ? h->listener : -1, .events = POLLIN};
    for (int i = 0; i < WATCH_STRANGERS; i++) p[n++] = (struct pollfd){.fd = h->strangers[i].line.fd, .events = POLLIN};
    for (int i = 0; i < h->n_ranks; i++) p[n++] = (struct pollfd){.fd = h->ranks[i].line.fd, .events = POLLIN};
    if (poll(p, n, seconds > 0 ? (int)(seconds * 1e3) + 1 : 0) <= 0) return;
    eventfd_t rings;
    if (p[0].revents) eventfd_read(h->bell, &rings);
}

static void hear(watch *h, double passed) {
    for (int i = 0; i < h->n_ranks; i++) {
        watched *r = &h->ranks[i];
        r->age += passed;
        r->at_task += passed;
        if (r->gone) r->gone_for += passed;
        if (r->line.fd < 0 && !r->gone && atomic_load(&h->all_called))
            r->off = true; /* it cannot reach us, and said so */
        hear_rank(h, r);
    }
    if (h->listener < 0) return;
    let_in(h);
    for (int i = 0; i < WATCH_STRANGERS; i++) {
        beat_line *l = &h->strangers[i].line;
        if (l->fd < 0) continue;
        h->strangers[i].age += passed;
        hear_stranger(h, l);
        if (h->strangers[i].age > stranger_s) line_close(l);
    }
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

/* Rank 0 stays until all have taken leave: should one stall behind the end, it is named as well. */
static bool is_over(const watch *h) {
    if (!atomic_load(&h->quit)) return false;
    for (int i = 0; h->w->rank == 0 && i < h->n_ranks; i++)
        if (!h->ranks[i].off) return false;
    return true;
}

void *watch_main(void *context) {
    watch *h = context;
    double last = clock_seconds(), due = last;
    while (!is_over(h)) {
        wait_for_news(h, due - clock_seconds());
        const double now = clock_seconds(), most = 2 * h->tick_s;
        hear(h, now - last < most ? now - last : most);
        last = now;
        judge(h);
        if (h->w->rank == 0) judge_tasks(h);
        if (now < due) continue;
        beat_all(h, BEAT_ALIVE);
        due = now + h->tick_s;
    }
    beat_all(h, BEAT_BYE);
    return NULL;
}
