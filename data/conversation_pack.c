#include "data/conversation_pack.h"

#include "data/bytes.h"

void conversation_pack(const conversation *c, strbuf *out) {
    bytes_put_string(out, c->id, strlen(c->id));
    bytes_put_string(out, c->user, strlen(c->user));
    bytes_put_string(out, c->language, strlen(c->language));
    bytes_put_string(out, c->model, strlen(c->model));
    bytes_put_string(out, c->timestamp, strlen(c->timestamp));
    bytes_put_u64(out, c->n);
    for (size_t i = 0; i < c->n; i++) {
        bytes_put_u64(out, (uint64_t)c->turns[i]);
        bytes_put_string(out, c->messages[i].role, strlen(c->messages[i].role));
        bytes_put_string(out, c->messages[i].content, c->messages[i].length);
    }
}

wr_status conversation_unpack(arena *a, const void *bytes, size_t n, conversation *out) {
    wr_status status = WR_OK;
    bytes_reader r = bytes_reader_make(bytes, n);
    *out = (conversation){0};
    out->id = bytes_get_string(&r, NULL);
    out->user = bytes_get_string(&r, NULL);
    out->language = bytes_get_string(&r, NULL);
    out->model = bytes_get_string(&r, NULL);
    out->timestamp = bytes_get_string(&r, NULL);
    size_t count = bytes_get_count(&r, 18);
    TRY_ALLOC(out->messages = arena_alloc(a, (count + 1) * sizeof *out->messages));
    TRY_ALLOC(out->turns = arena_alloc(a, (count + 1) * sizeof *out->turns));
    for (; out->n < count; out->n++) {
        chat_message *m = &out->messages[out->n];
        out->turns[out->n] = (int64_t)bytes_get_u64(&r);
        m->role = bytes_get_string(&r, NULL);
        m->content = bytes_get_string(&r, &m->length);
    }
    if (r.bad || r.at != r.end) TRY(wr_fail(WR_E_FORMAT, "temporary file of prepare is damaged"));
cleanup:
    return status;
}
