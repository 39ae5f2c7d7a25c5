/* Text -> ids: added tokens, normaliser, pre-tokenizer, merges, post-processor, in Hugging Face's order. */
#include "model/text_bytes.h"
#include "model/tokenizer_parts.h"

#include <limits.h>
#include <stdlib.h>
#include <utf8proc.h>

void token_ids_free(token_ids *ids)
{
    free(ids->ids);
    *ids = (token_ids){0};
}

wr_status token_ids_push(token_ids *ids, int32_t id)
{
    wr_status status = WR_OK;
    VEC_PUSH(ids->ids, ids->n, ids->capacity, id);
cleanup:
    return status;
}

wr_status tokenizer_normalize(const tokenizer *t, const char *s, size_t n, strbuf *out)
{
    static const int options[] = {UTF8PROC_COMPOSE, UTF8PROC_DECOMPOSE, UTF8PROC_COMPOSE | UTF8PROC_COMPAT, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT};
    utf8proc_uint8_t *text = NULL;
    for (size_t i = 0; i < t->n_normalizers; i++) {
        utf8proc_uint8_t *next = NULL;
        utf8proc_ssize_t length = utf8proc_map(text ? text : (const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &next,
                                               (utf8proc_option_t)(options[t->normalizers[i]] | UTF8PROC_STABLE));
        free(text);
        if (length < 0) return wr_fail(WR_E_NOMEM, "Unicode normalisation of %zu bytes failed: %s", n, utf8proc_errmsg(length));
        text = next;
        n = (size_t)length;
    }
    strbuf_append(out, text ? (const char *)text : s, n);
    free(text);
    return strbuf_status(out);
}

typedef struct encoder {
    const tokenizer *t;
    token_ids *out;
    pretokenize_scratch words;
    merge_scratch merge;
    strbuf clean, normal, key;
} encoder;

static wr_status encode_word(encoder *e, const char *word, size_t n)
{
    wr_status status = WR_OK;
    const tokenizer *t = e->t;
    if (n > INT_MAX) TRY(wr_fail(WR_E_FORMAT, "a word of %zu bytes is too long to tokenize", n));
    if (t->ignore_merges) { /* a word that is a token as a whole is that token, whatever the merges would make of it */
        strbuf_clear(&e->key);
        for (size_t i = 0; i < n; i++) utf8_put(&e->key, byte_to_char((uint8_t)word[i]));
        TRY(strbuf_status(&e->key));
        const string_entry *whole = string_map_find(&t->by_text, strbuf_str(&e->key), e->key.len);
        if (whole) return token_ids_push(e->out, whole->value);
    }
    e->merge.n_symbols = 0;
    bool unknown_before = false;
    for (size_t i = 0; i < n; i++) {
        int32_t id = t->byte_ids[(uint8_t)word[i]];
        bool unknown = id < 0;
        if (unknown) id = t->unk_id;
        if (id >= 0 && !(unknown && unknown_before && t->fuse_unk)) TRY(merge_symbol_push(&e->merge, id));
        unknown_before = unknown;
    }
    TRY(merge_word(&t->merges, &e->merge, e->out));
cleanup:
    return status;
}

static wr_status encode_plain(encoder *e, const char *text, size_t n)
{
    wr_status status = WR_OK;
    const piece_list *words;
    if (n == 0) return WR_OK;
    TRY(pretokenize(e->t->words, &e->words, text, n, &words));
    for (size_t i = 0; i < words->n; i++) TRY(encode_word(e, words->items[i].text, words->items[i].n));
cleanup:
    return status;
}

static wr_status encode_raw(encoder *e, const char *text, size_t n, bool match)
{
    wr_status status = WR_OK;
    if (e->t->n_normalizers) {
        strbuf_clear(&e->normal);
        TRY(tokenizer_normalize(e->t, text, n, &e->normal));
        text = strbuf_str(&e->normal);
        n = e->normal.len;
    }
    if (!match) return encode_plain(e, text, n);
    added_scan scan = {.set = &e->t->added_normalized, .text = text, .n = n};
    for (added_span s; added_next(&scan, &s);)
        TRY(s.id >= 0 ? token_ids_push(e->out, s.id) : encode_plain(e, text + s.from, s.to - s.from));
cleanup:
    return status;
}

wr_status tokenizer_encode(const tokenizer *t, const char *text, size_t n, int flags, token_ids *out)
{
    wr_status status = WR_OK;
    encoder e = {.t = t, .out = out};
    size_t before = out->n;
    if (!utf8_is_valid(text, n)) {
        utf8_clean(&e.clean, text, n);
        TRY(strbuf_status(&e.clean));
        text = strbuf_str(&e.clean);
        n = e.clean.len;
    }
    if (flags & TOK_POST)
        for (size_t i = 0; i < t->n_before; i++) TRY(token_ids_push(out, t->post_before[i]));
    if (flags & TOK_MATCH_SPECIAL) {
        added_scan scan = {.set = &t->added_raw, .text = text, .n = n};
        for (added_span s; added_next(&scan, &s);)
            TRY(s.id >= 0 ? token_ids_push(out, s.id) : encode_raw(&e, text + s.from, s.to - s.from, true));
    } else {
        TRY(encode_raw(&e, text, n, false));
    }
    if (flags & TOK_POST)
        for (size_t i = 0; i < t->n_after; i++) TRY(token_ids_push(out, t->post_after[i]));
cleanup:
    if (status < 0) out->n = before;
    pretokenize_scratch_free(&e.words);
    merge_scratch_free(&e.merge);
    strbuf_free(&e.clean);
    strbuf_free(&e.normal);
    strbuf_free(&e.key);
    return status;
}
