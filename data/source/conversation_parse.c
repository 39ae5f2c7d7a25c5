/* One JSON row to a conversation, in one pass over the line: known members are noted where they stand (the last one of
 * duplicates counts), the rest is stepped over, all with the full syntax check; contents are unescaped when their
 * message ends. Which fault a row has does not depend on the order of its members: syntax comes first, then the row's
 * own fields, then the messages in their order. */
#include "data/source/fields.h"

#include "base/hash.h"
#include "base/json_scan.h"
#include "base/utf8.h"
#include "text/chat/chat_read.h"

#include <string.h>
#include <time.h>

typedef struct parser {
    arena *memory;
    const char *end;
    const field_map *map;
    conversation *out;
    json_span row[ROW_FIELDS];
    bool in_row[ROW_FIELDS];
    size_t messages, capacity; /* messages met; room in out->messages and out->turns */
    row_fault fault;           /* of the first message that has one */
    json_span user;            /* of the first message that has one; text NULL: none */
    json_span header;          /* of the first message; text NULL: none */
    bool exhausted;
    const chat_names *shown; /* members of messages that are kept; NULL: none */
    bool more;               /* the message at hand has one */
    json_span variables[3];  /* tools, documents, chat_template_kwargs of the row; text NULL: none */
} parser;

static const char *const variable_names[] = {"tools", "documents", "chat_template_kwargs"};

static row_fault wrong(parser *p, field f) {
    p->out->wrong = p->map->names[f];
    p->out->wrong_list = f < ROW_FIELDS ? NULL : p->map->names[FIELD_MESSAGES];
    p->out->wrong_at = p->out->n;
    return ROW_FIELD;
}

/* Length of the string's text; *text is where it stands, or an unescaped copy. */
static bool text_of(parser *p, const json_span *s, const char **text, size_t *length) {
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

/* NUL-terminated; fallback where the value is no string. */
static const char *string_of(parser *p, const json_span *s, const char *fallback) {
    const char *text;
    size_t n;
    if (!s || s->kind != JSON_STRING) return fallback;
    if (s->length == 0) return "";
    if (!text_of(p, s, &text, &n)) return NULL;
    const char *copy = arena_strndup(p->memory, text, n);
    p->exhausted |= !copy;
    return copy;
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

static bool more_room(parser *p) {
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
static bool is_shown(const parser *p, const json_value *m, const char **name) {
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
static row_fault take_members(parser *p, const json_span *whole, bool plain, chat_message *m) {
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
        if (none && !chat_says_otherwise(v)) return wrong(p, FIELD_CONTENT);
        if (!none && content->kind != JSON_ARRAY) return wrong(p, FIELD_CONTENT);
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
static row_fault take_message(parser *p, const json_span *whole, const json_span *value, const bool *has) {
    const json_span *role = &value[0], *content = &value[FIELD_CONTENT - ROW_FIELDS];
    const json_span *turn = &value[FIELD_TURN - ROW_FIELDS];
    const char *s;
    size_t n, i = p->out->n;
    const bool plain = has[FIELD_CONTENT - ROW_FIELDS] && content->kind == JSON_STRING;
    if (!has[0] || role->kind != JSON_STRING) return wrong(p, FIELD_ROLE);
    if (i == p->capacity && !more_room(p)) return ROW_FIELD;
    chat_message *m = &p->out->messages[i];
    if (!text_of(p, role, &s, &n) || n == 0 || n > 64) return wrong(p, FIELD_ROLE);
    m->fields = NULL;
    if (plain && !text_of(p, content, &m->content, &m->length)) return ROW_FIELD;
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

static const char *scan_messages(parser *p, const char *at);

/* Which of the fields [first, last) the key names; FIELDS: none. */
static inline field field_of(parser *p, const json_span *key, unsigned first, unsigned last) {
    const char *text = key->text;
    size_t n = key->length;
    if (key->escaped && !text_of(p, key, &text, &n)) return FIELDS;
    for (unsigned i = first; i < last; i++) {
        if (p->map->lengths[i] == n && p->map->names[i] && memcmp(p->map->names[i], text, n) == 0) return (field)i;
    }
    return FIELDS;
}

/* A member that the map does not name, but the template may. */
static void take_unknown(parser *p, const json_span *key, const json_span *v, unsigned first) {
    const char *text = key->text;
    size_t n = key->length;
    if (key->escaped && !text_of(p, key, &text, &n)) return;
    if (first == ROW_FIELDS) {
        p->more |= v->kind != JSON_NULL && chat_names_has(p->shown, text, n);
        return;
    }
    for (size_t i = 0; i < 3; i++)
        if (strlen(variable_names[i]) == n && memcmp(variable_names[i], text, n) == 0) p->variables[i] = *v;
}

/* at: the opening brace. The values of the fields [first, last) as spans; returns NULL on invalid JSON. depth:
 * containers open around the object. */
static const char *scan_members(parser *p, const char *at, unsigned depth, unsigned first, unsigned last,
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

static const char *scan_message(parser *p, const char *at) {
    json_span value[FIELDS - ROW_FIELDS], ignored;
    bool has[FIELDS - ROW_FIELDS] = {false};
    bool object = at < p->end && *at == '{';
    const json_span start = {.kind = JSON_OBJECT, .text = at};
    p->more = p->shown && p->shown->all;
    at = object ? scan_members(p, at, 2, ROW_FIELDS, FIELDS, value, has) : json_scan_value(at, p->end, 2, &ignored);
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
static const char *scan_messages(parser *p, const char *at) {
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

/* --- the row ------------------------------------------------------------------------------------------------------ */

/* NaN or an infinity, as Python writes them. */
static bool is_nan(const json_span *v) {
    const char c = v->kind == JSON_NUMBER ? v->text[v->text[0] == '-'] : '0';
    return c == 'N' || c == 'I';
}

static const json_span *row_value(const parser *p, field f) { return p->in_row[f] ? &p->row[f] : NULL; }

static row_fault take_id(parser *p, const char *line, size_t n) {
    const json_span *id = row_value(p, FIELD_ID);
    const char *text = NULL;
    size_t length = 0;
    if (!p->map->strict_id && (!id || id->kind == JSON_NULL)) {
        char hash[HASH_HEX];
        hash_hex(line, n, hash);
        p->out->id = arena_strndup(p->memory, hash, HASH_HEX - 1);
    } else if (id && is_nan(id)) {
        return ROW_NAN;
    } else if (!id || (id->kind != JSON_STRING && (p->map->strict_id || id->kind != JSON_NUMBER))) {
        return wrong(p, FIELD_ID);
    } else {
        if (!text_of(p, id, &text, &length) || length == 0 || length > 256) return wrong(p, FIELD_ID);
        p->out->id = arena_strndup(p->memory, text, length);
    }
    p->exhausted |= !p->out->id;
    return ROW_GOOD;
}

/* The header's object as json_writer writes it. */
static wr_status canonical(parser *p, const json_span *header, strbuf *out) {
    wr_status status = WR_OK;
    const json_value *v;
    if (!memchr(header->text, '\\', header->length)) { /* then only white space can be in the way */
        bool inside = false;
        for (size_t i = 0; i < header->length; i++) {
            char c = header->text[i];
            if (c == '"') inside = !inside;
            if (inside || (c != ' ' && (c < '\t' || c > '\r'))) strbuf_putc(out, c);
        }
        return strbuf_status(out);
    }
    TRY(json_parse(p->memory, header->text, header->length, &v));
    json_writer w = json_writer_make(out);
    json_copy(&w, v);
    TRY(strbuf_status(out));
cleanup:
    return status;
}

static wr_status take_user(parser *p, bool with_header) {
    wr_status status = WR_OK;
    strbuf text = {0};
    const json_span *user = row_value(p, FIELD_USER), *header = row_value(p, FIELD_HEADER);
    const char *ip = NULL;
    size_t n = 0;
    bool number = user && user->kind == JSON_NUMBER && !p->map->strict_id;
    if (!user || !(user->kind == JSON_STRING || number) || !user->length) user = p->user.text ? &p->user : NULL;
    if (user && !text_of(p, user, &ip, &n)) return WR_E_NOMEM;
    if (!header && p->header.text) header = &p->header;
    if (with_header && header && header->kind == JSON_OBJECT) TRY(canonical(p, header, &text));
    TRY(conversation_user(p->memory, ip, n, text.data, text.len, p->out->id, &p->out->user));
cleanup:
    strbuf_free(&text);
    return status;
}

/* A time since 1970-01-01 in seconds or, by its size, in milli-, micro- or nanoseconds, to the second. "" where that is
 * no time of a chat: before 1e9 s (September 2001) or behind the year 9999. */
static wr_status rfc3339(arena *a, double since, const char **timestamp) {
    struct tm t;
    char text[64];
    double scale = since < 1e11 ? 1 : since < 1e14 ? 1e3 : since < 1e17 ? 1e6 : 1e9;
    *timestamp = "";
    if (!(since >= 1e9 && since / scale < 253402300800.0)) return WR_OK;
    time_t seconds = (time_t)(since / scale);
    if (!gmtime_r(&seconds, &t) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &t)) return WR_OK;
    const char *copy = arena_strndup(a, text, strlen(text));
    if (!copy) return WR_E_NOMEM;
    *timestamp = copy;
    return WR_OK;
}

static wr_status take_timestamp(parser *p) {
    const json_span *t = row_value(p, FIELD_TIMESTAMP);
    double since;
    if (!t || t->kind != JSON_NUMBER) {
        p->out->timestamp = string_of(p, t, "");
        return WR_OK;
    }
    const char *copy = arena_strndup(p->memory, t->text, t->length);
    p->out->timestamp = "";
    if (!copy) return WR_E_NOMEM;
    if (!json_to_double(&(json_value){.kind = JSON_NUMBER, .text = copy, .length = t->length}, &since)) return WR_OK;
    return rfc3339(p->memory, since, &p->out->timestamp);
}

static bool is_true(const json_span *v) { return v && v->kind == JSON_BOOL && v->boolean; }

static row_fault scan_row(parser *p, const char *line, size_t n) {
    json_span ignored;
    const char *at = json_scan_blank(line, p->end);
    bool object = at < p->end && *at == '{';
    at = object ? scan_members(p, at, 0, 0, ROW_FIELDS, p->row, p->in_row) : json_scan_value(at, p->end, 0, &ignored);
    if (!at || json_scan_blank(at, p->end) != p->end) return utf8_valid_prefix(line, n) < n ? ROW_UTF8 : ROW_JSON;
    if (!object) return ROW_OBJECT;
    const json_span *messages = row_value(p, FIELD_MESSAGES);
    if (!messages || messages->kind != JSON_ARRAY) return wrong(p, FIELD_MESSAGES);
    for (unsigned f = FIELD_USER; f < FIELD_MESSAGES; f++)
        if (p->in_row[f] && is_nan(&p->row[f])) return ROW_NAN;
    row_fault id = take_id(p, line, n);
    if (id != ROW_GOOD) return id;
    return p->messages == 0 ? ROW_EMPTY : p->messages > ROW_MESSAGES_LIMIT ? ROW_MANY : p->fault;
}

/* tools, documents and chat_template_kwargs, for the template. */
static wr_status take_variables(parser *p, row_fault *fault) {
    wr_status status = WR_OK;
    strbuf text = {0};
    const json_value *row;
    for (size_t i = 0; i < 3; i++) {
        const json_span *v = &p->variables[i];
        if (!v->text || v->kind == JSON_NULL) continue;
        strbuf_printf(&text, "%s\"%s\":", text.len ? "," : "{", variable_names[i]);
        if (v->kind == JSON_STRING) strbuf_putc(&text, '"');
        strbuf_append(&text, v->text, v->length);
        if (v->kind == JSON_STRING) strbuf_putc(&text, '"');
    }
    if (!text.len) return WR_OK;
    strbuf_putc(&text, '}');
    TRY(strbuf_status(&text));
    TRY(json_parse(p->memory, text.data, text.len, &row));
    TRY(chat_read_variables(p->memory, row, &p->out->row));
cleanup:
    strbuf_free(&text);
    if (status == WR_E_FORMAT)
        *fault = ROW_FIELD, p->out->wrong = "tools, documents or chat_template_kwargs", status = WR_OK;
    return status;
}

wr_status conversation_parse(arena *a, const char *line, size_t n, const field_map *map, bool user_key_header,
                             conversation *out, row_fault *fault) {
    return conversation_parse_shown(a, line, n, map, NULL, user_key_header, out, fault);
}

wr_status conversation_parse_shown(arena *a, const char *line, size_t n, const field_map *map, const chat_names *shown,
                                   bool user_key_header, conversation *out, row_fault *fault) {
    wr_status status = WR_OK;
    parser p = {.memory = a, .end = line + n, .map = map, .out = out, .shown = shown};
    *out = (conversation){0};
    *fault = scan_row(&p, line, n);
    if (*fault == ROW_GOOD) {
        out->language = string_of(&p, row_value(&p, FIELD_LANGUAGE), "");
        out->model = string_of(&p, row_value(&p, FIELD_MODEL), "");
        out->toxic = is_true(row_value(&p, FIELD_TOXIC));
        out->redacted = is_true(row_value(&p, FIELD_REDACTED));
        TRY(take_timestamp(&p));
        TRY(take_user(&p, user_key_header));
        if (shown) TRY(take_variables(&p, fault));
    }
    if (p.exhausted) TRY(wr_fail(WR_E_NOMEM, "out of memory: row of %zu bytes", n));
cleanup:
    return status;
}
