#include "tests/support/conversation_dom.h"

#include "base/hash.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const json_value *member(const json_value *v, const field_map *map, field f) {
    return map->names[f] ? json_get(v, map->names[f]) : NULL;
}

static const char *text_of(arena *a, const json_value *v) {
    return json_is(v, JSON_STRING) ? arena_strndup(a, v->text, v->length) : "";
}

static row_fault take_message(arena *a, const json_value *v, const field_map *map, size_t i, chat_message *m,
                              int64_t *turn) {
    const json_value *role = member(v, map, FIELD_ROLE), *content = member(v, map, FIELD_CONTENT);
    if (!json_is(role, JSON_STRING) || !json_is(content, JSON_STRING) || role->length == 0 || role->length > 64)
        return ROW_FIELD;
    if (content->length > ROW_MESSAGE_LIMIT) return ROW_LONG;
    m->role = text_of(a, role);
    for (size_t k = 0; k < map->n_roles; k++) {
        if (role->length == strlen(map->roles[k].from) && strcmp(m->role, map->roles[k].from) == 0)
            m->role = map->roles[k].to;
    }
    m->content = content->text;
    m->length = content->length;
    if (!json_to_int(member(v, map, FIELD_TURN), turn)) *turn = (int64_t)i;
    return ROW_GOOD;
}

static void take_user(arena *a, const json_value *row, const json_value *messages, const field_map *map,
                      bool with_header, conversation *out) {
    const json_value *user = member(row, map, FIELD_USER), *header = member(row, map, FIELD_HEADER);
    bool usable = (json_is(user, JSON_STRING) || (json_is(user, JSON_NUMBER) && !map->strict_id)) && user->length;
    for (const json_value *m = messages->first; m && !usable; m = m->next) {
        user = member(m, map, FIELD_MESSAGE_USER);
        usable = json_is(user, JSON_STRING) && user->length;
    }
    if (!header) header = member(messages->first, map, FIELD_MESSAGE_HEADER);
    char *text = arena_alloc(a, (usable ? user->length : 0) + strlen(out->id) + 64), digits[32] = "";
    if (with_header && json_is(header, JSON_OBJECT)) {
        strbuf b = {0};
        json_writer w = json_writer_make(&b);
        json_copy(&w, header);
        snprintf(digits, sizeof digits, "+%016llx", (unsigned long long)hash64(b.data, b.len, 0));
        strbuf_free(&b);
    }
    sprintf(text, "%s%s%s", usable ? "" : "conversation:", usable ? user->text : out->id, "");
    if (!usable || strlen(user->text) == user->length) strcat(text, digits); /* else a NUL hides them */
    out->user = text;
}

static const char *take_time(arena *a, const json_value *v) {
    double t;
    if (!json_to_double(v, &t)) return text_of(a, v);
    if (!(t >= 1e9)) return "";
    if (t >= 1e17)
        t /= 1e9;
    else if (t >= 1e14)
        t /= 1e6;
    else if (t >= 1e11)
        t /= 1e3;
    struct tm parts;
    char text[64];
    if (!(t < 253402300800.0)) return "";
    time_t seconds = (time_t)t;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &parts));
    return arena_strndup(a, text, strlen(text));
}

wr_status conversation_dom(arena *a, const char *line, size_t n, const field_map *map, bool user_key_header,
                           conversation *out, row_fault *fault) {
    const json_value *row = NULL;
    *out = (conversation){0};
    *fault = ROW_GOOD;
    if (utf8_valid_prefix(line, n) != n) return *fault = ROW_UTF8, WR_OK;
    wr_status status = json_parse(a, line, n, &row);
    if (status == WR_E_NOMEM) return status;
    if (status < 0) return *fault = ROW_JSON, WR_OK;
    if (!json_is(row, JSON_OBJECT)) return *fault = ROW_OBJECT, WR_OK;
    const json_value *messages = member(row, map, FIELD_MESSAGES), *id = member(row, map, FIELD_ID);
    char hash[HASH_HEX];
    bool derived = !map->strict_id && (!id || json_is(id, JSON_NULL));
    bool usable = json_is(id, JSON_STRING) || (json_is(id, JSON_NUMBER) && !map->strict_id);
    if (!json_is(messages, JSON_ARRAY) || (!derived && (!usable || id->length == 0 || id->length > 256)))
        return *fault = ROW_FIELD, WR_OK;
    if (messages->length == 0) return *fault = ROW_EMPTY, WR_OK;
    if (messages->length > ROW_MESSAGES_LIMIT) return *fault = ROW_MANY, WR_OK;
    hash_hex(line, n, hash);
    out->id = derived ? arena_strndup(a, hash, strlen(hash)) : arena_strndup(a, id->text, id->length);
    out->language = text_of(a, member(row, map, FIELD_LANGUAGE));
    out->model = text_of(a, member(row, map, FIELD_MODEL));
    out->timestamp = take_time(a, member(row, map, FIELD_TIMESTAMP));
    const json_value *flag = member(row, map, FIELD_TOXIC);
    out->toxic = json_is(flag, JSON_BOOL) && flag->boolean;
    flag = member(row, map, FIELD_REDACTED);
    out->redacted = json_is(flag, JSON_BOOL) && flag->boolean;
    out->messages = arena_alloc(a, messages->length * sizeof *out->messages);
    out->turns = arena_alloc(a, messages->length * sizeof *out->turns);
    for (const json_value *m = messages->first; m; m = m->next) {
        *fault = take_message(a, m, map, out->n, &out->messages[out->n], &out->turns[out->n]);
        if (*fault != ROW_GOOD) return WR_OK;
        out->n++;
    }
    take_user(a, row, messages, map, user_key_header, out);
    return WR_OK;
}

const char *conversation_difference(const conversation *a, const conversation *b) {
    if (strcmp(a->id, b->id) != 0) return "id";
    if (strcmp(a->user, b->user) != 0) return "user";
    if (strcmp(a->language, b->language) != 0) return "language";
    if (strcmp(a->model, b->model) != 0) return "model";
    if (strcmp(a->timestamp, b->timestamp) != 0) return "timestamp";
    if (a->toxic != b->toxic) return "toxic";
    if (a->redacted != b->redacted) return "redacted";
    if (a->n != b->n) return "number of messages";
    for (size_t i = 0; i < a->n; i++) {
        if (strcmp(a->messages[i].role, b->messages[i].role) != 0) return "role";
        if (a->turns[i] != b->turns[i]) return "turn";
        if (a->messages[i].length != b->messages[i].length) return "length of a content";
        if (a->messages[i].length && memcmp(a->messages[i].content, b->messages[i].content, a->messages[i].length) != 0)
            return "content";
    }
    return NULL;
}

static const char *packed_difference(arena *a, const conversation *c) {
    strbuf bytes = {0};
    conversation again;
    conversation_pack(c, &bytes);
    const char *difference =
        conversation_unpack(a, bytes.data, bytes.len, &again) < 0 ? "unpacking" : conversation_difference(c, &again);
    strbuf_free(&bytes);
    return difference ? "the packed form" : NULL;
}

const char *conversation_disagreement(arena *a, const char *line, size_t n, const field_map *map) {
    for (int header = 0; header < 2; header++) {
        conversation scanned, dom;
        row_fault fault, expected;
        if (conversation_parse(a, line, n, map, header, &scanned, &fault) < 0) return "status";
        if (conversation_dom(a, line, n, map, header, &dom, &expected) < 0) return "status of the DOM";
        if (fault != expected) return "fault";
        if (fault != ROW_GOOD) continue;
        const char *difference = conversation_difference(&scanned, &dom);
        if (!difference) difference = packed_difference(a, &scanned);
        if (difference) return difference;
    }
    return NULL;
}
