#include "cli/lm_tool.h"

#include "base/file.h"

#include <stdlib.h>

const option_spec lm_rows[] = {
    OPTION_TEXT(lm_options, model.dir, "model", NULL, "DIR", "Hugging Face directory of a causal language model",
                .required = true),
    OPTION_INT(lm_options, max_length, "max-length", "0", "N", 0, 1e9,
               "longest input in tokens; 0: as the model's positions allow"),
    {0},
};

const option_spec chat_rows[] = {
    OPTION_TEXT(
        chat_options, file, "chat-template", NULL, "FILE",
        "how chats are written, instead of the model's own template: a .jinja file, or slots (KEY: \"TEXT\" for "
        "user, assistant, generation, …)",
        .input = INPUT_WHOLE),
    {0},
};

wr_status lm_tool_load(const lm_options *o, bool need_tokenizer, lm_tool *out) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    const char *dir = o->model.dir;
    *out = (lm_tool){.max_length = o->max_length};
    TRY(path_join(path, dir, "tokenizer.json"));
    if (need_tokenizer || file_exists(path)) TRY(tokenizer_load(dir, &out->t));
    precision p;
    TRY(choose_precision(o->model.arithmetic.precision, NULL, NULL, &p));
    TRY(load_model(&o->model, HEAD_LM, true, p, &out->m));
    if (out->t && tokenizer_vocab(out->t) > out->m->config.V)
        TRY(wr_fail(WR_E_MISMATCH, "%s: the tokenizer has %zu tokens, the model %zu", dir, tokenizer_vocab(out->t),
                    out->m->config.V));
    if (out->t && chat_template_load(dir, o->chat.file, out->t, &out->chat) < 0)
        TRY_ALLOC(out->chat_error = mem_strdup(wr_error()));
cleanup:
    if (status < 0) lm_tool_free(out);
    return status;
}

void lm_tool_free(lm_tool *l) {
    model_free(l->m);
    tokenizer_free(l->t);
    chat_template_free(l->chat);
    free(l->chat_error);
    *l = (lm_tool){0};
}

wr_status read_ids(const json_value *object, const char *field, size_t vocab, token_ids *out) {
    wr_status status = WR_OK;
    const json_value *list = json_get(object, field);
    if (!json_is(list, JSON_ARRAY))
        return wr_fail(WR_E_FORMAT, "field \"%s\" is %s", field, list ? "not an array" : "missing");
    for (const json_value *v = list->first; v; v = v->next) {
        int64_t id;
        if (!json_to_int(v, &id))
            TRY(wr_fail(WR_E_FORMAT, "field \"%s\" holds something that is not an integer", field));
        if (id < 0 || (uint64_t)id >= vocab)
            TRY(wr_fail(WR_E_FORMAT, "field \"%s\": token id %lld is not between 0 and %zu", field, (long long)id,
                        vocab - 1));
        /* no vocabulary reaches that far: it only has to stay outside */
        TRY(token_ids_push(out, id > INT32_MAX ? INT32_MAX : (int32_t)id));
    }
cleanup:
    return status;
}

wr_status read_text(const json_value *object, const char *field, const tokenizer *t, int flags, token_ids *out) {
    const char *text;
    size_t n;
    if (!json_get_string(object, field, &text, &n))
        return wr_fail(WR_E_FORMAT, "field \"%s\" is %s", field, json_get(object, field) ? "not a string" : "missing");
    return tokenizer_encode(t, text, n, flags, out);
}

void write_ids(json_writer *w, const int32_t *ids, size_t n) {
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) json_int(w, ids[i]);
    json_end_array(w);
}
