#include "data/prepare/unit_file.h"

#include "base/fresh.h"
#include "base/mem.h"
#include "data/shard/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define UNIT_MAGIC "WRUNIT02"
enum { TRAILER = 32, BUFFER = 1 << 18 };

struct unit_writer {
    fresh_file file;
    char path[PATH_CAP];
    uint64_t written;
    char *buffer;
    size_t used;
};

struct unit_reader {
    int fd;
    char path[PATH_CAP];
    uint64_t body;
    char *table;
    size_t table_bytes;
};

wr_status unit_path(char out[PATH_CAP], const char *dir, unit_id id, const char *kind) {
    char name[64];
    snprintf(name, sizeof name, "%05u-%06u%s", id.file, id.block, kind);
    return path_join(out, dir, name);
}

static wr_status io_failed(const char *what, const char *path) {
    return wr_fail(WR_E_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

wr_status unit_create(const char *path, unit_writer **out) {
    wr_status status = WR_OK;
    *out = NULL;
    unit_writer *u = mem_calloc(1, sizeof *u);
    TRY_ALLOC(u);
    u->file.fd = -1;
    TRY_ALLOC(u->buffer = mem_realloc(NULL, BUFFER, 1));
    snprintf(u->path, sizeof u->path, "%s", path);
    TRY(fresh_file_open(path, &u->file));
    *out = u;
    u = NULL;
cleanup:
    unit_discard(u);
    return status;
}

static wr_status write_out(unit_writer *u, const char *p, size_t n) {
    while (n) {
        ssize_t put = write(u->file.fd, p, n);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) {
            if (put == 0) errno = ENOSPC;
            return io_failed("write", u->path);
        }
        p += put;
        n -= (size_t)put;
    }
    return WR_OK;
}

static wr_status put(unit_writer *u, const void *bytes, size_t n) {
    wr_status status = WR_OK;
    if (u->used + n > BUFFER) {
        TRY(write_out(u, u->buffer, u->used));
        u->used = 0;
    }
    if (n >= BUFFER) return write_out(u, bytes, n);
    if (n) memcpy(u->buffer + u->used, bytes, n);
    u->used += n;
cleanup:
    return status;
}

wr_status unit_append(unit_writer *u, const void *bytes, size_t n) {
    u->written += n;
    return put(u, bytes, n);
}

uint64_t unit_written(const unit_writer *u) { return u->written; }

wr_status unit_commit(unit_writer **writer, const strbuf *table) {
    wr_status status = WR_OK;
    unit_writer *u = *writer;
    strbuf trailer = {0};
    *writer = NULL;
    TRY(strbuf_status(table));
    bytes_put_u64(&trailer, u->written);
    bytes_put_u64(&trailer, table->len);
    bytes_put_u64(&trailer, XXH64(strbuf_str(table), table->len, 0));
    strbuf_append(&trailer, UNIT_MAGIC, 8);
    TRY(strbuf_status(&trailer));
    TRY(put(u, strbuf_str(table), table->len));
    TRY(put(u, trailer.data, trailer.len));
    TRY(write_out(u, u->buffer, u->used));
    TRY(fresh_file_commit(&u->file, false));
cleanup:
    strbuf_free(&trailer);
    unit_discard(u);
    return status;
}

void unit_discard(unit_writer *u) {
    if (!u) return;
    fresh_file_discard(&u->file);
    free(u->buffer);
    free(u);
}

/* --- reading --- */

wr_status unit_damaged(const unit_reader *u, const char *what) {
    return wr_fail(WR_E_FORMAT, "%s: damaged (%s); remove it and run the same command again", u->path, what);
}

wr_status unit_read_at(const unit_reader *u, void *to, size_t n, uint64_t offset) {
    char *p = to;
    while (n) {
        ssize_t got = pread(u->fd, p, n, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return io_failed("read", u->path);
        if (got == 0) return unit_damaged(u, "cut short");
        p += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return WR_OK;
}

static wr_status read_trailer(unit_reader *u, uint64_t *sum) {
    wr_status status = WR_OK;
    unsigned char trailer[TRAILER];
    struct stat st;
    if (fstat(u->fd, &st) != 0) return io_failed("read", u->path);
    if (st.st_size < TRAILER) return unit_damaged(u, "cut short");
    TRY(unit_read_at(u, trailer, TRAILER, (uint64_t)st.st_size - TRAILER));
    bytes_reader r = bytes_reader_make(trailer, TRAILER);
    u->body = bytes_get_u64(&r);
    uint64_t table = bytes_get_u64(&r), room = (uint64_t)st.st_size - TRAILER;
    *sum = bytes_get_u64(&r);
    if (memcmp(r.at, UNIT_MAGIC, 8) != 0 || u->body > room || table != room - u->body)
        TRY(unit_damaged(u, "no trailer"));
    u->table_bytes = (size_t)table;
cleanup:
    return status;
}

wr_status unit_open(const char *path, unit_reader **out) {
    wr_status status = WR_OK;
    uint64_t sum;
    *out = NULL;
    unit_reader *u = mem_calloc(1, sizeof *u);
    TRY_ALLOC(u);
    snprintf(u->path, sizeof u->path, "%s", path);
    u->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (u->fd < 0) TRY(io_failed("read", path));
    TRY(read_trailer(u, &sum));
    TRY_ALLOC(u->table = mem_realloc(NULL, u->table_bytes + 1, 1));
    TRY(unit_read_at(u, u->table, u->table_bytes, u->body));
    if (XXH64(u->table, u->table_bytes, 0) != sum) TRY(unit_damaged(u, "checksum"));
    *out = u;
    u = NULL;
cleanup:
    unit_close(u);
    return status;
}

void unit_close(unit_reader *u) {
    if (!u) return;
    if (u->fd >= 0) close(u->fd);
    free(u->table);
    free(u);
}

const void *unit_table(const unit_reader *u, size_t *n) {
    *n = u->table_bytes;
    return u->table;
}

uint64_t unit_body(const unit_reader *u) { return u->body; }

bool unit_present(const char *path) {
    unit_reader *u = mem_calloc(1, sizeof *u);
    uint64_t sum;
    bool good = false;
    if (!u) return false;
    snprintf(u->path, sizeof u->path, "%s", path);
    u->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (u->fd >= 0) {
        good = read_trailer(u, &sum) >= 0;
        if (!good) unlink(path);
    }
    unit_close(u);
    return good;
}
