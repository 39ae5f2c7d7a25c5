/* Ids -> text. */
#include "model/text_bytes.h"
#include "model/tokenizer_parts.h"

wr_status tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, bool skip_special, strbuf *out)
{
    wr_status status = WR_OK;
    strbuf bytes = {0};
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= t->vocab)
            TRY(wr_fail(WR_E_FORMAT, "token id %d is outside the vocabulary of %zu", ids[i], t->vocab));
        const token_info *token = &t->tokens[ids[i]];
        if (token->bytes && !(skip_special && token->special)) strbuf_append(&bytes, token->bytes, token->n);
    }
    /* Characters may be cut across tokens, so cleaning comes after joining. */
    TRY(strbuf_status(&bytes));
    utf8_clean(out, strbuf_str(&bytes), bytes.len);
    TRY(strbuf_status(out));
cleanup:
    strbuf_free(&bytes);
    return status;
}
