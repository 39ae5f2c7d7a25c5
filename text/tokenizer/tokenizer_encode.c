/* Text -> ids: added tokens, normaliser, pre-tokenizer, merges, post-processor, in Hugging Face's order. */
#include "text/tokenizer/encoder.h"
#include "text/tokenizer/text_bytes.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

/* --- scratch of a call -------------------------------------------------------------------------------------------- */

/* Encoders that no call uses at the moment. */
struct encode_pool {
    pthread_mutex_t lock;
    encoder *idle;
};

wr_status encode_pool_create(encode_pool **out) {
    encode_pool *p = mem_calloc(1, sizeof *p);
    if (!p) return WR_E_NOMEM;
    pthread_mutex_init(&p->lock, NULL);
    *out = p;
    return WR_OK;
}

static void encoder_free(encoder *e) {
    if (!e) return;
    pretokenize_scratch_free(&e->words);
    normalize_scratch_free(&e->normal);
    merge_scratch_free(&e->merge);
    strbuf_free(&e->clean);
    strbuf_free(&e->key);
    free(e->cache);
    free(e);
}

void encode_pool_free(encode_pool *p) {
    if (!p) return;
    for (encoder *e = p->idle, *next; e; e = next) {
        next = e->next;
        encoder_free(e);
    }
    pthread_mutex_destroy(&p->lock);
    free(p);
}

wr_status encoder_borrow(const tokenizer *t, token_ids *out, encoder **found) {
    wr_status status = WR_OK;
    pthread_mutex_lock(&t->pool->lock);
    encoder *e = t->pool->idle;
    if (e) t->pool->idle = e->next;
    pthread_mutex_unlock(&t->pool->lock);
    if (!e) {
        TRY_ALLOC(e = mem_calloc(1, sizeof *e));
        TRY_ALLOC(e->cache = mem_aligned(WORD_CACHE_SLOTS, sizeof *e->cache));
    }
    e->t = t;
    e->out = out;
    e->chat = false;
    *found = e;
    e = NULL;
cleanup:
    encoder_free(e);
    return status;
}

static void give_back(encoder *e) {
    encode_pool *p = e->t->pool;
    pthread_mutex_lock(&p->lock);
    e->next = p->idle;
    p->idle = e;
    pthread_mutex_unlock(&p->lock);
}

/* --- one word ----------------------------------------------------------------------------------------------------- */

static wr_status push_symbol(merge_scratch *s, int32_t id) {
    wr_status status = WR_OK;
    VEC_PUSH(s->ids, s->n, s->capacity, id);
cleanup:
    return status;
}

/* A character or byte that has no token. Unknown tokens wait until a known one follows, so that runs may be fused. */
static wr_status push_unknown(encoder *e, bool *waiting) {
    const tokenizer *t = e->t;
    if (t->unk_missing)
        return wr_fail(WR_E_FORMAT, "model.unk_token \"%s\" is needed but is not in model.vocab", t->unk_missing);
    if (t->unk_id < 0) return WR_OK;
    if (*waiting && !t->fuse_unk) return push_symbol(&e->merge, t->unk_id);
    *waiting = true;
    return WR_OK;
}

static wr_status push_known(encoder *e, int32_t id, bool *waiting) {
    wr_status status = WR_OK;
    if (*waiting) TRY(push_symbol(&e->merge, e->t->unk_id));
    *waiting = false;
    TRY(push_symbol(&e->merge, id));
cleanup:
    return status;
}

static wr_status byte_symbols(encoder *e, const char *word, size_t n) {
    wr_status status = WR_OK;
    bool waiting = false;
    for (size_t i = 0; i < n; i++) {
        int32_t id = e->t->byte_ids[(uint8_t)word[i]];
        TRY(id < 0 ? push_unknown(e, &waiting) : push_known(e, id, &waiting));
    }
    if (waiting) TRY(push_symbol(&e->merge, e->t->unk_id));
cleanup:
    return status;
}

static wr_status character_symbols(encoder *e, const char *word, size_t n) {
    wr_status status = WR_OK;
    const tokenizer *t = e->t;
    bool waiting = false;
    for (size_t i = 0, length; i < n; i += length) {
        uint32_t code;
        length = utf8_next(word + i, &code);
        int32_t id = -1;
        if (code < 128)
            id = t->ascii_ids[code];
        else {
            const string_entry *known = string_map_find(&t->by_text, word + i, length);
            if (known) id = known->value;
        }
        if (id >= 0) {
            TRY(push_known(e, id, &waiting));
            continue;
        }
        size_t bytes = 0;
        while (bytes < length && t->fallback_ids[(uint8_t)word[i + bytes]] >= 0) bytes++;
        if (bytes < length) TRY(push_unknown(e, &waiting));
        /* a waiting one stays behind */
        else
            for (size_t k = 0; k < length; k++) TRY(push_symbol(&e->merge, t->fallback_ids[(uint8_t)word[i + k]]));
    }
    if (waiting) TRY(push_symbol(&e->merge, t->unk_id));
cleanup:
    return status;
}

static wr_status whole_token(encoder *e, const char *word, size_t n, int32_t *id) {
    if (e->t->byte_level) {
        strbuf_clear(&e->key);
        for (size_t i = 0; i < n; i++) utf8_put(&e->key, byte_to_char((uint8_t)word[i]));
        if (e->key.failed) return strbuf_status(&e->key);
        word = strbuf_str(&e->key);
        n = e->key.len;
    }
    const string_entry *whole = string_map_find(&e->t->by_text, word, n);
    *id = whole ? whole->value : -1;
    return WR_OK;
}

static wr_status merge_new_word(encoder *e, const char *word, size_t n) {
    wr_status status = WR_OK;
    int32_t whole = -1;
    if (n > INT_MAX) TRY(wr_fail(WR_E_FORMAT, "a word of %zu bytes is too long to tokenize", n));
    /* A word that is a token as a whole is that token, whatever the merges would make of it. */
    if (e->t->ignore_merges) TRY(whole_token(e, word, n, &whole));
    if (whole >= 0) return token_ids_push(e->out, whole);
    e->merge.n = 0;
    TRY(e->t->byte_level ? byte_symbols(e, word, n) : character_symbols(e, word, n));
    TRY(merge_word(&e->t->merges, &e->merge, e->out));
cleanup:
    return status;
}

static wr_status encode_word(encoder *e, const char *word, size_t n) {
    wr_status status = WR_OK;
    if (n > WORD_MAX_BYTES || n == 0) return n ? merge_new_word(e, word, n) : WR_OK;
    token_ids *out = e->out;
    uint64_t key[2];
    word_key(word, n, key);
    word_entry *w = word_slot(e->cache, key);
    if (w->key[1] == key[1] && w->key[0] == key[0]) {
        TRY(mem_reserve((void **)&out->ids, &out->capacity, out->n + WORD_MAX_IDS, sizeof *out->ids));
        memcpy(out->ids + out->n, w->ids, sizeof w->ids);
        out->n += w->n;
        return WR_OK;
    }
    size_t before = out->n;
    TRY(merge_new_word(e, word, n));
    if (out->n - before <= WORD_MAX_IDS) {
        *w = (word_entry){.key = {key[0], key[1]}, .n = (uint32_t)(out->n - before)};
        for (size_t i = before; i < out->n; i++) w->ids[i - before] = out->ids[i];
    }
cleanup:
    return status;
}

/* --- the text ----------------------------------------------------------------------------------------------------- */

/* A word of a SentencePiece vocabulary is often the whole text; its parts, each from a run of marks on, merge apart
 * from each other. */
static wr_status encode_parts(encoder *e, const char *text, size_t n) {
    static const char mark[] = "\xE2\x96\x81";
    wr_status status = WR_OK;
    size_t begin = 0;
    bool after_mark = true; /* nothing to cut off yet */
    for (size_t i = 0; i < n;) {
        bool here = (uint8_t)text[i] == 0xE2 && i + 3 <= n && memcmp(text + i, mark, 3) == 0;
        if (here && !after_mark) {
            TRY(encode_word(e, text + begin, i - begin));
            begin = i;
        }
        after_mark = here;
        i += here ? 3 : 1;
    }
    TRY(encode_word(e, text + begin, n - begin));
cleanup:
    return status;
}

static wr_status encode_plain(encoder *e, const char *text, size_t n) {
    wr_status status = WR_OK;
    const piece_list *words;
    bool parts = !e->t->byte_level && e->t->cut_at_marks;
    if (n == 0) return WR_OK;
    TRY(pretokenize(e->t->words, &e->words, text, n, &words));
    for (size_t i = 0; i < words->n; i++) {
        const piece *p = &words->items[i];
        TRY(parts ? encode_parts(e, p->text, p->n) : encode_word(e, p->text, p->n));
    }
cleanup:
    return status;
}

/* The steps that a Llama-2-style file has in chats. */
static wr_status normalize_chat(encoder *e, bool at_start, const char **text, size_t *n) {
    static const char mark[] = "\xE2\x96\x81";
    wr_status status = WR_OK;
    const tokenizer *t = e->t;
    TRY(normalize(t->chat_normal, &e->normal, *text, *n, text, n));
    if (*n == 0 || t->chat_mark == MARK_NEVER || (t->chat_mark == MARK_FIRST && !at_start) ||
        (*n >= 3 && memcmp(*text, mark, 3) == 0))
        return WR_OK;
    strbuf_clear(&e->clean);
    strbuf_append(&e->clean, mark, 3);
    strbuf_append(&e->clean, *text, *n);
    TRY(strbuf_status(&e->clean));
    *text = strbuf_str(&e->clean);
    *n = e->clean.len;
cleanup:
    return status;
}

wr_status encoder_encode(encoder *e, const char *text, size_t n, bool match) {
    wr_status status = WR_OK;
    bool at_start = text == e->begin;
    if (e->chat && e->t->chat_normal)
        TRY(normalize_chat(e, at_start, &text, &n));
    else
        TRY(normalize(e->t->normal, &e->normal, text, n, &text, &n));
    e->words.at_start = at_start;
    if (!match) return encode_plain(e, text, n);
    added_scan scan = {.set = &e->t->added_normalized, .text = text, .n = n};
    for (added_span s; added_next(&scan, &s);) {
        e->words.at_start = at_start && s.from == 0;
        TRY(s.id >= 0 ? token_ids_push(e->out, s.id) : encode_plain(e, text + s.from, s.to - s.from));
    }
cleanup:
    return status;
}

void encoder_end(encoder *e, wr_status status, size_t before) {
    if (!e) return;
    if (status < 0) {
        e->out->n = before;
        encoder_free(e); /* its buffers may remember a failed allocation */
    } else {
        give_back(e);
    }
}

wr_status tokenizer_encode(const tokenizer *t, const char *text, size_t n, int flags, token_ids *out) {
    wr_status status = WR_OK;
    encoder *e = NULL;
    size_t before = out->n;
    TRY(encoder_borrow(t, out, &e));
    if (!utf8_is_valid(text, n)) {
        strbuf_clear(&e->clean);
        utf8_clean(&e->clean, text, n);
        TRY(strbuf_status(&e->clean));
        text = strbuf_str(&e->clean);
        n = e->clean.len;
    }
    e->begin = text;
    if (flags & TOK_POST)
        for (size_t i = 0; i < t->n_before; i++) TRY(token_ids_push(out, t->post_before[i]));
    if (flags & TOK_MATCH_SPECIAL) {
        added_scan scan = {.set = &t->added_raw, .text = text, .n = n};
        for (added_span s; added_next(&scan, &s);)
            TRY(s.id >= 0 ? token_ids_push(out, s.id) : encoder_encode(e, text + s.from, s.to - s.from, true));
    } else {
        TRY(encoder_encode(e, text, n, false));
    }
    if (flags & TOK_POST)
        for (size_t i = 0; i < t->n_after; i++) TRY(token_ids_push(out, t->post_after[i]));
cleanup:
    encoder_end(e, status, before);
    return status;
}

bool tokenizer_cuts_lines(const tokenizer *t) {
    return t->byte_level && normalizer_is_unicode(t->normal) && pretokenizer_cuts_lines(t->words);
}

void tokenizer_post(const tokenizer *t, const int32_t **before, size_t *n_before, const int32_t **after,
                    size_t *n_after) {
    *before = t->post_before, *n_before = t->n_before;
    *after = t->post_after, *n_after = t->n_after;
}
