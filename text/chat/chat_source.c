#include "text/chat/chat_source.h"

#include "base/json.h"
#include "text/chat/chat_slots.h"

#include <stdlib.h>
#include <string.h>

#define NAMED_DIR "additional_chat_templates"
#define TEMPLATE_FILE "chat_template.jinja"

static const char *const variable_names[CHAT_VARIABLES] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                           "pad_token", "cls_token", "mask_token"};

/* Templates by name, while they are gathered. */
typedef struct named {
    strbuf *text, *tools;
    bool has_default, has_tools;
    strbuf names; /* what there is, for a message */
} named;

static void take_named(named *t, const char *name, const char *text, size_t n) {
    const bool plain = strcmp(name, "default") == 0, tools = strcmp(name, "tool_use") == 0;
    strbuf_printf(&t->names, "%s%s", t->names.len ? ", " : "", name);
    if (!plain && !tools) return;
    strbuf *out = plain ? t->text : t->tools;
    strbuf_clear(out); /* of two with one name the last counts */
    strbuf_append(out, text, n);
    if (plain)
        t->has_default = true;
    else
        t->has_tools = true;
}

static wr_status finish_named(chat_source *s, const named *t) {
    if (!t->has_default)
        return wr_fail(WR_E_FORMAT,
                       "%s: its chat templates have names (%s), and none of them is \"default\"; choose one with "
                       "--chat-template FILE",
                       s->from, t->names.len ? strbuf_str(&t->names) : "there are none");
    s->has_tools = t->has_tools;
    return strbuf_status(s->text.failed ? &s->text : &s->tools);
}

/* Special tokens: a string, or {"content": …}. Those already known stay. */
static wr_status take_variables(arena *memory, chat_source *s, const json_value *root) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < CHAT_VARIABLES; i++) {
        const json_value *v = json_get(root, variable_names[i]);
        bool known = false;
        if (json_is(v, JSON_OBJECT)) v = json_get(v, "content");
        for (size_t k = 0; k < s->n_variables; k++) known = known || s->variables[k].name == variable_names[i];
        if (!json_is(v, JSON_STRING) || known) continue;
        const char *copy = arena_strndup(memory, v->text, v->length);
        TRY_ALLOC(copy);
        s->variables[s->n_variables++] = (jinja_variable){variable_names[i], copy};
    }
cleanup:
    return status;
}

/* The chat_template member: a text, a list of {name, template}, or an object of templates by name. */
static wr_status take_member(chat_source *s, const json_value *v) {
    wr_status status = WR_OK;
    named t = {.text = &s->text, .tools = &s->tools};
    if (!v || v->kind == JSON_NULL)
        return wr_fail(WR_E_FORMAT,
                       "%s: there is no chat template (" TEMPLATE_FILE ", or chat_template in tokenizer_config.json); "
                       "give --chat-template FILE",
                       s->from);
    if (v->kind == JSON_STRING) {
        strbuf_append(&s->text, v->text, v->length);
        return strbuf_status(&s->text);
    }
    if (v->kind != JSON_ARRAY && v->kind != JSON_OBJECT)
        return wr_fail(WR_E_FORMAT,
                       "%s: chat_template is neither text nor a list of templates; give --chat-template FILE", s->from);
    for (const json_value *e = v->first; e; e = e->next) {
        const json_value *text = v->kind == JSON_OBJECT ? e : json_get(e, "template"), *name = json_get(e, "name");
        if (!json_is(text, JSON_STRING) || (v->kind == JSON_ARRAY && !json_is(name, JSON_STRING)))
            TRY(wr_fail(WR_E_FORMAT,
                        "%s: chat_template holds something that is no template with a name; give --chat-template FILE",
                        s->from));
        take_named(&t, v->kind == JSON_OBJECT ? e->key : name->text, text->text, text->length);
    }
    TRY(finish_named(s, &t));
cleanup:
    strbuf_free(&t.names);
    return status;
}

/* tokenizer_config.json or special_tokens_map.json, where they are there: variables, and (with_template) the template.
 */
static wr_status read_config(arena *memory, chat_source *s, const char *dir, const char *name, bool with_template) {
    wr_status status = WR_OK;
    char *bytes = NULL, path[PATH_CAP];
    size_t n = 0;
    const json_value *root = NULL;
    arena *a = NULL;
    TRY(path_join(path, dir, name));
    TRY_ALLOC(a = arena_create());
    if (file_exists(path)) {
        TRY(file_read(path, 0, &bytes, &n));
        status = json_parse(a, bytes, n, &root);
        TRY(wr_context(status, "%s", path));
        TRY(take_variables(memory, s, root));
    }
    if (with_template) {
        memcpy(s->from, path, sizeof path);
        TRY(take_member(s, json_get(root, "chat_template")));
    }
cleanup:
    arena_free(a);
    free(bytes);
    return status;
}

static wr_status read_file(chat_source *s, const char *path) {
    wr_status status = WR_OK;
    char *bytes = NULL;
    size_t n = 0;
    const size_t length = strlen(path);
    if (length >= PATH_CAP) return wr_fail(WR_E_IO, "the path of the chat template is too long");
    memcpy(s->from, path, length + 1);
    TRY(file_read(path, 0, &bytes, &n));
    if (length > 6 && strcmp(path + length - 6, ".jinja") == 0)
        strbuf_append(&s->text, bytes, n);
    else
        TRY(wr_context(chat_slots_to_jinja(bytes, n, &s->text), "%s", path));
    TRY(strbuf_status(&s->text));
cleanup:
    free(bytes);
    return status;
}

/* Names of the files in additional_chat_templates. */
static wr_status list_named(const char *dir, char path[PATH_CAP], char ***names, size_t *n) {
    wr_status status = path_join(path, dir, NAMED_DIR);
    *names = NULL;
    *n = 0;
    if (status < 0 || !dir_exists(path)) return status;
    return dir_list(path, "", ".jinja", names, n);
}

/* chat_template.jinja and the named ones beside it; *found: there are any. */
static wr_status read_files(chat_source *s, const char *dir, bool *found) {
    wr_status status = WR_OK;
    named t = {.text = &s->text, .tools = &s->tools};
    char path[PATH_CAP], folder[PATH_CAP], *bytes = NULL, **names = NULL;
    size_t n = 0, length;
    TRY(list_named(dir, folder, &names, &n));
    TRY(path_join(path, dir, TEMPLATE_FILE));
    *found = n || file_exists(path);
    if (!*found) goto cleanup;
    memcpy(s->from, file_exists(path) ? path : folder, PATH_CAP);
    for (size_t i = 0; i <= n; i++) { /* the plain one, then those with names */
        if (i) TRY(path_join(path, folder, names[i - 1]));
        if (!file_exists(path)) continue;
        TRY(file_read(path, 0, &bytes, &length));
        if (i) names[i - 1][strlen(names[i - 1]) - 6] = 0; /* .jinja */
        take_named(&t, i ? names[i - 1] : "default", bytes, length);
        free(bytes);
        bytes = NULL;
    }
    TRY(finish_named(s, &t));
cleanup:
    free(bytes);
    names_free(names, n);
    strbuf_free(&t.names);
    return status;
}

wr_status chat_source_load(arena *memory, const char *dir, const char *file, chat_source *out) {
    wr_status status = WR_OK;
    bool found = file != NULL;
    *out = (chat_source){0};
    if (file)
        TRY(read_file(out, file));
    else
        TRY(read_files(out, dir, &found));
    TRY(read_config(memory, out, dir, "tokenizer_config.json", !found));
    TRY(read_config(memory, out, dir, "special_tokens_map.json", false));
cleanup:
    return status;
}

void chat_source_free(chat_source *s) {
    strbuf_free(&s->text);
    strbuf_free(&s->tools);
}

wr_status chat_source_write(const char *dir, const char *text) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    TRY(path_join(path, dir, TEMPLATE_FILE));
    TRY(file_write_atomic(path, text, strlen(text)));
    TRY(path_join(path, dir, NAMED_DIR));
    TRY(dir_remove_tree(path));
cleanup:
    return status;
}
