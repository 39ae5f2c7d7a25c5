#include "trainer/checkpoint_write.h"

#include "base/log.h"
#include "base/mem.h"
#include "model/weights/lora.h"
#include "text/chat/chat_source.h"
#include "trainer/moments_ranks.h"
#include "trainer/replicas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_step(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

wr_status checkpoint_steps(const char *folder, int64_t **steps, size_t *n) {
    wr_status status = WR_OK;
    char **names = NULL;
    size_t count = 0;
    *steps = NULL;
    *n = 0;
    TRY(dir_list(folder, "step-", "", &names, &count));
    *steps = mem_calloc(count + 1, sizeof **steps);
    TRY_ALLOC(*steps);
    for (size_t i = 0; i < count; i++) {
        char *end;
        long long step = strtoll(names[i] + 5, &end, 10);
        if (names[i][5] && !*end && step >= 0) (*steps)[(*n)++] = step;
    }
    qsort(*steps, *n, sizeof **steps, by_step);
cleanup:
    if (names) names_free(names, count);
    return status;
}

/* A checkpoint without a state is none: it neither counts among those kept nor is it removed. */
static bool has_state(const char *folder, int64_t step) {
    char name[64], path[PATH_CAP];
    snprintf(name, sizeof name, "step-%lld/state.json", (long long)step);
    return path_join(path, folder, name) >= 0 && file_exists(path);
}

static wr_status remove_old(const char *folder, int keep) {
    wr_status status = WR_OK;
    int64_t *steps = NULL;
    size_t n = 0;
    char path[PATH_CAP], name[40];
    TRY(checkpoint_steps(folder, &steps, &n));
    size_t whole = 0;
    for (size_t i = 0; i < n; i++)
        if (has_state(folder, steps[i])) steps[whole++] = steps[i];
    n = whole;
    for (size_t i = 0; i + (size_t)(keep > 0 ? keep : 1) < n; i++) {
        /* Renamed first, so that a half-removed one never has a checkpoint's name. */
        char doomed[PATH_CAP];
        snprintf(name, sizeof name, "step-%lld", (long long)steps[i]);
        TRY(path_join(path, folder, name));
        snprintf(name, sizeof name, "tmp-step-%lld", (long long)steps[i]);
        TRY(path_join(doomed, folder, name));
        TRY(dir_remove_tree(doomed));
        if (rename(path, doomed) != 0) TRY(wr_fail(WR_E_IO, "%s: cannot be removed", path));
        TRY(dir_remove_tree(doomed));
    }
cleanup:
    free(steps);
    return status;
}

static wr_status save_adapter(const model *m, const char *dir, const checkpoint_state *state, const save_options *o) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    TRY(dir_make(dir));
    TRY(lora_save(m, dir, o->base, state->data_hash));
    if (o->template_text) {
        TRY(path_join(path, dir, "template.txt"));
        TRY(file_write_atomic(path, o->template_text, strlen(o->template_text)));
    }
cleanup:
    return status;
}

static wr_status save_weights(const model *m, const char *dir, const checkpoint_state *state, const save_options *o,
                              precision stored) {
    const model_provenance p = {state->terms->hash, state->data_hash, state->parent_hash, o->template_text};
    wr_status status = WR_OK;
    TRY(dir_make(dir));
    TRY(model_save(m, dir, o->tokenizer_dir, &p, stored));
    if (o->chat_template) TRY(chat_source_write(dir, o->chat_template));
cleanup:
    return status;
}

wr_status checkpoint_place_of(const run_dir *r, int64_t step, checkpoint_place *p) {
    wr_status status = WR_OK;
    char name[40];
    snprintf(name, sizeof name, "tmp-step-%lld", (long long)step);
    TRY(path_join(p->folder, run_path(r), "checkpoints"));
    TRY(path_join(p->final, p->folder, name + 4));
    TRY(path_join(p->tmp, p->folder, name));
cleanup:
    return status;
}

wr_status checkpoint_begin(const checkpoint_place *p) {
    const wr_status status = dir_remove_tree(p->tmp);
    return status < 0 ? status : dir_make(p->tmp);
}

wr_status checkpoint_weights(const checkpoint_place *p, const model *m, const checkpoint_state *state,
                             const save_options *o) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    TRY(path_join(path, p->tmp, m->lora ? "adapter" : "model"));
    TRY(m->lora ? save_adapter(m, path, state, o) : save_weights(m, path, state, o, PRECISION_F32));
cleanup:
    return status;
}

wr_status checkpoint_end(run_dir *r, const checkpoint_place *p, state_numbers n, const checkpoint_state *state,
                         const save_options *o) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    TRY(run_metrics_settle(r, n.metrics_bytes, n.metrics_hash));
    TRY(path_join(path, p->tmp, "config.yaml"));
    TRY(file_write_atomic(path, state->terms->config_yaml, strlen(state->terms->config_yaml)));
    TRY(state_write(p->tmp, &n, state));
    TRY(run_check(r));
    TRY(dir_commit(p->tmp, p->final));
    TRY(remove_old(p->folder, o->keep));
cleanup:
    return status;
}

void checkpoint_abandon(const checkpoint_place *p) {
    char *message = mem_strdup(wr_error()); /* the clean-up's own failure would hide the cause */
    dir_remove_tree(p->tmp);
    if (message) wr_fail(WR_E_IO, "%s", message);
    free(message);
}

wr_status checkpoint_save(world *w, run_dir *r, const model *m, const adamw *opt, const checkpoint_state *state,
                          const save_options *o) {
    wr_status status = WR_OK;
    const bool root = world_rank(w) == 0;
    const size_t of = model_trainables(m).n;
    state_numbers n = {.optimizer_steps = opt->t, .ranks = world_size(w)};
    checkpoint_place p = {0};
    TRY(replicas_equal(w, m, opt->n == of ? opt : NULL));
    if (root) status = run_metrics_bytes(r, &n.metrics_bytes);
    if (root && status >= 0) status = checkpoint_place_of(r, state->step, &p);
    if (root && status >= 0) status = checkpoint_begin(&p);
    if (root && status >= 0) status = checkpoint_weights(&p, m, state, o);
    status = moments_save(w, p.tmp, opt, of, status);
    if (root && status >= 0) status = checkpoint_end(r, &p, n, state, o);
    if (root && status < 0 && p.tmp[0]) checkpoint_abandon(&p);
    status = world_agree(w, status);
cleanup:
    return wr_context(status, "checkpoint of step %lld", (long long)state->step);
}

/* --- models of the run -------------------------------------------------------------------------------------------- */

/* Saves under a temporary name first. `adapter`: the adapters, not the weights. */
static wr_status save_final(run_dir *r, const model *m, const char *name, const checkpoint_state *state,
                            const save_options *o, bool adapter) {
    wr_status status = WR_OK;
    char tmp[PATH_CAP] = "", final[PATH_CAP], tmp_name[32];
    snprintf(tmp_name, sizeof tmp_name, "tmp-%s", name);
    TRY(path_join(tmp, run_path(r), tmp_name));
    TRY(path_join(final, run_path(r), name));
    TRY(dir_remove_tree(tmp));
    TRY(adapter ? save_adapter(m, tmp, state, o) : save_weights(m, tmp, state, o, o->stored));
    TRY(run_check(r));
    TRY(dir_commit(tmp, final));
    log_info("%s: saved after step %lld", final, (long long)state->step);
cleanup:
    return status;
}

wr_status run_save_best(world *w, run_dir *r, const model *m, const checkpoint_state *state, const save_options *o) {
    const wr_status status = world_rank(w) == 0 ? save_final(r, m, "best", state, o, m->lora != NULL) : WR_OK;
    return world_agree(w, status);
}

wr_status run_save_model(world *w, run_dir *r, model *m, const checkpoint_state *state, const save_options *o) {
    wr_status status = WR_OK;
    if (world_rank(w) == 0) {
        if (m->lora) {
            TRY(save_final(r, m, "adapter", state, o, true));
            if (!o->merge) goto cleanup;
            TRY(lora_merge(m));
        }
        TRY(save_final(r, m, "model", state, o, false));
    }
cleanup:
    return world_agree(w, status);
}
