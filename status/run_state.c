#include "status/run_state.h"

#include "base/file.h"
#include "status/run_config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* A line is overdue after so many steps' time, and an evaluation's, but never before so long; the first one comes when
 * models are loaded. */
enum { QUIET_STEPS = 10, QUIET_LEAST_S = 60, QUIET_FIRST_S = 900 };

const char *run_state_name(run_state s) {
    static const char *const names[] = {[RUN_EMPTY] = "empty",
                                        [RUN_RUNNING] = "running",
                                        [RUN_FINISHED] = "finished",
                                        [RUN_STOPPED] = "stopped",
                                        [RUN_TAKEN_FOR_DEAD] = "taken for dead"};
    return names[s];
}

/* A run saves its model as its last act: a model that is no older than the newest checkpoint is that of a run that
 * ended, also before the last step, or where the number of steps is not known. */
run_state run_state_of(const run_facts *f) {
    const bool all_steps = f->steps > 0 && f->step >= f->steps, maybe_all = f->steps <= 0 || f->may_end_early;
    if (f->holder == HOLDER_LIVES) return RUN_RUNNING;
    if (f->model && (all_steps || (maybe_all && f->model_is_last))) return RUN_FINISHED;
    if (f->holder != HOLDER_NONE) return RUN_TAKEN_FOR_DEAD;
    return f->begun ? RUN_STOPPED : RUN_EMPTY;
}

static bool find(const char *folder, const char *name, struct stat *info) {
    char path[PATH_CAP];
    return path_join(path, folder, name) >= 0 && stat(path, info) == 0;
}

bool run_folder(const char *path) {
    static const char *const left[] = {"metrics.jsonl", "checkpoints", "config.yaml", "lock"};
    struct stat info;
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        if (find(path, left[i], &info)) return true;
    return false;
}

static double seconds_since(const struct stat *info) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)(now.tv_sec - info->st_mtim.tv_sec) + 1e-9 * (double)(now.tv_nsec - info->st_mtim.tv_nsec);
}

static wr_status refuse(const char *path) {
    struct stat info;
    char **names = NULL;
    size_t n = 0;
    if (stat(path, &info) != 0)
        return wr_fail(WR_E_USAGE, "%s: %s; give the folder that --out of the run named%s", path, strerror(errno),
                       strchr(path, '/') ? "" : ", or the number of a job");
    if (!S_ISDIR(info.st_mode))
        return wr_fail(WR_E_USAGE, "%s: a file; give the folder of a run, as its --out named it", path);
    if (find(path, "state.json", &info))
        return wr_fail(WR_E_USAGE, "%s: a checkpoint; give the folder of its run", path);
    if (run_folder(path)) return WR_OK;
    const wr_status status = dir_list(path, "", "", &names, &n);
    names_free(names, n);
    if (status < 0 || n == 0) return status;
    return wr_fail(WR_E_USAGE, "%s: no folder of a run; give the one that --out of train or dpo named", path);
}

/* The newest one that is whole. newest: when it was written. */
static wr_status find_checkpoint(const char *path, run_look *out, struct stat *newest) {
    wr_status status = WR_OK;
    char folder[PATH_CAP], state[PATH_CAP], **names = NULL;
    size_t n = 0;
    struct stat info;
    out->checkpoint = -1;
    out->checkpoint_age_s = NAN;
    TRY(path_join(folder, path, "checkpoints"));
    if (stat(folder, &info) != 0) goto cleanup;
    TRY(dir_list(folder, "step-", "", &names, &n));
    for (size_t i = 0; i < n; i++) {
        char *end;
        const long long step = strtoll(names[i] + 5, &end, 10);
        if (*end || end == names[i] + 5 || step <= out->checkpoint || path_join(state, folder, names[i]) < 0) continue;
        if (!find(state, "state.json", &info)) continue;
        out->checkpoint = step;
        out->checkpoint_age_s = seconds_since(&info);
        *newest = info;
    }
cleanup:
    names_free(names, n);
    return status;
}

/* Adapters that are to be merged make a model, and no other run leaves them alone. */
static void find_model(const char *path, const run_config *c, const run_look *r, const struct stat *checkpoint,
                       run_facts *f) {
    struct stat info;
    const bool adapter = c->lora_rank > 0 && !c->lora_merge;
    f->model = find(path, adapter ? "adapter/adapter_config.json" : "model/config.json", &info);
    f->model_is_last =
        f->model && r->checkpoint >= 0 && r->checkpoint == f->step &&
        (info.st_mtim.tv_sec > checkpoint->st_mtim.tv_sec ||
         (info.st_mtim.tv_sec == checkpoint->st_mtim.tv_sec && info.st_mtim.tv_nsec >= checkpoint->st_mtim.tv_nsec));
}

static void judge_quiet(const char *path, run_look *r) {
    struct stat info;
    char age[SHORT_TIME], step[SHORT_TIME];
    const metrics_tail *t = &r->tail;
    if (t->step < 0) { /* since it began, then */
        const double since = find(path, "config.yaml", &info) ? seconds_since(&info) : 0;
        r->quiet = since > QUIET_FIRST_S;
        if (r->quiet) notes_add(&r->notes, "no line of metrics yet, %s after it began", age_text(since, age));
        return;
    }
    const double usual = (isnan(t->step_s) ? 0 : QUIET_STEPS * t->step_s) + (isnan(t->eval_s) ? 0 : 2 * t->eval_s);
    r->quiet = t->age_s > (usual > QUIET_LEAST_S ? usual : QUIET_LEAST_S);
    if (r->quiet && isnan(t->step_s))
        notes_add(&r->notes, "no new line of metrics for %s", age_text(t->age_s, age));
    else if (r->quiet)
        notes_add(&r->notes, "no new line of metrics for %s, where a step takes %s: look at its log",
                  age_text(t->age_s, age), t->step_s < 1 ? "less than 1s" : age_text(t->step_s, step));
}

static void tell_holder(const char *path, run_look *r) {
    char age[SHORT_TIME];
    const double beat = folder_holder_beat_age(&r->who);
    const char *since = age_text(beat, age);
    if (r->state == RUN_RUNNING) {
        notes_add(&r->notes, "%s", r->who.named ? r->who.who : "a process that has not said its name yet");
        if (r->who.every > 0 && beat > HOLDER_STALE_BEATS * r->who.every)
            notes_add(&r->notes, "it has the lock, but no beat for %s: stopped, or its disk stands", since);
        judge_quiet(path, r);
    } else if (r->state == RUN_TAKEN_FOR_DEAD) {
        if (r->holder == HOLDER_DEAD)
            notes_add(&r->notes, "%s is gone", r->who.who);
        else if (r->who.every > 0)
            notes_add(&r->notes, "%s has given no beat for %s", r->who.who, since);
        else
            notes_add(&r->notes, "%s leaves no beats", r->who.who);
    }
}

static void tell(const char *path, const run_config *c, run_look *r) {
    tell_holder(path, r);
    if (r->state == RUN_STOPPED || r->state == RUN_TAKEN_FOR_DEAD)
        notes_add(&r->notes, "%sthe same command with --resume %s",
                  r->state == RUN_STOPPED ? "nobody works here: " : "",
                  r->checkpoint >= 0 ? "goes on behind the checkpoint" : "begins anew, for there is no checkpoint");
    if (r->state == RUN_FINISHED && r->steps > r->step)
        notes_add(&r->notes, "ended before its last step, as --patience asks");
    if (r->tail.skipped) notes_add(&r->notes, "the last steps were skipped: %lld in a row", (long long)r->tail.skipped);
    if (r->state == RUN_EMPTY) return;
    if (!c->there)
        notes_add(&r->notes, "config.yaml is missing");
    else if (!c->readable)
        notes_add(&r->notes, "config.yaml holds no options: how many steps there are is not known");
    if (r->tail.cut && r->state != RUN_RUNNING) notes_add(&r->notes, "the last line of metrics.jsonl is cut");
    if (r->tail.bad) notes_add(&r->notes, "%zu lines at the end of metrics.jsonl are damaged", r->tail.bad);
}

wr_status run_look_at(const char *path, run_look *out) {
    wr_status status = WR_OK;
    char file[PATH_CAP];
    run_config c;
    struct stat saved = {0};
    *out = (run_look){.left_s = NAN};
    TRY(refuse(path));
    out->holder = folder_holder_find(path, &out->who);
    TRY(path_join(file, path, "config.yaml"));
    TRY(run_config_read(file, &c));
    TRY(path_join(file, path, "metrics.jsonl"));
    TRY(metrics_tail_read(file, &out->tail));
    TRY(find_checkpoint(path, out, &saved));
    out->command = c.command;
    out->steps = c.steps;
    out->step = out->tail.step >= 0 ? out->tail.step : out->checkpoint >= 0 ? out->checkpoint : 0;
    run_facts f = {.holder = out->holder,
                   .begun = c.there || out->tail.there || out->checkpoint >= 0,
                   .may_end_early = c.patience > 0,
                   .step = out->step,
                   .steps = c.steps};
    find_model(path, &c, out, &saved, &f);
    out->state = run_state_of(&f);
    if (out->state == RUN_RUNNING) out->left_s = metrics_tail_left(&out->tail, out->steps, c.eval_every);
    tell(path, &c, out);
cleanup:
    return status;
}
