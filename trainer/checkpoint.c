#include "trainer/checkpoint.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/weights/lora.h"
#include "model/weights/safetensors.h"
#include "mpi/reduce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const OPTIMIZER = "optimizer.safetensors";

/* The file of what is trained. */
static const char *weights_file(const model *m) { return m->lora ? "adapter/adapter_model.safetensors" : "model/model.safetensors"; }

/* Files whose hashes state.json keeps: damage is found before a wrong number is used. */
enum { N_HASHED = 2 };
static const char *hashed_file(const model *m, size_t i) { return i == 0 ? weights_file(m) : OPTIMIZER; }

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

static wr_status write_optimizer(const char *dir, const adamw *opt) {
    char path[PATH_CAP];
    wr_status status = path_join(path, dir, OPTIMIZER);
    if (status < 0) return status;
    st_tensor tensors[2] = {
        {.name = "m", .dtype = ST_F32, .n_dims = 1, .dims = {opt->n}, .data = opt->m, .bytes = opt->n * sizeof(float)},
        {.name = "v", .dtype = ST_F32, .n_dims = 1, .dims = {opt->n}, .data = opt->v, .bytes = opt->n * sizeof(float)},
    };
    return safetensors_write(path, tensors, 2, NULL);
}

static wr_status write_state(const char *dir, world *w, const model *m, const adamw *opt, const checkpoint_state *state,
                             uint64_t metrics_bytes) {
    wr_status status = WR_OK;
    strbuf text = {0};
    char path[PATH_CAP], number[32], hash[HASH_HEX];
    json_writer j = json_writer_make(&text);
    json_begin_object(&j);
    json_key(&j, "step");
    json_int(&j, state->step);
    json_key(&j, "optimizer_steps");
    json_int(&j, opt->t);
    json_key(&j, "config_hash");
    json_string(&j, state->config_hash);
    json_key(&j, "data_hash");
    json_string(&j, state->data_hash);
    json_key(&j, "parent_hash");
    json_string(&j, state->parent_hash);
    json_key(&j, "seed"); /* text: 64 bits do not fit a JSON reader's double */
    snprintf(number, sizeof number, "%llu", (unsigned long long)state->seed);
    json_string(&j, number);
    json_key(&j, "ranks");
    json_int(&j, world_size(w));
    json_key(&j, "metrics_bytes");
    json_int(&j, (int64_t)metrics_bytes);
    json_key(&j, "files");
    json_begin_object(&j);
    for (size_t i = 0; i < N_HASHED; i++) {
        TRY(path_join(path, dir, hashed_file(m, i)));
        TRY(hash_file_hex(path, hash));
        json_key(&j, hashed_file(m, i));
        json_string(&j, hash);
    }
    json_end_object(&j);
    json_key(&j, "extra");
    json_string_n(&j, strbuf_str(&state->extra), state->extra.len);
    json_end_object(&j);
    strbuf_putc(&text, '\n');
    TRY(strbuf_status(&text));
    TRY(path_join(path, dir, "state.json"));
    TRY(file_write_atomic(path, text.data, text.len));
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status remove_old(const char *folder, int keep) {
    wr_status status = WR_OK;
    int64_t *steps = NULL;
    size_t n = 0;
    char path[PATH_CAP], name[40];
    TRY(list_steps(folder, &steps, &n));
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

static wr_status save_weights(const model *m, const char *dir, const checkpoint_state *state, const save_options *o, precision stored) {
    const model_provenance p = {state->config_hash, state->data_hash, state->parent_hash, o->template_text};
    wr_status status = WR_OK;
    char path[PATH_CAP];
    TRY(dir_make(dir));
    TRY(model_save(m, dir, o->tokenizer_dir, &p, stored));
    if (o->chat_template) {
        TRY(path_join(path, dir, "chat_template.jinja"));
        TRY(file_write_atomic(path, o->chat_template, strlen(o->chat_template)));
    }
cleanup:
    return status;
}

static wr_status save_root(world *w, run_dir *r, const model *m, const adamw *opt, const checkpoint_state *state, const save_options *o) {
    wr_status status = WR_OK;
    char folder[PATH_CAP], name[40], tmp[PATH_CAP] = "", final[PATH_CAP], path[PATH_CAP];
    uint64_t metrics_bytes;
    TRY(path_join(folder, run_path(r), "checkpoints"));
    snprintf(name, sizeof name, "tmp-step-%lld", (long long)state->step);
    TRY(path_join(tmp, folder, name));
    TRY(path_join(final, folder, name + 4));
    TRY(dir_remove_tree(tmp));
    TRY(dir_make(tmp));
    TRY(path_join(path, tmp, m->lora ? "adapter" : "model"));
    TRY(m->lora ? save_adapter(m, path, o) : save_weights(m, path, state, o, PRECISION_F32));
    TRY(write_optimizer(tmp, opt));
    TRY(run_metrics_bytes(r, &metrics_bytes));
    TRY(write_state(tmp, w, m, opt, state, metrics_bytes));
    TRY(dir_commit(tmp, final));
    tmp[0] = 0;
    TRY(remove_old(folder, o->keep));
cleanup:
    if (status < 0 && tmp[0]) {
        char *message = mem_strdup(wr_error()); /* the clean-up's own failure would hide the cause */
        dir_remove_tree(tmp);
        if (message) wr_fail(status, "%s", message);
        free(message);
    }
    return status;
}

wr_status checkpoint_save(world *w, run_dir *r, const model *m, const adamw *opt, const checkpoint_state *state, const save_options *o) {
    wr_status status = WR_OK;
    if (world_rank(w) == 0) status = save_root(w, r, m, opt, state, o);
    return wr_context(world_agree(w, status), "checkpoint of step %lld", (long long)state->step);
}

/* --- reading ---------------------------------------------------------------------------------------------------------
 */

/* What rank 0 tells the others; plain bytes of one program. */
typedef struct shared_state {
    int64_t found, step, optimizer_steps, ranks;
    uint64_t seed, metrics_bytes;
} shared_state;

static wr_status check_hash(const json_value *state, const char *key, const char *mine, const char *run,
                            const char *what) {
    const char *text;
    size_t n;
    if (!json_get_string(state, key, &text, &n))
        return wr_fail(WR_E_FORMAT, "%s: state.json of the checkpoint lacks \"%s\"", run, key);
    if (strcmp(text, mine) != 0)
        return wr_fail(WR_E_MISMATCH,
                       "%s: this run was started with %s (hash %s, now %s); use the same, or another --out", run, what,
                       text, mine);
    return WR_OK;
}

static wr_status read_state(const char *run, const char *dir, const model *m, checkpoint_state *state, shared_state *shared) {
    wr_status status = WR_OK;
    char path[PATH_CAP], hash[HASH_HEX];
    char *bytes = NULL;
    size_t n;
    const json_value *v;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(path_join(path, dir, "state.json"));
    TRY(file_read(path, 1 << 26, &bytes, &n));
    TRY(wr_context(json_parse(a, bytes, n, &v), "%s", path));
    int64_t metrics_bytes;
    const char *seed, *extra;
    size_t seed_n, extra_n;
    if (!json_get_int(v, "step", &shared->step) || !json_get_int(v, "optimizer_steps", &shared->optimizer_steps) ||
        !json_get_int(v, "metrics_bytes", &metrics_bytes) || metrics_bytes < 0 ||
        !json_get_int(v, "ranks", &shared->ranks) || !json_get_string(v, "seed", &seed, &seed_n) ||
        !json_get_string(v, "extra", &extra, &extra_n))
        TRY(wr_fail(WR_E_FORMAT, "%s: not a checkpoint's state; remove this checkpoint to use the one before it",
                    path));
    shared->metrics_bytes = (uint64_t)metrics_bytes;
    shared->seed = strtoull(seed, NULL, 10);
    TRY(check_hash(v, "config_hash", state->config_hash, run, "other options"));
    TRY(check_hash(v, "data_hash", state->data_hash, run, "other data"));
    TRY(check_hash(v, "parent_hash", state->parent_hash, run, "another model"));
    strbuf_clear(&state->extra);
    strbuf_append(&state->extra, extra, extra_n);
    TRY(strbuf_status(&state->extra));
    const json_value *files = json_get(v, "files");
    for (size_t i = 0; i < N_HASHED; i++) {
        const char *want;
        size_t want_n;
        TRY(path_join(path, dir, hashed_file(m, i)));
        TRY(hash_file_hex(path, hash));
        if (!json_get_string(files, hashed_file(m, i), &want, &want_n) || strcmp(want, hash) != 0)
            TRY(wr_fail(
                WR_E_FORMAT,
                "%s: damaged (its hash is not the one in state.json); remove this checkpoint to use the one before it",
                path));
    }
cleanup:
    free(bytes);
    arena_free(a);
    return status;
}

static wr_status read_tensor(const safetensors *s, const char *path, const char *name, size_t count, float *out) {
    const st_tensor *t = safetensors_find(s, name);
    size_t n = 1;
    for (int d = 0; t && d < t->n_dims; d++) n *= t->dims[d];
    if (!t || n != count)
        return wr_fail(WR_E_MISMATCH, "%s: tensor %s is missing or has another shape than this run's model", path,
                       name);
    return st_tensor_to_f32(t, out);
}

static wr_status read_tensors(const char *dir, const model *m, adamw *opt) {
    wr_status status = WR_OK;
    const trainables x = model_trainables(m);
    char path[PATH_CAP];
    safetensors *s = NULL;
    TRY(path_join(path, dir, weights_file(m)));
    TRY(safetensors_open(path, &s));
    for (size_t i = 0; i < x.n_tensors; i++)
        TRY(read_tensor(s, path, x.tensors[i].name, x.tensors[i].count, x.values + x.tensors[i].offset));
    safetensors_close(s);
    s = NULL;
    TRY(path_join(path, dir, OPTIMIZER));
    TRY(safetensors_open(path, &s));
    TRY(read_tensor(s, path, "m", opt->n, opt->m));
    TRY(read_tensor(s, path, "v", opt->n, opt->v));
cleanup:
    safetensors_close(s);
    return status;
}

static wr_status load_root(run_dir *r, model *m, adamw *opt, checkpoint_state *state, shared_state *shared) {
    wr_status status = WR_OK;
    char folder[PATH_CAP], dir[PATH_CAP], name[40];
    int64_t *steps = NULL;
    size_t n = 0;
    TRY(path_join(folder, run_path(r), "checkpoints"));
    TRY(list_steps(folder, &steps, &n));
    if (n) {
        snprintf(name, sizeof name, "step-%lld", (long long)steps[n - 1]);
        TRY(path_join(dir, folder, name));
        TRY(read_state(run_path(r), dir, m, state, shared));
        TRY(read_tensors(dir, m, opt));
        shared->found = 1;
    }
    TRY(run_rewind(r, shared->metrics_bytes));
cleanup:
    free(steps);
    return status;
}

wr_status checkpoint_load(world *w, run_dir *r, model *m, adamw *opt, checkpoint_state *state, bool *found) {
    wr_status status = WR_OK;
    shared_state shared = {0};
    strbuf bytes = {0};
    *found = false;
    if (world_rank(w) == 0) status = load_root(r, m, opt, state, &shared);
    TRY(world_agree(w, status));
    strbuf_append(&bytes, &shared, sizeof shared);
    TRY(world_agree(w, strbuf_status(&bytes)));
    TRY(world_bcast(w, 0, &bytes));
    memcpy(&shared, bytes.data, sizeof shared);
    if (!shared.found) goto cleanup;
    TRY(world_bcast(w, 0, &state->extra));
    const trainables x = model_trainables(m);
    TRY(reduce_bcast(w, 0, x.values, x.n));
    TRY(reduce_bcast(w, 0, opt->m, opt->n));
    TRY(reduce_bcast(w, 0, opt->v, opt->n));
    model_publish(m);
    opt->t = shared.optimizer_steps;
    state->step = shared.step;
    state->seed = shared.seed;
    *found = true;
    if (world_rank(w) == 0 && shared.ranks != world_size(w))
        log_warn("%s: continued on %d ranks, begun on %lld: the losses agree to rounding, not to the bit", run_path(r),
                 world_size(w), (long long)shared.ranks);
cleanup:
    strbuf_free(&bytes);
    return status;
}

/* Saves under a temporary name first. `adapter`: the adapters, not the weights. */
static wr_status save_final(run_dir *r, const model *m, const char *name, const checkpoint_state *state, const save_options *o, bool adapter) {
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
