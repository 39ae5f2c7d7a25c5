#include "data/source/parquet.h"

#include "data/source/parquet/parquet_json.h"
#include "data/source/parquet_rows.h"
#include "text/chat/chat_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct parquet_file {
    char *path;
    int fd;
    parquet_footer footer;
    parquet_fields columns;
    row_reader rows;
    bool readable; /* rows has been initialised */
    const field_map *map;
    source_options o;
    parquet_json *json; /* NULL: by columns and rows */
    strbuf line;
    arena *memory; /* of a row in it */
};

/* --- which rows are read as JSON --- */

static bool is_named(const char *name, const char *const *names) {
    for (size_t i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static bool of_map(const field_map *map, const char *name, unsigned first, unsigned end) {
    for (unsigned i = first; i < end; i++)
        if (map->names[i] && strcmp(map->names[i], name) == 0) return true;
    return false;
}

/* Beyond the fields of the map. */
static bool is_more(const parquet_file *f, const char *name) {
    return chat_is_otherwise(name) || (f->o.shown && chat_names_has(f->o.shown, name, strlen(name)));
}

static bool is_variable(const parquet_file *f, const char *name) {
    static const char *const names[] = {"tools", "documents", "chat_template_kwargs", NULL};
    return f->o.shown && is_named(name, names);
}

static bool wanted(const void *context, const parquet_node *column, const parquet_node *member) {
    const parquet_file *f = context;
    const char *const *names = f->map->names;
    const bool header = names[FIELD_HEADER] && strcmp(column->name, names[FIELD_HEADER]) == 0;
    if (!member)
        return is_variable(f, column->name) ||
               (header ? f->o.user_key_header : of_map(f->map, column->name, 0, ROW_FIELDS));
    if (strcmp(column->name, names[FIELD_MESSAGES]) != 0) return true;
    if (names[FIELD_MESSAGE_HEADER] && strcmp(member->name, names[FIELD_MESSAGE_HEADER]) == 0 && !f->o.user_key_header)
        return false;
    return of_map(f->map, member->name, ROW_FIELDS, FIELDS) || is_more(f, member->name);
}

static bool needs_json(const parquet_file *f) {
    const parquet_node *root = f->footer.root, *list = parquet_child(root, f->map->names[FIELD_MESSAGES]),
                       *message = list;
    /* whoever finds the columns says so */
    if (!list || (f->map->strict_id && !parquet_child(root, f->map->names[FIELD_ID]))) return false;
    if (list->type == PARQUET_BYTE_ARRAY && list->repetition != PARQUET_REPEATED) return true;
    while (message && message->children == 1) message = message->first;
    if (!message || message->type != PARQUET_GROUP || message->map) return false;
    if (f->o.shown && f->o.shown->all) return true;
    for (const parquet_node *m = message->first; m; m = m->next) {
        if (!m->nothing && is_more(f, m->name)) return true;
        if (m->type == PARQUET_GROUP && strcmp(m->name, f->map->names[FIELD_CONTENT]) == 0) return true;
    }
    for (const parquet_node *c = root->first; c; c = c->next)
        if (!c->nothing && is_variable(f, c->name)) return true;
    return false;
}

static wr_status open_footer(const char *path, parquet_file **out) {
    wr_status status = WR_OK;
    parquet_file *f = mem_calloc(1, sizeof *f);
    if (!f) return WR_E_NOMEM;
    *out = f;
    f->fd = -1;
    TRY_ALLOC(f->path = mem_strdup(path));
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0) TRY(wr_fail(WR_E_IO, "cannot open %s: %s", path, strerror(errno)));
    TRY(parquet_footer_read(f->fd, path, &f->footer));
cleanup:
    return status;
}

static wr_status open_json(parquet_file *f, parquet_json_want want, const void *context, const char *json_text,
                           const char *time) {
    wr_status status = WR_OK;
    size_t n;
    TRY_ALLOC(f->memory = arena_create());
    TRY(parquet_json_plan(&f->footer, f->path, want, context, json_text, time, &f->json));
    const parquet_node *const *leaves = parquet_json_leaves(f->json, &n);
    TRY(parquet_footer_groups(&f->footer, f->path, leaves, n));
cleanup:
    return status;
}

wr_status parquet_open(const char *path, const field_map *map, parquet_file **out) {
    return parquet_open_for(path, map, &(source_options){0}, out);
}

wr_status parquet_open_for(const char *path, const field_map *map, const source_options *o, parquet_file **out) {
    wr_status status = WR_OK;
    parquet_file *f = NULL;
    *out = NULL;
    TRY(open_footer(path, &f));
    if (!map) TRY(field_map_open(NULL, &map)); /* built in: nothing to close */
    f->map = map;
    f->o = *o;
    if (needs_json(f)) {
        TRY(open_json(f, wanted, f, map->names[FIELD_MESSAGES], map->names[FIELD_TIMESTAMP]));
    } else {
        TRY(parquet_fields_find(&f->footer, path, map, f->footer.memory, &f->columns));
        TRY(parquet_footer_groups(&f->footer, path, f->columns.leaves, f->columns.n));
        f->readable = true;
        TRY(row_reader_init(&f->rows, f->path, map, &f->columns));
    }
    *out = f;
    f = NULL;
cleanup:
    parquet_close(f);
    return status;
}

void parquet_close(parquet_file *f) {
    if (!f) return;
    if (f->readable) row_reader_free(&f->rows);
    parquet_json_free(f->json);
    strbuf_free(&f->line);
    arena_free(f->memory);
    parquet_footer_free(&f->footer);
    if (f->fd >= 0) close(f->fd);
    free(f->path);
    free(f);
}

size_t parquet_row_groups(const parquet_file *f) { return f->footer.n_groups; }

uint64_t parquet_rows(const parquet_file *f, size_t group) { return f->footer.groups[group].rows; }

uint64_t parquet_bytes(const parquet_file *f, size_t group) {
    uint64_t sum = 0;
    size_t n = 0;
    if (f->json) parquet_json_leaves(f->json, &n);
    for (size_t i = 0; i < n; i++) sum += f->footer.groups[group].chunks[i].uncompressed;
    if (f->json) return sum;
    for (int w = 0; w < WANT_MESSAGE_IP; w++) {
        int slot = f->columns.slots[w];
        if (slot != NO_SLOT) sum += f->footer.groups[group].chunks[slot].uncompressed;
    }
    return sum;
}

/* The number at the end of `where` is the only part of it that changes from row to row. */
static void put_number(char *at, uint64_t v) {
    char digits[24];
    int n = 0;
    do digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n > 0) *at++ = digits[--n];
    *at = '\0';
}

static wr_status next_of_json(parquet_file *f, const source_options *o, conversation *c, row_fault *fault) {
    wr_status status = WR_OK;
    bool utf8;
    arena_reset(f->memory);
    TRY(parquet_json_next(f->json, &f->line, &utf8));
    TRY(conversation_parse_shown(f->memory, f->line.data, f->line.len, f->map, o->shown, o->user_key_header, c, fault));
    if (!utf8) *fault = ROW_UTF8;
cleanup:
    return status;
}

wr_status parquet_read(parquet_file *f, size_t group, const source_options *o, source_row_fn fn, void *context) {
    wr_status status = WR_OK;
    char *where = NULL;
    strbuf named = {0};
    size_t cap = strlen(f->path) + 80;
    if (group >= f->footer.n_groups) return WR_END;
    TRY_ALLOC(where = mem_calloc(cap, 1));
    int head = snprintf(where, cap, "%s: row group %zu, row ", f->path, group);
    const parquet_group *g = &f->footer.groups[group];
    TRY(f->json ? parquet_json_start(f->json, f->fd, f->footer.limit, group, g)
                : row_reader_start(&f->rows, f->fd, f->footer.limit, group, g, o->user_key_header));
    for (uint64_t row = 0; row < f->footer.groups[group].rows; row++) {
        conversation c;
        row_fault fault;
        TRY(f->json ? next_of_json(f, o, &c, &fault) : row_reader_next(&f->rows, row, &c, &fault));
        if (fault == ROW_GOOD && o->drop_toxic && c.toxic) fault = ROW_TOXIC;
        if (fault == ROW_GOOD && o->drop_redacted && c.redacted) fault = ROW_REDACTED;
        put_number(where + head, row);
        if (fault != ROW_FIELD) {
            TRY(fn(context, fault == ROW_GOOD ? &c : NULL, fault, where));
            continue;
        }
        strbuf_clear(&named);
        strbuf_puts(&named, where);
        conversation_name_wrong(&c, &named);
        TRY(strbuf_status(&named));
        TRY(fn(context, NULL, fault, named.data));
    }
    TRY(f->json ? parquet_json_finish(f->json) : row_reader_finish(&f->rows));
cleanup:
    free(where);
    strbuf_free(&named);
    return status;
}

typedef struct column_names {
    const char *const *names;
} column_names;

static bool is_wanted(const void *context, const parquet_node *column, const parquet_node *member) {
    const column_names *c = context;
    return member || is_named(column->name, c->names);
}

wr_status parquet_each_line(const char *path, const char *const *columns, const char *json_text, parquet_line_fn fn,
                            void *context) {
    wr_status status = WR_OK;
    parquet_file *f = NULL;
    strbuf where = {0};
    const column_names names = {columns};
    TRY(open_footer(path, &f));
    TRY(open_json(f, is_wanted, &names, json_text, NULL));
    for (size_t g = 0; g < f->footer.n_groups; g++) {
        TRY(parquet_json_start(f->json, f->fd, f->footer.limit, g, &f->footer.groups[g]));
        for (uint64_t row = 0; row < f->footer.groups[g].rows; row++) {
            bool utf8;
            TRY(parquet_json_next(f->json, &f->line, &utf8));
            strbuf_clear(&where);
            strbuf_printf(&where, "%s: row group %zu, row %llu", path, g, (unsigned long long)row);
            TRY(strbuf_status(&where));
            TRY(fn(context, f->line.data, f->line.len, utf8, where.data));
        }
        TRY(parquet_json_finish(f->json));
    }
cleanup:
    strbuf_free(&where);
    parquet_close(f);
    return status;
}
