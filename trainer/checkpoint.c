/* Checkpoints, read: the newest whole one is found by rank 0 and told to all. Writing: checkpoint_write.c. */
#include "trainer/checkpoint.h"

#include "base/file.h"
#include "base/log.h"
#include "model/weights/lora.h"
#include "model/weights/safetensors.h"
#include "mpi/reduce.h"
#include "trainer/checkpoint_write.h"
#include "trainer/moments_ranks.h"
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
    TRY(checkpoint_steps(folder, &steps, &n));
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
