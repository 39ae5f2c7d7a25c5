/* What a template sees of a chat: its messages and the row's variables, as transformers' apply_chat_template hands them
 * over. */
#include "text/chat/jinja_ast.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A string that others wrote: special tokens in it are plain text. */
static wr_status text_of(arena *a, const char *text, size_t n, uint16_t from, value *out) {
    *out = value_text(text, n);
    if (!from || !n) return WR_OK;
    uint16_t *origin = arena_alloc(a, n * sizeof *origin);
    if (!origin) return wr_fail(WR_E_NOMEM, "out of memory for a chat");
    for (size_t k = 0; k < n; k++) origin[k] = from;
    out->origin = origin;
    return WR_OK;
}

/* As Python's json reads a number: with a point or an exponent it is a float. */
static wr_status number_of(const json_value *v, value *out) {
    const char *digits = v->text[0] == '-' ? v->text + 1 : v->text;
    if (strpbrk(digits, ".eE") || *digits == 'N' || *digits == 'I') {
        *out = (value){.kind = VALUE_FLOAT, .real = strtod(v->text, NULL)};
        return WR_OK;
    }
    errno = 0;
    *out = value_int(strtoll(v->text, NULL, 10));
    if (errno)
        return wr_fail(WR_E_FORMAT, "%.40s in a chat: integers beyond 64 bits are not supported in a chat template",
                       v->text);
    return WR_OK;
}

wr_status jinja_value_of(arena *a, const json_value *v, uint16_t from, value *out) {
    wr_status status = WR_OK;
    value key, item;
    switch (v->kind) {
    case JSON_NULL:
        *out = value_none();
        break;
    case JSON_BOOL:
        *out = value_bool(v->boolean);
        break;
    case JSON_NUMBER:
        return number_of(v, out);
    case JSON_STRING:
        return text_of(a, v->text, v->length, from, out);
    case JSON_ARRAY:
        TRY(list_new(a, out));
        for (const json_value *e = v->first; e; e = e->next) {
            TRY(jinja_value_of(a, e, from, &item));
            TRY(list_push(a, out->list, item));
        }
        break;
    case JSON_OBJECT:
        TRY(dict_new(a, VALUE_DICT, out));
        for (const json_value *e = v->first; e; e = e->next) {
            TRY(text_of(a, e->key, e->key_length, from, &key));
            TRY(jinja_value_of(a, e, from, &item));
            TRY(dict_set(a, out->dict, key, item));
        }
        break;
    }
cleanup:
    return status;
}

static bool is_key(const json_value *v, const char *name) {
    return strlen(name) == v->key_length && memcmp(name, v->key, v->key_length) == 0;
}

/* A reasoning under one name is there under the others, too: the first of these counts. transformers 5.24,
 * _alias_reasoning_fields. */
static const json_value *reasoning_of(const json_value *fields) {
    static const char *const names[] = {"reasoning_content", "thinking", "reasoning"};
    for (size_t i = 0; i < 3; i++) {
        const json_value *v = json_get(fields, names[i]);
        if (v && v->kind != JSON_NULL) return v;
    }
    return NULL;
}

static wr_status put(arena *a, value_dict *d, const char *name, value v) {
    return dict_set(a, d, value_text(name, strlen(name)), v);
}

/* The message's further members, in their order; of doubles the last one counts, at the place of the first. What is
 * null is absent. */
static wr_status put_fields(arena *a, value_dict *d, const chat_message *m, uint16_t from, bool texts, value role,
                            value content) {
    wr_status status = WR_OK;
    value key, v;
    for (const json_value *f = m->fields->first; f; f = f->next) {
        const json_value *last = f->next ? json_get(m->fields, f->key) : f;
        if (!last) last = f; /* a key with a NUL in it */
        if (last->kind == JSON_NULL) continue;
        if (is_key(f, "role"))
            v = role;
        else if (is_key(f, "content") && (texts || last->kind == JSON_STRING))
            v = content;
        else
            TRY(jinja_value_of(a, last, is_key(f, "name") ? JINJA_DATA : from, &v));
        TRY(text_of(a, f->key, f->key_length, JINJA_DATA, &key));
        TRY(dict_set(a, d, key, v));
    }
cleanup:
    return status;
}

wr_status jinja_message_value(arena *a, const chat_message *m, size_t i, bool texts, value *out) {
    wr_status status = WR_OK;
    const uint16_t from = (uint16_t)(i + 1);
    static const char *const plain[] = {"system", "user", "assistant", "tool"};
    bool known = false;
    value role, content, thought;
    for (size_t k = 0; k < 4; k++) known = known || strcmp(plain[k], m->role) == 0;
    const json_value *reasoning = reasoning_of(m->fields), *given = json_get(m->fields, "content");
    TRY(text_of(a, m->role, strlen(m->role), known ? 0 : JINJA_DATA, &role));
    TRY(text_of(a, m->content, m->length, from, &content));
    TRY(dict_new(a, VALUE_DICT, out));
    if (reasoning) {
        TRY(jinja_value_of(a, reasoning, from, &thought));
        TRY(put(a, out->dict, "thinking", thought));
    }
    if (!json_get(m->fields, "role")) TRY(put(a, out->dict, "role", role));
    if (!given) TRY(put(a, out->dict, "content", content));
    if (m->fields) TRY(put_fields(a, out->dict, m, from, texts, role, content));
    if (reasoning) TRY(put(a, out->dict, "reasoning_content", thought));
cleanup:
    return status;
}
