#include "base/file.h"

#include "base/mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static wr_status io_error(const char *action, const char *path) {
    return wr_fail(WR_E_IO, "cannot %s %s: %s", action, path, strerror(errno));
}

bool file_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

bool dir_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

wr_status dir_make(const char *path) {
    char partial[PATH_CAP];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof partial) {
        return wr_fail(WR_E_USAGE, "not a usable folder name: '%s'", path);
    }
    memcpy(partial, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (i < n && partial[i] != '/') {
            continue;
        }
        partial[i] = '\0';
        if (mkdir(partial, 0777) < 0) {
            int cause = errno; /* of an existing parent: EEXIST, or EROFS/EACCES on some file systems */
            if (!dir_exists(partial)) {
                errno = cause;
                return io_error("create folder", path);
            }
        }
        partial[i] = i < n ? '/' : '\0';
    }
    return WR_OK;
}

wr_status path_join(char out[PATH_CAP], const char *dir, const char *name) {
    size_t n = strlen(dir);
    int written = snprintf(out, PATH_CAP, "%s%s%s", dir, n > 0 && dir[n - 1] != '/' ? "/" : "", name);
    if (written < 0 || written >= PATH_CAP) {
        out[0] = '\0';
        return wr_fail(WR_E_USAGE, "path is too long: %.200s…/%.200s", dir, name);
    }
    return WR_OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

wr_status dir_list(const char *dir, const char *prefix, const char *suffix, char ***names, size_t *n) {
    wr_status status = WR_OK;
    char **list = NULL;
    size_t count = 0, capacity = 0, lead = strlen(prefix), trail = strlen(suffix);
    *names = NULL;
    *n = 0;
    DIR *d = opendir(dir);
    if (!d) {
        return io_error("open folder", dir);
    }
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e) {
            if (errno) {
                TRY(io_error("read folder", dir));
            }
            break;
        }
        const char *name = e->d_name;
        size_t length = strlen(name);
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || length < lead + trail ||
            strncmp(name, prefix, lead) != 0 || strcmp(name + length - trail, suffix) != 0) {
            continue;
        }
        TRY(mem_reserve((void **)&list, &capacity, count + 1, sizeof *list));
        TRY_ALLOC(list[count] = mem_strdup(name));
        count++;
    }
    if (count > 0) {
        qsort(list, count, sizeof *list, compare_names);
    }
    *names = list;
    *n = count;
    list = NULL;
    count = 0;
cleanup:
    names_free(list, count);
    closedir(d);
    return status;
}

void names_free(char **names, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(names[i]);
    }
    free(names);
}

/* Depth-first: `leaf` for everything but folders, `after` for each folder once its contents are done. Links are not
 * followed. */
static wr_status walk(const char *path, wr_status (*leaf)(const char *), wr_status (*after)(const char *)) {
    wr_status status = WR_OK;
    struct stat info;
    char **names = NULL;
    size_t n = 0;
    if (lstat(path, &info) < 0) {
        return io_error("read", path);
    }
    if (!S_ISDIR(info.st_mode)) {
        return leaf(path);
    }
    TRY(dir_list(path, "", "", &names, &n));
    for (size_t i = 0; i < n; i++) {
        char child[PATH_CAP];
        TRY(path_join(child, path, names[i]));
        TRY(walk(child, leaf, after));
    }
    TRY(after(path));
cleanup:
    names_free(names, n);
    return status;
}

static wr_status remove_file(const char *path) {
    return unlink(path) < 0 && errno != ENOENT ? io_error("remove", path) : WR_OK;
}

static wr_status remove_folder(const char *path) {
    return rmdir(path) < 0 && errno != ENOENT ? io_error("remove", path) : WR_OK;
}

static wr_status sync_path(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return io_error("sync", path);
    }
    wr_status status = fsync(fd) < 0 && errno != EINVAL && errno != EROFS ? io_error("sync", path) : WR_OK;
    close(fd);
    return status;
}

wr_status dir_remove_tree(const char *path) {
    struct stat info;
    if (lstat(path, &info) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        return WR_OK;
    }
    return walk(path, remove_file, remove_folder);
}

wr_status dir_place(const char *tmp_dir, const char *final_dir) {
    wr_status status = WR_OK;
    char parent[PATH_CAP];
    TRY(walk(tmp_dir, sync_path, sync_path));
    if (rename(tmp_dir, final_dir) < 0) {
        if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR) {
            TRY(wr_fail(WR_E_USAGE, "%s: exists by now; give another name", final_dir));
        }
        TRY(io_error("rename to", final_dir));
    }
    TRY(path_join(parent, final_dir, ".."));
    TRY(sync_path(parent));
cleanup:
    return status;
}

wr_status dir_commit(const char *tmp_dir, const char *final_dir) {
    wr_status status = WR_OK;
    char parent[PATH_CAP];
    TRY(walk(tmp_dir, sync_path, sync_path));
    /* Where both exist they swap names in one step, so that at every moment there is a whole final_dir. */
    struct stat info;
    if (lstat(final_dir, &info) == 0) {
        if (renameat2(AT_FDCWD, tmp_dir, AT_FDCWD, final_dir, RENAME_EXCHANGE) == 0) {
            TRY(dir_remove_tree(tmp_dir));
        } else if (errno == EINVAL || errno == ENOSYS) { /* a file system without exchange (NFS) */
            TRY(dir_remove_tree(final_dir));
            if (rename(tmp_dir, final_dir) < 0) {
                TRY(io_error("rename to", final_dir));
            }
        } else {
            TRY(io_error("rename to", final_dir));
        }
    } else if (rename(tmp_dir, final_dir) < 0) {
        TRY(io_error("rename to", final_dir));
    }
    TRY(path_join(parent, final_dir, ".."));
    TRY(sync_path(parent));
cleanup:
    return status;
}
