/* The run directory: lock, config.yaml, metrics.jsonl. Rank 0 touches the files; the others know the path. */
#include "base/file.h"
#include "base/folder_lock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "trainer/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct run_dir {
    char path[PATH_CAP], metrics[PATH_CAP];
    char *config;
    folder_lock *lock; /* NULL on ranks other than 0 */
    bool root, resumed;
};

const char *run_path(const run_dir *r) { return r->path; }

wr_status run_check(const run_dir *r) { return folder_lock_check(r->lock); }

static wr_status write_config(const run_dir *r) {
    char path[PATH_CAP];
    wr_status status = path_join(path, r->path, "config.yaml");
    return status < 0 ? status : file_write_atomic(path, r->config, strlen(r->config));
}

static bool there(const run_dir *r, const char *name) {
    char path[PATH_CAP];
    struct stat info;
    return path_join(path, r->path, name) >= 0 && lstat(path, &info) == 0;
}

/* Its lock says so, or, where somebody has removed that, what else only a run leaves. */
static bool is_run(const run_dir *r) {
    char path[PATH_CAP], *text = NULL;
    size_t n = 0;
    struct stat info;
    bool ours = path_join(path, r->path, "lock") >= 0 && lstat(path, &info) == 0 && S_ISREG(info.st_mode) &&
                file_read(path, 1 << 16, &text, &n) >= 0 && (n == 0 || strncmp(text, "process ", 8) == 0);
    free(text);
    return ours || (there(r, "config.yaml") && there(r, "checkpoints") && !there(r, "lock"));
}

/* A model that this program saved records what it came from; an adapter, for which PEFT's format has no such place,
 * names its format and rank. */
static bool is_saved(const run_dir *r, const char *folder, const char *file, const char *member) {
    wr_status status = WR_OK;
    char dir[PATH_CAP], path[PATH_CAP], *text = NULL;
    size_t n = 0;
    const json_value *v = NULL;
    struct stat info;
    bool saved = false;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(path_join(dir, r->path, folder));
    if (lstat(dir, &info) != 0 || !S_ISDIR(info.st_mode)) goto cleanup;
    TRY(path_join(path, dir, file));
    TRY(file_read(path, 1 << 26, &text, &n));
    TRY(json_parse(a, text, n, &v));
    saved = json_get(v, member);
cleanup:
    free(text);
    arena_free(a);
    return status >= 0 && saved;
}

/* Folders within folders and no file: nothing can be lost there, whosever it is. */
static bool holds_nothing(const char *path) {
    char child[PATH_CAP], **names = NULL;
    size_t n = 0, i = 0;
    struct stat info;
    if (lstat(path, &info) != 0 || !S_ISDIR(info.st_mode) || dir_list(path, "", "", &names, &n) < 0) return false;
    while (i < n && path_join(child, path, names[i]) >= 0 && holds_nothing(child)) i++;
    names_free(names, n);
    return i == n;
}

/* What a run writes, replaces or removes in its folder is never somebody else's. */
static wr_status refuse_foreign(const run_dir *r) {
    static const char *const names[] = {"config.yaml", "metrics.jsonl", "checkpoints", "model", "adapter", "replies",
                                        "lock",        "tmp-model",     "tmp-adapter", "best",  "tmp-best"};
    if (!dir_exists(r->path)) return WR_OK;
    const bool ours = is_run(r);
    char path[PATH_CAP];
    for (size_t i = 0; !ours && i < sizeof names / sizeof *names; i++)
        if (there(r, names[i]) && path_join(path, r->path, names[i]) >= 0 && !holds_nothing(path))
            return wr_fail(WR_E_USAGE, "%s: holds %s, and is no folder of a run; give another --out", r->path,
                           names[i]);
    if (!r->resumed && (there(r, "model") || there(r, "adapter")))
        return wr_fail(WR_E_USAGE, "%s: holds %s already; continue that run with --resume, or give another --out",
                       r->path, there(r, "model") ? "model" : "adapter");
    if (there(r, "model") && !is_saved(r, "model", "config.json", "wildreward"))
        return wr_fail(WR_E_USAGE,
                       "%s/model: not of this run, which would replace it; move it away, or give another --out",
                       r->path);
    if (there(r, "best") && !is_saved(r, "best", "config.json", "wildreward") &&
        !is_saved(r, "best", "adapter_config.json", "peft_type"))
        return wr_fail(WR_E_USAGE,
                       "%s/best: not of this run, which would replace it; move it away, or give another --out",
                       r->path);
    if (there(r, "adapter") && !is_saved(r, "adapter", "adapter_config.json", "peft_type"))
        return wr_fail(WR_E_USAGE,
                       "%s/adapter: not of this run, which would replace it; move it away, or give another --out",
                       r->path);
    return WR_OK;
}

static wr_status open_root(run_dir *r) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    char **names = NULL;
    size_t n = 0;
    TRY(refuse_foreign(r));
    TRY(dir_make(r->path));
    TRY(folder_lock_take(r->path, r->resumed, &r->lock)); /* resumed: a requeued job may meet its dying predecessor */
    TRY(path_join(path, r->path, "checkpoints"));
    TRY(dir_make(path));
    TRY(dir_list(path, "step-", "", &names, &n));
    if (!r->resumed && (n || file_exists(r->metrics)))
        TRY(wr_fail(WR_E_USAGE, "%s: already holds a run; continue it with --resume or give another --out", r->path));
    names_free(names, n);
    names = NULL;
    /* What a killed writer left behind. */
    TRY(dir_list(path, "tmp-step-", "", &names, &n));
    for (size_t i = 0; i < n; i++) {
        char stale[PATH_CAP];
        TRY(path_join(stale, path, names[i]));
        TRY(dir_remove_tree(stale));
    }
    TRY(path_join(path, r->path, "config.yaml"));
    if (!r->resumed || !file_exists(path)) TRY(write_config(r));
cleanup:
    if (names) names_free(names, n);
    return status;
}

wr_status run_open(world *w, const char *dir, bool resume, const run_terms *terms, run_dir **out) {
    wr_status status = WR_OK;
    strbuf config = {0};
    strbuf_printf(&config, "%s%s", terms->about ? terms->about : "", terms->config_yaml);
    run_dir *r = mem_calloc(1, sizeof *r);
    *out = NULL;
    if (r) {
        r->root = world_rank(w) == 0;
        r->resumed = resume;
        r->config = config.failed ? NULL : mem_strdup(strbuf_str(&config));
    }
    if (!r || !r->config)
        status = wr_fail(WR_E_NOMEM, "out of memory opening %s", dir);
    else if (strlen(dir) + 64 >= PATH_CAP)
        status = wr_fail(WR_E_USAGE, "--out: the path is too long");
    else {
        snprintf(r->path, sizeof r->path, "%s", dir);
        path_join(r->metrics, dir, "metrics.jsonl");
        if (r->root) status = open_root(r);
    }
    TRY(world_agree(w, status));
    *out = r;
    r = NULL;
cleanup:
    strbuf_free(&config);
    run_close(r);
    return status;
}

void run_close(run_dir *r) {
    if (!r) return;
    folder_lock_free(r->lock);
    free(r->config);
    free(r);
}

wr_status run_metrics(run_dir *r, const strbuf *json_line) {
    if (!r->root) return WR_OK;
    wr_status status = run_check(r);
    if (status >= 0) status = strbuf_status(json_line);
    return status < 0 ? status : file_append_line(r->metrics, strbuf_str(json_line));
}

/* Hash of the file's first bytes. */
static wr_status hash_beginning(const char *path, uint64_t bytes, char out[HASH_HEX]) {
    file_map map = {0};
    wr_status status = bytes ? file_map_open(path, &map) : WR_OK;
    if (status < 0) return status;
    hash_hex(map.bytes, map.n < bytes ? map.n : bytes, out);
    if (bytes) file_map_close(&map);
    return WR_OK;
}

wr_status run_metrics_bytes(const run_dir *r, uint64_t *bytes) {
    struct stat st;
    *bytes = 0;
    if (!r->root) return WR_OK;
    if (stat(r->metrics, &st) == 0)
        *bytes = (uint64_t)st.st_size;
    else if (errno != ENOENT)
        return wr_fail(WR_E_IO, "%s: %s", r->metrics, strerror(errno));
    return WR_OK;
}

wr_status run_metrics_settle(const run_dir *r, uint64_t bytes, char hash[HASH_HEX]) {
    hash[0] = 0;
    if (!r->root) return WR_OK;
    int fd = open(r->metrics, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) return wr_fail(WR_E_IO, "%s: %s", r->metrics, strerror(errno));
    if (fd >= 0) {
        const bool ok = fsync(fd) == 0;
        const int code = errno;
        close(fd);
        if (!ok) return wr_fail(WR_E_IO, "%s: %s", r->metrics, strerror(code));
    }
    return hash_beginning(r->metrics, bytes, hash);
}

wr_status run_rewind(run_dir *r, uint64_t bytes, const char *hash, bool keep_config) {
    if (!r->root) return WR_OK;
    struct stat st;
    char now[HASH_HEX];
    if (stat(r->metrics, &st) == 0) {
        if ((uint64_t)st.st_size < bytes)
            return wr_fail(WR_E_MISMATCH, "%s: shorter than when the checkpoint was written (%llu of %llu bytes)",
                           r->metrics, (unsigned long long)st.st_size, (unsigned long long)bytes);
        wr_status status = hash_beginning(r->metrics, bytes, now);
        if (status < 0) return status;
        if (bytes && strcmp(now, hash) != 0)
            return wr_fail(WR_E_MISMATCH,
                           "%s: its first %llu bytes are not what stood there when the checkpoint was written; put "
                           "them back, or begin a new run from the checkpoint's model",
                           r->metrics, (unsigned long long)bytes);
        if (truncate(r->metrics, (off_t)bytes) != 0) return wr_fail(WR_E_IO, "%s: %s", r->metrics, strerror(errno));
    } else if (bytes)
        return wr_fail(WR_E_MISMATCH, "%s: missing, though the checkpoint was written after %llu bytes of it",
                       r->metrics, (unsigned long long)bytes);
    return keep_config ? WR_OK : write_config(r);
}

static bool skipped(const char *line, size_t n, const char *const *skip) {
    while (n && *line == ' ') line++, n--;
    for (size_t i = 0; skip && skip[i]; i++) {
        size_t k = strlen(skip[i]);
        if (n > k && memcmp(line, skip[i], k) == 0 && line[k] == ':') return true;
    }
    return false;
}

void run_config_hash(const char *config_yaml, const char *const *skip, char out[33]) {
    strbuf kept = {0};
    for (const char *p = config_yaml; *p;) {
        size_t n = strcspn(p, "\n");
        if (!skipped(p, n, skip)) {
            strbuf_append(&kept, p, n);
            strbuf_putc(&kept, '\n');
        }
        p += n + (p[n] == '\n');
    }
    hash_hex(strbuf_str(&kept), kept.len, out);
    strbuf_free(&kept);
}
