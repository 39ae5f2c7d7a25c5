#include "data/source/conversation_scan.h"

#include <string.h>

const char *const row_variable_names[ROW_VARIABLES] = {"tools", "documents", "chat_template_kwargs"};

row_fault row_wrong(row_parser *p, field f) {
    p->out->wrong = p->map->names[f];
    p->out->wrong_list = f < ROW_FIELDS ? NULL : p->map->names[FIELD_MESSAGES];
    p->out->wrong_at = p->out->n;
    return ROW_FIELD;
}

bool row_text(row_parser *p, const json_span *s, const char **text, size_t *length) {
    *text = s->text;
    *length = s->length;
    if (!s->escaped) return true;
    char *copy = arena_alloc(p->memory, s->length);
    if (!copy) {
        p->exhausted = true;
        return false;
    }
    *length = json_unescape(s->text, s->length, copy);
    *text = copy;
    return true;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

const char *field_map_role(const field_map *map, const char *s, size_t n) {
    static const char *const common[] = {"user", "assistant", "system"};
    for (size_t i = 0; i < map->n_roles; i++) {
        if (strlen(map->roles[i].from) == n && memcmp(map->roles[i].from, s, n) == 0) return map->roles[i].to;
    }
    for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
        if (strlen(common[i]) == n && memcmp(common[i], s, n) == 0) return common[i];
    }
    return NULL;
}

static bool more_room(row_parser *p) {
    size_t capacity = p->capacity ? 4 * p->capacity : 16;
    chat_message *messages = arena_alloc(p->memory, capacity * sizeof *messages);
    int64_t *turns = arena_alloc(p->memory, capacity * sizeof *turns);
    if (!messages || !turns) {
        p->exhausted = true;
        return false;
    }
    if (p->out->n) {
        memcpy(messages, p->out->messages, p->out->n * sizeof *messages);
        memcpy(turns, p->out->turns, p->out->n * sizeof *turns);
    }
    p->out->messages = messages;
    p->out->turns = turns;
    p->capacity = capacity;
    return true;
}

/* Does the template see this member of a message? Its place in the object of `fields` is kept where it shows messages
 * as a whole. */
static bool is_shown(const row_parser *p, const json_value *m, const char **name) {
    const field_map *map = p->map;
    *name = m->key;
    for (unsigned f = FIELD_ROLE; f < FIELDS; f++) {
        if (!map->names[f] || map->lengths[f] != m->key_length || memcmp(map->names[f], m->key, m->key_length) != 0)
            continue;
        if (f == FIELD_ROLE) *name = "role";
        if (f == FIELD_CONTENT) *name = "content";
        return p->shown->all || (f == FIELD_CONTENT && m->kind != JSON_STRING);
    }
    return m->kind != JSON_NULL && chat_names_has(p->shown, m->key, m->key_length);
}

static json_value *append_member(json_value *object, json_value *last, json_value *m) {
    if (last)
        last->next = m;
    else
        object->first = m;
    m->next = NULL;
    object->length++;
    return m;
}

/* A message of which more is kept, or whose content is no text; rare, and so by the document. */
static row_fault take_members(row_parser *p, const json_span *whole, bool plain, chat_message *m) {
    const json_value *v, *content;
    json_value *fields;
    if (json_parse(p->memory, whole->text, whole->length, &v) < 0 ||
        !(fields = arena_alloc(p->memory, sizeof *fields))) {
        p->exhausted = true; /* it has been scanned: what else can be wrong? */
        return ROW_FIELD;
    }
    content = json_get(v, p->map->names[FIELD_CONTENT]);
    if (!plain) {
        const bool none = !content || content->kind == JSON_NULL;
        if (none && !chat_says_otherwise(v)) return row_wrong(p, FIELD_CONTENT);
        if (!none && content->kind != JSON_ARRAY) return row_wrong(p, FIELD_CONTENT);
        const wr_status got = chat_read_content(p->memory, content, &m->content, &m->length);
        p->exhausted |= got == WR_E_NOMEM;
        if (got < 0) return ROW_PARTS;
    }
    if (!p->shown) return ROW_GOOD;
    *fields = (json_value){.kind = JSON_OBJECT};
    json_value *last = NULL, *none = NULL;
    for (json_value *e = v->first, *next; e; e = next) {
        const char *name;
        next = e->next;
        if (!is_shown(p, e, &name)) continue;
        e->key = name;
        e->key_length = strlen(name);
        last = append_member(fields, last, e);
    }
    if (!content && (none = arena_alloc(p->memory, sizeof *none))) { /* absent is not the same as empty */
        *none = (json_value){.kind = JSON_NULL, .key = "content", .key_length = 7};
        append_member(fields, last, none);
    }
    p->exhausted |= !content && !none;
    m->fields = fields->length ? fields : NULL;
    return ROW_GOOD;
}

/* whole: the message. value[k], has[k]: members FIELD_ROLE + k of the message. Roles of the log become "user" and
 * "assistant"; others are kept but make no turns. */
static row_fault take_message(row_parser *p, const json_span *whole, const json_span *value, const bool *has) {
    const json_span *role = &value[0], *content = &value[FIELD_CONTENT - ROW_FIELDS];
    const json_span *turn = &value[FIELD_TURN - ROW_FIELDS];
    const char *s;
    size_t n, i = p->out->n;
    const bool plain = has[FIELD_CONTENT - ROW_FIELDS] && content->kind == JSON_STRING;
    if (!has[0] || role->kind != JSON_STRING) return row_wrong(p, FIELD_ROLE);
    if (i == p->capacity && !more_room(p)) return ROW_FIELD;
    chat_message *m = &p->out->messages[i];
    if (!row_text(p, role, &s, &n) || n == 0 || n > 64) return row_wrong(p, FIELD_ROLE);
    m->fields = NULL;
    if (plain && !row_text(p, content, &m->content, &m->length)) return ROW_FIELD;
    if (!plain || p->more) {
        const row_fault fault = take_members(p, whole, plain, m);
        if (fault != ROW_GOOD) return fault;
    }
    if (m->length > ROW_MESSAGE_LIMIT) return ROW_LONG;
    m->role = field_map_role(p->map, s, n);
    if (!m->role && !(m->role = arena_strndup(p->memory, s, n))) p->exhausted = true;
    if (!has[FIELD_TURN - ROW_FIELDS] || !json_span_int(turn, &p->out->turns[i])) p->out->turns[i] = (int64_t)i;
    p->out->n++;
    return ROW_GOOD;
}

/* --- members ------------------------------------------------------------------------------------------------------ */

static const char *scan_messages(row_parser *p, const char *at);

/* Which of the fields [first, last) the key names; FIELDS: none. */
static inline field field_of(row_parser *p, const json_span *key, unsigned first, unsigned last) {
    const char *text = key->text;
    size_t n = key->length;
    if (key->escaped && !row_text(p, key, &text, &n)) return FIELDS;
    for (unsigned i = first; i < last; i++) {
        if (p->map->lengths[i] == n && p->map->names[i] && memcmp(p->map->names[i], text, n) == 0) return (field)i;
    }
    return FIELDS;
}

/* A member that the map does not name, but the template may. */
static void take_unknown(row_parser *p, const json_span *key, const json_span *v, unsigned first) {
    const char *text = key->text;
    size_t n = key->length;
    if (key->escaped && !row_text(p, key, &text, &n)) return;
    if (first == ROW_FIELDS) {
        p->more |= v->kind != JSON_NULL && chat_names_has(p->shown, text, n);
        return;
    }
    for (size_t i = 0; i < 3; i++)
        if (strlen(row_variable_names[i]) == n && memcmp(row_variable_names[i], text, n) == 0) p->variables[i] = *v;
}

const char *row_scan_members(row_parser *p, const char *at, unsigned depth, unsigned first, unsigned last,
                             json_span *value, bool *has) {
    const char *end = p->end;
    json_span key, ignored;
    at = json_scan_blank(at + 1, end);
    if (at < end && *at == '}') return at + 1;
    for (;;) {
        if (at == end || *at != '"' || !(at = json_scan_string(at, end, &key))) return NULL;
        field f = field_of(p, &key, first, last);
        at = json_scan_blank(at, end);
        if (at == end || *at != ':') return NULL;
        at = json_scan_blank(at + 1, end);
        json_span *v = f == FIELDS ? &ignored : &value[f - first];
        if (f == FIELD_MESSAGES && at < end && *at == '[') {
            v->kind = JSON_ARRAY;
            at = scan_messages(p, at);
        } else {
            at = json_scan_value(at, end, depth + 1, v);
        }
        if (!at) return NULL;
        if (f != FIELDS)
            has[f - first] = true;
        else if (p->shown)
            take_unknown(p, &key, v, first);
        at = json_scan_blank(at, end);
        if (at == end) return NULL;
        if (*at == '}') return at + 1;
        if (*at != ',') return NULL;
        at = json_scan_blank(at + 1, end);
    }
}

static const char *scan_message(row_parser *p, const char *at) {
    json_span value[FIELDS - ROW_FIELDS], ignored;
    bool has[FIELDS - ROW_FIELDS] = {false};
    bool object = at < p->end && *at == '{';
    const json_span start = {.kind = JSON_OBJECT, .text = at};
    p->more = p->shown && p->shown->all;
    at = object ? row_scan_members(p, at, 2, ROW_FIELDS, FIELDS, value, has) : json_scan_value(at, p->end, 2, &ignored);
    if (!at) return NULL;
    size_t i = p->messages++;
    enum { USER = FIELD_MESSAGE_USER - ROW_FIELDS, HEADER = FIELD_MESSAGE_HEADER - ROW_FIELDS };
    if (!p->user.text && has[USER] && value[USER].kind == JSON_STRING && value[USER].length) p->user = value[USER];
    if (i == 0 && has[HEADER]) p->header = value[HEADER];
    if (p->fault == ROW_GOOD && i < ROW_MESSAGES_LIMIT) {
        json_span whole = start;
        whole.length = (size_t)(at - start.text);
        p->fault = take_message(p, &whole, value, has);
    }
    return at;
}

/* at: the opening bracket. What an earlier member of the same name left is forgotten. */
static const char *scan_messages(row_parser *p, const char *at) {
    p->out->n = p->messages = 0;
    p->fault = ROW_GOOD;
    p->user.text = p->header.text = NULL;
    at = json_scan_blank(at + 1, p->end);
    if (at < p->end && *at == ']') return at + 1;
    for (;;) {
        if (!(at = scan_message(p, at))) return NULL;
        at = json_scan_blank(at, p->end);
        if (at == p->end) return NULL;
        if (*at == ']') return at + 1;
        if (*at != ',') return NULL;
        at = json_scan_blank(at + 1, p->end);
    }
}
