#include "data/prepare/prepare_dir.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

wr_status prepare_dir_name(const char *out, prepare_dir *d) {
    wr_status status = WR_OK;
    size_t length = strlen(out);
    *d = (prepare_dir){0};
    struct stat info;
    while (length > 1 && out[length - 1] == '/') length--;
    if (length == 0 || length + 64 > PATH_CAP) return wr_fail(WR_E_USAGE, "--out: the path is empty or too long");
    memcpy(d->out, out, length);
    /* the folder that it leads to is what is made or replaced; the link stays */
    if (lstat(d->out, &info) == 0 && S_ISLNK(info.st_mode)) {
        char *real = realpath(d->out, NULL);
        const bool usable = real && strlen(real) + 64 <= PATH_CAP;
        length = usable ? strlen(real) : length;
        if (usable) memcpy(d->out, real, length + 1);
        free(real);
        if (!usable)
            return wr_fail(WR_E_USAGE, "%s: a symbolic link that leads nowhere; give the folder itself as --out",
                           d->out);
    }
    memcpy(d->partial, d->out, length);
    memcpy(d->partial + length, ".partial", sizeof ".partial");
    TRY(path_join(d->work, d->partial, "work"));
    TRY(path_join(d->result, d->partial, "result"));
cleanup:
    return status;
}

/* work/committed holds the hash of the meta.json that was about to become OUT's. */
static bool was_committed(const prepare_dir *d) {
    char path[PATH_CAP], hash[HASH_HEX], *text = NULL;
    size_t n = 0;
    bool same = false;
    if (path_join(path, d->work, "committed") < 0 || !file_exists(path) || file_read(path, 64, &text, &n) < 0)
        return false;
    if (path_join(path, d->out, "meta.json") >= 0 && file_exists(path) && hash_file_hex(path, hash) >= 0)
        same = strcmp(text, hash) == 0;
    free(text);
    return same;
}

/* A job makes its work folder with its job.json, and takes it away just before that. (Not to be asked where OUT is
 * overwritten: it may be the older set yet.) */
static bool was_cleared(const prepare_dir *d) {
    char path[PATH_CAP];
    return path_join(path, d->partial, "job.json") >= 0 && file_exists(path) && !dir_exists(d->work);
}

static wr_status check_listed(const prepare_dir *d, const json_value *files, const char *name) {
    if (json_get(files, name)) return WR_OK;
    return wr_fail(
        WR_E_USAGE,
        "%s: holds %s, which prepare did not write and --overwrite would remove; move it away, or choose another --out",
        d->out, name);
}

/* A folder in OUT: everything in it must be listed. */
static wr_status check_listed_folder(const prepare_dir *d, const json_value *files, const char *folder,
                                     const char *path) {
    wr_status status = WR_OK;
    char **names = NULL, name[PATH_CAP];
    size_t n = 0;
    TRY(dir_list(path, "", "", &names, &n));
    if (!n) TRY(check_listed(d, files, folder));
    for (size_t i = 0; i < n; i++) {
        TRY(path_join(name, folder, names[i]));
        TRY(check_listed(d, files, name));
    }
cleanup:
    names_free(names, n);
    return status;
}

/* Are these names in OUT those that meta.json lists? */
static wr_status check_written(const prepare_dir *d, char **names, size_t n) {
    wr_status status = WR_OK;
    enum { META_LIMIT = 1 << 26 };
    char path[PATH_CAP], *text = NULL;
    size_t length = 0;
    const json_value *meta = NULL, *files = NULL;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(path_join(path, d->out, "meta.json"));
    TRY(file_read(path, META_LIMIT, &text, &length));
    if (json_parse(a, text, length, &meta) >= 0) files = json_get(meta, "files");
    if (!json_is(files, JSON_OBJECT))
        TRY(wr_fail(WR_E_USAGE, "%s: not empty, and its meta.json is not one of prepare; choose another --out",
                    d->out));
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], "meta.json") == 0) continue;
        TRY(path_join(path, d->out, names[i]));
        TRY(dir_exists(path) ? check_listed_folder(d, files, names[i], path) : check_listed(d, files, names[i]));
    }
cleanup:
    arena_free(a);
    free(text);
    return status;
}

wr_status prepare_dir_check(const prepare_options *o, const prepare_dir *d, bool *finished) {
    wr_status status = WR_OK;
    char path[PATH_CAP], **names = NULL;
    size_t n = 0;
    *finished = false;
    if (file_exists(d->out)) return wr_fail(WR_E_IO, "%s: is a file, not a folder", d->out);
    if (!dir_exists(d->out)) return WR_OK;
    TRY(dir_list(d->out, "", "", &names, &n));
    if (n == 0) goto cleanup;
    TRY(path_join(path, d->out, "meta.json"));
    if (!file_exists(path))
        TRY(wr_fail(WR_E_USAGE, "%s: not empty and not a prepared folder; choose another --out", d->out));
    *finished = was_committed(d) || (!o->overwrite && was_cleared(d));
    if (!o->overwrite && !*finished)
        TRY(wr_fail(WR_E_USAGE, "%s: holds a prepared set already; choose another --out, or give --overwrite", d->out));
    if (!*finished) TRY(check_written(d, names, n));
cleanup:
    names_free(names, n);
    return status;
}

/* OUT.partial is gone through, emptied and removed: all that is in it must be what prepare puts there. */
static wr_status check_partial(const prepare_dir *d) {
    wr_status status = WR_OK;
    static const char *const own[] = {"lock", "job.json", "sources.json", "stdin.jsonl.zst", "work", "result"};
    enum { OWN = sizeof own / sizeof *own };
    char **names = NULL;
    size_t n = 0;
    bool job = false;
    struct stat info;
    if (lstat(d->partial, &info) != 0) return WR_OK;
    if (!S_ISDIR(info.st_mode))
        return wr_fail(WR_E_USAGE,
                       "%s: prepare would work there, and it is no folder; move it away, or choose another --out",
                       d->partial);
    TRY(dir_list(d->partial, "", "", &names, &n));
    for (size_t i = 0; i < n; i++) job = job || strcmp(names[i], "job.json") == 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < OWN && strcmp(names[i], own[k]) != 0) k++;
        bool temporary = names[i][0] == '.' && strstr(names[i], ".wildreward.tmp");
        if (k == OWN ? !temporary : k > 0 && !job)
            TRY(wr_fail(WR_E_USAGE,
                        "%s: holds %s%s, so it is no unfinished work of prepare; move it away, or choose another --out",
                        d->partial, names[i], k == OWN ? "" : " but no job.json"));
    }
cleanup:
    names_free(names, n);
    return status;
}

/* A killed run's last process may still be on its way out, and may remove the folder. */
wr_status prepare_dir_lock(prepare_dir *d) {
    wr_status status = WR_OK;
    TRY(check_partial(d));
    TRY(folder_lock_take(d->partial, true, &d->lock));
cleanup:
    return status;
}

/* The first member that the two objects do not share; one that the older lacks is as in `usual`. */
static wr_status compare(const char *path, const char *before, size_t n, const char *now, const char *usual,
                         bool *same) {
    wr_status status = WR_OK;
    const json_value *x = NULL, *y = NULL, *z = NULL;
    arena *a = arena_create();
    TRY_ALLOC(a);
    *same = false;
    if (json_parse(a, before, n, &x) < 0) TRY(wr_fail(WR_E_USAGE, "%s: damaged; give --overwrite to begin anew", path));
    TRY(json_parse(a, now, strlen(now), &y));
    TRY(usual ? json_parse(a, usual, strlen(usual), &z) : WR_OK);
    for (const json_value *m = y->first; m; m = m->next) {
        const json_value *known = json_get(x, m->key), *old = known || !z ? known : json_get(z, m->key);
        if (!old || old->kind != m->kind || old->length != m->length || memcmp(old->text, m->text, m->length) != 0) {
            TRY(wr_fail(WR_E_USAGE,
                        "%s: unfinished work with other settings: %s was \"%s\" and is \"%s\"; give the same, another "
                        "--out, or --overwrite to begin anew",
                        path, m->key, old && old->text ? old->text : "", m->text));
        }
    }
    *same = true;
cleanup:
    arena_free(a);
    return status;
}

wr_status prepare_dir_job(const prepare_dir *d, const char *name, const char *job, const char *usual, bool overwrite,
                          bool *resumed, bool *stale) {
    wr_status status = WR_OK;
    char path[PATH_CAP], *text = NULL;
    size_t n = 0;
    *stale = false;
    TRY(path_join(path, d->partial, name));
    if (!file_exists(path)) {
        TRY(file_write_atomic(path, job, strlen(job))); /* first: by it the rest is known for ours */
        TRY(dir_make(d->work));
        goto cleanup;
    }
    TRY(file_read(path, 0, &text, &n));
    status = compare(path, text, n, job, usual, resumed);
    if (status == WR_E_USAGE && overwrite) {
        *stale = true;
        status = WR_OK;
    }
cleanup:
    free(text);
    return status;
}

/* Everything in a folder but what is named. */
static wr_status remove_all_but(const char *folder, const char *const kept[], size_t n_kept) {
    wr_status status = WR_OK;
    char path[PATH_CAP], **names = NULL;
    size_t n = 0;
    TRY(dir_list(folder, "", "", &names, &n));
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < n_kept && strcmp(names[i], kept[k]) != 0) k++;
        if (k < n_kept) continue;
        TRY(path_join(path, folder, names[i]));
        TRY(dir_remove_tree(path));
    }
cleanup:
    names_free(names, n);
    return status;
}

/* What a kill leaves must be known: for the rest of a set that is committed, as long as there is much of it, and for
 * ours. */
wr_status prepare_dir_clear(const prepare_dir *d) {
    static const char *const last[] = {"lock", "job.json", "work"}, *const mark[] = {"committed"};
    wr_status status = WR_OK;
    char path[PATH_CAP];
    TRY(remove_all_but(d->partial, last, 3));
    if (dir_exists(d->work)) TRY(remove_all_but(d->work, mark, 1));
    TRY(dir_remove_tree(d->work));
    TRY(path_join(path, d->partial, "job.json"));
    TRY(dir_remove_tree(path));
cleanup:
    return status;
}

wr_status prepare_dir_commit(prepare_dir *d) {
    wr_status status = WR_OK;
    char path[PATH_CAP], hash[HASH_HEX];
    TRY(path_join(path, d->result, "meta.json"));
    TRY(hash_file_hex(path, hash));
    TRY(dir_make(d->work));
    TRY(path_join(path, d->work, "committed"));
    TRY(file_write_atomic(path, hash, strlen(hash)));
    TRY(folder_lock_check(d->lock));
    TRY(dir_commit(d->result, d->out));
cleanup:
    return status;
}

void prepare_dir_close(prepare_dir *d, bool keep) {
    if (!d->lock) return;
    if (!keep && (prepare_dir_clear(d) < 0 || dir_remove_tree(d->partial) < 0)) log_warn("%s", wr_error());
    folder_lock_free(d->lock);
    d->lock = NULL;
}
