/* Fields of a suite's row, and the chats that its replies make. */
#include "evaluate/suites/suite_rows.h"

#include "text/chat/chat_read.h"

#include <stdio.h>
#include <string.h>

const json_value *suite_field(const json_value *row, const char *name) {
    const json_value *v = json_get(row, name);
    return v && !json_is(v, JSON_NULL) ? v : NULL;
}

static const char *kind_name(const json_value *v) {
    static const char *const names[] = {"null", "a boolean", "a number", "a text", "a list", "an object"};
    return names[v->kind];
}

static wr_status missing(const char *name) { return wr_fail(WR_E_FORMAT, "field \"%s\" is missing", name); }

wr_status suite_text(const json_value *row, const char *name, const char **text, size_t *n) {
    const json_value *v = suite_field(row, name);
    if (!v) return missing(name);
    if (!json_is(v, JSON_STRING)) return wr_fail(WR_E_FORMAT, "field \"%s\" is %s, no text", name, kind_name(v));
    *text = v->text, *n = v->length;
    return WR_OK;
}

wr_status suite_texts(const json_value *row, const char *name, const json_value **list) {
    const json_value *v = suite_field(row, name);
    if (!v) return missing(name);
    if (!json_is(v, JSON_ARRAY))
        return wr_fail(WR_E_FORMAT, "field \"%s\" is %s, no list of texts", name, kind_name(v));
    if (!v->length) return wr_fail(WR_E_FORMAT, "field \"%s\" is an empty list", name);
    size_t i = 0;
    for (const json_value *e = v->first; e; e = e->next, i++)
        if (!json_is(e, JSON_STRING))
            return wr_fail(WR_E_FORMAT, "field \"%s[%zu]\" is %s, no text", name, i, kind_name(e));
    *list = v;
    return WR_OK;
}

wr_status suite_length(const json_value *row, const char *name, const json_value *list, const char *list_name) {
    const json_value *v = suite_field(row, name);
    int64_t told;
    if (!v) return WR_OK;
    if (!json_to_int(v, &told)) return wr_fail(WR_E_FORMAT, "field \"%s\" is no integer", name);
    if (told != (int64_t)list->length)
        return wr_fail(WR_E_FORMAT, "field \"%s\" has %zu texts, and \"%s\" says %lld", list_name, list->length, name,
                       (long long)told);
    return WR_OK;
}

wr_status suite_prompt(suite_reader *r, const json_value *row, const char *name) {
    wr_status status = WR_OK;
    const json_value *v = suite_field(row, name);
    chat_message *m;
    if (!v) return missing(name);
    if (json_is(v, JSON_ARRAY)) {
        TRY(chat_read_texts(r->row, v, name, &m, &r->n_before));
        if (!r->n_before) TRY(wr_fail(WR_E_FORMAT, "field \"%s\" is an empty list", name));
    } else {
        TRY_ALLOC(m = arena_alloc(r->row, sizeof *m));
        *m = (chat_message){.role = "user"};
        TRY(suite_text(row, name, &m->content, &m->length));
        r->n_before = 1;
    }
    r->before = m;
cleanup:
    return status;
}

/* The ids of one more text of the item; a text that the model cannot read takes the whole row with it. */
static wr_status add(suite_reader *r, wr_status encoded, token_ids *ids) {
    wr_status status = WR_OK;
    suite_set *s = r->set;
    r->item.n++;
    if (encoded == WR_E_FORMAT) {
        if (!r->refused) TRY_ALLOC(r->refused = arena_strndup(r->row, wr_error(), strlen(wr_error())));
        token_ids_free(ids);
        return WR_OK;
    }
    TRY(encoded);
    VEC_PUSH(s->texts, s->n_texts, s->texts_capacity, *ids);
    return WR_OK;
cleanup:
    token_ids_free(ids);
    return status;
}

wr_status suite_chat(suite_reader *r, const chat_message *messages, size_t n) {
    token_ids ids = {0};
    const suite_encoder *e = r->encoder;
    return add(r, e ? e->chat(e->context, messages, n, r->variables, &ids) : WR_OK, &ids);
}

wr_status suite_ready(suite_reader *r, const char *text, size_t n) {
    token_ids ids = {0};
    const suite_encoder *e = r->encoder;
    return add(r, e ? e->text(e->context, text, n, &ids) : WR_OK, &ids);
}

wr_status suite_reply(suite_reader *r, const char *text, size_t n) {
    wr_status status = WR_OK;
    const size_t before = r->n_before;
    chat_message *m;
    TRY_ALLOC(m = arena_alloc(r->row, (before + 1) * sizeof *m));
    memcpy(m, r->before, before * sizeof *m);
    m[before] = (chat_message){.role = "assistant", .content = text, .length = n};
    TRY(suite_chat(r, m, before + 1));
cleanup:
    return status;
}

wr_status suite_replies(suite_reader *r, const json_value *list) {
    wr_status status = WR_OK;
    for (const json_value *e = list->first; e; e = e->next) TRY(suite_reply(r, e->text, e->length));
cleanup:
    return status;
}

wr_status suite_in_group(suite_reader *r, const char *name, size_t n) {
    return suite_group(r->set, name, n, &r->item.group);
}

void suite_file_stem(const char *path, const char **stem, size_t *n) {
    const char *slash = strrchr(path, '/');
    *stem = slash ? slash + 1 : path;
    *n = strcspn(*stem, ".");
}
