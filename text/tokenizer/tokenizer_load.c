/* Reading tokenizer.json. The model is read in tokenizer_vocab.c, added tokens and post-processor in
 * tokenizer_added.c. */
#include "base/file.h"
#include "text/tokenizer/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

/* "truncation" and "padding" are not looked at: they are what the last call of a trainer left in the file, and
 * transformers sets both anew at every call. */
static wr_status load_document(tokenizer *t, const json_value *root) {
    wr_status status = WR_OK;
    if (!json_is(root, JSON_OBJECT)) TRY(wr_fail(WR_E_FORMAT, "not a JSON object"));
    TRY(tokenizer_load_model(t, json_get(root, "model")));
    TRY(unicode_table_create(&t->unicode));
    TRY(normalizer_load(json_get(root, "normalizer"), t->unicode, &t->normal));
    TRY(pretokenizer_load(json_get(root, "pre_tokenizer"), t->unicode, &t->words));
    TRY(tokenizer_load_symbols(t));
    TRY(text_decoder_load(json_get(root, "decoder"), &t->decoder));
    TRY(tokenizer_load_added(t, json_get(root, "added_tokens")));
    TRY(tokenizer_load_post(t, json_get(root, "post_processor")));
    TRY(tokenizer_load_class(t, root));
cleanup:
    return status;
}

wr_status tokenizer_load(const char *path, tokenizer **out) {
    wr_status status = WR_OK;
    char file[PATH_CAP], *bytes = NULL;
    size_t n = 0;
    arena *scratch = NULL;
    const json_value *root;
    tokenizer *t = mem_calloc(1, sizeof *t);
    TRY_ALLOC(t);
    TRY_ALLOC(t->memory = arena_create());
    TRY_ALLOC(scratch = arena_create());
    TRY(encode_pool_create(&t->pool));
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

void tokenizer_free(tokenizer *t) {
    if (!t) return;
    arena_free(t->memory);
    free(t->dir);
    free(t->tokens);
    string_map_free(&t->by_text);
    string_map_free(&t->added_by_text);
    merge_rules_free(&t->merges);
    added_set_free(&t->added_raw);
    added_set_free(&t->added_normalized);
    added_set_free(&t->named);
    pretokenizer_free(t->words);
    normalizer_free(t->normal);
    normalizer_free(t->chat_normal);
    text_decoder_free(t->decoder);
    unicode_table_free(t->unicode);
    encode_pool_free(t->pool);
    free(t);
}

size_t tokenizer_vocab(const tokenizer *t) { return t->vocab; }

const char *tokenizer_hash(const tokenizer *t) { return t->hash; }

const char *tokenizer_dir(const tokenizer *t) { return t->dir; }

int32_t tokenizer_id(const tokenizer *t, const char *token) {
    const string_entry *e = string_map_find(&t->added_by_text, token, strlen(token));
    if (!e) e = string_map_find(&t->by_text, token, strlen(token));
    return e ? e->value : -1;
}
