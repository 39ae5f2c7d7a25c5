#include "data/source/parquet/parquet_footer.h"

#include "base/file_kind.h"
#include "data/source/parquet/parquet_thrift.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCHEMA_DEPTH = 32, NAME_LIMIT = 4096 };

const char *parquet_type_name(parquet_type t) {
    static const char *const names[] = {"BOOLEAN", "INT32",  "INT64",      "INT96",
                                        "FLOAT",   "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"};
    return t >= PARQUET_BOOLEAN && t <= PARQUET_FIXED ? names[t] : "group";
}

parquet_node *parquet_child(const parquet_node *node, const char *name) {
    parquet_node *c = node ? node->first : NULL;
    while (c && strcmp(c->name, name) != 0) c = c->next;
    return c;
}

void parquet_path(const parquet_node *node, char *out, size_t cap) {
    size_t used = 0;
    out[0] = '\0';
    if (node->parent && node->parent->parent) {
        parquet_path(node->parent, out, cap);
        used = strlen(out);
    }
    snprintf(out + used, cap - used, "%s%s", used ? "." : "", node->name);
}

static parquet_unit read_timestamp(thrift *t) {
    parquet_unit unit = UNIT_NONE;
    for (thrift_field f = {0}; thrift_next(t, &f);) {
        if (f.id == 2 && thrift_struct(t, f.type)) {
            for (thrift_field u = {0}; thrift_next(t, &u);) {
                if (u.id >= 1 && u.id <= 3) unit = (parquet_unit)u.id;
                thrift_skip(t, u.type);
            }
        } else
            thrift_skip(t, f.type);
    }
    return unit;
}

static void read_logical_type(thrift *t, parquet_node *node) {
    enum { MAP = 2, LIST = 3, TIMESTAMP = 8, INTEGER = 10, UNKNOWN = 11, LAST = 15 };
    static const char *const others[LAST + 1] = {
        [5] = "DECIMAL", [6] = "DATE", [7] = "TIME", [13] = "BSON", [14] = "UUID", [15] = "FLOAT16"};
    for (thrift_field f = {0}; thrift_next(t, &f);) {
        if (f.id >= 0 && f.id <= LAST && others[f.id]) node->other = others[f.id];
        node->map |= f.id == MAP;
        node->list |= f.id == LIST;
        node->nothing |= f.id == UNKNOWN;
        if (f.id == TIMESTAMP && thrift_struct(t, f.type))
            node->unit = read_timestamp(t);
        else if (f.id == INTEGER && thrift_struct(t, f.type)) {
            for (thrift_field i = {0}; thrift_next(t, &i);) {
                if (i.id == 2)
                    node->is_unsigned = !thrift_bool(t, i.type);
                else
                    thrift_skip(t, i.type);
            }
        } else
            thrift_skip(t, f.type);
    }
}

/* The older annotations; a file has both, or this one alone. */
static void take_converted_type(parquet_node *node, int64_t type) {
    enum {
        MAP = 1,
        MAP_KEY_VALUE = 2,
        LIST = 3,
        TIMESTAMP_MILLIS = 9,
        TIMESTAMP_MICROS = 10,
        UINT_8 = 11,
        UINT_64 = 14,
        INTERVAL = 21
    };
    static const char *const others[INTERVAL + 1] = {
        [5] = "DECIMAL", [6] = "DATE", [7] = "TIME", [8] = "TIME", [20] = "BSON", [INTERVAL] = "INTERVAL"};
    if (type >= 0 && type <= INTERVAL && others[type]) node->other = others[type];
    node->map |= type == MAP || type == MAP_KEY_VALUE;
    node->list |= type == LIST;
    if (type == TIMESTAMP_MILLIS && !node->unit) node->unit = UNIT_MILLIS;
    if (type == TIMESTAMP_MICROS && !node->unit) node->unit = UNIT_MICROS;
    node->is_unsigned |= type >= UINT_8 && type <= UINT_64;
}

static wr_status read_element(thrift *t, arena *a, parquet_node **out) {
    wr_status status = WR_OK;
    parquet_node *node = NULL;
    TRY_ALLOC(node = arena_alloc(a, sizeof *node));
    *node = (parquet_node){.name = "", .type = PARQUET_GROUP};
    for (thrift_field f = {0}; thrift_next(t, &f);) {
        int64_t v;
        size_t n;
        const char *name;
        switch (f.id) {
        case 1:
            v = thrift_int(t, f.type);
            if (v < PARQUET_BOOLEAN || v > PARQUET_FIXED) t->bad = true;
            node->type = t->bad ? PARQUET_GROUP : (parquet_type)v;
            break;
        case 3:
            v = thrift_int(t, f.type);
            if (v < 0 || v > 2) t->bad = true;
            node->repetition = t->bad ? 0 : (unsigned)v;
            break;
        case 4:
            name = thrift_binary(t, f.type, &n);
            if (n > NAME_LIMIT) t->bad = true;
            TRY_ALLOC(node->name = arena_strndup(a, name, t->bad ? 0 : n));
            break;
        case 5:
            v = thrift_int(t, f.type);
            if (v < 0) t->bad = true;
            node->children = t->bad ? 0 : (size_t)v;
            break;
        case 6:
            take_converted_type(node, thrift_int(t, f.type));
            break;
        case 10:
            if (thrift_struct(t, f.type)) read_logical_type(t, node);
            break;
        default:
            thrift_skip(t, f.type);
        }
    }
    *out = node;
cleanup:
    return status;
}

/* The list holds the tree depth first, each group with the number of its children. */
static wr_status read_tree(parquet_footer *f, thrift *t, size_t *left, parquet_node *parent, unsigned depth,
                           parquet_node **out) {
    wr_status status = WR_OK;
    parquet_node *node = NULL;
    *out = NULL;
    if (*left == 0 || depth > SCHEMA_DEPTH) t->bad = true;
    if (t->bad) return WR_OK;
    --*left;
    TRY(read_element(t, f->memory, &node));
    node->parent = parent;
    if (parent) {
        node->max_def = parent->max_def + (node->repetition != PARQUET_REQUIRED);
        node->max_rep = parent->max_rep + (node->repetition == PARQUET_REPEATED);
    }
    if (node->type != PARQUET_GROUP) {
        if (node->children || !parent) t->bad = true;
        node->leaf = f->leaves;
        VEC_PUSH(f->by_number, f->leaves, f->leaf_capacity, node);
    }
    parquet_node **link = &node->first;
    for (size_t i = 0; i < node->children && !t->bad; i++) {
        TRY(read_tree(f, t, left, node, depth + 1, link));
        if (*link) link = &(*link)->next;
    }
    *out = node;
cleanup:
    return status;
}

static wr_status damaged(const char *path) {
    return wr_fail(WR_E_FORMAT, "%s: the Parquet footer is damaged; fetch the file again", path);
}

static wr_status read_file_metadata(parquet_footer *f, const char *path, size_t n) {
    wr_status status = WR_OK;
    thrift t = {.at = (const uint8_t *)f->bytes, .end = (const uint8_t *)f->bytes + n};
    thrift_type element;
    int64_t rows = -1;
    f->end = t.end;
    for (thrift_field m = {0}; thrift_next(&t, &m);) {
        if (m.id == 2) {
            size_t left = thrift_list(&t, m.type, &element);
            if (element != THRIFT_STRUCT || f->root) TRY(damaged(path));
            TRY(read_tree(f, &t, &left, NULL, 0, &f->root));
            if (left) TRY(damaged(path));
        } else if (m.id == 3) {
            rows = thrift_int(&t, m.type);
        } else if (m.id == 8) {
            TRY(wr_fail(WR_E_FORMAT, "%s: Parquet encryption is not supported: write the file without it", path));
        } else {
            if (m.id == 4 && m.type == THRIFT_LIST) f->group_list = t.at;
            thrift_skip(&t, m.type);
        }
    }
    if (t.bad || !f->root || !f->group_list || rows < 0) TRY(damaged(path));
    f->rows = (uint64_t)rows;
cleanup:
    return status;
}

/* A download that was cut, or is something else altogether. */
static wr_status check_ends(int fd, const char *path, uint64_t size, unsigned char *tail) {
    enum { TAIL = 8, HEAD = 4 };
    wr_status status = WR_OK;
    char head[FILE_KIND_BYTES];
    ssize_t n = pread(fd, head, sizeof head, 0);
    if (n < 0) TRY(wr_fail(WR_E_IO, "cannot read %s", path));
    TRY(lfs_pointer_refuse(head, (size_t)n, path));
    if (size < HEAD + TAIL || pread(fd, tail, TAIL, (off_t)(size - TAIL)) != TAIL)
        TRY(wr_fail(WR_E_FORMAT, "%s: not a whole Parquet file (%llu bytes); fetch it again", path,
                    (unsigned long long)size));
    if (memcmp(tail + 4, "PARE", 4) == 0)
        TRY(wr_fail(WR_E_FORMAT, "%s: Parquet encryption is not supported: write the file without it", path));
    if (memcmp(tail + 4, "PAR1", 4) != 0)
        TRY(wr_fail(WR_E_FORMAT, "%s: not a whole Parquet file (no PAR1 at its end); fetch it again", path));
    if (memcmp(head, "PAR1", HEAD) != 0)
        TRY(wr_fail(WR_E_FORMAT, "%s: not a whole Parquet file (no PAR1 at its start); fetch it again", path));
cleanup:
    return status;
}

wr_status parquet_footer_read(int fd, const char *path, parquet_footer *out) {
    enum { TAIL = 8, HEAD = 4 };
    wr_status status = WR_OK;
    struct stat info;
    unsigned char tail[TAIL];
    *out = (parquet_footer){0};
    if (fstat(fd, &info) < 0) TRY(wr_fail(WR_E_IO, "cannot read %s", path));
    uint64_t size = info.st_size < 0 ? 0 : (uint64_t)info.st_size;
    TRY(check_ends(fd, path, size, tail));
    uint64_t n = (uint64_t)tail[0] | (uint64_t)tail[1] << 8 | (uint64_t)tail[2] << 16 | (uint64_t)tail[3] << 24;
    if (n > size - HEAD - TAIL) TRY(damaged(path));
    out->limit = size - TAIL - n;
    TRY_ALLOC(out->memory = arena_create());
    TRY_ALLOC(out->bytes = mem_realloc(NULL, n + 1, 1));
    for (size_t have = 0; have < n;) {
        ssize_t got = pread(fd, out->bytes + have, n - have, (off_t)(out->limit + have));
        if (got <= 0) TRY(wr_fail(WR_E_IO, "cannot read the footer of %s", path));
        have += (size_t)got;
    }
    TRY(read_file_metadata(out, path, n));
cleanup:
    return status;
}

/* The path as the chunk states it must begin with the root's child and end with the leaf: columns are found by these
 * names. What is called what in between, some who edit schemas change in one place alone. */
static void check_path(thrift *t, thrift_type type, const parquet_node *leaf) {
    const parquet_node *first = leaf;
    thrift_type element;
    while (first->parent->parent) first = first->parent;
    size_t n = thrift_list(t, type, &element);
    if (n == 0) t->bad = true;
    for (size_t i = 0; i < n && !t->bad; i++) {
        size_t length;
        const char *name = thrift_binary(t, element, &length);
        const parquet_node *const ends[] = {i == 0 ? first : NULL, i + 1 == n ? leaf : NULL};
        for (int k = 0; k < 2; k++) {
            if (ends[k] && (length != strlen(ends[k]->name) || memcmp(name, ends[k]->name, length) != 0)) t->bad = true;
        }
    }
}

static void read_column_metadata(thrift *t, const parquet_node *leaf, parquet_chunk *c) {
    int64_t data = 0, dictionary = 0, compressed = 0, uncompressed = 0, values = 0, codec = 0;
    for (thrift_field f = {0}; thrift_next(t, &f);) {
        switch (f.id) {
        case 1:
            if (thrift_int(t, f.type) != leaf->type) t->bad = true;
            break;
        case 3:
            check_path(t, f.type, leaf);
            break;
        case 4:
            codec = thrift_int(t, f.type);
            break;
        case 5:
            values = thrift_int(t, f.type);
            break;
        case 6:
            uncompressed = thrift_int(t, f.type);
            break;
        case 7:
            compressed = thrift_int(t, f.type);
            break;
        case 9:
            data = thrift_int(t, f.type);
            break;
        case 11:
            dictionary = thrift_int(t, f.type);
            break;
        default:
            thrift_skip(t, f.type);
        }
    }
    if (data < 0 || dictionary < 0 || compressed < 0 || uncompressed < 0 || values < 0) t->bad = true;
    if (t->bad) return;
    /* Some writers put 0 where there is no dictionary. */
    c->start = (uint64_t)(dictionary > 0 && dictionary < data ? dictionary : data);
    c->compressed = (uint64_t)compressed;
    c->uncompressed = (uint64_t)uncompressed;
    c->values = (uint64_t)values;
    c->codec = codec < 0 || codec > INT32_MAX ? -1 : (int)codec;
}

static void read_column_chunk(thrift *t, const parquet_node *leaf, parquet_chunk *c) {
    bool found = false;
    *c = (parquet_chunk){0};
    for (thrift_field f = {0}; thrift_next(t, &f);) {
        if (f.id == 3 && thrift_struct(t, f.type)) {
            read_column_metadata(t, leaf, c);
            found = true;
            continue;
        }
        c->foreign |= f.id == 1;
        c->encrypted |= f.id == 8;
        thrift_skip(t, f.type);
    }
    /* An encrypted column may have its metadata elsewhere, under the key. */
    if (!found && !c->encrypted) t->bad = true;
}

/* slots[leaf]: place among the wanted ones, or n. */
static wr_status read_group(parquet_footer *f, thrift *t, const size_t *slots, size_t n, parquet_group *g) {
    wr_status status = WR_OK;
    thrift_type element;
    parquet_chunk chunk;
    *g = (parquet_group){0};
    for (thrift_field m = {0}; thrift_next(t, &m);) {
        if (m.id == 1) {
            size_t count = thrift_list(t, m.type, &element);
            if (count != f->leaves || element != THRIFT_STRUCT || g->chunks) t->bad = true;
            TRY_ALLOC(g->chunks = arena_alloc(f->memory, n * sizeof *g->chunks));
            for (size_t i = 0; i < f->leaves && !t->bad; i++) {
                read_column_chunk(t, f->by_number[i], &chunk);
                if (slots[i] < n) g->chunks[slots[i]] = chunk;
            }
        } else if (m.id == 3) {
            int64_t rows = thrift_int(t, m.type);
            if (rows < 0) t->bad = true;
            g->rows = t->bad ? 0 : (uint64_t)rows;
        } else
            thrift_skip(t, m.type);
    }
    if (!g->chunks) t->bad = true;
    for (size_t i = 0; i < f->leaves && !t->bad; i++) {
        if (slots[i] < n && f->by_number[i]->max_rep == 0 && g->chunks[slots[i]].values != g->rows &&
            !g->chunks[slots[i]].encrypted)
            t->bad = true;
    }
cleanup:
    return status;
}

wr_status parquet_footer_groups(parquet_footer *f, const char *path, const parquet_node *const *wanted, size_t n) {
    wr_status status = WR_OK;
    size_t *slots = NULL, capacity = 0;
    uint64_t rows = 0;
    parquet_group *groups = NULL;
    thrift t = {.at = f->group_list, .end = f->end};
    thrift_type element;
    TRY_ALLOC(slots = mem_calloc(f->leaves, sizeof *slots));
    for (size_t i = 0; i < f->leaves; i++) slots[i] = n;
    for (size_t i = 0; i < n; i++) slots[wanted[i]->leaf] = i;
    size_t count = thrift_list(&t, THRIFT_LIST, &element);
    if (count && element != THRIFT_STRUCT) t.bad = true;
    for (size_t i = 0; i < count && !t.bad; i++) {
        parquet_group g;
        TRY(read_group(f, &t, slots, n, &g));
        VEC_PUSH(groups, f->n_groups, capacity, g);
        if (g.rows > UINT64_MAX - rows) t.bad = true;
        rows += g.rows;
    }
    if (t.bad) TRY(damaged(path));
    if (rows != f->rows)
        TRY(wr_fail(WR_E_FORMAT,
                    "%s: the Parquet footer is damaged: %llu rows in the file, but %llu in its row groups; fetch the "
                    "file again",
                    path, (unsigned long long)f->rows, (unsigned long long)rows));
    TRY_ALLOC(f->groups = arena_alloc(f->memory, (f->n_groups + 1) * sizeof *groups));
    if (f->n_groups) memcpy(f->groups, groups, f->n_groups * sizeof *groups);
cleanup:
    free(groups);
    free(slots);
    free(f->bytes);
    f->bytes = NULL;
    return status;
}

void parquet_footer_free(parquet_footer *f) {
    arena_free(f->memory);
    free(f->bytes);
    free(f->by_number);
    *f = (parquet_footer){0};
}
