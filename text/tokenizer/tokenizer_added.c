/* The members of tokenizer.json around the model: added tokens (and what tokenizer_config.json says of them) and
 * post-processor. */
#include "text/tokenizer/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

/* The id that Tokenizer.from_file gives a token, whatever the entry's own "id" says: the model's where its vocabulary
 * has the content, else the next behind the vocabulary's size and the added tokens' ids. */
static int64_t next_id(const tokenizer *t, const char *content, size_t n, int64_t highest) {
    const string_entry *known = string_map_find(&t->by_text, content, n);
    const int64_t size = (int64_t)t->by_text.count;
    if (known) return known->value;
    return highest >= size ? highest + 1 : size;
}

static added_token read_flags(const json_value *entry, bool *special, bool *normalized) {
    added_token a = {0};
    *special = false;
    json_get_bool(entry, "special", special);
    *normalized = !*special;
    json_get_bool(entry, "normalized", normalized);
    json_get_bool(entry, "lstrip", &a.lstrip);
    json_get_bool(entry, "rstrip", &a.rstrip);
    json_get_bool(entry, "single_word", &a.single_word);
    return a;
}

static bool have_equal_flags(const json_value *first, const json_value *second) {
    bool special[2], normalized[2];
    const added_token a = read_flags(first, &special[0], &normalized[0]),
                      b = read_flags(second, &special[1], &normalized[1]);
    return special[0] == special[1] && normalized[0] == normalized[1] && a.lstrip == b.lstrip && a.rstrip == b.rstrip &&
           a.single_word == b.single_word;
}

/* Which of two entries of one content counts depends on more than their order in Hugging Face's library. */
static wr_status check_equal(const json_value *first, const json_value *second, const char *content) {
    if (have_equal_flags(first, second)) return WR_OK;
    return wr_fail(WR_E_FORMAT, "added_tokens: \"%.60s\" stands twice, with other flags; leave one", content);
}

static wr_status add_token(tokenizer *t, size_t *capacity, const json_value *entry, normalize_scratch *scratch,
                           int64_t id) {
    wr_status status = WR_OK;
    const char *content;
    size_t n;
    bool special, normalized;
    json_get_string(entry, "content", &content, &n);
    added_token a = read_flags(entry, &special, &normalized);
    a.id = (int32_t)id;
    if (normalized && !normalizer_is_identity(t->normal)) TRY(normalize(t->normal, scratch, content, n, &content, &n));
    TRY_ALLOC(a.text = arena_strndup(t->memory, content, n));
    a.n = n;
    if (n == 0) return WR_OK;
    TRY(tokenizer_set_token(t, capacity, id, a.text, n, special)); /* decodes to the normalised text */
    TRY(added_set_push(normalized ? &t->added_normalized : &t->added_raw, a));
cleanup:
    return status;
}

wr_status tokenizer_load_added(tokenizer *t, const json_value *list) {
    wr_status status = WR_OK;
    normalize_scratch scratch = {0};
    string_map seen = {0};
    const json_value **entries = NULL;
    size_t capacity = t->vocab, count = 0;
    int64_t highest = -1;
    if (!list || list->kind == JSON_NULL) goto cleanup;
    if (!json_is(list, JSON_ARRAY)) TRY(wr_fail(WR_E_FORMAT, "added_tokens is not an array"));
    TRY_ALLOC(entries = mem_calloc(list->length + 1, sizeof *entries));
    for (const json_value *v = list->first; v; v = v->next) {
        const char *content;
        size_t n;
        int64_t id;
        string_entry *slot;
        int fresh;
        if (!json_get_string(v, "content", &content, &n) || !json_get_int(v, "id", &id) || id < 0 || id > UINT32_MAX)
            TRY(wr_fail(WR_E_FORMAT, "added_tokens: an entry lacks \"content\" or \"id\", or its id is impossible"));
        if (n == 0) continue;
        TRY(string_map_put(&seen, content, n, (int32_t)count, &slot, &fresh));
        if (!fresh) {
            TRY(check_equal(entries[slot->value], v, content));
            continue;
        }
        entries[count++] = v;
        id = next_id(t, content, n, highest);
        if (id > highest) highest = id;
        char *text = arena_strndup(t->memory, content, n);
        TRY_ALLOC(text);
        TRY(string_map_put(&t->added_by_text, text, n, (int32_t)id, &slot, NULL));
        TRY(add_token(t, &capacity, v, &scratch, id));
    }
cleanup:
    added_set_finish(&t->added_raw);
    added_set_finish(&t->added_normalized);
    normalize_scratch_free(&scratch);
    string_map_free(&seen);
    free(entries);
    return status;
}

/* One entry of the other file, "ID": {"content", flags}. */
static wr_status check_config_entry(const tokenizer *t, const json_value *v, const json_value *const *entries,
                                    const string_map *places) {
    const char *content;
    size_t n;
    if (!json_get_string(v, "content", &content, &n))
        return wr_fail(WR_E_FORMAT, "added_tokens_decoder: entry \"%.20s\" is no token", v->key);
    const string_entry *place = string_map_find(places, content, n),
                       *id = string_map_find(&t->added_by_text, content, n);
    const char *what = NULL;
    char *end;
    if (!place || !id)
        what = "is not among the added tokens";
    else if (!have_equal_flags(entries[place->value], v))
        what = "has other flags";
    else if (strtoll(v->key, &end, 10) != id->value || *end || end == v->key)
        what = "has another id";
    if (!what) return WR_OK;
    return wr_fail(WR_E_FORMAT,
                   "added_tokens_decoder: \"%.60s\" %s in tokenizer.json; make the two files agree, or remove "
                   "added_tokens_decoder",
                   content, what);
}

wr_status tokenizer_check_config(const tokenizer *t, const json_value *list, const json_value *config, bool whole) {
    wr_status status = WR_OK;
    string_map places = {0}, named = {0};
    const json_value **entries = NULL;
    size_t count = 0;
    if (!json_is(config, JSON_OBJECT)) goto cleanup;
    TRY_ALLOC(entries = mem_calloc((json_is(list, JSON_ARRAY) ? list->length : 0) + 1, sizeof *entries));
    for (const json_value *v = json_is(list, JSON_ARRAY) ? list->first : NULL; v; v = v->next) {
        const char *content;
        size_t n;
        int fresh;
        string_entry *slot;
        if (!json_get_string(v, "content", &content, &n) || n == 0) continue;
        TRY(string_map_put(&places, content, n, (int32_t)count, &slot, &fresh));
        if (fresh) entries[count++] = v;
    }
    for (const json_value *v = config->first; v; v = v->next) {
        const char *content;
        size_t n;
        TRY(check_config_entry(t, v, entries, &places));
        if (json_get_string(v, "content", &content, &n)) TRY(string_map_put(&named, content, n, 0, NULL, NULL));
    }
    for (size_t i = 0; i < count && whole; i++) {
        const char *content = "";
        size_t n = 0;
        json_get_string(entries[i], "content", &content, &n);
        if (!string_map_find(&named, content, n))
            TRY(wr_fail(WR_E_FORMAT,
                        "added_tokens_decoder lacks \"%.60s\" of tokenizer.json; make the two files agree, or remove "
                        "added_tokens_decoder",
                        content));
    }
cleanup:
    string_map_free(&places);
    string_map_free(&named);
    free(entries);
    return status;
}

/* Later processors of a Sequence wrap what the earlier ones made. */
static wr_status wrap(tokenizer *t, const int32_t *before, size_t n_before, const int32_t *after, size_t n_after) {
    if (t->n_before + n_before > MAX_POST || t->n_after + n_after > MAX_POST)
        return wr_fail(WR_E_FORMAT, "post_processor adds more than %d tokens", MAX_POST);
    memmove(t->post_before + n_before, t->post_before, t->n_before * sizeof *t->post_before);
    memcpy(t->post_before, before, n_before * sizeof *before);
    memcpy(t->post_after + t->n_after, after, n_after * sizeof *after);
    t->n_before += n_before;
    t->n_after += n_after;
    return WR_OK;
}

static wr_status load_template(tokenizer *t, const json_value *config) {
    wr_status status = WR_OK;
    int32_t ids[2][MAX_POST];
    size_t n[2] = {0, 0};
    int side = 0;
    const json_value *single = json_get(config, "single");
    if (!json_is(single, JSON_ARRAY))
        return wr_fail(WR_E_FORMAT, "post_processor TemplateProcessing has no list \"single\"");
    for (const json_value *v = single->first; v; v = v->next) {
        const json_value *special = json_get(v, "SpecialToken");
        if (json_get(v, "Sequence")) {
            if (side++)
                return wr_fail(WR_E_FORMAT, "post_processor template holds the text twice, which is not supported");
            continue;
        }
        const char *name;
        size_t length;
        if (!json_get_string(special, "id", &name, &length))
            return wr_fail(WR_E_FORMAT,
                           "post_processor template has an entry that is neither Sequence nor SpecialToken");
        const json_value *list = json_get(json_get(json_get(config, "special_tokens"), name), "ids");
        if (!json_is(list, JSON_ARRAY))
            return wr_fail(WR_E_FORMAT, "post_processor template names \"%s\", which special_tokens does not define",
                           name);
        for (const json_value *e = list->first; e; e = e->next) {
            int64_t id;
            if (!json_to_int(e, &id) || id < 0 || (uint64_t)id >= t->vocab || n[side] == MAX_POST)
                return wr_fail(WR_E_FORMAT, "post_processor template: the ids of \"%s\" are bad", name);
            ids[side][n[side]++] = (int32_t)id;
        }
    }
    if (side != 1) return wr_fail(WR_E_FORMAT, "post_processor template does not hold the text");
    TRY(wrap(t, ids[0], n[0], ids[1], n[1]));
cleanup:
    return status;
}

static wr_status load_pair(tokenizer *t, const json_value *config) {
    int32_t ids[2];
    for (int i = 0; i < 2; i++) {
        int64_t id;
        const json_value *v = json_get(config, i ? "sep" : "cls");
        if (!json_to_int(json_at(v, 1), &id) || id < 0 || (uint64_t)id >= t->vocab)
            return wr_fail(WR_E_FORMAT, "post_processor: \"%s\" is not a pair of token and id", i ? "sep" : "cls");
        ids[i] = (int32_t)id;
    }
    return wrap(t, ids, 1, ids + 1, 1);
}

wr_status tokenizer_load_post(tokenizer *t, const json_value *config) {
    wr_status status = WR_OK;
    if (!config || config->kind == JSON_NULL) return WR_OK;
    const char *type = "";
    size_t length;
    json_get_string(config, "type", &type, &length);
    if (strcmp(type, "ByteLevel") == 0) return WR_OK; /* moves offsets, not ids */
    if (strcmp(type, "TemplateProcessing") == 0) return load_template(t, config);
    if (strcmp(type, "RobertaProcessing") == 0 || strcmp(type, "BertProcessing") == 0) return load_pair(t, config);
    if (strcmp(type, "Sequence") != 0) return wr_fail(WR_E_FORMAT, "post_processor type \"%s\" is not supported", type);
    const json_value *list = json_get(config, "processors");
    for (const json_value *v = list ? list->first : NULL; v; v = v->next) TRY(tokenizer_load_post(t, v));
cleanup:
    return status;
}
