#include "data/source/conversation.h"

#include "base/hash.h"

#include <stdio.h>
#include <string.h>

const char *row_fault_name(row_fault f) {
    static const char *const names[ROW_FAULTS] = {
        [ROW_GOOD] = "good",
        [ROW_UTF8] = "invalid UTF-8",
        [ROW_JSON] = "not JSON",
        [ROW_OBJECT] = "not an object",
        [ROW_FIELD] = "field missing or of a wrong type",
        [ROW_NAN] = "NaN or Infinity where a value is read",
        [ROW_PARTS] = "content with parts that are no text",
        [ROW_LONG] = "a message over 1 MiB",
        [ROW_MANY] = "over 2000 messages",
        [ROW_EMPTY] = "no messages",
        [ROW_DUPLICATE] = "conversation seen before",
        [ROW_FORK] = "beginning of another conversation",
        [ROW_TOXIC] = "toxic",
        [ROW_REDACTED] = "redacted",
        [ROW_EXCLUDED] = "excluded user",
        [ROW_HUGE] = "a row over 256 MiB",
        [ROW_CSV] = "not a row of its CSV header",
    };
    return names[f];
}

bool row_fault_bad(row_fault f) {
    return f != ROW_GOOD && f != ROW_DUPLICATE && f != ROW_FORK && f != ROW_TOXIC && f != ROW_REDACTED &&
           f != ROW_EXCLUDED;
}

void conversation_name_wrong(const conversation *c, strbuf *where) {
    if (!c->wrong) return;
    strbuf_puts(where, ", field ");
    if (c->wrong_list) strbuf_printf(where, "%s[%zu].", c->wrong_list, c->wrong_at);
    strbuf_puts(where, c->wrong);
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
        snprintf(text + n, sizeof "+0123456789abcdef", "+%016llx",
                 (unsigned long long)hash64(header, header_length, 0));
    *user = text;
    return WR_OK;
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
