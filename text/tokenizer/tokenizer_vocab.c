/* The "model" member of tokenizer.json: vocabulary and merges. */
#include "base/utf8.h"
#include "text/tokenizer/text_bytes.h"
#include "text/tokenizer/tokenizer_parts.h"

#include <stdio.h>
#include <string.h>

#define MAX_VOCAB (4 * 1024 * 1024) /* far above any published vocabulary; bounds what a bad id can allocate */
#define MARK "\xE2\x96\x81"         /* U+2581, which stands for a space in vocabularies made by SentencePiece */

wr_status tokenizer_set_token(tokenizer *t, size_t *capacity, int64_t id, const char *text, size_t n, bool special) {
    wr_status status = WR_OK;
    if (id < 0 || id >= MAX_VOCAB)
        return wr_fail(WR_E_FORMAT, "token \"%.40s\" has the impossible id %lld", text, (long long)id);
    size_t old = t->vocab, need = (size_t)id + 1;
    if (need > old) {
        TRY(mem_reserve((void **)&t->tokens, capacity, need, sizeof *t->tokens));
        memset(t->tokens + old, 0, (need - old) * sizeof *t->tokens);
        t->vocab = need;
    }
    char *copy = arena_strndup(t->memory, text, n);
    TRY_ALLOC(copy);
    t->tokens[id] = (token_info){copy, n, special};
cleanup:
    return status;
}

static wr_status require_absent(const json_value *model, const char *name) {
    const json_value *v = json_get(model, name);
    double number = 0.0;
    bool empty = !v || v->kind == JSON_NULL || (v->kind == JSON_STRING && v->length == 0) ||
                 (v->kind == JSON_BOOL && !v->boolean) || (json_to_double(v, &number) && number == 0.0);
    return empty ? WR_OK : wr_fail(WR_E_FORMAT, "model.%s is set, which is not supported", name);
}

static wr_status load_vocab(tokenizer *t, const json_value *vocab) {
    wr_status status = WR_OK;
    size_t capacity = 0;
    if (!json_is(vocab, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "model.vocab is not an object");
    for (const json_value *v = vocab->first; v; v = v->next) {
        int64_t id = -1;
        if (!json_to_int(v, &id))
            TRY(wr_fail(WR_E_FORMAT, "model.vocab: the id of \"%.40s\" is not an integer", v->key));
        if (id >= 0 && (size_t)id < t->vocab && t->tokens[id].text) t->merges.ambiguous = true;
        TRY(tokenizer_set_token(t, &capacity, id, v->key, v->key_length, false));
        string_entry *slot;
        TRY(string_map_put(&t->by_text, t->tokens[id].text, v->key_length, (int32_t)id, &slot, NULL));
        slot->value = (int32_t)id;
    }
    if (!t->by_text.count) TRY(wr_fail(WR_E_FORMAT, "model.vocab is empty"));
cleanup:
    return status;
}

static int32_t id_of(const tokenizer *t, const char *text, size_t n) {
    const string_entry *e = string_map_find(&t->by_text, text, n);
    return e ? e->value : -1;
}

/* One merge: "left right", or ["left", "right"]. */
static wr_status load_merge(tokenizer *t, const json_value *v, uint32_t rank, strbuf *joined) {
    const char *left, *right;
    size_t n_left, n_right;
    if (json_is(v, JSON_STRING)) {
        const char *space = memchr(v->text, ' ', v->length);
        if (!space || memchr(space + 1, ' ', v->length - (size_t)(space + 1 - v->text)))
            return wr_fail(WR_E_FORMAT, "model.merges: entry %u is not two tokens with a space between", rank + 1);
        left = v->text;
        n_left = (size_t)(space - v->text);
        right = space + 1;
        n_right = v->length - n_left - 1;
    } else if (json_is(v, JSON_ARRAY) && v->length == 2 && json_is(v->first, JSON_STRING) &&
               json_is(v->first->next, JSON_STRING)) {
        left = v->first->text;
        n_left = v->first->length;
        right = v->first->next->text;
        n_right = v->first->next->length;
    } else {
        return wr_fail(WR_E_FORMAT, "model.merges: entry %u is neither a string nor a pair of strings", rank + 1);
    }
    bool mark_left = n_left >= 3 && memcmp(left + n_left - 3, MARK, 3) == 0,
         mark_right = n_right >= 3 && memcmp(right, MARK, 3) == 0;
    if (mark_right && !mark_left) t->cut_at_marks = false;
    strbuf_clear(joined);
    strbuf_append(joined, left, n_left);
    strbuf_append(joined, right, n_right);
    if (joined->failed) return strbuf_status(joined);
    const string_entry *a = string_map_find(&t->by_text, left, n_left),
                       *b = string_map_find(&t->by_text, right, n_right);
    const string_entry *ab = string_map_find(&t->by_text, strbuf_str(joined), joined->len);
    if (!a || !b || !ab)
        return wr_fail(WR_E_FORMAT, "model.merges: entry %u uses a token that model.vocab does not have", rank + 1);
    return merge_rules_put(&t->merges, a->value, b->value, rank, ab->value);
}

wr_status tokenizer_load_model(tokenizer *t, const json_value *model) {
    static const char *const unsupported[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
    wr_status status = WR_OK;
    strbuf joined = {0};
    bool byte_fallback = false;
    const char *type = "", *unk;
    size_t length;
    /* Files written before the member existed have none and are BPE when they have merges. */
    if (!json_get_string(model, "type", &type, &length) && json_get(model, "merges")) type = "BPE";
    if (strcmp(type, "BPE") != 0) TRY(wr_fail(WR_E_FORMAT, "model type \"%s\" is not supported (BPE is)", type));
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++) TRY(require_absent(model, unsupported[i]));
    TRY(load_vocab(t, json_get(model, "vocab")));
    json_get_bool(model, "fuse_unk", &t->fuse_unk);
    json_get_bool(model, "ignore_merges", &t->ignore_merges);
    json_get_bool(model, "byte_fallback", &byte_fallback);
    for (int b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        t->fallback_ids[b] = byte_fallback ? id_of(t, name, 6) : -1;
    }
    t->unk_id = -1;
    if (json_get_string(model, "unk_token", &unk, &length)) {
        const string_entry *e = string_map_find(&t->by_text, unk, length);
        if (e)
            t->unk_id = e->value;
        else
            TRY_ALLOC(t->unk_missing = arena_strndup(t->memory, unk, length));
    }
    const json_value *merges = json_get(model, "merges");
    if (!json_is(merges, JSON_ARRAY)) TRY(wr_fail(WR_E_FORMAT, "model.merges is not an array"));
    uint32_t rank = 0;
    t->cut_at_marks = !t->ignore_merges && id_of(t, MARK, 3) >= 0;
    for (const json_value *v = merges->first; v; v = v->next) {
        if (rank == 0 && json_is(v, JSON_STRING) && strncmp(v->text, "#version", 8) == 0) continue;
        TRY(load_merge(t, v, rank++, &joined));
    }
    TRY(merge_rules_finish(&t->merges));
cleanup:
    strbuf_free(&joined);
    return status;
}

wr_status tokenizer_load_symbols(tokenizer *t) {
    t->byte_level = pretokenizer_is_byte_level(t->words);
    for (int b = 0; b < 256; b++) {
        char text[4];
        t->byte_ids[b] = id_of(t, text, utf8_encode(byte_to_char((uint8_t)b), text));
        if (b < 128) t->ascii_ids[b] = id_of(t, (char[1]){(char)b}, 1);
        if (t->byte_level && t->byte_ids[b] < 0 && t->fallback_ids[b] >= 0)
            return wr_fail(WR_E_FORMAT, "model.byte_fallback with a ByteLevel pre-tokenizer is not supported");
    }
    return WR_OK;
}
