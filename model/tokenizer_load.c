/* Reading tokenizer.json: model, normaliser, pre-tokenizer, decoder. The added tokens and the post-processor are in tokenizer_added.c. */
#include "base/file.h"
#include "model/text_bytes.h"
#include "model/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define MAX_VOCAB (16 * 1024 * 1024) /* far above any published vocabulary; bounds what a bad id can allocate */

wr_status tokenizer_set_token(tokenizer *t, size_t *capacity, int64_t id, const char *text, size_t n, bool special)
{
    wr_status status = WR_OK;
    strbuf bytes = {0};
    if (id < 0 || id >= MAX_VOCAB) return wr_fail(WR_E_FORMAT, "token \"%.40s\" has the impossible id %lld", text, (long long)id);
    size_t old = t->vocab, need = (size_t)id + 1;
    if (need > old) {
        TRY(mem_reserve((void **)&t->tokens, capacity, need, sizeof *t->tokens));
        memset(t->tokens + old, 0, (need - old) * sizeof *t->tokens);
        t->vocab = need;
    }
    /* The decoder maps characters back to bytes; a token with any other character stands for its own text. */
    for (size_t i = 0; i < n;) {
        uint32_t code;
        int length = utf8_read(text + i, n - i, &code);
        int byte = length < 0 ? -1 : char_to_byte(code);
        if (byte < 0) {
            strbuf_clear(&bytes);
            strbuf_append(&bytes, text, n);
            break;
        }
        strbuf_putc(&bytes, (char)byte);
        i += (size_t)length;
    }
    TRY(strbuf_status(&bytes));
    char *copy = arena_strndup(t->memory, strbuf_str(&bytes), bytes.len);
    TRY_ALLOC(copy);
    t->tokens[id] = (token_info){copy, bytes.len, special};
cleanup:
    strbuf_free(&bytes);
    return status;
}

static wr_status require_absent(const json_value *model, const char *name)
{
    const json_value *v = json_get(model, name);
    double number = 0.0;
    bool empty = !v || v->kind == JSON_NULL || (v->kind == JSON_STRING && v->length == 0) || (v->kind == JSON_BOOL && !v->boolean) ||
                 (json_to_double(v, &number) && number == 0.0);
    return empty ? WR_OK : wr_fail(WR_E_FORMAT, "model.%s is set, which is not supported", name);
}

static wr_status load_vocab(tokenizer *t, const json_value *vocab)
{
    wr_status status = WR_OK;
    size_t capacity = 0;
    if (!json_is(vocab, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "model.vocab is not an object");
    for (const json_value *v = vocab->first; v; v = v->next) {
        int64_t id = -1;
        if (!json_to_int(v, &id)) TRY(wr_fail(WR_E_FORMAT, "model.vocab: the id of \"%.40s\" is not an integer", v->key));
        TRY(tokenizer_set_token(t, &capacity, id, v->key, v->key_length, false));
        char *key = arena_strndup(t->memory, v->key, v->key_length);
        TRY_ALLOC(key);
        string_entry *slot;
        TRY(string_map_put(&t->by_text, key, v->key_length, (int32_t)id, &slot, NULL));
        slot->value = (int32_t)id;
    }
    if (!t->by_text.count) TRY(wr_fail(WR_E_FORMAT, "model.vocab is empty"));
    for (int b = 0; b < 256; b++) {
        utf8proc_uint8_t text[4];
        utf8proc_ssize_t n = utf8proc_encode_char((utf8proc_int32_t)byte_to_char((uint8_t)b), text);
        const string_entry *e = string_map_find(&t->by_text, (const char *)text, (size_t)n);
        t->byte_ids[b] = e ? e->value : -1;
    }
cleanup:
    return status;
}

/* One merge: "left right", or ["left", "right"]. */
static wr_status load_merge(tokenizer *t, const json_value *v, uint32_t rank, strbuf *joined)
{
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
    } else if (json_is(v, JSON_ARRAY) && v->length == 2 && json_is(v->first, JSON_STRING) && json_is(v->first->next, JSON_STRING)) {
        left = v->first->text;
        n_left = v->first->length;
        right = v->first->next->text;
        n_right = v->first->next->length;
    } else {
        return wr_fail(WR_E_FORMAT, "model.merges: entry %u is neither a string nor a pair of strings", rank + 1);
    }
    strbuf_clear(joined);
    strbuf_append(joined, left, n_left);
    strbuf_append(joined, right, n_right);
    if (joined->failed) return strbuf_status(joined);
    const string_entry *a = string_map_find(&t->by_text, left, n_left), *b = string_map_find(&t->by_text, right, n_right);
    const string_entry *ab = string_map_find(&t->by_text, strbuf_str(joined), joined->len);
    if (!a || !b || !ab) return wr_fail(WR_E_FORMAT, "model.merges: entry %u uses a token that model.vocab does not have", rank + 1);
    return merge_rules_put(&t->merges, a->value, b->value, rank, ab->value);
}

static wr_status load_model(tokenizer *t, const json_value *model)
{
    static const char *const unsupported[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"};
    wr_status status = WR_OK;
    strbuf joined = {0};
    const char *type = "", *unk;
    size_t length;
    /* Files written before the member existed have none and are BPE when they have merges. */
    if (!json_get_string(model, "type", &type, &length) && json_get(model, "merges")) type = "BPE";
    if (strcmp(type, "BPE") != 0) TRY(wr_fail(WR_E_FORMAT, "model type \"%s\" is not supported (byte-level BPE is)", type));
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++) TRY(require_absent(model, unsupported[i]));
    TRY(load_vocab(t, json_get(model, "vocab")));
    json_get_bool(model, "fuse_unk", &t->fuse_unk);
    json_get_bool(model, "ignore_merges", &t->ignore_merges);
    t->unk_id = -1;
    if (json_get_string(model, "unk_token", &unk, &length)) {
        const string_entry *e = string_map_find(&t->by_text, unk, length);
        if (!e) TRY(wr_fail(WR_E_FORMAT, "model.unk_token \"%s\" is not in model.vocab", unk));
        t->unk_id = e->value;
    }
    const json_value *merges = json_get(model, "merges");
    if (!json_is(merges, JSON_ARRAY)) TRY(wr_fail(WR_E_FORMAT, "model.merges is not an array"));
    uint32_t rank = 0;
    for (const json_value *v = merges->first; v; v = v->next) {
        if (rank == 0 && json_is(v, JSON_STRING) && strncmp(v->text, "#version", 8) == 0) continue;
        TRY(load_merge(t, v, rank++, &joined));
    }
cleanup:
    strbuf_free(&joined);
    return status;
}

static wr_status load_normalizer(tokenizer *t, const json_value *config)
{
    static const char *const names[] = {"NFC", "NFD", "NFKC", "NFKD"};
    wr_status status = WR_OK;
    if (!config || config->kind == JSON_NULL) return WR_OK;
    const char *type = "";
    size_t length;
    json_get_string(config, "type", &type, &length);
    if (strcmp(type, "Sequence") == 0) {
        const json_value *list = json_get(config, "normalizers");
        for (const json_value *v = list ? list->first : NULL; v; v = v->next) TRY(load_normalizer(t, v));
        return WR_OK;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(type, names[i]) != 0) continue;
        if (t->n_normalizers == MAX_NORMALIZERS) return wr_fail(WR_E_FORMAT, "normalizer has more than %d steps", MAX_NORMALIZERS);
        t->normalizers[t->n_normalizers++] = (normalizer_form)i;
        return WR_OK;
    }
    status = wr_fail(WR_E_FORMAT, "normalizer type \"%s\" is not supported (NFC, NFD, NFKC, NFKD are)", type);
cleanup:
    return status;
}

static wr_status check_decoder(const json_value *config)
{
    const char *type = "";
    size_t length;
    json_get_string(config, "type", &type, &length);
    if (strcmp(type, "ByteLevel") == 0) return WR_OK;
    const json_value *list = json_get(config, "decoders");
    if (strcmp(type, "Sequence") == 0 && json_is(list, JSON_ARRAY) && list->length == 1) return check_decoder(list->first);
    return wr_fail(WR_E_FORMAT, "decoder type \"%s\" is not supported (ByteLevel is)", config && config->kind == JSON_NULL ? "null" : type);
}

static wr_status load_document(tokenizer *t, const json_value *root)
{
    wr_status status = WR_OK;
    if (!json_is(root, JSON_OBJECT)) TRY(wr_fail(WR_E_FORMAT, "not a JSON object"));
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "padding" : "truncation";
        const json_value *v = json_get(root, name);
        if (v && v->kind != JSON_NULL) TRY(wr_fail(WR_E_FORMAT, "\"%s\" is set, which is not supported: set it to null", name));
    }
    TRY(load_model(t, json_get(root, "model")));
    TRY(load_normalizer(t, json_get(root, "normalizer")));
    TRY(pretokenizer_load(json_get(root, "pre_tokenizer"), &t->words));
    TRY(check_decoder(json_get(root, "decoder")));
    TRY(tokenizer_load_added(t, json_get(root, "added_tokens")));
    TRY(tokenizer_load_post(t, json_get(root, "post_processor")));
cleanup:
    return status;
}

wr_status tokenizer_load(const char *path, tokenizer **out)
{
    wr_status status = WR_OK;
    char file[PATH_CAP], *bytes = NULL;
    size_t n = 0;
    arena *scratch = NULL;
    const json_value *root;
    tokenizer *t = mem_calloc(1, sizeof *t);
    TRY_ALLOC(t);
    TRY_ALLOC(t->memory = arena_create());
    TRY_ALLOC(scratch = arena_create());
    if (dir_exists(path)) {
        TRY(path_join(file, path, "tokenizer.json"));
        t->dir = mem_strdup(path);
    } else {
        TRY(path_join(file, path[0] == '/' ? "/" : ".", path[0] == '/' ? path + 1 : path));
        const char *slash = strrchr(path, '/');
        t->dir = !slash ? mem_strdup(".") : slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
    }
    TRY_ALLOC(t->dir);
    TRY(file_read(file, 0, &bytes, &n));
    hash_hex(bytes, n, t->hash);
    status = json_parse(scratch, bytes, n, &root);
    if (status >= 0) status = load_document(t, root);
    if (status < 0) {
        wr_context(status, "%s", file);
        goto cleanup;
    }
    *out = t;
    t = NULL;
cleanup:
    arena_free(scratch);
    free(bytes);
    tokenizer_free(t);
    return status;
}

void tokenizer_free(tokenizer *t)
{
    if (!t) return;
    arena_free(t->memory);
    free(t->dir);
    free(t->tokens);
    string_map_free(&t->by_text);
    string_map_free(&t->added_by_text);
    merge_rules_free(&t->merges);
    added_set_free(&t->added_raw);
    added_set_free(&t->added_normalized);
    pretokenizer_free(t->words);
    free(t);
}

size_t tokenizer_vocab(const tokenizer *t)
{
    return t->vocab;
}

const char *tokenizer_hash(const tokenizer *t)
{
    return t->hash;
}

const char *tokenizer_dir(const tokenizer *t)
{
    return t->dir;
}

int32_t tokenizer_id(const tokenizer *t, const char *token)
{
    const string_entry *e = string_map_find(&t->added_by_text, token, strlen(token));
    if (!e) e = string_map_find(&t->by_text, token, strlen(token));
    return e ? e->value : -1;
}
