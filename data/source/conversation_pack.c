/* The binary form of a conversation. All numbers are LEB128 varints; a string is its length, its bytes and a NUL, so
 * that reading needs no copy.
 *   version (1 byte) | flags (bit 0 toxic, bit 1 redacted, bit 2: the row's variables follow as JSON) | id | user |
 *   language | model | timestamp | variables | n then n times: role (0 another: a string follows; 1 user, 2 assistant,
 *   3 system; + 4: further members follow) | turn identifier, zigzag | content | further members, as JSON */
#include "data/source/conversation.h"

#include <string.h>

enum { VERSION = 2, TOXIC = 1, REDACTED = 2, ROW = 4 };

static const char *const roles[] = {"", "user", "assistant", "system"};
enum { ROLES = sizeof roles / sizeof *roles, FIELDS_FOLLOW = ROLES };

static void put_number(strbuf *out, uint64_t v) {
    unsigned char bytes[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) bytes[n++] = (unsigned char)(v | 0x80);
    bytes[n++] = (unsigned char)v;
    strbuf_append(out, bytes, n);
}

static void put_string(strbuf *out, const char *s, size_t n) {
    put_number(out, n);
    strbuf_append(out, s, n);
    strbuf_append(out, "", 1);
}

static void put_json(strbuf *out, const json_value *v) {
    strbuf text = {0};
    json_writer w = json_writer_make(&text);
    json_copy(&w, v);
    put_string(out, strbuf_str(&text), text.len);
    out->failed |= text.failed;
    strbuf_free(&text);
}

static void put_text(strbuf *out, const char *s) { put_string(out, s ? s : "", s ? strlen(s) : 0); }

void conversation_pack(const conversation *c, strbuf *out) {
    put_number(out, VERSION);
    put_number(out, (c->toxic ? TOXIC : 0) | (c->redacted ? REDACTED : 0) | (c->row ? ROW : 0));
    put_text(out, c->id);
    put_text(out, c->user);
    put_text(out, c->language);
    put_text(out, c->model);
    put_text(out, c->timestamp);
    if (c->row) put_json(out, c->row);
    put_number(out, c->n);
    for (size_t i = 0; i < c->n; i++) {
        const chat_message *m = &c->messages[i];
        size_t role = 1;
        while (role < ROLES && strcmp(roles[role], m->role) != 0) role++;
        put_number(out, (role < ROLES ? role : 0) + (m->fields ? FIELDS_FOLLOW : 0));
        if (role == ROLES) put_text(out, m->role);
        put_number(out, (uint64_t)c->turns[i] << 1 ^ (uint64_t)(c->turns[i] < 0 ? -1 : 0));
        put_string(out, m->content, m->length);
        if (m->fields) put_json(out, m->fields);
    }
}

typedef struct cursor {
    const char *at, *end;
} cursor;

static bool get_number(cursor *c, uint64_t *v) {
    *v = 0;
    for (unsigned shift = 0; c->at < c->end && shift < 64; shift += 7) {
        unsigned char b = (unsigned char)*c->at++;
        if (shift == 63 && b > 1) return false;
        *v |= (uint64_t)(b & 0x7F) << shift;
        if (b < 0x80) return true;
    }
    return false;
}

static bool get_string(cursor *c, const char **s, size_t *n) {
    uint64_t length;
    if (!get_number(c, &length) || length >= (uint64_t)(c->end - c->at) || c->at[length] != '\0') return false;
    *s = c->at;
    *n = (size_t)length;
    c->at += length + 1;
    return true;
}

static bool get_text(cursor *c, const char **s) {
    size_t n;
    return get_string(c, s, &n) && strlen(*s) == n;
}

static bool get_json(cursor *c, arena *a, const json_value **v) {
    const char *s;
    size_t n;
    return get_string(c, &s, &n) && json_parse(a, s, n, v) >= 0 && json_is(*v, JSON_OBJECT);
}

static bool get_message(cursor *c, arena *a, chat_message *m, int64_t *turn) {
    uint64_t code, zigzag;
    if (!get_number(c, &code) || code >= 2 * ROLES) return false;
    const size_t role = (size_t)code % ROLES;
    m->role = roles[role];
    m->fields = NULL;
    if (role == 0 && !get_text(c, &m->role)) return false;
    if (!get_number(c, &zigzag) || !get_string(c, &m->content, &m->length)) return false;
    *turn = (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
    return code < FIELDS_FOLLOW || get_json(c, a, &m->fields);
}

wr_status conversation_unpack(arena *a, const void *bytes, size_t n, conversation *out) {
    wr_status status = WR_OK;
    cursor c = {bytes, (const char *)bytes + n};
    uint64_t version, flags = 0, count = 0;
    *out = (conversation){0};
    bool good = get_number(&c, &version) && version == VERSION && get_number(&c, &flags) &&
                flags <= (TOXIC | REDACTED | ROW) && get_text(&c, &out->id) && get_text(&c, &out->user) &&
                get_text(&c, &out->language) && get_text(&c, &out->model) && get_text(&c, &out->timestamp) &&
                (!(flags & ROW) || get_json(&c, a, &out->row)) && get_number(&c, &count) &&
                count <= (uint64_t)(c.end - c.at) / 4; /* a message has at least four bytes */
    if (!good) TRY(wr_fail(WR_E_FORMAT, "a record of a temporary file of prepare is damaged"));
    out->toxic = flags & TOXIC;
    out->redacted = flags & REDACTED;
    TRY_ALLOC(out->messages = arena_alloc(a, (size_t)count * sizeof *out->messages));
    TRY_ALLOC(out->turns = arena_alloc(a, (size_t)count * sizeof *out->turns));
    for (; good && out->n < count; out->n += good)
        good = get_message(&c, a, &out->messages[out->n], &out->turns[out->n]);
    if (!good || c.at != c.end) TRY(wr_fail(WR_E_FORMAT, "a record of a temporary file of prepare is damaged"));
cleanup:
    return status;
}
