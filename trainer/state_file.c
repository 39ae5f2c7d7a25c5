#include "trainer/state_file.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { STATE_MOST = 1 << 26, DEEPEST = 4 };
#define STATE "state.json"
#define CONFIG "config.yaml"
/* How the file ends; what stands before this is what the hash is of. */
#define TAIL_BEGIN ",\"checksum\":\""
#define TAIL_END "\"}\n"
enum { TAIL = sizeof TAIL_BEGIN - 1 + HASH_HEX - 1 + sizeof TAIL_END - 1 };

static void tail(const char *bytes, size_t n, char out[TAIL + 1]) {
    char hash[HASH_HEX];
    hash_hex(bytes, n, hash);
    snprintf(out, TAIL + 1, TAIL_BEGIN "%s" TAIL_END, hash);
}

/* --- writing ---------------------------------------------------------------------------------------------------------
 */

/* "model/config.json": its hash, for every file below dir. */
static wr_status list_files(json_writer *j, const char *dir, const char *below, int depth) {
    wr_status status = WR_OK;
    char **names = NULL, folder[PATH_CAP], path[PATH_CAP], name[PATH_CAP], hash[HASH_HEX];
    size_t n = 0;
    TRY(path_join(folder, dir, below));
    TRY(dir_list(folder, "", "", &names, &n));
    for (size_t i = 0; i < n; i++) {
        if (below[0])
            TRY(path_join(name, below, names[i]));
        else
            snprintf(name, sizeof name, "%s", names[i]);
        TRY(path_join(path, dir, name));
        if (dir_exists(path)) {
            TRY(depth < DEEPEST ? list_files(j, dir, name, depth + 1) : WR_OK);
        } else if (strcmp(name, STATE) != 0) {
            TRY(hash_file_hex(path, hash));
            json_member_string(j, name, hash);
        }
    }
cleanup:
    if (names) names_free(names, n);
    return status;
}

wr_status state_write(const char *dir, const state_numbers *n, const checkpoint_state *s) {
    wr_status status = WR_OK;
    strbuf out = {0};
    char path[PATH_CAP], seed[32], end[TAIL + 1];
    json_writer j = json_writer_make(&out);
    json_begin_object(&j);
    json_member_int(&j, "step", s->step);
    json_member_int(&j, "optimizer_steps", n->optimizer_steps);
    json_member_string(&j, "config_hash", s->terms->hash);
    json_member_string(&j, "arithmetic", s->terms->arithmetic);
    json_member_string(&j, "data_hash", s->data_hash);
    json_member_string(&j, "parent_hash", s->parent_hash);
    snprintf(seed, sizeof seed, "%llu",
             (unsigned long long)s->seed); /* text: 64 bits do not fit a JSON reader's double */
    json_member_string(&j, "seed", seed);
    json_member_int(&j, "ranks", n->ranks);
    json_member_string(&j, "machine", s->terms->machine ? s->terms->machine : "");
    json_member_int(&j, "metrics_bytes", (int64_t)n->metrics_bytes);
    json_member_string(&j, "metrics_hash", n->metrics_hash);
    json_member_object(&j, "files");
    TRY(list_files(&j, dir, "", 0));
    json_end_object(&j);
    json_member_string_n(&j, "extra", strbuf_str(&s->extra), s->extra.len);
    TRY(strbuf_status(&out));
    tail(out.data, out.len, end); /* closes the object */
    strbuf_puts(&out, end);
    TRY(strbuf_status(&out));
    TRY(path_join(path, dir, STATE));
    TRY(file_write_atomic(path, out.data, out.len));
cleanup:
    strbuf_free(&out);
    return status;
}

/* --- reading ---------------------------------------------------------------------------------------------------------
 */

static wr_status check_own(const json_value *state, const char *key, const char *mine, const char *run,
                           const char *what) {
    const char *given;
    size_t n;
    if (!json_get_string(state, key, &given, &n))
        return wr_fail(WR_E_FORMAT, "%s: state.json of the checkpoint lacks \"%s\"", run, key);
    if (strcmp(given, mine) != 0)
        return wr_fail(WR_E_MISMATCH, "%s: %s (its hash is %s, now %s); give the same, or another --out", run, what,
                       given, mine);
    return WR_OK;
}

/* The checkpoint was made by this run, as it is called now. */
static wr_status check_run(const char *run, const char *dir, const json_value *v, const state_numbers *numbers,
                           const checkpoint_state *s) {
    wr_status status = WR_OK;
    char path[PATH_CAP], what[120];
    const char *hash = NULL, *arithmetic;
    size_t n;
    TRY(path_join(path, numbers->options_kept ? dir : run, CONFIG));
    if (!numbers->options_kept && !json_get_string(v, "config_hash", &hash, &n))
        TRY(wr_fail(WR_E_FORMAT, "%s: state.json of the checkpoint lacks \"config_hash\"", run));
    if (s->terms->same) TRY(wr_context(s->terms->same(s->terms->context, path, hash), "%s", run));
    if (json_get_string(v, "arithmetic", &arithmetic, &n) && strcmp(arithmetic, s->terms->arithmetic) != 0)
        TRY(wr_fail(WR_E_MISMATCH, "%s: the run computes in %s, now %s; give --precision %s", run, arithmetic,
                    s->terms->arithmetic, arithmetic));
    if (s->steps && numbers->step > s->steps)
        TRY(wr_fail(WR_E_USAGE,
                    "%s: %lld steps are done, more than --steps %lld; give at least as many, or another --out", run,
                    (long long)numbers->step, (long long)s->steps));
    snprintf(what, sizeof what, "the run was begun with other data than %s",
             s->data_options ? s->data_options : "these");
    TRY(check_own(v, "data_hash", s->data_hash, run, what));
    TRY(check_own(v, "parent_hash", s->parent_hash, run, "the run was begun with another model than --model"));
cleanup:
    return status;
}

static wr_status check_checksum(const char *path, const char *bytes, size_t n) {
    char end[TAIL + 1];
    if (n >= TAIL) {
        tail(bytes, n - TAIL, end);
        if (memcmp(bytes + n - TAIL, end, TAIL) == 0) return WR_OK;
    }
    if (memmem(bytes, n, TAIL_BEGIN, sizeof TAIL_BEGIN - 1))
        return wr_fail(
            WR_E_FORMAT,
            "%s: damaged or edited (its checksum is another); remove this checkpoint to use the one before it", path);
    return wr_fail(WR_E_FORMAT,
                   "%s: damaged, edited, or of a version that wrote no checksum; remove this checkpoint to use the one "
                   "before it, or begin a new run from its model",
                   path);
}

static wr_status read_numbers(const char *path, const json_value *v, checkpoint_state *s, strbuf *machine,
                              state_numbers *out) {
    wr_status status = WR_OK;
    int64_t metrics_bytes;
    const char *seed, *extra, *computed_on, *metrics_hash;
    size_t n, extra_n, machine_n;
    if (!json_get_int(v, "step", &out->step) || !json_get_int(v, "optimizer_steps", &out->optimizer_steps) ||
        !json_get_int(v, "metrics_bytes", &metrics_bytes) || metrics_bytes < 0 ||
        !json_get_int(v, "ranks", &out->ranks) || !json_get_string(v, "seed", &seed, &n) ||
        !json_get_string(v, "extra", &extra, &extra_n) || !json_get_string(v, "machine", &computed_on, &machine_n) ||
        !json_get_string(v, "metrics_hash", &metrics_hash, &n) || n >= HASH_HEX)
        TRY(wr_fail(WR_E_FORMAT, "%s: not a checkpoint's state; remove this checkpoint to use the one before it",
                    path));
    out->metrics_bytes = (uint64_t)metrics_bytes;
    out->seed = strtoull(seed, NULL, 10);
    snprintf(out->metrics_hash, sizeof out->metrics_hash, "%s", metrics_hash);
    strbuf_clear(&s->extra);
    strbuf_append(&s->extra, extra, extra_n);
    strbuf_clear(machine);
    strbuf_append(machine, computed_on, machine_n);
    TRY(strbuf_status(&s->extra));
    TRY(strbuf_status(machine));
cleanup:
    return status;
}

static wr_status check_files(const char *dir, const json_value *files, const char *const *needed) {
    wr_status status = WR_OK;
    char path[PATH_CAP], hash[HASH_HEX];
    const char *want;
    size_t n;
    for (size_t i = 0; needed[i]; i++) {
        TRY(path_join(path, dir, needed[i]));
        if (!json_get_string(files, needed[i], &want, &n))
            TRY(wr_fail(WR_E_MISMATCH, "%s: this checkpoint has no such file: it is another kind of run's", path));
    }
    for (const json_value *f = files->first; f; f = f->next) {
        TRY(path_join(path, dir, f->key));
        if (!file_exists(path)) {
            wr_fail(WR_E_IO, "%s is not there", path);
            return WR_END;
        }
        TRY(hash_file_hex(path, hash));
        if (!json_is(f, JSON_STRING) || strcmp(f->text, hash) != 0)
            TRY(wr_fail(
                WR_E_FORMAT,
                "%s: damaged (its hash is not the one in state.json); remove this checkpoint to use the one before it",
                path));
    }
cleanup:
    return status;
}

wr_status state_read(const char *run, const char *dir, int64_t step, const char *const *needed, checkpoint_state *s,
                     strbuf *machine, state_numbers *n) {
    wr_status status = WR_OK;
    char path[PATH_CAP], *bytes = NULL;
    size_t length;
    struct stat info;
    const json_value *v;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(path_join(path, dir, STATE));
    if (stat(path, &info) != 0 || info.st_size == 0) {
        wr_fail(WR_E_IO, "%s is %s", path, stat(path, &info) != 0 ? "not there" : "empty");
        status = WR_END;
        goto cleanup;
    }
    TRY(file_read(path, STATE_MOST, &bytes, &length));
    TRY(check_checksum(path, bytes, length));
    TRY(wr_context(json_parse(a, bytes, length, &v), "%s", path));
    TRY(read_numbers(path, v, s, machine, n));
    if (n->step != step)
        TRY(wr_fail(WR_E_FORMAT, "%s: is of step %lld, whatever its folder is called; give the folder its name back",
                    path, (long long)n->step));
    const json_value *files = json_get(v, "files");
    if (!json_is(files, JSON_OBJECT)) TRY(wr_fail(WR_E_FORMAT, "%s: lists no files", path));
    status = check_files(dir, files, needed);
    TRY(status);
    n->options_kept = json_get(files, CONFIG) != NULL;
    if (status == WR_OK) TRY(check_run(run, dir, v, n, s));
cleanup:
    free(bytes);
    arena_free(a);
    return status;
}
