#include "trainer/checkpoint.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "text/chat/chat_source.h"
#include "model/weights/lora.h"
#include "model/weights/safetensors.h"
#include "mpi/reduce.h"
#include "trainer/moments_ranks.h"
#include "trainer/replicas.h"
#include "trainer/state_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file of what is trained; and the folder whose record has what the objective trains beside it. */
static const char *weights_file(const model *m) {
    return m->lora ? "adapter/adapter_model.safetensors" : "model/model.safetensors";
}

static wr_status own_read(const char *dir, const model *m, float *out) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    model_config saved;
    TRY(path_join(path, dir, m->lora ? "adapter" : "model"));
    TRY(m->lora ? lora_score_own(path, &saved.own) : model_config_load(path, &saved));
    if (saved.own.kind != m->config.own.kind || saved.own.n != m->config.own.n)
        TRY(wr_fail(WR_E_MISMATCH, "%s: its record of the objective has %u numbers, this run's model %u", path,
                    saved.own.n, m->config.own.n));
    memcpy(out, saved.own.values, saved.own.n * sizeof *out);
cleanup:
    return status;
}

static int by_step(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Steps of the complete checkpoints of `folder`, ascending. */
static wr_status list_steps(const char *folder, int64_t **steps, size_t *n) {
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

/* --- writing --------------------------------------------------------------------------------------------------------
 */

static wr_status write_state(const char *dir, world *w, run_dir *r, const adamw *opt, const checkpoint_state *state) {
    state_numbers n = {.optimizer_steps = opt->t, .ranks = world_size(w)};
    wr_status status = run_metrics_so_far(r, &n.metrics_bytes, n.metrics_hash);
    return status < 0 ? status : state_write(dir, &n, state);
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
    TRY(list_steps(folder, &steps, &n));
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

static wr_status save_adapter(const model *m, const char *dir, const save_options *o) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    TRY(dir_make(dir));
    TRY(lora_save(m, dir, o->base));
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

/* A checkpoint on its way; rank 0's. */
typedef struct saving {
    char folder[PATH_CAP], tmp[PATH_CAP], final[PATH_CAP];
} saving;

static wr_status save_begin(run_dir *r, const model *m, const checkpoint_state *state, const save_options *o,
                            saving *s) {
    wr_status status = WR_OK;
    char name[40], path[PATH_CAP];
    TRY(path_join(s->folder, run_path(r), "checkpoints"));
    snprintf(name, sizeof name, "tmp-step-%lld", (long long)state->step);
    TRY(path_join(s->final, s->folder, name + 4));
    TRY(path_join(s->tmp, s->folder, name));
    TRY(dir_remove_tree(s->tmp));
    TRY(dir_make(s->tmp));
    TRY(path_join(path, s->tmp, m->lora ? "adapter" : "model"));
    TRY(m->lora ? save_adapter(m, path, o) : save_weights(m, path, state, o, PRECISION_F32));
cleanup:
    return status;
}

static wr_status save_end(world *w, run_dir *r, const adamw *opt, const checkpoint_state *state, const save_options *o,
                          const saving *s) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    TRY(path_join(path, s->tmp, "config.yaml"));
    TRY(file_write_atomic(path, state->terms->config_yaml, strlen(state->terms->config_yaml)));
    TRY(write_state(s->tmp, w, r, opt, state));
    TRY(dir_commit(s->tmp, s->final));
    TRY(remove_old(s->folder, o->keep));
cleanup:
    return status;
}

wr_status checkpoint_save(world *w, run_dir *r, const model *m, const adamw *opt, const checkpoint_state *state,
                          const save_options *o) {
    wr_status status = WR_OK;
    const bool root = world_rank(w) == 0;
    const size_t of = model_trainables(m).n;
    saving s = {0};
    TRY(replicas_equal(w, m, opt->n == of ? opt : NULL));
    if (root) status = save_begin(r, m, state, o, &s);
    status = moments_save(w, s.tmp, opt, of, status);
    if (root && status >= 0) status = save_end(w, r, opt, state, o, &s);
    if (root && status < 0 && s.tmp[0]) {
        char *message = mem_strdup(wr_error()); /* the clean-up's own failure would hide the cause */
        dir_remove_tree(s.tmp);
        if (message) wr_fail(status, "%s", message);
        free(message);
    }
    status = world_agree(w, status);
cleanup:
    return wr_context(status, "checkpoint of step %lld", (long long)state->step);
}

/* --- reading ---------------------------------------------------------------------------------------------------------
 */

/* What rank 0 tells the others; plain bytes of one program. */
typedef struct shared_state {
    bool found;
    state_numbers n;
} shared_state;

static wr_status read_tensor(const safetensors *s, const char *path, const char *name, size_t count, float *out) {
    const st_tensor *t = safetensors_find(s, name);
    size_t n = 1;
    for (int d = 0; t && d < t->n_dims; d++) n *= t->dims[d];
    if (!t || n != count)
        return wr_fail(WR_E_MISMATCH, "%s: tensor %s is missing or has another shape than this run's model", path,
                       name);
    return st_tensor_to_f32(t, out);
}

static wr_status read_weights(const char *dir, const model *m) {
    wr_status status = WR_OK;
    const trainables x = model_trainables(m);
    char path[PATH_CAP];
    safetensors *s = NULL;
    TRY(path_join(path, dir, weights_file(m)));
    TRY(safetensors_open(path, &s));
    const size_t own = m->config.own.kind ? 1 : 0; /* the last */
    for (size_t i = 0; i + own < x.n_tensors; i++)
        TRY(read_tensor(s, path, x.tensors[i].name, x.tensors[i].count, x.values + x.tensors[i].offset));
    if (own) TRY(own_read(dir, m, x.values + x.tensors[x.n_tensors - 1].offset));
cleanup:
    safetensors_close(s);
    return status;
}

/* One line about all that is not as it was, as far as a bit depends on it: "threads: 2 (was 1)". */
static void say_changes(const char *run, const strbuf *before, const run_terms *terms, int64_t ranks_before,
                        int ranks) {
    strbuf said = {0};
    const char *now = terms->machine;
    const bool any_threads = terms->same_bits && strcmp(terms->arithmetic, "f32") == 0;
    if (ranks != ranks_before && !terms->same_bits)
        strbuf_printf(&said, "%d ranks (begun on %lld)", ranks, (long long)ranks_before);
    for (const char *line = now ? now : ""; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] != 0)) {
        const size_t n = strcspn(line, "\n"), name = strcspn(line, ":");
        const char *old = name < n ? strbuf_str(before) : "";
        while (*old && strncmp(old, line, name + 1) != 0) old += strcspn(old, "\n") + (old[strcspn(old, "\n")] != 0);
        const size_t old_n = strcspn(old, "\n");
        if (old_n == n && memcmp(old, line, n) == 0) continue;
        if (any_threads && strncmp(line, "threads", 7) == 0) continue; /* and "threads of OpenBLAS" */
        strbuf_printf(&said, "%s%.*s (was %.*s)", said.len ? ", " : "", (int)n, line,
                      old_n > name + 2 ? (int)(old_n - name - 2) : 7, old_n > name + 2 ? old + name + 2 : "unknown");
    }
    if (said.len) log_warn("%s: continued on %s: the losses agree to 1e-5, not to the bit", run, strbuf_str(&said));
    strbuf_free(&said);
}

static bool is_empty(const char *dir) {
    char **names = NULL;
    size_t n = 0;
    const bool empty = dir_list(dir, "", "", &names, &n) >= 0 && n == 0;
    if (names) names_free(names, n);
    return empty;
}

/* The newest whole checkpoint, each younger one passed over with a line. */
static wr_status find_whole(run_dir *r, const char *folder, const model *m, checkpoint_state *state, strbuf *machine,
                            shared_state *shared, char dir[PATH_CAP]) {
    wr_status status = WR_OK;
    const char *const needed[] = {weights_file(m), moments_first_file, NULL};
    char name[40];
    int64_t *steps = NULL;
    size_t n = 0;
    bool something = false;
    TRY(list_steps(folder, &steps, &n));
    for (size_t i = n; i-- > 0 && !shared->found;) {
        snprintf(name, sizeof name, "step-%lld", (long long)steps[i]);
        TRY(path_join(dir, folder, name));
        const wr_status got = state_read(run_path(r), dir, steps[i], needed, state, machine, &shared->n);
        TRY(got);
        shared->found = got != WR_END;
        something = something || !is_empty(dir);
        if (!shared->found) log_warn("%s: not a whole checkpoint (%s): passed over", dir, wr_error());
    }
    if (!shared->found && something)
        TRY(wr_fail(WR_E_FORMAT, "%s: none of the checkpoints is whole; move the folder away to begin the run anew",
                    folder));
cleanup:
    free(steps);
    return status;
}

static wr_status find_root(run_dir *r, const model *m, checkpoint_state *state, strbuf *machine, shared_state *shared,
                           char dir[PATH_CAP]) {
    wr_status status = WR_OK;
    char folder[PATH_CAP];
    TRY(path_join(folder, run_path(r), "checkpoints"));
    TRY(find_whole(r, folder, m, state, machine, shared, dir));
    if (shared->found) TRY(read_weights(dir, m));
cleanup:
    return status;
}

static wr_status rewind_root(world *w, run_dir *r, const checkpoint_state *state, const strbuf *machine,
                             const shared_state *shared) {
    wr_status status = WR_OK;
    TRY(run_rewind(r, shared->n.metrics_bytes, shared->n.metrics_hash, shared->found && !shared->n.options_kept));
    if (shared->found) say_changes(run_path(r), machine, state->terms, shared->n.ranks, world_size(w));
cleanup:
    return status;
}

wr_status checkpoint_load(world *w, run_dir *r, model *m, adamw *opt, checkpoint_state *state, bool *found) {
    wr_status status = WR_OK;
    const bool root = world_rank(w) == 0;
    char dir[PATH_CAP] = "";
    shared_state shared = {0};
    strbuf bytes = {0}, machine = {0};
    *found = false;
    TRY(world_agree(w, root ? find_root(r, m, state, &machine, &shared, dir) : WR_OK));
    strbuf_append(&bytes, &shared, sizeof shared);
    TRY(world_agree(w, strbuf_status(&bytes)));
    TRY(world_bcast(w, 0, &bytes));
    memcpy(&shared, bytes.data, sizeof shared);
    const trainables x = model_trainables(m);
    if (shared.found) TRY(moments_load(w, dir, opt, x.n));
    TRY(world_agree(w, root ? rewind_root(w, r, state, &machine, &shared) : WR_OK));
    if (!shared.found) goto cleanup;
    TRY(world_bcast(w, 0, &state->extra));
    TRY(reduce_bcast(w, 0, x.values, x.n));
    model_round_weights(m);
    opt->t = shared.n.optimizer_steps;
    state->step = shared.n.step;
    state->seed = shared.n.seed;
    *found = true;
cleanup:
    strbuf_free(&bytes);
    strbuf_free(&machine);
    return status;
}

/* Saves under a temporary name first. `adapter`: the adapters, not the weights. */
static wr_status save_final(run_dir *r, const model *m, const char *name, const checkpoint_state *state,
                            const save_options *o, bool adapter) {
    wr_status status = WR_OK;
    char tmp[PATH_CAP] = "", final[PATH_CAP], tmp_name[32];
    snprintf(tmp_name, sizeof tmp_name, "tmp-%s", name);
    TRY(path_join(tmp, run_path(r), tmp_name));
    TRY(path_join(final, run_path(r), name));
    TRY(dir_remove_tree(tmp));
    TRY(adapter ? save_adapter(m, tmp, o) : save_weights(m, tmp, state, o, o->stored));
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
