#include "data/label/annotate/answer_cache.h"

#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "data/label/annotate/answer_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 1 << 16, OPEN_MAX_FILES = 64, FIRST_READ = 4096 };
#define SYNC_PERIOD 1.0

/* 16 bytes an answer. Growing by half at 85 % keeps 57 to 85 % in use: 19 to 28 bytes. The upper half of a key tells
 * nearly all apart; the record on disk has all of it and is compared when read. */
typedef struct slot {
    uint64_t key;   /* upper 64 bits */
    uint64_t where; /* file << 48 | offset + 1; 0: free */
} slot;

typedef struct cache_file {
    char *path;
    int fd; /* -1: closed for now */
} cache_file;

struct answer_cache {
    slot *slots;
    size_t count, capacity;
    cache_file *files;
    size_t n_files, files_capacity, n_open;
    size_t own;    /* index of this rank's file */
    uint64_t end;  /* its length */
    double synced; /* clock of the last sync */
    bool dirty;
    strbuf line;
};

size_t answer_cache_count(const answer_cache *c) { return c->count; }
size_t answer_cache_bytes(const answer_cache *c) { return c->capacity * sizeof(slot); }

/* --- index -------------------------------------------------------------------------------------------------------- */

static uint64_t upper(const char *hex) {
    uint64_t v = 0;
    for (int i = 0; i < 16; i++) v = v << 4 | (uint64_t)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
    return v;
}

/* Where a key's probing begins: keys are hashes, so their upper bits spread evenly over a table of any size. */
static size_t home(const answer_cache *c, uint64_t key) { return (size_t)((unsigned __int128)key * c->capacity >> 64); }

static void place(answer_cache *c, slot s) {
    size_t i = home(c, s.key);
    while (c->slots[i].where) i = i + 1 == c->capacity ? 0 : i + 1;
    c->slots[i] = s;
    c->count++;
}

static wr_status grow(answer_cache *c) {
    if (c->count + 1 <= c->capacity / 100 * 85) return WR_OK;
    slot *old = c->slots;
    size_t n = c->capacity, larger = n ? n + n / 2 : 1000;
    slot *fresh = mem_calloc(larger, sizeof *fresh);
    if (!fresh) return wr_fail(WR_E_NOMEM, "out of memory for the index of %zu answers", c->count);
    c->slots = fresh;
    c->capacity = larger;
    c->count = 0;
    for (size_t i = 0; i < n; i++)
        if (old[i].where) place(c, old[i]);
    free(old);
    return WR_OK;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static wr_status file_fd(answer_cache *c, size_t i, int *fd) {
    cache_file *f = &c->files[i];
    if (f->fd < 0) {
        for (size_t j = 0; c->n_open >= OPEN_MAX_FILES && j < c->n_files; j++) {
            if (j == c->own || c->files[j].fd < 0) continue;
            close(c->files[j].fd);
            c->files[j].fd = -1;
            c->n_open--;
        }
        f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
        if (f->fd < 0) return wr_fail(WR_E_IO, "cannot read answers in %s: %s", f->path, strerror(errno));
        c->n_open++;
    }
    *fd = f->fd;
    return WR_OK;
}

/* The line at where (without its \n) into c->line. */
static wr_status read_line(answer_cache *c, uint64_t where) {
    int fd;
    size_t file = (size_t)(where >> 48);
    wr_status status = file_fd(c, file, &fd);
    if (status < 0) return status;
    off_t offset = (off_t)((where & ((UINT64_C(1) << 48) - 1)) - 1);
    strbuf_clear(&c->line);
    for (size_t want = FIRST_READ;; want *= 2) {
        if (want > ANSWER_RECORD_LIMIT * 2)
            return wr_fail(WR_E_IO, "%s: no end of the record at byte %lld", c->files[file].path, (long long)offset);
        size_t from = c->line.len;
        strbuf_puts(&c->line, "");
        if (mem_reserve((void **)&c->line.data, &c->line.capacity, want + 1, 1) < 0) return WR_E_NOMEM;
        ssize_t got = pread(fd, c->line.data + from, want - from, offset + (off_t)from);
        if (got < 0 && errno == EINTR) {
            want /= 2;
            continue;
        }
        if (got <= 0)
            return wr_fail(WR_E_IO, "%s: the record at byte %lld is gone: %s", c->files[file].path, (long long)offset,
                           got < 0 ? strerror(errno) : "file cut short");
        char *newline = memchr(c->line.data + from, '\n', (size_t)got);
        c->line.len = newline ? (size_t)(newline - c->line.data) : from + (size_t)got;
        c->line.data[c->line.len] = '\0';
        if (newline) return WR_OK;
    }
}

/* The slot of key, or NULL. c->line then holds its record. */
static wr_status look_up(answer_cache *c, const char *key, bool *found) {
    uint64_t k = upper(key);
    *found = false;
    if (!c->capacity) return WR_OK;
    for (size_t i = home(c, k); c->slots[i].where; i = i + 1 == c->capacity ? 0 : i + 1) {
        if (c->slots[i].key != k) continue;
        wr_status status = read_line(c, c->slots[i].where);
        if (status < 0) return status;
        char stored[HASH_HEX];
        if (!answer_record_check(strbuf_str(&c->line), c->line.len, stored))
            return wr_fail(WR_E_IO, "%s: a record changed while it was in use", c->files[c->slots[i].where >> 48].path);
        if (strcmp(stored, key) == 0) {
            *found = true;
            return WR_OK;
        }
    }
    return WR_OK;
}

bool answer_cache_has(const answer_cache *c, const char key[HASH_HEX]) {
    uint64_t k = upper(key);
    if (!c->capacity) return false;
    for (size_t i = home(c, k); c->slots[i].where; i = i + 1 == c->capacity ? 0 : i + 1)
        if (c->slots[i].key == k) return true;
    return false;
}

wr_status answer_cache_find(answer_cache *c, const char key[HASH_HEX], arena *a, const json_value **record) {
    wr_status status = WR_OK;
    bool found;
    TRY(look_up(c, key, &found));
    if (!found) return WR_END;
    TRY(json_parse(a, strbuf_str(&c->line), c->line.len, record));
cleanup:
    return status;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

typedef struct scan {
    answer_cache *cache;
    size_t file;
} scan;

static wr_status index_record(void *context, const char key[HASH_HEX], uint64_t offset) {
    const scan *s = context;
    wr_status status = WR_OK;
    /* Two keys of one upper half would be taken for one here: the later answer is then asked for again (look_up
     * compares whole keys). */
    if (answer_cache_has(s->cache, key)) return WR_OK;
    if (offset >> 48) return wr_fail(WR_E_IO, "%s: more than 2^48 bytes", s->cache->files[s->file].path);
    TRY(grow(s->cache));
    place(s->cache, (slot){.key = upper(key), .where = (uint64_t)s->file << 48 | (offset + 1)});
cleanup:
    return status;
}

static wr_status lock_own(const char *path, int fd) {
    if (lock_take(fd, path) == LOCK_BUSY)
        return wr_fail(WR_E_IO,
                       "%s is being written by another process: wait for it, or name another folder (--answer-cache, "
                       "--score-cache)",
                       path);
    return WR_OK;
}

static wr_status open_own(answer_cache *c) {
    cache_file *f = &c->files[c->own];
    f->fd = open(f->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (f->fd < 0) return wr_fail(WR_E_IO, "cannot write answers to %s: %s", f->path, strerror(errno));
    c->n_open++;
    return lock_own(f->path, f->fd);
}

/* A file that holds no record, and does not begin as one that was cut: somebody else's, whose end is not ours to cut.
 * (NULs are what a crash of the machine leaves of a write.) */
static bool is_foreign(int fd, const answer_scan *s) {
    static const char begins[] = "{\"key\":\"";
    char found[sizeof begins - 1];
    if (s->good_end || !s->end) return false;
    const ssize_t n = pread(fd, found, sizeof found, 0);
    return n > 0 && found[0] != '\0' && memcmp(found, begins, (size_t)n) != 0;
}

static wr_status read_file(answer_cache *c, size_t i) {
    wr_status status = WR_OK;
    scan s = {.cache = c, .file = i};
    answer_scan result;
    struct stat info;
    int fd;
    TRY(file_fd(c, i, &fd));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        TRY(wr_fail(WR_E_IO, "%s is not a plain file", c->files[i].path));
    TRY(answer_records_scan(fd, c->files[i].path, index_record, &s, &result));
    if (result.damaged)
        log_warn("%s: skipped %llu damaged records; their questions are asked again", c->files[i].path,
                 (unsigned long long)result.damaged);
    if (i == c->own && is_foreign(fd, &result))
        TRY(wr_fail(WR_E_USAGE, "%s: holds other things than are kept there; move it away, or name another folder",
                    c->files[i].path));
    if (i != c->own) goto cleanup; /* another rank may be writing its end at this moment */
    if (result.good_end < result.end) {
        log_info("%s: cut off an unfinished record of %llu bytes", c->files[i].path,
                 (unsigned long long)(result.end - result.good_end));
        if (ftruncate(fd, (off_t)result.good_end) != 0)
            TRY(wr_fail(WR_E_IO, "cannot shorten %s: %s", c->files[i].path, strerror(errno)));
    }
    c->end = result.good_end;
cleanup:
    return status;
}

static wr_status list_files(answer_cache *c, const char *dir, int rank) {
    wr_status status = WR_OK;
    char **names = NULL, own[64], path[PATH_CAP];
    size_t n = 0;
    bool seen = false;
    snprintf(own, sizeof own, "answers-%d.jsonl", rank);
    TRY(dir_list(dir, "answers-", ".jsonl", &names, &n));
    if (n + 1 >= FILES_MAX)
        TRY(wr_fail(WR_E_USAGE, "%s holds %zu files of answers; %d at most: join some with cat", dir, n,
                    FILES_MAX - 2));
    for (size_t i = 0; i <= n; i++) {
        if (i == n && seen) break;
        const char *name = i < n ? names[i] : own;
        if (strcmp(name, own) == 0) seen = true, c->own = c->n_files;
        TRY(path_join(path, dir, name));
        char *copy = mem_strdup(path);
        TRY_ALLOC(copy);
        VEC_PUSH(c->files, c->n_files, c->files_capacity, ((cache_file){.path = copy, .fd = -1}));
    }
cleanup:
    names_free(names, n);
    return status;
}

wr_status answer_cache_open(const char *dir, int rank, answer_cache **out) {
    wr_status status = WR_OK;
    answer_cache *c = mem_calloc(1, sizeof *c);
    TRY_ALLOC(c);
    c->own = SIZE_MAX;
    TRY(dir_make(dir));
    TRY(list_files(c, dir, rank));
    TRY(open_own(c));
    for (size_t i = 0; i < c->n_files; i++) TRY(read_file(c, i));
    c->synced = clock_seconds();
    *out = c;
    c = NULL;
cleanup:
    answer_cache_close(c);
    return status;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

wr_status answer_cache_add(answer_cache *c, const char key[HASH_HEX], const char *members, size_t n) {
    wr_status status = WR_OK;
    bool found = false;
    if (answer_cache_has(c, key)) TRY(look_up(c, key, &found));
    if (found) return WR_OK;
    if (n > ANSWER_RECORD_LIMIT / 2) TRY(wr_fail(WR_E_IO, "an answer of %zu bytes is too long to keep", n));
    cache_file *f = &c->files[c->own];
    strbuf_clear(&c->line);
    answer_record_write(&c->line, key, members, n);
    TRY(strbuf_status(&c->line));
    TRY(grow(c));
    ssize_t written;
    do written = write(f->fd, c->line.data, c->line.len);
    while (written < 0 && errno == EINTR);
    if (written != (ssize_t)c->line.len) {
        int cause = written < 0 ? errno : ENOSPC;
        if (written > 0 && ftruncate(f->fd, (off_t)c->end) != 0)
            log_warn("cannot shorten %s: %s", f->path, strerror(errno));
        TRY(wr_fail(WR_E_IO, "cannot write answers to %s: %s", f->path, strerror(cause)));
    }
    place(c, (slot){.key = upper(key), .where = (uint64_t)c->own << 48 | (c->end + 1)});
    c->end += c->line.len;
    c->dirty = true;
    TRY(answer_cache_tick(c));
cleanup:
    return status;
}

wr_status answer_cache_sync(answer_cache *c) {
    if (!c->dirty) return WR_OK;
    c->synced = clock_seconds();
    /* Some file systems cannot sync; they say EINVAL or EROFS, and nothing better is to be had there. */
    if (fdatasync(c->files[c->own].fd) != 0 && errno != EINVAL && errno != EROFS)
        return wr_fail(WR_E_IO, "cannot sync %s: %s", c->files[c->own].path, strerror(errno));
    c->dirty = false;
    return WR_OK;
}

wr_status answer_cache_tick(answer_cache *c) {
    return c->dirty && clock_seconds() - c->synced >= SYNC_PERIOD ? answer_cache_sync(c) : WR_OK;
}

void answer_cache_close(answer_cache *c) {
    if (!c) return;
    if (c->own != SIZE_MAX && c->n_files && answer_cache_sync(c) < 0) log_warn("%s", wr_error());
    for (size_t i = 0; i < c->n_files; i++) {
        if (c->files[i].fd >= 0) close(c->files[i].fd);
        free(c->files[i].path);
    }
    free(c->files);
    free(c->slots);
    strbuf_free(&c->line);
    free(c);
}
