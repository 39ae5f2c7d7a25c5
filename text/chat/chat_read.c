#include "text/chat/chat_read.h"

#include <string.h>

/* --- objects made of the members of others ------------------------------------------------------------------------ */

typedef struct member_list {
    arena *a;
    json_value *object, *last;
} member_list;

/* Of members of one name the last one counts. */
static wr_status add(member_list *l, const json_value *m) {
    wr_status status = WR_OK;
    json_value *copy;
    if (!l->object) {
        TRY_ALLOC(l->object = arena_alloc(l->a, sizeof *l->object));
        *l->object = (json_value){.kind = JSON_OBJECT};
    }
    TRY_ALLOC(copy = arena_alloc(l->a, sizeof *copy));
    *copy = *m;
    copy->next = NULL;
    if (l->last)
        l->last->next = copy;
    else
        l->object->first = copy;
    l->last = copy;
    l->object->length++;
cleanup:
    return status;
}

/* The message with a content that is null: for one that has none. */
static wr_status without_content(arena *a, const json_value *message, const json_value **out) {
    wr_status status = WR_OK;
    member_list l = {.a = a};
    for (const json_value *m = message->first; m; m = m->next) TRY(add(&l, m));
    TRY(add(&l, &(json_value){.kind = JSON_NULL, .key = "content", .key_length = 7}));
    *out = l.object;
cleanup:
    return status;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

static wr_status part_text(const json_value *part, const char **text, size_t *n) {
    const char *type;
    if (json_is(part, JSON_STRING)) {
        *text = part->text, *n = part->length;
        return WR_OK;
    }
    const bool typed = json_get_string(part, "type", &type, NULL);
    if (typed && strcmp(type, "text") != 0)
        return wr_fail(WR_E_FORMAT, "the content has a part of type \"%.40s\", which is no text", type);
    if (!json_get_string(part, "text", text, n)) return wr_fail(WR_E_FORMAT, "the content has a part without \"text\"");
    return WR_OK;
}

/* strict false: what is no text is left out. */
static wr_status content_text(arena *a, const json_value *v, bool strict, const char **text, size_t *n) {
    wr_status status = WR_OK;
    const char *part = "";
    size_t length = 0;
    strbuf joined = {0};
    *text = "", *n = 0;
    if (!v || v->kind == JSON_NULL) return WR_OK;
    if (v->kind == JSON_STRING) {
        *text = v->text, *n = v->length;
        return WR_OK;
    }
    if (v->kind != JSON_ARRAY) return wr_fail(WR_E_FORMAT, "the content is neither a text nor a list of parts");
    for (const json_value *e = v->first; e; e = e->next) {
        const wr_status got = part_text(e, &part, &length);
        if (got < 0 && strict) TRY(got);
        if (got >= 0) strbuf_append(&joined, part, length);
    }
    TRY(strbuf_status(&joined));
    TRY_ALLOC(*text = arena_strndup(a, strbuf_str(&joined), joined.len));
    *n = joined.len;
cleanup:
    strbuf_free(&joined);
    return status;
}

wr_status chat_read_content(arena *a, const json_value *v, const char **text, size_t *n) {
    return content_text(a, v, true, text, n);
}

static const char *const otherwise[] = {"tool_calls", "function_call", "reasoning_content", "reasoning", "thinking"};
enum { OTHERWISE = sizeof otherwise / sizeof *otherwise };

bool chat_is_otherwise(const char *name) {
    for (size_t i = 0; i < OTHERWISE; i++)
        if (strcmp(otherwise[i], name) == 0) return true;
    return false;
}

bool chat_says_otherwise(const json_value *message) {
    for (size_t i = 0; i < OTHERWISE; i++) {
        const json_value *v = json_get(message, otherwise[i]);
        if (v && v->kind != JSON_NULL && (v->kind == JSON_BOOL || v->kind == JSON_NUMBER || v->length)) return true;
    }
    return false;
}

static wr_status read_one(arena *a, const json_value *v, bool texts, chat_message *m) {
    wr_status status = WR_OK;
    size_t n;
    const json_value *content = json_get(v, "content");
    *m = (chat_message){.content = ""};
    if (!json_is(v, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "not an object with a role and a content");
    if (!json_get_string(v, "role", &m->role, &n) || n == 0)
        return wr_fail(WR_E_FORMAT, "no \"role\", or none that is a text");
    if (strlen(m->role) != n) return wr_fail(WR_E_FORMAT, "a NUL character in the role");
    TRY(content_text(a, content, texts, &m->content, &m->length));
    if (texts && (!content || content->kind == JSON_NULL) && !chat_says_otherwise(v))
        return wr_fail(WR_E_FORMAT, "no \"content\"");
    if (!texts && !content) TRY(without_content(a, v, &m->fields));
    if (!texts && content) m->fields = v;
cleanup:
    return status;
}

static wr_status read_list(arena *a, const json_value *list, const char *name, bool texts, chat_message **out,
                           size_t *n) {
    wr_status status = WR_OK;
    chat_message *m;
    *n = 0;
    TRY_ALLOC(*out = m = arena_alloc(a, (list->length + 1) * sizeof *m));
    for (const json_value *v = list->first; v; v = v->next, (*n)++)
        TRY(wr_context(read_one(a, v, texts, &m[*n]), "%s[%zu]", name, *n));
cleanup:
    return status;
}

wr_status chat_read_messages(arena *a, const json_value *list, const char *name, chat_message **out, size_t *n) {
    if (!json_is(list, JSON_ARRAY) || list->length == 0)
        return wr_fail(WR_E_FORMAT, "field \"%s\" is not an array of at least one message", name);
    return read_list(a, list, name, false, out, n);
}

wr_status chat_read_texts(arena *a, const json_value *list, const char *name, chat_message **out, size_t *n) {
    *out = NULL, *n = 0;
    if (!list || list->kind == JSON_NULL) return WR_OK;
    if (list->kind != JSON_ARRAY) return wr_fail(WR_E_FORMAT, "%s is not a list of {role, content}", name);
    return read_list(a, list, name, true, out, n);
}

/* --- variables ---------------------------------------------------------------------------------------------------- */

static bool one_of(const json_value *m, const char *const *names) {
    for (; *names; names++)
        if (strlen(*names) == m->key_length && memcmp(*names, m->key, m->key_length) == 0) return true;
    return false;
}

/* tools, documents: transformers takes no other elements. */
static wr_status check_objects(const json_value *list) {
    if (list->kind != JSON_ARRAY) return wr_fail(WR_E_FORMAT, "\"%s\" is not a list of objects", list->key);
    size_t i = 0;
    for (const json_value *e = list->first; e; e = e->next, i++)
        if (e->kind != JSON_OBJECT) return wr_fail(WR_E_FORMAT, "%s[%zu] is not an object", list->key, i);
    return WR_OK;
}

/* Data sets of TRL's kind keep tools as JSON text, which it reads. */
static wr_status tools_of_text(arena *a, const json_value *m, const json_value **out) {
    wr_status status = WR_OK;
    const json_value *read;
    json_value *named;
    TRY(wr_context(json_parse(a, m->text, m->length, &read), "\"tools\", a text that should hold JSON"));
    TRY_ALLOC(named = arena_alloc(a, sizeof *named));
    *named = *read;
    named->key = m->key;
    named->key_length = m->key_length;
    *out = named;
cleanup:
    return status;
}

static wr_status add_row(member_list *l, const json_value *row) {
    static const char *const own[] = {"messages",
                                      "prompt",
                                      "history",
                                      "query",
                                      "response",
                                      "text",
                                      "ids",
                                      "rendered",
                                      "samples",
                                      "error",
                                      "line",
                                      "id",
                                      "task",
                                      "chosen",
                                      "rejected",
                                      "completion",
                                      "label",
                                      "score",
                                      "logits",
                                      "add_generation_prompt",
                                      "conversation",
                                      "chat_template_kwargs",
                                      NULL};
    static const char *const objects[] = {"tools", "documents", NULL}, *const arguments[] = {"continue_final_message",
                                                                                             "chat_template", NULL};
    static const char *const text[] = {"tools", NULL};
    wr_status status = WR_OK;
    for (const json_value *m = row->first; m; m = m->next) {
        if (m->kind == JSON_NULL || one_of(m, own)) continue;
        if (one_of(m, arguments)) { /* of apply_chat_template, and not of the template */
            if (m->kind == JSON_BOOL && !m->boolean) continue;
            TRY(wr_fail(WR_E_FORMAT, "\"%s\" in a row is not supported", m->key));
        }
        const json_value *value = m;
        if (m->kind == JSON_STRING && one_of(m, text)) TRY(tools_of_text(l->a, m, &value));
        if (value->kind == JSON_NULL) continue;
        if (one_of(m, objects)) TRY(check_objects(value));
        TRY(add(l, value));
    }
cleanup:
    return status;
}

wr_status chat_read_variables(arena *a, const json_value *row, const json_value **out) {
    static const char *const taken[] = {"messages", "add_generation_prompt", "chat_template_kwargs", NULL};
    wr_status status = WR_OK;
    member_list l = {.a = a};
    const json_value *more = json_get(row, "chat_template_kwargs");
    *out = NULL;
    if (!json_is(row, JSON_OBJECT)) return WR_OK;
    TRY(add_row(&l, row));
    if (more && more->kind != JSON_NULL && more->kind != JSON_OBJECT)
        TRY(wr_fail(WR_E_FORMAT, "\"chat_template_kwargs\" is not an object"));
    for (const json_value *m = json_is(more, JSON_OBJECT) ? more->first : NULL; m; m = m->next) {
        if (one_of(m, taken)) TRY(wr_fail(WR_E_FORMAT, "\"chat_template_kwargs\" must not hold \"%s\"", m->key));
        TRY(add(&l, m));
    }
    *out = l.object;
cleanup:
    return status;
}

/* A chat that asks for a reply: chat_read_messages, and what its template sees beside them in `row`. A last message of
 * the assistant is WR_E_FORMAT: whether it is to be continued or answered is not said. */
static wr_status chat_read_prompt(arena *a, const json_value *list, const char *name, const json_value *row,
                                  chat_message **out, size_t *n, const json_value **variables) {
    wr_status status = WR_OK;
    TRY(chat_read_messages(a, list, name, out, n));
    if (strcmp((*out)[*n - 1].role, "assistant") == 0)
        TRY(wr_fail(WR_E_FORMAT, "the last message must be the user's or a tool's, it is the assistant's"));
    TRY(chat_read_variables(a, row, variables));
cleanup:
    return status;
}

static const json_value *present(const json_value *row, const char *name) {
    const json_value *v = json_get(row, name);
    return v && v->kind != JSON_NULL ? v : NULL;
}

wr_status chat_read_row(arena *a, const json_value *row, row_prompt *out) {
    wr_status status = WR_OK;
    if (!json_is(row, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "not a JSON object");
    const json_value *messages = present(row, "messages"), *said = present(row, "prompt"),
                     *list = messages ? messages : said;
    *out = (row_prompt){.field = messages ? "messages" : "prompt"};
    if (messages && said) return wr_fail(WR_E_FORMAT, "both \"prompt\" and \"messages\" are given");
    if (json_is(said, JSON_STRING)) {
        out->text = said->text, out->length = said->length;
        return WR_OK;
    }
    if (!messages && !json_is(said, JSON_ARRAY))
        return wr_fail(WR_E_FORMAT,
                       "has neither \"messages\" (an array) nor \"prompt\" (a text or an array of messages)");
    TRY(chat_read_prompt(a, list, out->field, row, &out->messages, &out->n_messages, &out->variables));
cleanup:
    return status;
}
