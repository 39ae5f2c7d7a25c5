#include "data/wildchat.h"

#include "base/hash.h"
#include "data/fields.h"

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
        [ROW_HUGE] = "a row over 256 MiB",
    };
    return names[f];
}

wr_status wildchat_parse(arena *a, const char *line, size_t n, bool user_key_header, conversation *out,
                         row_fault *fault) {
    const field_map *map;
    wr_status status = field_map_open(NULL, &map); /* built in: costs nothing */
    if (status < 0) return status;
    return conversation_parse(a, line, n, map, user_key_header, out, fault);
}

wr_status conversation_user(arena *a, const char *ip, size_t ip_length, const char *header, size_t header_length,
                            const char *id, const char **user) {
    static const char own[] = "conversation:";
    size_t n = ip_length ? ip_length : sizeof own - 1 + strlen(id);
    char *text = arena_alloc(a, n + sizeof "+0123456789abcdef");
    if (!text) return WR_E_NOMEM;
    if (ip_length) {
        memcpy(text, ip, n);
    } else {
        memcpy(text, own, sizeof own - 1);
        memcpy(text + sizeof own - 1, id, n - (sizeof own - 1));
    }
    text[n] = '\0';
    if (header && header_length)
        snprintf(text + n, sizeof "+0123456789abcdef", "+%016llx", (unsigned long long)hash64(header, header_length, 0));
    *user = text;
    return WR_OK;
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
