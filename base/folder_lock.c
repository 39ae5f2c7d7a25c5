#include "base/folder_lock.h"

#include "base/file.h"
#include "base/folder_holder.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BEAT_S 5.0        /* between beats of this process */
#define WATCHED_BEATS 2.5 /* at least so many are waited for, whatever the clocks say */
#define PATIENCE_S 3.0

struct folder_lock {
    char folder[PATH_CAP], path[PATH_CAP];
    int fd;
    char who[HOLDER_TEXT], machine[HOLDER_MACHINE];
    pthread_t thread;
    bool beating;
    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t wake;
    bool quit, lost;
    char text[HOLDER_TEXT];  /* as it stands in the file */
    char thief[HOLDER_TEXT]; /* lost: who has it */
};

/* Goes on while the machine sleeps, too. */
static double clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double time_of_day(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void sleep_s(double s) {
    const struct timespec t = {.tv_sec = (time_t)s, .tv_nsec = (long)((s - (double)(time_t)s) * 1e9)};
    nanosleep(&t, NULL);
}

/* --- the text ----------------------------------------------------------------------------------------------------- */

static void name_self(folder_lock *l) {
    static const char *const jobs[] = {"SLURM_JOB_ID", "PBS_JOBID"};
    char host[HOLDER_NAME] = "unknown", job[HOLDER_NAME] = "";
    gethostname(host, sizeof host - 1);
    for (size_t i = 0; !job[0] && i < sizeof jobs / sizeof *jobs; i++)
        if (getenv(jobs[i])) snprintf(job, sizeof job, ", job %.60s", getenv(jobs[i]));
    snprintf(l->who, sizeof l->who, "process %ld on %s%s", (long)getpid(), host, job);
    l->who[strcspn(l->who, "\n")] = 0;
    folder_machine_name(l->machine);
}

static wr_status write_text(folder_lock *l, bool ended) {
    char text[HOLDER_TEXT];
    int n = snprintf(text, sizeof text, ended ? "%s\nended %.2f\n" : "%s\nbeat %.2f every %.1f s\nmachine %s\n", l->who,
                     time_of_day(), BEAT_S, l->machine);
    if (n >= HOLDER_TEXT) n = HOLDER_TEXT - 1;
    if (pwrite(l->fd, text, (size_t)n, 0) != n || ftruncate(l->fd, n) != 0 ||
        (fdatasync(l->fd) != 0 && errno != EINVAL))
        return wr_fail(WR_E_IO, "%s: %s", l->path, strerror(errno));
    memcpy(l->text, text, (size_t)n + 1);
    return WR_OK;
}

/* --- taking it ---------------------------------------------------------------------------------------------------- */

/* Of the open file, not the process: that some library opens and closes the file takes nothing away. */
static lock_result hold(int fd) {
    struct flock lock = folder_lock_region();
    while (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        if (errno == EINTR) continue;
        return errno == EAGAIN || errno == EACCES ? LOCK_BUSY : LOCK_ABSENT;
    }
    return LOCK_HELD;
}

static wr_status refuse(const folder_lock *l, const folder_holder *h) {
    char beat[64] = "";
    if (h->every > 0) snprintf(beat, sizeof beat, " (its last beat was %.0f s ago)", folder_holder_beat_age(h));
    return wr_fail(WR_E_USAGE, "%s: in use by %s%s; wait for it, stop it, or give another --out", l->folder,
                   h->named ? h->who : "another process", beat);
}

/* Opens the file and asks the kernel for it. Whoever had it may have removed the folder meanwhile: then what was opened
 * is no more what the name means, and it is opened again. */
static wr_status open_held(folder_lock *l, bool patient, lock_result *got) {
    struct stat mine, named;
    const double until = clock_now() + (patient ? PATIENCE_S : 0);
    for (;;) {
        wr_status status = dir_make(l->folder);
        if (status < 0) return status;
        l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (l->fd < 0) return wr_fail(WR_E_IO, "%s: %s", l->path, strerror(errno));
        *got = hold(l->fd);
        const bool there = fstat(l->fd, &mine) == 0 && stat(l->path, &named) == 0 && mine.st_ino == named.st_ino;
        if (*got != LOCK_BUSY && there) return WR_OK;
        close(l->fd);
        l->fd = -1;
        if (clock_now() >= until) {
            const folder_holder h = folder_holder_read(l->path);
            return refuse(l, &h);
        }
        sleep_s(0.1);
    }
}

/* Does the holder on another host beat? Waits until it does, or it is plain that it does not. */
static bool beats(const folder_lock *l, const folder_holder *h, bool patient) {
    const double began = clock_now(), age = folder_holder_beat_age(h);
    if (age < HOLDER_STALE_BEATS * h->every && !patient) return true;
    const double wait = (age < HOLDER_STALE_BEATS * h->every ? HOLDER_STALE_BEATS : WATCHED_BEATS) * h->every;
    if (patient)
        log_info("%s: held by %s, whose last beat was %.0f s ago: waiting %.0f s for another one", l->folder, h->who,
                 age, wait);
    while (clock_now() - began < wait) {
        char now[HOLDER_TEXT];
        sleep_s(h->every / 4);
        if (folder_holder_text(l->path, now) && strcmp(now, h->text) != 0) return true;
    }
    return false;
}

/* The kernel says that the file is free, or does not know. */
static wr_status settle(folder_lock *l, lock_result got, bool patient) {
    const folder_holder h = folder_holder_read(l->path);
    if (!h.named || h.ended) return WR_OK;
    if (h.every <= 0) /* of an earlier build, whose lock was flock's */
        return lock_take(l->fd, l->folder) == LOCK_BUSY ? refuse(l, &h) : WR_OK;
    const bool here = folder_holder_here(&h), dead = folder_holder_dead_here(&h, got == LOCK_HELD);
    if (here && !dead) return refuse(l, &h);
    if (!here && beats(l, &h, patient)) {
        const folder_holder now = folder_holder_read(l->path);
        return refuse(l, &now);
    }
    log_info("%s: taken over from %s, which %s (its last beat was %.0f s ago)", l->folder, h.who,
             dead ? "is dead" : "beats no more", folder_holder_beat_age(&h));
    return WR_OK;
}

/* --- keeping it --------------------------------------------------------------------------------------------------- */

/* With the mutex. A file that is gone, or that cannot be read just now, says nothing. */
static void look(folder_lock *l) {
    folder_holder h = {0};
    if (l->lost || !folder_holder_text(l->path, h.text)) return;
    folder_holder_understand(&h);
    if (strcmp(h.text, l->text) == 0 || !h.named) return;
    l->lost = true;
    snprintf(l->thief, sizeof l->thief, "%s", h.who);
}

static void *beat_main(void *context) {
    folder_lock *l = context;
    pthread_mutex_lock(&l->mutex);
    while (!l->quit && !l->lost) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += (time_t)BEAT_S;
        while (!l->quit && pthread_cond_timedwait(&l->wake, &l->mutex, &until) == 0) {
        }
        if (l->quit) break;
        look(l);
        if (!l->lost) (void)write_text(l, false); /* a beat that is missed is no harm */
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

/* Signals are the main thread's. */
static wr_status start_beating(folder_lock *l) {
    pthread_condattr_t clock;
    sigset_t all, before;
    sigfillset(&all);
    pthread_mutex_init(&l->mutex, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&l->wake, &clock);
    pthread_condattr_destroy(&clock);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    l->beating = pthread_create(&l->thread, NULL, beat_main, l) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return l->beating ? WR_OK
                      : wr_fail(WR_E_FAILED, "%s: the thread that keeps the lock could not be started", l->folder);
}

wr_status folder_lock_check(folder_lock *l) {
    wr_status status = WR_OK;
    if (!l) return WR_OK;
    pthread_mutex_lock(&l->mutex);
    look(l);
    if (l->lost)
        status = wr_fail(WR_E_FAILED,
                         "%s: %s took it over while this process was not seen to live; nothing more is written here",
                         l->folder, l->thief);
    pthread_mutex_unlock(&l->mutex);
    return status;
}

wr_status folder_lock_take(const char *folder, bool patient, folder_lock **out) {
    wr_status status = WR_OK;
    lock_result got = LOCK_BUSY;
    *out = NULL;
    folder_lock *l = mem_calloc(1, sizeof *l);
    if (!l) return WR_E_NOMEM;
    l->fd = -1;
    snprintf(l->folder, sizeof l->folder, "%s", folder);
    TRY(path_join(l->path, folder, "lock"));
    name_self(l);
    TRY(open_held(l, patient, &got));
    TRY(settle(l, got, patient));
    TRY(write_text(l, false));
    if (got == LOCK_ABSENT) { /* two that came at once have both written: the last one has it */
        log_warn("%s: the file system has no locks (fcntl): who works here is told by %s alone", l->folder, l->path);
        sleep_s(0.5);
        const folder_holder h = folder_holder_read(l->path);
        if (strcmp(h.text, l->text) != 0) TRY(refuse(l, &h));
    }
    TRY(start_beating(l));
    *out = l;
    l = NULL;
cleanup:
    if (l && l->fd >= 0) close(l->fd);
    free(l);
    return status;
}

void folder_lock_free(folder_lock *l) {
    if (!l) return;
    pthread_mutex_lock(&l->mutex);
    l->quit = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->mutex);
    pthread_join(l->thread, NULL);
    look(l);
    if (!l->lost) (void)write_text(l, true);
    close(l->fd);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->mutex);
    free(l);
}
