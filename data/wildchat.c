#include "data/wildchat.h"

#include "base/hash.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

const char *row_fault_name(row_fault f) {
    static const char *const names[ROW_FAULTS] = {
        [ROW_GOOD] = "good",
        [ROW_UTF8] = "invalid UTF-8",
        [ROW_JSON] = "not JSON",
        [ROW_OBJECT] = "not an object",
        [ROW_FIELD] = "field missing or of a wrong type",
        [ROW_LONG] = "a message over 1 MiB",
        [ROW_MANY] = "over 2000 messages",
        [ROW_EMPTY] = "no messages",
        [ROW_DUPLICATE] = "conversation seen before",
        [ROW_FORK] = "beginning of another conversation",
        [ROW_TOXIC] = "toxic",
        [ROW_REDACTED] = "redacted",
        [ROW_EXCLUDED] = "excluded user",
    };
    return names[f];
}

static char *copy(arena *a, const char *s, size_t n) { return arena_strndup(a, s, n); }

/* "user" and "assistant" as they are; other names are kept too (system, tool) but make no turns. */
static row_fault take_message(arena *a, const json_value *v, size_t i, chat_message *m, int64_t *turn) {
    const char *role, *content;
    size_t role_length, length;
    if (!json_is(v, JSON_OBJECT) || !json_get_string(v, "role", &role, &role_length) ||
        !json_get_string(v, "content", &content, &length)) {
        return ROW_FIELD;
    }
    if (role_length == 0 || role_length > 64) return ROW_FIELD;
    if (length > ROW_MESSAGE_LIMIT) return ROW_LONG;
    m->role = copy(a, role, role_length);
    m->content = content;
    m->length = length;
    if (!json_get_int(v, "turn_identifier", turn)) *turn = (int64_t)i;
    return ROW_GOOD;
}

wr_status conversation_user(arena *a, const char *ip, size_t ip_length, const char *header, size_t header_length,
                            const char *id, const char **user) {
    wr_status status = WR_OK;
    strbuf text = {0};
    if (ip_length)
        strbuf_append(&text, ip, ip_length);
    else
        strbuf_printf(&text, "conversation:%s", id);
    if (header) strbuf_printf(&text, "+%016llx", (unsigned long long)hash64(header, header_length, 0));
    TRY(strbuf_status(&text));
    TRY_ALLOC(*user = copy(a, text.data, text.len));
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status take_user(arena *a, const json_value *row, const json_value *messages, bool with_header,
                           conversation *out) {
    wr_status status = WR_OK;
    const char *ip = NULL;
    size_t n = 0;
    strbuf header = {0};
    if (!json_get_string(row, "hashed_ip", &ip, &n) || n == 0) {
        n = 0;
        for (const json_value *m = messages->first; m && n == 0; m = m->next) {
            if (!json_get_string(m, "hashed_ip", &ip, &n)) n = 0;
        }
    }
    const json_value *h = json_get(row, "header");
    if (!h && messages->first) h = json_get(messages->first, "header");
    if (with_header && json_is(h, JSON_OBJECT)) {
        json_writer w = json_writer_make(&header);
        json_copy(&w, h);
        TRY(strbuf_status(&header));
    }
    TRY(conversation_user(a, ip, n, header.data, header.len, out->id, &out->user));
cleanup:
    strbuf_free(&header);
    return status;
}

wr_status wildchat_parse(arena *a, const char *line, size_t n, bool user_key_header, conversation *out,
                         row_fault *fault) {
    wr_status status = WR_OK;
    const json_value *row = NULL;
    const char *s;
    size_t length;
    *out = (conversation){0};
    *fault = ROW_GOOD;
    if (utf8_valid_prefix(line, n) != n) {
        *fault = ROW_UTF8;
        return WR_OK;
    }
    status = json_parse(a, line, n, &row);
    if (status == WR_E_NOMEM) return status;
    if (status < 0) {
        *fault = ROW_JSON;
        return WR_OK;
    }
    if (!json_is(row, JSON_OBJECT)) {
        *fault = ROW_OBJECT;
        return WR_OK;
    }
    const json_value *messages = json_get(row, "conversation");
    if (!json_is(messages, JSON_ARRAY) || !json_get_string(row, "conversation_hash", &s, &length) || length == 0 ||
        length > 256) {
        *fault = ROW_FIELD;
        return WR_OK;
    }
    if (messages->length == 0) *fault = ROW_EMPTY;
    if (messages->length > ROW_MESSAGES_LIMIT) *fault = ROW_MANY;
    if (*fault != ROW_GOOD) return WR_OK;
    TRY_ALLOC(out->id = copy(a, s, length));
    TRY_ALLOC(out->language = json_get_string(row, "language", &s, &length) ? copy(a, s, length) : "");
    TRY_ALLOC(out->model = json_get_string(row, "model", &s, &length) ? copy(a, s, length) : "");
    TRY_ALLOC(out->timestamp = json_get_string(row, "timestamp", &s, &length) ? copy(a, s, length) : "");
    if (!json_get_bool(row, "toxic", &out->toxic)) out->toxic = false;
    if (!json_get_bool(row, "redacted", &out->redacted)) out->redacted = false;
    TRY_ALLOC(out->messages = arena_alloc(a, messages->length * sizeof *out->messages));
    TRY_ALLOC(out->turns = arena_alloc(a, messages->length * sizeof *out->turns));
    for (const json_value *m = messages->first; m; m = m->next) {
        *fault = take_message(a, m, out->n, &out->messages[out->n], &out->turns[out->n]);
        if (*fault != ROW_GOOD) return WR_OK;
        TRY_ALLOC(out->messages[out->n].role);
        out->n++;
    }
    TRY(take_user(a, row, messages, user_key_header, out));
cleanup:
    return status;
}

void conversation_write(const conversation *c, strbuf *out) {
    json_writer w = json_writer_make(out);
    json_begin_array(&w);
    json_string(&w, c->id);
    json_string(&w, c->user);
    json_string(&w, c->language);
    json_string(&w, c->model);
    for (size_t i = 0; i < c->n; i++) {
        json_string(&w, c->messages[i].role);
        json_int(&w, c->turns[i]);
        json_string_n(&w, c->messages[i].content, c->messages[i].length);
    }
    json_end_array(&w);
}

wr_status conversation_read(arena *a, const char *line, size_t n, conversation *out) {
    wr_status status = WR_OK;
    const json_value *row = NULL;
    *out = (conversation){0};
    TRY(json_parse(a, line, n, &row));
    if (!json_is(row, JSON_ARRAY) || row->length < 4 || (row->length - 4) % 3)
        TRY(wr_fail(WR_E_FORMAT, "temporary file of prepare is damaged"));
    const json_value *v = row->first;
    out->id = v->text, v = v->next;
    out->user = v->text, v = v->next;
    out->language = v->text, v = v->next;
    out->model = v->text, v = v->next;
    size_t count = (row->length - 4) / 3;
    TRY_ALLOC(out->messages = arena_alloc(a, (count + 1) * sizeof *out->messages));
    TRY_ALLOC(out->turns = arena_alloc(a, (count + 1) * sizeof *out->turns));
    for (; v; v = v->next->next->next) {
        if (!json_to_int(v->next, &out->turns[out->n]))
            TRY(wr_fail(WR_E_FORMAT, "temporary file of prepare is damaged"));
        const json_value *content = v->next->next;
        out->messages[out->n++] = (chat_message){v->text, content->text, content->length};
    }
cleanup:
    return status;
}

bool conversation_followup(const conversation *c, size_t from, size_t *at) {
    for (size_t i = from ? from : 1; i < c->n; i++) {
        if (strcmp(c->messages[i].role, "user") == 0 && strcmp(c->messages[i - 1].role, "assistant") == 0) {
            *at = i;
            return true;
        }
    }
    return false;
}

bool conversation_query(const conversation *c, size_t at, const chat_message **query) {
    if (at < 2 || strcmp(c->messages[at - 2].role, "user") != 0) return false;
    *query = &c->messages[at - 2];
    return true;
}
