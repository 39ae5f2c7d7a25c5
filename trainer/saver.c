#include "trainer/saver.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/memory_room.h"
#include "model/weights/model_snapshot.h"
#include "trainer/checkpoint_write.h"
#include "trainer/moments_ranks.h"
#include "trainer/replicas.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct saver {
    world *w;   /* the main threads' */
    world *own; /* the writers'; NULL: there has been no save yet */
    run_dir *dir;
    bool background;
    /* for the copies of one save, and of the next: pages that are there already are copied to several times as fast */
    float *room;
    size_t room_n;
    pthread_t toucher;
    bool touching;
    /* of the save under way; the thread's from its start to its end */
    bool busy, threaded;
    pthread_t thread;
    atomic_bool ended;
    checkpoint_place place;
    checkpoint_state state; /* extra: a copy */
    save_options how;
    state_numbers numbers;
    model_snapshot weights; /* rank 0; in room */
    adamw moments;          /* what this rank writes of them, in room; none where all are written */
    size_t of;
    double began, took;
    wr_status result;
    char *message;
    saver_times times;
};

wr_status saver_create(world *w, run_dir *r, bool background, saver **out) {
    saver *s = mem_calloc(1, sizeof *s);
    *out = s;
    if (!s) return WR_E_NOMEM;
    s->w = w;
    s->dir = r;
    s->background = background;
    return WR_OK;
}

saver_times saver_spent(const saver *s) { return s->times; }

/* --- the writer --------------------------------------------------------------------------------------------------- */

static wr_status write_all(saver *s) {
    wr_status status = WR_OK;
    world *w = s->own;
    const bool root = world_rank(w) == 0;
    if (root) status = checkpoint_weights(&s->place, &s->weights.m, &s->state, &s->how);
    if (status >= 0 && s->moments.n)
        status = moments_save_own(s->place.tmp, &s->moments, s->of, (size_t)world_size(w), (size_t)world_rank(w));
    TRY(world_agree(w, status));
    if (root) status = checkpoint_end(s->dir, &s->place, s->numbers, &s->state, &s->how);
    status = world_agree(w, status);
cleanup:
    if (root && status < 0) checkpoint_abandon(&s->place);
    return wr_context(status, "checkpoint of step %lld", (long long)s->state.step);
}

static void *writer_main(void *context) {
    saver *s = context;
    s->result = write_all(s);
    s->message = s->result < 0 ? mem_strdup(wr_error()) : NULL;
    s->took = clock_seconds() - s->began;
    atomic_store(&s->ended, true);
    return NULL;
}

/* --- the copy ----------------------------------------------------------------------------------------------------- */

/* Ranks of a host take from the same memory. */
static bool has_room(const saver *s, size_t bytes) {
    const uint64_t left = memory_room_find("").available;
    return !left || bytes * (size_t)world_local_size(s->w) <= left;
}

static void touched(saver *s) {
    if (s->touching) pthread_join(s->toucher, NULL);
    s->touching = false;
}

static void *toucher_main(void *context) {
    enum { PAGE_FLOATS = 4096 / sizeof(float) };
    saver *s = context;
    for (size_t i = 0; i < s->room_n; i += PAGE_FLOATS) s->room[i] = 0;
    return NULL;
}

static bool start_thread(pthread_t *thread, void *(*body)(void *), saver *s) {
    sigset_t all, before;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_create(thread, NULL, body, s) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static wr_status make_room(saver *s, size_t floats) {
    wr_status status = WR_OK;
    touched(s);
    if (floats <= s->room_n) return WR_OK;
    if (!has_room(s, floats * sizeof(float)))
        TRY(wr_fail(WR_E_NOMEM, "no room for a copy of %.1f GB", (double)floats * sizeof(float) / 1e9));
    free(s->room);
    s->room_n = 0;
    TRY_ALLOC(s->room = mem_aligned(floats, sizeof *s->room));
    s->room_n = floats;
cleanup:
    return status;
}

void saver_prepare(saver *s, const model *m, const adamw *opt) {
    const size_t of = model_trainables(m).n;
    const bool root = world_rank(s->w) == 0;
    if (!s->background || make_room(s, (root ? of : 0) + (root || opt->n < of ? 2 * opt->n : 0)) < 0) return;
    s->touching = start_thread(&s->toucher, toucher_main, s);
}

static void drop_copy(saver *s) {
    model_snapshot_free(&s->weights);
    s->moments = (adamw){0};
    strbuf_free(&s->state.extra);
}

static void copy_moments(saver *s, const adamw *opt, float *to) {
    s->moments = (adamw){.begin = opt->begin, .n = opt->n, .t = opt->t, .m = to, .v = to + opt->n};
    mem_copy(s->moments.m, opt->m, opt->n * sizeof(float));
    mem_copy(s->moments.v, opt->v, opt->n * sizeof(float));
}

/* What this rank writes; moments: some of them. */
static wr_status copy_state(saver *s, const model *m, const adamw *opt, const checkpoint_state *state, bool moments) {
    wr_status status = WR_OK;
    const bool root = world_rank(s->w) == 0;
    const size_t weights = root ? s->of : 0;
    TRY(make_room(s, weights + (moments ? 2 * opt->n : 0)));
    s->state = *state;
    s->state.extra = (strbuf){0};
    strbuf_append(&s->state.extra, strbuf_str(&state->extra), state->extra.len);
    TRY(strbuf_status(&s->state.extra));
    if (root) TRY(model_snapshot_take(m, s->room, &s->weights));
    if (moments) copy_moments(s, opt, s->room + weights);
cleanup:
    return status;
}

static void note_time(saver *s) {
    if (s->took > s->times.longest) s->times.longest = s->took;
}

/* --- as training sees it ------------------------------------------------------------------------------------------ */

/* Rank 0 makes the folder; *seen: all ranks find it, so that each may write there. */
static wr_status open_place(saver *s, const adamw *opt, const checkpoint_state *state, bool *seen) {
    wr_status status = WR_OK;
    const bool root = world_rank(s->w) == 0;
    s->numbers = (state_numbers){.optimizer_steps = opt->t, .ranks = world_size(s->w)};
    status = checkpoint_place_of(s->dir, state->step, &s->place);
    if (root && status >= 0) status = run_metrics_bytes(s->dir, &s->numbers.metrics_bytes);
    if (root && status >= 0) status = checkpoint_begin(&s->place);
    TRY(world_agree(s->w, status));
    *seen = !world_any(s->w, !dir_exists(s->place.tmp));
cleanup:
    return status;
}

/* *copied: the writers have begun. Otherwise nothing has, for want of memory. */
static wr_status begin(saver *s, const model *m, const adamw *opt, const checkpoint_state *state, const save_options *o,
                       bool *copied) {
    wr_status status = WR_OK;
    bool seen = false;
    s->of = model_trainables(m).n;
    s->how = *o;
    const bool root = world_rank(s->w) == 0, whole = opt->n == s->of;
    TRY(replicas_equal(s->w, m, whole ? opt : NULL));
    if (!s->own) TRY(world_part(s->w, world_size(s->w), &s->own));
    TRY(open_place(s, opt, state, &seen));
    const wr_status had = copy_state(s, m, opt, state, whole ? root : seen);
    *copied = !world_any(s->w, had < 0);
    if (!*copied && root)
        log_warn("checkpoint of step %lld: %s: it is not written beside training, but at once", (long long)state->step,
                 had < 0 ? wr_error() : "a rank has no room for its copy");
    if (*copied && !whole && !seen) TRY(world_agree(s->w, moments_save(s->w, s->place.tmp, opt, s->of, WR_OK)));
    s->busy = *copied;
    atomic_store(&s->ended, false);
    if (s->busy && !(s->threaded = start_thread(&s->thread, writer_main, s)))
        writer_main(s); /* no thread: the writers of others wait for this */
cleanup:
    if (status < 0 && s->place.tmp[0] && root) checkpoint_abandon(&s->place);
    if (!s->busy) drop_copy(s);
    return wr_context(status, "checkpoint of step %lld", (long long)state->step);
}

static wr_status save_at_once(saver *s, const model *m, const adamw *opt, const checkpoint_state *state,
                              const save_options *o) {
    const double began = clock_seconds();
    const wr_status status = checkpoint_save(s->w, s->dir, m, opt, state, o);
    s->took = clock_seconds() - began;
    if (status >= 0) note_time(s);
    return status;
}

wr_status saver_save_last(saver *s, const model *m, const adamw *opt, const checkpoint_state *state,
                          const save_options *o) {
    const wr_status status = saver_wait(s);
    return status < 0 ? status : save_at_once(s, m, opt, state, o);
}

static void count_save(saver *s) {
    s->times.saves++;
    s->times.wrote += s->took;
}

wr_status saver_save(saver *s, const model *m, const adamw *opt, const checkpoint_state *state, const save_options *o) {
    wr_status status = WR_OK;
    bool copied = false;
    TRY(saver_next(s));
    const double began = s->began = clock_seconds();
    if (s->background) TRY(begin(s, m, opt, state, o, &copied));
    if (!copied) {
        TRY(save_at_once(s, m, opt, state, o));
        count_save(s);
    }
    s->times.stood += clock_seconds() - began;
cleanup:
    return status;
}

wr_status saver_wait(saver *s) {
    if (!s->busy) return WR_OK;
    if (s->threaded) pthread_join(s->thread, NULL);
    s->busy = false;
    drop_copy(s);
    const wr_status status = s->result;
    if (status < 0) wr_fail(status, "%s", s->message ? s->message : "a checkpoint could not be written");
    free(s->message);
    s->message = NULL;
    if (status >= 0) note_time(s), count_save(s);
    return status;
}

wr_status saver_next(saver *s) {
    const double began = clock_seconds();
    const wr_status status = saver_wait(s);
    s->times.stood += clock_seconds() - began;
    return status;
}

wr_status saver_poll(saver *s) {
    if (!s->busy || world_any(s->w, !atomic_load(&s->ended))) return WR_OK;
    return saver_wait(s);
}

void saver_free(saver *s) {
    if (!s) return;
    char *before = s->busy ? mem_strdup(wr_error()) : NULL; /* why the run ends, where it failed */
    if (saver_wait(s) < 0) log_error("%s", wr_error());
    if (before && before[0]) wr_fail(WR_E_FAILED, "%s", before);
    free(before);
    touched(s);
    world_part_free(s->own);
    free(s->room);
    free(s);
}
