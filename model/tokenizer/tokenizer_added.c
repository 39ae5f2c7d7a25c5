/* The members of tokenizer.json around the model: added tokens and post-processor. */
#include "model/tokenizer/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

wr_status tokenizer_load_added(tokenizer *t, const json_value *list)
{
    wr_status status = WR_OK;
    normalize_scratch scratch = {0};
    size_t capacity = t->vocab;
    if (!list || list->kind == JSON_NULL) goto cleanup;
    if (!json_is(list, JSON_ARRAY)) TRY(wr_fail(WR_E_FORMAT, "added_tokens is not an array"));
    for (const json_value *v = list->first; v; v = v->next) {
        const char *content;
        size_t n;
        int64_t id;
        if (!json_get_string(v, "content", &content, &n) || !json_get_int(v, "id", &id))
            TRY(wr_fail(WR_E_FORMAT, "added_tokens: an entry lacks \"content\" or \"id\""));
        if (n == 0) continue;
        const string_entry *known = string_map_find(&t->by_text, content, n);
        if (known) id = known->value; /* the model's own id wins, as in Hugging Face */
        bool special = false, normalized;
        json_get_bool(v, "special", &special);
        normalized = !special;
        json_get_bool(v, "normalized", &normalized);
        char *text = arena_strndup(t->memory, content, n);
        TRY_ALLOC(text);
        string_entry *slot;
        TRY(string_map_put(&t->added_by_text, text, n, (int32_t)id, &slot, NULL));
        slot->value = (int32_t)id;
        added_token a = {.text = text, .n = n, .id = (int32_t)id};
        if (normalized && !normalizer_is_identity(t->normal)) {
            const char *normal;
            TRY(normalize(t->normal, &scratch, content, n, &normal, &a.n));
            TRY_ALLOC(a.text = arena_strndup(t->memory, normal, a.n));
        }
        if (a.n == 0) continue;
        TRY(tokenizer_set_token(t, &capacity, id, a.text, a.n, special)); /* decodes to the normalised text */
        json_get_bool(v, "lstrip", &a.lstrip);
        json_get_bool(v, "rstrip", &a.rstrip);
        json_get_bool(v, "single_word", &a.single_word);
        TRY(added_set_push(normalized ? &t->added_normalized : &t->added_raw, a));
    }
cleanup:
    added_set_finish(&t->added_raw);
    added_set_finish(&t->added_normalized);
    normalize_scratch_free(&scratch);
    return status;
}

/* Later processors of a Sequence wrap what the earlier ones made. */
static wr_status wrap(tokenizer *t, const int32_t *before, size_t n_before, const int32_t *after, size_t n_after)
{
    if (t->n_before + n_before > MAX_POST || t->n_after + n_after > MAX_POST)
        return wr_fail(WR_E_FORMAT, "post_processor adds more than %d tokens", MAX_POST);
    memmove(t->post_before + n_before, t->post_before, t->n_before * sizeof *t->post_before);
    memcpy(t->post_before, before, n_before * sizeof *before);
    memcpy(t->post_after + t->n_after, after, n_after * sizeof *after);
    t->n_before += n_before;
    t->n_after += n_after;
    return WR_OK;
}

static wr_status load_template(tokenizer *t, const json_value *config)
{
    wr_status status = WR_OK;
    int32_t ids[2][MAX_POST];
    size_t n[2] = {0, 0};
    int side = 0;
    const json_value *single = json_get(config, "single");
    if (!json_is(single, JSON_ARRAY)) return wr_fail(WR_E_FORMAT, "post_processor TemplateProcessing has no list \"single\"");
    for (const json_value *v = single->first; v; v = v->next) {
        const json_value *special = json_get(v, "SpecialToken");
        if (json_get(v, "Sequence")) {
            if (side++) return wr_fail(WR_E_FORMAT, "post_processor template holds the text twice, which is not supported");
            continue;
        }
        const char *name;
        size_t length;
        if (!json_get_string(special, "id", &name, &length))
            return wr_fail(WR_E_FORMAT, "post_processor template has an entry that is neither Sequence nor SpecialToken");
        const json_value *list = json_get(json_get(json_get(config, "special_tokens"), name), "ids");
        if (!json_is(list, JSON_ARRAY)) return wr_fail(WR_E_FORMAT, "post_processor template names \"%s\", which special_tokens does not define", name);
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

static wr_status load_pair(tokenizer *t, const json_value *config)
{
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

wr_status tokenizer_load_post(tokenizer *t, const json_value *config)
{
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
