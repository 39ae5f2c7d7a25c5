/* Facts of every rank are hashed to one number, which one all-reduce compares: nearly always that is all. Where ranks
 * differ, lists go to everybody, and each finds the same first difference, so that all end with one line. */
#include "mpi/same.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/string_map.h"
#include "mpi/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SHOWN = 160 }; /* bytes of a value in a message */

/* --- facts of this rank ----------------------------------------------------------------------------------------------
 */

static wr_status add(rank_facts *f, char kind, const char *group, const char *name, const char *value,
                     const char *path) {
    wr_status status = WR_OK;
    rank_fact x = {.kind = kind};
    TRY_ALLOC(x.group = mem_strdup(group));
    TRY_ALLOC(x.name = mem_strdup(name));
    TRY_ALLOC(x.value = mem_strdup(value));
    if (path) TRY_ALLOC(x.path = mem_strdup(path));
    VEC_PUSH(f->items, f->n, f->capacity, x);
    x = (rank_fact){0};
cleanup:
    free(x.group);
    free(x.name);
    free(x.value);
    free(x.path);
    return status;
}

wr_status facts_add_told(rank_facts *f, const char *name, const char *value) {
    return add(f, 'o', "", name, value, NULL);
}

wr_status facts_add_machine(rank_facts *f, const char *name, const char *value) {
    return add(f, 'm', "", name, value, NULL);
}

/* What tells one file from another without reading it. The number of the device is left out: hosts that mount one file
 * system may have given it different ones. The time of the last change of the inode cannot be set by cp or rsync. */
static void identity(const struct stat *s, char out[SHOWN]) {
    snprintf(out, SHOWN, "%llu:%llu:%lld.%09ld:%lld.%09ld", (unsigned long long)s->st_size,
             (unsigned long long)s->st_ino, (long long)s->st_mtim.tv_sec, s->st_mtim.tv_nsec,
             (long long)s->st_ctim.tv_sec, s->st_ctim.tv_nsec);
}

wr_status facts_add_file(rank_facts *f, const char *group, const char *name, const char *path, bool whole) {
    struct stat info;
    char value[SHOWN];
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return WR_OK;
    identity(&info, value);
    return add(f, whole ? 'f' : 'p', group, name, value, path);
}

void facts_free(rank_facts *f) {
    for (size_t i = 0; i < f->n; i++) {
        free(f->items[i].group);
        free(f->items[i].name);
        free(f->items[i].value);
        free(f->items[i].path);
    }
    free(f->items);
    *f = (rank_facts){0};
}

/* --- all ranks' facts side by side -----------------------------------------------------------------------------------
 */

/* A fact as it came over the wire: kind and group in one string, name, value. */
typedef struct entry {
    const char *kind, *name, *value;
} entry;

typedef struct table {
    strbuf *texts;           /* (size) */
    char (*hosts)[HOST_CAP]; /* (size) */
    string_map index;        /* name -> row */
    const char **names;      /* (n) in the order of rank 0's, then of further ranks' */
    entry *cells;            /* (n, size) name NULL: that rank has none */
    size_t n, name_capacity, cell_capacity;
    int size;
} table;

static wr_status pack(const rank_facts *f, strbuf *out) {
    for (size_t i = 0; i < f->n; i++) {
        const rank_fact *x = &f->items[i];
        strbuf_putc(out, x->kind);
        strbuf_append(out, x->group, strlen(x->group) + 1);
        strbuf_append(out, x->name, strlen(x->name) + 1);
        strbuf_append(out, x->value, strlen(x->value) + 1);
    }
    return strbuf_status(out);
}

static wr_status take(table *t, int rank, entry e) {
    wr_status status = WR_OK;
    string_entry *slot;
    int fresh;
    TRY(string_map_put(&t->index, e.name, strlen(e.name), (int32_t)t->n, &slot, &fresh));
    if (fresh) {
        TRY(mem_reserve((void **)&t->names, &t->name_capacity, t->n + 1, sizeof *t->names));
        TRY(mem_reserve((void **)&t->cells, &t->cell_capacity, (t->n + 1) * (size_t)t->size, sizeof *t->cells));
        memset(t->cells + t->n * (size_t)t->size, 0, (size_t)t->size * sizeof *t->cells);
        t->names[t->n++] = e.name;
    }
    t->cells[(size_t)slot->value * (size_t)t->size + (size_t)rank] = e;
cleanup:
    return status;
}

static void table_free(table *t) {
    for (int r = 0; t->texts && r < t->size; r++) strbuf_free(&t->texts[r]);
    free(t->texts);
    free(t->hosts);
    free(t->names);
    free(t->cells);
    string_map_free(&t->index);
    *t = (table){0};
}

/* COLLECTIVE. Every rank's packed facts, by name. */
static wr_status table_gather(world *w, const strbuf *mine, table *t) {
    wr_status status = WR_OK;
    *t = (table){.size = w->size};
    t->texts = mem_calloc((size_t)w->size, sizeof *t->texts);
    t->hosts = mem_calloc((size_t)w->size, sizeof *t->hosts);
    TRY(world_agree(w, t->texts && t->hosts ? strbuf_status(mine) : WR_E_NOMEM));
    MPI_Allgather(w->host, HOST_CAP, MPI_BYTE, t->hosts, HOST_CAP, MPI_BYTE, w->comm);
    TRY(world_allgather(w, mine, t->texts));
    for (int r = 0; r < w->size && status >= 0; r++) {
        const char *at = t->texts[r].data, *end = at + t->texts[r].len;
        while (status >= 0 && at && at < end) {
            entry e = {.kind = at};
            e.name = e.kind + strlen(e.kind) + 1;
            if (e.name >= end) break; /* another program's message */
            e.value = e.name + strlen(e.name) + 1;
            if (e.value >= end) break;
            at = e.value + strlen(e.value) + 1;
            status = take(t, r, e);
        }
    }
    TRY(world_agree(w, status));
cleanup:
    return status;
}

static wr_status differ(const table *t, char kind, size_t row, int a, const char *x, int b, const char *y) {
    return wr_fail(kind == 'o' ? WR_E_USAGE : WR_E_MISMATCH,
                   "ranks differ in %s: %.*s on rank %d (%s), %.*s on rank %d (%s); all ranks must have the same",
                   t->names[row], SHOWN, x, a, t->hosts[a], SHOWN, y, b, t->hosts[b]);
}

/* Does the rank have any file of the group? */
static bool has_group(const table *t, int rank, const char *kind) {
    for (size_t i = 0; i < t->n; i++) {
        const entry *e = &t->cells[i * (size_t)t->size + (size_t)rank];
        if (e->name && strcmp(e->kind, kind) == 0) return true;
    }
    return false;
}

/* The first row whose values differ, as an error. Files that are not the same one are marked in suspect (n) instead,
 * where it is given. */
static wr_status compare(const table *t, bool *suspect) {
    for (size_t i = 0; i < t->n; i++) {
        const entry *row = t->cells + i * (size_t)t->size;
        int first = 0;
        while (!row[first].name) first++;
        const char kind = row[first].kind[0];
        const bool file = kind == 'f' || kind == 'p';
        if (!file && first) return differ(t, kind, i, 0, "not there", first, row[first].value);
        for (int r = 0; r < t->size; r++) {
            if (!row[r].name) {
                if (!file || (kind == 'f' && suspect && has_group(t, r, row[first].kind)))
                    return differ(t, kind, i, first, file ? "there" : row[first].value, r, "not there");
            } else if (strcmp(row[r].value, row[first].value) != 0) {
                if (!file || !suspect) return differ(t, kind, i, first, row[first].value, r, row[r].value);
                suspect[i] = true;
            }
        }
    }
    return WR_OK;
}

/* COLLECTIVE. The contents of those files, of which ranks have different ones. */
static wr_status compare_contents(world *w, const rank_facts *f, const table *t, const bool *suspect) {
    wr_status status = WR_OK;
    rank_facts read = {0};
    strbuf text = {0};
    table contents = {0};
    for (size_t i = 0; i < f->n && status >= 0; i++) {
        const rank_fact *x = &f->items[i];
        const string_entry *row = x->path ? string_map_find(&t->index, x->name, strlen(x->name)) : NULL;
        struct stat info;
        char hash[HASH_HEX], value[SHOWN];
        if (!row || !suspect[row->value]) continue;
        if (stat(x->path, &info) != 0) info.st_size = 0;
        status = hash_file_hex(x->path, hash);
        if (status < 0)
            snprintf(value, sizeof value, "unreadable"), status = WR_OK;
        else
            snprintf(value, sizeof value, "%lld bytes with hash %.16s", (long long)info.st_size, hash);
        status = add(&read, x->kind, x->group, x->name, value, NULL);
    }
    if (status >= 0) status = pack(&read, &text);
    TRY(world_agree(w, status));
    TRY(table_gather(w, &text, &contents));
    TRY(compare(&contents, NULL));
cleanup:
    table_free(&contents);
    strbuf_free(&text);
    facts_free(&read);
    return status;
}

/* --- agreement -------------------------------------------------------------------------------------------------------
 */

bool world_equal(world *w, uint64_t number, int *differing) {
    if (differing) *differing = -1;
    if (w->size == 1) return true;
    uint64_t ends[2] = {number, ~number}, most[2] = {0};
    MPI_Request r;
    MPI_Iallreduce(ends, most, 2, MPI_UINT64_T, MPI_MAX, w->comm, &r);
    requests_wait(1, &r, 500);
    if (most[0] == ~most[1]) return true;
    if (!differing) return false;
    uint64_t root = number;
    MPI_Bcast(&root, 1, MPI_UINT64_T, 0, w->comm);
    int mine = number != root ? w->rank : w->size;
    MPI_Allreduce(&mine, differing, 1, MPI_INT, MPI_MIN, w->comm);
    return false;
}

/* COLLECTIVE. The lowest failed rank's code and message on every rank, so that all end alike. */
static wr_status share_failure(world *w, wr_status mine) {
    struct {
        int code, rank;
        char host[HOST_CAP], text[MESSAGE_CAP];
    } message = {0};
    int failed = mine < 0 ? w->rank : w->size, first = w->size, failures = 0, one = mine < 0;
    MPI_Allreduce(&failed, &first, 1, MPI_INT, MPI_MIN, w->comm);
    MPI_Allreduce(&one, &failures, 1, MPI_INT, MPI_SUM, w->comm);
    if (first == w->size) return WR_OK;
    if (w->rank == first) {
        message.code = mine;
        memcpy(message.host, w->host, HOST_CAP);
        snprintf(message.text, sizeof message.text, "%s", wr_error());
    }
    MPI_Bcast(&message, (int)sizeof message, MPI_BYTE, first, w->comm);
    if (first == 0)
        return wr_fail((wr_status)message.code, "%s%s", message.text,
                       failures < w->size ? " (on rank 0, not on all ranks)" : "");
    return wr_fail((wr_status)message.code, "rank %d (%s): %s", first, message.host, message.text);
}

wr_status world_same(world *w, wr_status mine, const rank_facts *f) {
    wr_status status = WR_OK;
    strbuf text = {0};
    table all = {0};
    bool *suspect = NULL, any = false;
    if (w->size == 1) return mine < 0 ? mine : WR_OK;
    if (mine >= 0) mine = pack(f, &text);
    const uint64_t digest = mine < 0 ? 0 : hash64(text.data, text.len, 0);
    TRY(share_failure(w, mine));
    if (world_equal(w, digest, NULL)) goto cleanup;
    TRY(table_gather(w, &text, &all));
    suspect = mem_calloc(all.n + 1, sizeof *suspect);
    TRY(world_agree(w, suspect ? WR_OK : WR_E_NOMEM));
    TRY(compare(&all, suspect)); /* of the same table on every rank */
    for (size_t i = 0; i < all.n; i++) any = any || suspect[i];
    if (any) TRY(compare_contents(w, f, &all, suspect));
cleanup:
    free(suspect);
    table_free(&all);
    strbuf_free(&text);
    return status;
}
