/* Ids -> text. */
#include "text/tokenizer/tokenizer_parts.h"

#include <stdlib.h>

struct tokenizer_stream {
    const tokenizer *t;
    text_stream *text;
    bool skip_special;
};

wr_status tokenizer_stream_create(const tokenizer *t, bool skip_special, tokenizer_stream **out) {
    wr_status status = WR_OK;
    tokenizer_stream *s = mem_calloc(1, sizeof *s);
    TRY_ALLOC(s);
    s->t = t;
    s->skip_special = skip_special;
    TRY(text_stream_create(t->decoder, &s->text));
    *out = s;
    s = NULL;
cleanup:
    tokenizer_stream_free(s);
    return status;
}

void tokenizer_stream_free(tokenizer_stream *s) {
    if (!s) return;
    text_stream_free(s->text);
    free(s);
}

wr_status tokenizer_stream_push(tokenizer_stream *s, int32_t id, strbuf *out) {
    if (id < 0) return wr_fail(WR_E_FORMAT, "token id %d is negative", id);
    if ((size_t)id >= s->t->vocab) return WR_OK;
    const token_info *token = &s->t->tokens[id];
    if (!token->text || (s->skip_special && token->special)) return WR_OK;
    return text_stream_push(s->text, token->text, token->n, out);
}

wr_status tokenizer_stream_flush(tokenizer_stream *s, strbuf *out) { return text_stream_flush(s->text, out); }

wr_status tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, bool skip_special, strbuf *out) {
    wr_status status = WR_OK;
    tokenizer_stream *s = NULL;
    TRY(tokenizer_stream_create(t, skip_special, &s));
    for (size_t i = 0; i < n; i++) TRY(tokenizer_stream_push(s, ids[i], out));
    TRY(tokenizer_stream_flush(s, out));
cleanup:
    tokenizer_stream_free(s);
    return status;
}
