/* What transformers makes of a Llama-2-style file when it renders chats. The class that tokenizer_config.json names
 * builds its own steps there: the mark of a space comes before the text's beginning alone, not before each part between
 * special tokens, where the file's normaliser puts it. Texts outside of chats are encoded as the file says, which is
 * what Tokenizer.from_file does. */
#include "base/file.h"
#include "text/tokenizer/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

#define MARK "\xE2\x96\x81"

static bool is_text(const json_value *object, const char *name, const char *want) {
    const char *text;
    size_t n;
    return json_get_string(object, name, &text, &n) && strcmp(text, want) == 0;
}

/* Prepend and Replace, as Llama 2's files have them. *replace: the second. */
static bool has_marks(const json_value *root, const json_value **replace) {
    const json_value *normal = json_get(root, "normalizer"), *list = json_get(normal, "normalizers"),
                     *words = json_get(root, "pre_tokenizer");
    if (!json_is(list, JSON_ARRAY) || list->length != 2 || (words && words->kind != JSON_NULL)) return false;
    *replace = list->first->next;
    return is_text(list->first, "type", "Prepend") && is_text(list->first, "prepend", MARK) &&
           is_text(*replace, "type", "Replace") && is_text(*replace, "content", MARK) &&
           is_text(json_get(*replace, "pattern"), "String", " ");
}

/* The object in a file of the folder; NULL: there is none, or it is not for this reader to complain about. */
wr_status tokenizer_read_beside(const tokenizer *t, const char *name, arena *scratch, const json_value **out) {
    wr_status status = WR_OK;
    char path[PATH_CAP], *bytes = NULL;
    size_t n;
    *out = NULL;
    TRY(path_join(path, t->dir, name));
    if (!file_exists(path)) return WR_OK;
    TRY(file_read(path, 0, &bytes, &n));
    if (json_parse(scratch, bytes, n, out) < 0) *out = NULL;
cleanup:
    free(bytes);
    return status;
}

/* Classes that take the added tokens from tokenizer_config.json alone where it lists some. */
static bool builds_anew(const json_value *config) {
    static const char *const names[] = {"GPT2Tokenizer", "GPT2TokenizerFast", "Qwen2Tokenizer", "Qwen2TokenizerFast"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_text(config, "tokenizer_class", names[i])) return true;
    return false;
}

wr_status tokenizer_load_class(tokenizer *t, const json_value *root) {
    wr_status status = WR_OK;
    const json_value *replace, *config, *model;
    bool legacy = false, prefix = true;
    arena *scratch = NULL;
    TRY_ALLOC(scratch = arena_create());
    TRY(tokenizer_read_beside(t, "tokenizer_config.json", scratch, &config));
    status = tokenizer_check_config(t, json_get(root, "added_tokens"), json_get(config, "added_tokens_decoder"),
                                    builds_anew(config));
    if (status < 0) {
        wr_context(status, "tokenizer_config.json");
        goto cleanup;
    }
    TRY(tokenizer_load_named(t, config, builds_anew(config) ? "<|endoftext|>" : NULL, scratch));
    if (!has_marks(root, &replace) || t->added_normalized.n) goto cleanup;
    TRY(tokenizer_read_beside(t, "config.json", scratch, &model));
    if (!is_text(config, "tokenizer_class", "LlamaTokenizer") &&
        !is_text(config, "tokenizer_class", "LlamaTokenizerFast"))
        goto cleanup;
    if (json_get(model, "model_type") && !is_text(model, "model_type", "llama"))
        goto cleanup; /* other models' classes keep the file's steps */
    json_get_bool(config, "legacy", &legacy);
    json_get_bool(config, "add_prefix_space", &prefix);
    t->chat_mark = !prefix ? MARK_NEVER : legacy ? MARK_ALWAYS : MARK_FIRST;
    TRY(normalizer_load(replace, t->unicode, &t->chat_normal));
cleanup:
    arena_free(scratch);
    return status;
}
