#include "data/source/parquet_fields.h"

#include <string.h>

enum { PATH_BYTES = 512 };
typedef enum column_kind {
    KIND_TEXT,
    KIND_FLAG,
    KIND_TIME,   /* another type is as if the column were absent, as it is in a JSON row */
    KIND_NUMBER, /* likewise */
} column_kind;

static const struct {
    field field;
    column_kind kind;
    bool required;
} wanted[WANTED_FIXED] = {
    [WANT_ID] = {FIELD_ID, KIND_TEXT, true},
    [WANT_MODEL] = {FIELD_MODEL, KIND_TEXT, false},
    [WANT_TIMESTAMP] = {FIELD_TIMESTAMP, KIND_TIME, false},
    [WANT_LANGUAGE] = {FIELD_LANGUAGE, KIND_TEXT, false},
    [WANT_TOXIC] = {FIELD_TOXIC, KIND_FLAG, false},
    [WANT_REDACTED] = {FIELD_REDACTED, KIND_FLAG, false},
    [WANT_IP] = {FIELD_USER, KIND_TEXT, false},
    [WANT_CONTENT] = {FIELD_CONTENT, KIND_TEXT, true},
    [WANT_ROLE] = {FIELD_ROLE, KIND_TEXT, true},
    [WANT_TURN] = {FIELD_TURN, KIND_NUMBER, false},
    [WANT_MESSAGE_IP] = {FIELD_MESSAGE_USER, KIND_TEXT, false},
};

static bool fits(const parquet_node *node, column_kind kind) {
    if (node->repetition == PARQUET_REPEATED || node->other) return false;
    switch (kind) {
    case KIND_TEXT:
        return node->type == PARQUET_BYTE_ARRAY;
    case KIND_FLAG:
        return node->type == PARQUET_BOOLEAN;
    case KIND_TIME:
        return node->type == PARQUET_BYTE_ARRAY || node->type == PARQUET_DOUBLE || node->type == PARQUET_INT96 ||
               node->type == PARQUET_INT64;
    default:
        return node->type >= PARQUET_INT32 && node->type <= PARQUET_DOUBLE && node->type != PARQUET_INT96;
    }
}

static int add(parquet_fields *c, const parquet_node *leaf) {
    c->leaves[c->n] = leaf;
    return (int)c->n++;
}

static wr_status unfit(const char *path, const parquet_node *node, const char *need) {
    char name[PATH_BYTES];
    parquet_path(node, name, sizeof name);
    return wr_fail(WR_E_FORMAT, "%s: column %s is %s%s, not %s", path, name,
                   node->repetition == PARQUET_REPEATED ? "a list of " : "",
                   node->other ? node->other : parquet_type_name(node->type), need);
}

static const parquet_node *child(const parquet_node *parent, const char *name) {
    return name ? parquet_child(parent, name) : NULL;
}

/* The messages' repeated part and the message in it. Writers differ: conversation.list.element.content,
 * conversation.bag.array_element.content, conversation.array.content, or conversation itself repeated. */
static wr_status find_message(const parquet_footer *f, const char *path, const char *name, parquet_fields *out,
                              const parquet_node **message) {
    const parquet_node *list = child(f->root, name), *repeated = list, *element;
    if (!list)
        return wr_fail(WR_E_FORMAT,
                       "%s: no column %s: not a file of conversations, or of other ones than --fields says", path,
                       name);
    if (list->repetition != PARQUET_REPEATED) {
        repeated = list->children == 1 ? list->first : NULL;
        if (!repeated || repeated->repetition != PARQUET_REPEATED || list->map)
            return unfit(path, list, "a list of messages");
    }
    element = repeated;
    if (repeated->children == 1 && repeated->first->type == PARQUET_GROUP &&
        repeated->first->repetition != PARQUET_REPEATED)
        element = repeated->first;
    if (element->type != PARQUET_GROUP) return unfit(path, element, "a struct of role and content");
    out->entry_def = repeated->max_def;
    out->list_def = repeated->max_def - 1;
    out->element_def = element->max_def;
    *message = element;
    return WR_OK;
}

static wr_status find_header(const parquet_node *header, arena *a, parquet_fields *out) {
    wr_status status = WR_OK;
    if (!header || header->type != PARQUET_GROUP) return WR_OK; /* text is no object in a JSON row either */
    TRY_ALLOC(out->members = arena_alloc(a, (header->children + 1) * sizeof *out->members));
    TRY_ALLOC(out->member_slots = arena_alloc(a, (header->children + 1) * sizeof *out->member_slots));
    out->header = header;
    if (header->repetition == PARQUET_REPEATED || header->list || header->map) out->header_unfit = header;
    bool readable = false;
    for (const parquet_node *m = header->first; m && !out->header_unfit; m = m->next) {
        bool number = (m->type == PARQUET_INT32 || m->type == PARQUET_INT64) && !m->unit;
        if (!m->nothing && !fits(m, KIND_TEXT) && !fits(m, KIND_FLAG) && !(number && m->repetition != PARQUET_REPEATED))
            out->header_unfit = m;
        if (out->header_unfit) break;
        readable |= !m->nothing;
        out->members[out->n_members] = m;
        out->member_slots[out->n_members++] = m->nothing ? NO_SLOT : add(out, m);
    }
    if (!readable && !out->header_unfit) out->header_unfit = header;
cleanup:
    return status;
}

wr_status parquet_fields_find(const parquet_footer *f, const char *path, const field_map *map, arena *a,
                              parquet_fields *out) {
    static const char *const needs[] = {[KIND_TEXT] = "text (BYTE_ARRAY)", [KIND_FLAG] = "BOOLEAN"};
    wr_status status = WR_OK;
    const parquet_node *message = NULL;
    *out = (parquet_fields){0};
    TRY_ALLOC(out->leaves = arena_alloc(a, (f->leaves + 1) * sizeof *out->leaves));
    TRY(find_message(f, path, map->names[FIELD_MESSAGES], out, &message));
    for (int w = 0; w < WANTED_FIXED; w++) {
        const char *name = map->names[wanted[w].field];
        const parquet_node *leaf = child(w < WANT_CONTENT ? f->root : message, name);
        out->slots[w] = NO_SLOT;
        const bool required = wanted[w].required && (w != WANT_ID || map->strict_id);
        if (!leaf && required)
            TRY(wr_fail(WR_E_FORMAT,
                        "%s: no column %s%s%s: not a file of conversations, or of other ones than --fields says", path,
                        w < WANT_CONTENT ? "" : map->names[FIELD_MESSAGES], w < WANT_CONTENT ? "" : "[].",
                        name ? name : "for the id"));
        if (!leaf || (leaf->nothing && !required)) continue;
        if (!leaf->nothing && fits(leaf, wanted[w].kind))
            out->slots[w] = add(out, leaf);
        else if (wanted[w].kind == KIND_TEXT || wanted[w].kind == KIND_FLAG)
            TRY(unfit(path, leaf, needs[wanted[w].kind]));
    }
    const parquet_node *header = child(f->root, map->names[FIELD_HEADER]);
    TRY(find_header(header ? header : child(message, map->names[FIELD_MESSAGE_HEADER]), a, out));
cleanup:
    return status;
}
