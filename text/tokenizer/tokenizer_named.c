/* Tokens that only the files beside tokenizer.json name: "pad_token" and all else that ends so,
 * "additional_special_tokens", "extra_special_tokens", special_tokens_map.json, added_tokens.json. transformers adds
 * them when it loads the folder (with ids behind all others, or the vocabulary's where it has them), so they are
 * matched whole in its chats. Tokenizer.from_file, which texts follow, knows nothing of them. A chat in which the
 * template writes one is refused by name; any other chat has the same ids either way. */
#include "text/tokenizer/tokenizer_parts.h"

#include <string.h>

enum {
    OF_FILE,
    NAMED
}; /* ids in t->named: a token of tokenizer.json takes precedence where it is longer or comes first */

static wr_status add(tokenizer *t, string_map *seen, const char *content, size_t n) {
    wr_status status = WR_OK;
    char *text;
    int fresh;
    if (n == 0 || string_map_find(&t->added_by_text, content, n)) return WR_OK;
    TRY_ALLOC(text = arena_strndup(t->memory, content, n));
    TRY(string_map_put(seen, text, n, 0, NULL, &fresh));
    if (fresh) TRY(added_set_push(&t->named, (added_token){.text = text, .n = n, .id = NAMED}));
cleanup:
    return status;
}

/* A text, or an object with a content. */
static wr_status add_value(tokenizer *t, string_map *seen, const json_value *v) {
    const char *content = v->text;
    size_t n = v->length;
    if (v->kind != JSON_STRING && !json_get_string(v, "content", &content, &n)) return WR_OK;
    return add(t, seen, content, n);
}

static wr_status add_all(tokenizer *t, string_map *seen, const json_value *file) {
    static const char ending[] = "_token";
    wr_status status = WR_OK;
    for (const json_value *v = json_is(file, JSON_OBJECT) ? file->first : NULL; v; v = v->next) {
        const size_t n = strlen(v->key);
        if (strcmp(v->key, "additional_special_tokens") == 0 || strcmp(v->key, "extra_special_tokens") == 0) {
            for (const json_value *e = json_is(v, JSON_ARRAY) || json_is(v, JSON_OBJECT) ? v->first : NULL; e;
                 e = e->next)
                TRY(add_value(t, seen, e));
        } else if (n >= sizeof ending && strcmp(v->key + n - (sizeof ending - 1), ending) == 0) {
            TRY(add_value(t, seen, v));
        }
    }
cleanup:
    return status;
}

wr_status tokenizer_load_named(tokenizer *t, const json_value *config, const char *standard, arena *scratch) {
    wr_status status = WR_OK;
    string_map seen = {0};
    const json_value *file;
    TRY(add_all(t, &seen, config));
    if (standard) TRY(add(t, &seen, standard, strlen(standard)));
    TRY(tokenizer_read_beside(t, "special_tokens_map.json", scratch, &file));
    TRY(add_all(t, &seen, file));
    TRY(tokenizer_read_beside(t, "added_tokens.json", scratch, &file));
    for (const json_value *v = json_is(file, JSON_OBJECT) ? file->first : NULL; v; v = v->next)
        TRY(add(t, &seen, v->key, strlen(v->key)));
    if (t->named.n == 0) goto cleanup;
    for (size_t i = 0; i < t->added_raw.n; i++) {
        added_token a = t->added_raw.tokens[i];
        a.id = OF_FILE;
        TRY(added_set_push(&t->named, a));
    }
    added_set_finish(&t->named);
cleanup:
    string_map_free(&seen);
    return status;
}

wr_status tokenizer_check_named(const tokenizer *t, const char *text, size_t n) {
    if (t->named.n == 0) return WR_OK;
    added_scan scan = {.set = &t->named, .text = text, .n = n};
    for (added_span s; added_next(&scan, &s);)
        if (s.id == NAMED)
            return wr_fail(WR_E_FORMAT,
                           "the template writes \"%.*s\", which is a token in the files beside %s/tokenizer.json only; "
                           "add it to added_tokens there",
                           (int)(s.to - s.from < 60 ? s.to - s.from : 60), text + s.from, t->dir);
    return WR_OK;
}
