#include "data/source/parquet_rows.h"

#include "base/hash.h"
#include "data/source/parquet/parquet_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wr_status list_init(list_entries *l) {
    wr_status status = WR_OK;
    TRY_ALLOC(l->value = mem_calloc(ROW_MESSAGES_LIMIT, sizeof *l->value));
    TRY_ALLOC(l->present = mem_calloc(ROW_MESSAGES_LIMIT, sizeof *l->present));
cleanup:
    return status;
}

static void list_free(list_entries *l) {
    free(l->value);
    free(l->present);
}

wr_status row_reader_init(row_reader *r, const char *path, const field_map *map, const parquet_fields *columns) {
    wr_status status = WR_OK;
    *r = (row_reader){.path = path, .map = map, .columns = columns};
    TRY_ALLOC(r->readers = mem_calloc(columns->n, sizeof *r->readers));
    TRY_ALLOC(r->rows_read = mem_calloc(columns->n, sizeof *r->rows_read));
    TRY_ALLOC(r->messages = mem_calloc(ROW_MESSAGES_LIMIT, sizeof *r->messages));
    TRY_ALLOC(r->turns = mem_calloc(ROW_MESSAGES_LIMIT, sizeof *r->turns));
    TRY_ALLOC(r->memory = arena_create());
    TRY(list_init(&r->content));
    TRY(list_init(&r->role));
    TRY(list_init(&r->turn));
    TRY(list_init(&r->other));
cleanup:
    return status;
}

void row_reader_free(row_reader *r) {
    for (size_t i = 0; r->readers && i < r->columns->n; i++) column_free(&r->readers[i]);
    page_pool_free(&r->pool);
    page_codec_free(&r->codec);
    list_free(&r->content);
    list_free(&r->role);
    list_free(&r->turn);
    list_free(&r->other);
    arena_free(r->memory);
    strbuf_free(&r->header);
    free(r->readers);
    free(r->rows_read);
    free(r->messages);
    free(r->turns);
}

/* Says where it happened. */
static wr_status column_context(const row_reader *r, int slot, wr_status status) {
    char name[512];
    if (status >= 0) return status;
    parquet_path(r->columns->leaves[slot], name, sizeof name);
    return wr_context(status, "%s: row group %zu, column %s", r->path, r->group, name);
}

wr_status row_reader_start(row_reader *r, int fd, uint64_t limit, size_t group, const parquet_group *g,
                           bool user_key_header) {
    wr_status status = WR_OK;
    const parquet_fields *c = r->columns;
    char name[512];
    r->group = group;
    r->user_key_header = user_key_header && c->header;
    if (r->user_key_header && c->header_unfit) {
        parquet_path(c->header_unfit, name, sizeof name);
        TRY(wr_fail(
            WR_E_FORMAT,
            "%s: column %s is no text, number or BOOLEAN, and users are told apart by header: use the user key \"ip\"",
            r->path, name));
    }
    page_pool_release(&r->pool);
    for (size_t i = 0; i < c->n; i++) {
        if (r->readers[i].pool) column_close(&r->readers[i]);
        column_open(&r->readers[i], c->leaves[i], &g->chunks[i], fd, limit, &r->pool, &r->codec);
        r->rows_read[i] = 0;
        if (g->chunks[i].encrypted)
            TRY(column_context(r, (int)i,
                               wr_fail(WR_E_FORMAT, "encryption is not supported: write the file without it")));
        if (g->chunks[i].foreign)
            TRY(column_context(r, (int)i,
                               wr_fail(WR_E_FORMAT, "data in another file are not supported: write one whole file")));
    }
cleanup:
    return status;
}

static wr_status fewer(void) { return wr_fail(WR_E_FORMAT, "fewer rows than the row group has"); }

/* The row's value of a column that is no list; NULL where there is none or no such column. *def: its definition
 * level. */
static wr_status scalar(row_reader *r, int slot, const parquet_value **out, unsigned *def) {
    *out = NULL;
    if (slot == NO_SLOT) return WR_OK;
    column_reader *c = &r->readers[slot];
    wr_status status = column_at(c);
    if (status == WR_END) status = fewer();
    if (status < 0) return column_context(r, slot, status);
    r->rows_read[slot]++;
    if (def) *def = c->defs[c->i];
    *out = column_take(c);
    return WR_OK;
}

/* The row's entries of a message column, or where `out` is NULL past them. A column of a list is flat: each entry says
 * by its repetition level whether it begins a row (0) or goes on with one, and by its definition level how far down the
 * path it is there at all. Of  messages (optional list) / element (optional) / content (optional), levels 0 … 4:
 *
 *   row            rep  def        list_def 1, entry_def 2, element_def 3, a value at max_def 4
 *   [Hi, (none)]    0    4         "Hi"
 *                   1    3         a message without content
 *   []              0    1         LIST_EMPTY: below entry_def, not below list_def
 *   null            0    0         LIST_NULL: below list_def */
static wr_status entries(row_reader *r, int slot, list_entries *out) {
    wr_status status = WR_OK;
    column_reader *c = &r->readers[slot];
    size_t n = 0;
    uint8_t def;
    status = column_at(c);
    if (status == WR_END) TRY(fewer());
    TRY(status);
    if (c->reps[c->i] != 0) TRY(wr_fail(WR_E_FORMAT, "damaged page: a row starts within a list"));
    def = c->defs[c->i];
    r->rows_read[slot]++;
    do {
        bool kept = n < ROW_MESSAGES_LIMIT;
        uint8_t entry_def = c->defs[c->i];
        if (n > 0 && (entry_def < r->columns->entry_def || def < r->columns->entry_def))
            TRY(wr_fail(WR_E_FORMAT, "damaged page: an empty list has entries"));
        const parquet_value *v = column_take(c);
        if (out && kept) {
            out->present[n] = v ? 2 : entry_def >= r->columns->element_def;
            if (v) out->value[n] = *v;
        }
        /* A row of that many messages is skipped as such, and may be too large to be held. */
        if (out && !kept) page_pool_release(&r->pool);
        if (++n > PARQUET_ENTRIES_LIMIT)
            TRY(wr_fail(WR_E_FORMAT, "damaged page: a list of over %d messages", PARQUET_ENTRIES_LIMIT));
        status = column_at(c);
        TRY(status);
    } while (status == WR_OK && c->reps[c->i] != 0);
    status = WR_OK;
    if (out) {
        out->state = def < r->columns->list_def ? LIST_NULL : def < r->columns->entry_def ? LIST_EMPTY : LIST_FULL;
        out->n = out->state == LIST_FULL ? n : 0;
        out->first_def = def;
    }
cleanup:
    return column_context(r, slot, status);
}

/* Like entries, of a column that is read now and then: goes past the rows before. */
static wr_status entries_of_row(row_reader *r, int slot, uint64_t row, list_entries *out) {
    wr_status status = WR_OK;
    r->readers[slot].discard = true;
    while (r->rows_read[slot] < row) TRY(entries(r, slot, NULL));
    r->readers[slot].discard = false;
    TRY(entries(r, slot, out));
cleanup:
    return status;
}

static wr_status same_shape(const row_reader *r, int slot, const list_entries *l) {
    if (l->state == r->content.state && l->n == r->content.n) return WR_OK;
    return column_context(r, slot,
                          wr_fail(WR_E_FORMAT, "damaged page: a list differs in length from that of the contents"));
}

static wr_status read_text(row_reader *r, parquet_wanted w, const char **out, bool *utf8) {
    const parquet_value *v;
    int slot = r->columns->slots[w];
    wr_status status = scalar(r, slot, &v, NULL);
    *out = "";
    if (status < 0 || !v) return status;
    const parquet_node *leaf = r->columns->leaves[slot];
    if (leaf->type != PARQUET_BYTE_ARRAY) {
        *out = parquet_timestamp(leaf, v, r->timestamp);
        return WR_OK;
    }
    *utf8 &= v->valid;
    *out = v->text;
    return WR_OK;
}

static wr_status read_flag(row_reader *r, parquet_wanted w, bool *out) {
    const parquet_value *v;
    wr_status status = scalar(r, r->columns->slots[w], &v, NULL);
    *out = status >= 0 && v && v->number;
    return status;
}

static void put_member(json_writer *w, const parquet_node *leaf, const parquet_value *v) {
    json_key(w, leaf->name);
    if (!v)
        json_null(w);
    else if (leaf->type == PARQUET_BYTE_ARRAY)
        json_string_n(w, v->text, v->length);
    else if (leaf->type == PARQUET_BOOLEAN)
        json_bool(w, v->number);
    else if (v->valid)
        json_int(w, v->number);
    else if (leaf->type == PARQUET_FLOAT || leaf->type == PARQUET_DOUBLE)
        parquet_put_real(w, v->real);
    else /* unsigned, above INT64_MAX */
        strbuf_printf(w->out, "%llu", (unsigned long long)v->number);
}

/* The header as the JSON object that it is in a JSON row; *found: it is there. */
static wr_status read_header(row_reader *r, bool *found, bool *utf8) {
    wr_status status = WR_OK;
    const parquet_fields *c = r->columns;
    json_writer w = json_writer_make(&r->header);
    *found = false;
    strbuf_clear(&r->header);
    json_begin_object(&w);
    for (size_t i = 0; i < c->n_members; i++) {
        const parquet_value *v = NULL;
        unsigned def = 0;
        int slot = c->member_slots[i];
        if (slot != NO_SLOT && c->leaves[slot]->max_rep == 0) TRY(scalar(r, slot, &v, &def));
        if (slot != NO_SLOT && c->leaves[slot]->max_rep != 0) {
            TRY(entries(r, slot, &r->other));
            TRY(same_shape(r, slot, &r->other));
            if (r->other.n && r->other.present[0] == 2) v = &r->other.value[0];
            def = r->other.first_def;
        }
        *found |= slot != NO_SLOT && def >= c->header->max_def;
        if (v && c->leaves[slot]->type == PARQUET_BYTE_ARRAY) *utf8 &= v->valid;
        put_member(&w, c->members[i], v);
    }
    json_end_object(&w);
    TRY(strbuf_status(&r->header));
cleanup:
    return status;
}

static wr_status read_messages(row_reader *r, bool *utf8) {
    wr_status status = WR_OK;
    const int *slots = r->columns->slots;
    TRY(entries(r, slots[WANT_CONTENT], &r->content));
    TRY(entries(r, slots[WANT_ROLE], &r->role));
    TRY(same_shape(r, slots[WANT_ROLE], &r->role));
    if (slots[WANT_TURN] != NO_SLOT) {
        TRY(entries(r, slots[WANT_TURN], &r->turn));
        TRY(same_shape(r, slots[WANT_TURN], &r->turn));
    }
    size_t kept = r->content.n < ROW_MESSAGES_LIMIT ? r->content.n : ROW_MESSAGES_LIMIT;
    for (size_t i = 0; i < kept; i++) {
        if (r->content.present[i] == 2) *utf8 &= r->content.value[i].valid;
        if (r->role.present[i] == 2) *utf8 &= r->role.value[i].valid;
    }
cleanup:
    return status;
}

/* The rules and their order are those of conversation_parse_shown: one row is judged alike in both forms. */
static row_fault take_messages(row_reader *r, conversation *out) {
    bool has_turn = r->columns->slots[WANT_TURN] != NO_SLOT;
    if (r->content.state == LIST_NULL) {
        out->wrong = r->map->names[FIELD_MESSAGES];
        return ROW_FIELD;
    }
    if (r->content.n == 0) return ROW_EMPTY;
    if (r->content.n > ROW_MESSAGES_LIMIT) return ROW_MANY;
    for (size_t i = 0; i < r->content.n; i++) {
        const parquet_value *role = &r->role.value[i], *content = &r->content.value[i];
        const bool has_role = r->role.present[i] == 2 && role->length > 0 && role->length <= 64;
        if (!has_role || r->content.present[i] != 2) {
            out->wrong = r->map->names[has_role ? FIELD_CONTENT : FIELD_ROLE];
            out->wrong_list = r->map->names[FIELD_MESSAGES];
            out->wrong_at = i;
            return ROW_FIELD;
        }
        if (content->length > ROW_MESSAGE_LIMIT) return ROW_LONG;
        const char *mapped = field_map_role(r->map, role->text, role->length);
        r->messages[i] =
            (chat_message){.role = mapped ? mapped : role->text, .content = content->text, .length = content->length};
        bool given = has_turn && r->turn.present[i] == 2 && r->turn.value[i].valid;
        r->turns[i] = given ? r->turn.value[i].number : (int64_t)i;
    }
    out->messages = r->messages;
    out->turns = r->turns;
    out->n = r->content.n;
    return ROW_GOOD;
}

/* The row's address, or the first that a message has. */
static wr_status read_user(row_reader *r, uint64_t row, const parquet_value *ip, bool with_header, conversation *out,
                           bool *utf8) {
    wr_status status = WR_OK;
    int slot = r->columns->slots[WANT_MESSAGE_IP];
    parquet_value found = ip ? *ip : (parquet_value){.text = ""};
    if (found.length == 0 && slot != NO_SLOT) {
        TRY(entries_of_row(r, slot, row, &r->other));
        TRY(same_shape(r, slot, &r->other));
        for (size_t i = 0; i < r->other.n && found.length == 0; i++)
            if (r->other.present[i] == 2) found = r->other.value[i];
    }
    if (found.length) *utf8 &= found.valid;
    out->user = found.text;
    if (found.length == 0 || with_header)
        TRY(conversation_user(r->memory, found.text, found.length, with_header ? r->header.data : NULL, r->header.len,
                              out->id, &out->user));
cleanup:
    return status;
}

/* The id of a row that has none: by what is said in it. */
static const char *hash_of(row_reader *r, uint64_t row, const conversation *c) {
    uint64_t h[2] = {1, 2};
    (void)row;
    for (size_t i = 0; i < c->n; i++) {
        for (int k = 0; k < 2; k++) {
            h[k] = hash64(c->messages[i].role, strlen(c->messages[i].role), h[k]);
            h[k] = hash64(c->messages[i].content, c->messages[i].length, h[k]);
        }
    }
    snprintf(r->own_id, sizeof r->own_id, "%016llx%016llx", (unsigned long long)h[0], (unsigned long long)h[1]);
    return r->own_id;
}

wr_status row_reader_next(row_reader *r, uint64_t row, conversation *out, row_fault *fault) {
    wr_status status = WR_OK;
    const parquet_value *id, *ip;
    bool utf8 = true, with_header = false;
    *out = (conversation){0};
    page_pool_release(&r->pool);
    arena_reset(r->memory);
    TRY(scalar(r, r->columns->slots[WANT_ID], &id, NULL));
    TRY(scalar(r, r->columns->slots[WANT_IP], &ip, NULL));
    TRY(read_text(r, WANT_MODEL, &out->model, &utf8));
    TRY(read_text(r, WANT_TIMESTAMP, &out->timestamp, &utf8));
    TRY(read_text(r, WANT_LANGUAGE, &out->language, &utf8));
    TRY(read_flag(r, WANT_TOXIC, &out->toxic));
    TRY(read_flag(r, WANT_REDACTED, &out->redacted));
    TRY(read_messages(r, &utf8));
    if (r->user_key_header) TRY(read_header(r, &with_header, &utf8));
    if (id) utf8 &= id->valid;
    if (ip) utf8 &= ip->valid;
    const bool own = !id && !r->map->strict_id; /* as in a JSON row */
    bool named = own || (id && id->length > 0 && id->length <= 256);
    if (!named) out->wrong = r->map->names[FIELD_ID];
    *fault = !utf8 ? ROW_UTF8 : !named ? ROW_FIELD : take_messages(r, out);
    if (*fault != ROW_GOOD) return WR_OK;
    out->id = own ? hash_of(r, row, out) : id->text;
    TRY(read_user(r, row, ip, with_header, out, &utf8));
    if (!utf8) *fault = ROW_UTF8;
cleanup:
    return status;
}

wr_status row_reader_finish(row_reader *r) {
    wr_status status = WR_OK;
    const int *slots = r->columns->slots;
    for (int w = 0; w < WANT_MESSAGE_IP; w++) {
        const column_reader *c = slots[w] == NO_SLOT ? NULL : &r->readers[slots[w]];
        if (c && column_left(c))
            TRY(column_context(r, slots[w], wr_fail(WR_E_FORMAT, "more rows than the row group has")));
    }
cleanup:
    return status;
}
