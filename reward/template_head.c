/* The head block of template files: a table of keys, each with the function that takes its value. What YAML would take
 * for another type than a key has is refused, never converted: `history_empty: no` is a word to its author and false to
 * other readers. */
#include "reward/template_head.h"

#include "base/decimal.h"
#include "base/options.h"
#include "base/yaml_events.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST 10000000 /* of max_length, as --max-length has it */

const char *const template_line_slots[LINE_SLOTS] = {"{role}", "{content}"};

static const char default_line[] = "{role}: {content}";
static const template_role default_roles[] = {{"user", "User"}, {"assistant", "Assistant"}, {"system", "System"}};

typedef struct reader {
    yaml_events yaml;
    template_head *head;
    template_role *roles; /* (head->n_roles, capacity) as they are read */
    size_t capacity;
    bool document;
    unsigned seen; /* a bit for each key of the table */
} reader;

static const char *scalar(const yaml_event_t *e) { return (const char *)e->data.scalar.value; }

/* A word without quotes that a reader of YAML takes for a number: 3, -1.5e2, 0x1f, 1_000, 12:30, 2026-11-30. */
static bool looks_like_number(const char *s) {
    static const char digits[] = "0123456789", in_numbers[] = "0123456789abcdefABCDEFxXoO_.:+-";
    const size_t sign = strspn(s, "+-.");
    if (strcmp(s + sign, "inf") == 0 || strcmp(s + sign, "Inf") == 0 || strcmp(s + sign, "INF") == 0 ||
        strcmp(s + sign, "nan") == 0 || strcmp(s + sign, "NaN") == 0 || strcmp(s + sign, "NAN") == 0)
        return sign > 0;
    return s[sign] && strchr(digits, s[sign]) && strspn(s, in_numbers) == strlen(s);
}

/* A text: quoted, or a word that is nothing else. */
static wr_status take_text(reader *r, const char *key, const yaml_event_t *v, const char **out) {
    wr_status status = WR_OK;
    bool flag;
    TRY(yaml_events_plain(&r->yaml, v));
    if (v->type != YAML_SCALAR_EVENT)
        TRY(yaml_events_fail(&r->yaml, v, "%s must be a text; write it in double quotes", key));
    if (strlen(scalar(v)) != v->data.scalar.length)
        TRY(yaml_events_fail(&r->yaml, v, "%s holds a NUL character; leave it out", key));
    if (v->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        if (yaml_is_null(v))
            TRY(yaml_events_fail(&r->yaml, v, "%s has no value; write \"\" for an empty text, or leave the key out",
                                 key));
        if (option_flag_value(scalar(v), &flag) || looks_like_number(scalar(v)))
            TRY(yaml_events_fail(&r->yaml, v, "%s must be a text, and %.80s without quotes is none: write \"%.80s\"",
                                 key, scalar(v), scalar(v)));
    }
    TRY_ALLOC(*out = arena_strndup(r->head->memory, scalar(v), v->data.scalar.length));
cleanup:
    return status;
}

/* A word without quotes: numbers and flags. */
static wr_status take_word(reader *r, const char *key, const yaml_event_t *v, const char *kind, const char **out) {
    wr_status status = yaml_events_plain(&r->yaml, v);
    if (status < 0) return status;
    if (v->type != YAML_SCALAR_EVENT || v->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || yaml_is_null(v))
        return yaml_events_fail(&r->yaml, v, "%s must be %s, without quotes", key, kind);
    *out = scalar(v);
    return WR_OK;
}

static wr_status take_flag(reader *r, const char *key, const yaml_event_t *v, bool *out) {
    static const char kind[] = "true or false";
    const char *word = "";
    wr_status status = take_word(r, key, v, kind, &word);
    if (status < 0) return status;
    if (looks_like_number(word) || !option_flag_value(word, out))
        return yaml_events_fail(&r->yaml, v, "%s must be %s, not %.80s", key, kind, word);
    return WR_OK;
}

static wr_status take_line(reader *r, const char *key, const yaml_event_t *v) {
    template_head *h = r->head;
    wr_status status = take_text(r, key, v, &h->line);
    for (int s = 0; s < LINE_SLOTS && status >= 0; s++) {
        const char *slot = template_line_slots[s], *at = strstr(h->line, slot);
        if (!at || strstr(at + 1, slot))
            return yaml_events_fail(&r->yaml, v, "%s must have the slot %s %s, as in \"{role}: {content}\\n\"", key,
                                    slot, at ? "once only" : "once");
        h->slot_at[s] = (size_t)(at - h->line);
    }
    h->own_lines = true;
    return status;
}

static wr_status take_empty(reader *r, const char *key, const yaml_event_t *v) {
    return take_text(r, key, v, &r->head->empty);
}

static wr_status take_truncate(reader *r, const char *key, const yaml_event_t *v) {
    const char *how = "";
    wr_status status = take_text(r, key, v, &how);
    if (status < 0) return status;
    r->head->cut_right = strcmp(how, "right") == 0;
    return r->head->cut_right || strcmp(how, "oldest") == 0
               ? WR_OK
               : yaml_events_fail(&r->yaml, v, "%s must be oldest or right, not '%.80s'", key, how);
}

static wr_status take_max_length(reader *r, const char *key, const yaml_event_t *v) {
    static const char kind[] = "a number of tokens from 1 to 10000000";
    const char *word = "";
    wr_status status = take_word(r, key, v, kind, &word);
    if (status < 0) return status;
    const double n = decimal_whole(word) && strlen(word) < 12 ? strtod(word, NULL) : 0;
    if (!(n >= 1 && n <= LONGEST))
        return yaml_events_fail(&r->yaml, v, "%s must be %s, not %.80s%s", key, kind, word, decimal_hint(word));
    r->head->max_length = (size_t)n;
    return WR_OK;
}

static wr_status take_trim(reader *r, const char *key, const yaml_event_t *v) {
    return take_flag(r, key, v, &r->head->trim);
}
static wr_status take_thoughts(reader *r, const char *key, const yaml_event_t *v) {
    return take_flag(r, key, v, &r->head->strip_thoughts);
}

static wr_status add_role(reader *r, const yaml_event_t *key, const yaml_event_t *value) {
    wr_status status = WR_OK;
    template_head *h = r->head;
    template_role role = {NULL, NULL};
    TRY(take_text(r, "roles: a role", key, &role.role));
    TRY(take_text(r, "roles: the name of a role", value, &role.name));
    for (size_t i = 0; i < h->n_roles; i++)
        if (strcmp(r->roles[i].role, role.role) == 0)
            TRY(yaml_events_fail(&r->yaml, key, "roles: '%.80s' is given twice; leave one out", role.role));
    if (h->n_roles == r->capacity) {
        const size_t capacity = 2 * r->capacity + 8;
        template_role *grown = arena_alloc(h->memory, capacity * sizeof *grown);
        TRY_ALLOC(grown);
        if (h->n_roles) memcpy(grown, r->roles, h->n_roles * sizeof *grown);
        h->roles = r->roles = grown;
        r->capacity = capacity;
    }
    r->roles[h->n_roles++] = role;
cleanup:
    return status;
}

static wr_status take_roles(reader *r, const char *key, const yaml_event_t *v) {
    wr_status status = yaml_events_plain(&r->yaml, v);
    if (status < 0) return status;
    if (v->type != YAML_MAPPING_START_EVENT)
        return yaml_events_fail(&r->yaml, v, "%s must be a mapping of roles to names, as in {user: User}", key);
    r->head->default_roles = false;
    r->head->n_roles = 0;
    for (bool last = false; !last && status >= 0;) {
        yaml_event_t role = {0}, name = {0};
        TRY(yaml_events_next(&r->yaml, &role));
        last = role.type == YAML_MAPPING_END_EVENT;
        if (!last) TRY(yaml_events_next(&r->yaml, &name));
        if (!last) TRY(add_role(r, &role, &name));
    cleanup:
        yaml_event_delete(&role);
        yaml_event_delete(&name);
    }
    return status;
}

static const char *const keys[] = {"history_line", "history_empty", "roles",          "truncate",
                                   "max_length",   "trim",          "strip_thoughts", NULL};
static wr_status (*const take[])(reader *, const char *, const yaml_event_t *) = {
    take_line, take_empty, take_roles, take_truncate, take_max_length, take_trim, take_thoughts};

static wr_status take_member(reader *r, const yaml_event_t *key, const yaml_event_t *value) {
    wr_status status = yaml_events_plain(&r->yaml, key);
    size_t k = 0;
    if (status < 0) return status;
    if (key->type != YAML_SCALAR_EVENT || strlen(scalar(key)) != key->data.scalar.length)
        return yaml_events_fail(&r->yaml, key, "a key of the head must be a word");
    while (keys[k] && strcmp(keys[k], scalar(key)) != 0) k++;
    if (!keys[k]) {
        const char *near = nearest_name(scalar(key), keys);
        return near ? yaml_events_fail(&r->yaml, key, "unknown key '%.80s'; did you mean '%s'?", scalar(key), near)
                    : yaml_events_fail(&r->yaml, key,
                                       "unknown key '%.80s'; a template's head has history_line, history_empty, "
                                       "roles, truncate, max_length, trim and strip_thoughts",
                                       scalar(key));
    }
    if (r->seen >> k & 1) return yaml_events_fail(&r->yaml, key, "the key %s is given twice; leave one out", keys[k]);
    r->seen |= 1u << k;
    return take[k](r, keys[k], value);
}

static wr_status read_mapping(reader *r) {
    wr_status status = WR_OK;
    for (bool last = false; !last && status >= 0;) {
        yaml_event_t key = {0}, value = {0};
        TRY(yaml_events_next(&r->yaml, &key));
        last = key.type == YAML_MAPPING_END_EVENT;
        if (!last) TRY(yaml_events_next(&r->yaml, &value));
        if (!last) TRY(take_member(r, &key, &value));
    cleanup:
        yaml_event_delete(&key);
        yaml_event_delete(&value);
    }
    return status;
}

static wr_status read_document(reader *r) {
    wr_status status = WR_OK;
    for (bool done = false; !done && status >= 0;) {
        yaml_event_t event = {0};
        TRY(yaml_events_next(&r->yaml, &event));
        done = event.type == YAML_STREAM_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT) {
            if (r->document) TRY(yaml_events_fail(&r->yaml, &event, "a second document starts here; a head is one"));
            r->document = true;
        } else if (event.type == YAML_MAPPING_START_EVENT) {
            TRY(yaml_events_plain(&r->yaml, &event));
            TRY(read_mapping(r));
        } else if (!done && event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_END_EVENT) {
            TRY(yaml_events_fail(&r->yaml, &event,
                                 "between its two lines --- a template has lines of 'key: value'; where the text "
                                 "itself begins with ---, put an empty head (--- and ---) before it"));
        }
    cleanup:
        yaml_event_delete(&event);
    }
    return status;
}

/* Bytes of the line "---" that text begins with, its end included; 0: it begins with another. */
static size_t mark_line(const char *text) {
    size_t n = 3;
    if (strncmp(text, "---", 3) != 0) return 0;
    n += strspn(text + n, " \t\r");
    return text[n] == '\n' ? n + 1 : text[n] ? 0 : n;
}

wr_status template_head_read(const char *text, template_head *h) {
    wr_status status = WR_OK;
    reader r = {.head = h, .yaml = {.lines_before = 1, .fault = WR_E_FORMAT}};
    *h = (template_head){.line = default_line,
                         .slot_at = {0, sizeof "{role}: " - 1},
                         .empty = "none",
                         .default_roles = true,
                         .roles = default_roles,
                         .n_roles = sizeof default_roles / sizeof *default_roles};
    const size_t opened = mark_line(text);
    size_t at = opened, closed = 0;
    if (!opened)
        return strncmp(text, "\xEF\xBB\xBF", 3) == 0 && mark_line(text + 3)
                   ? wr_fail(WR_E_FORMAT, "line 1: a byte order mark before the head; save the file without it")
                   : WR_OK;
    while (text[at] && (closed = mark_line(text + at)) == 0) {
        at += strcspn(text + at, "\n");
        at += text[at] == '\n';
    }
    if (!closed)
        return wr_fail(WR_E_FORMAT, "line 1: the line --- opens a head, which no line --- ends; close it, or, where "
                                    "the text itself begins with ---, put an empty head (--- and ---) before it");
    h->length = at + closed;
    TRY_ALLOC(h->memory = arena_create());
    if (!yaml_parser_initialize(&r.yaml.parser)) TRY(wr_fail(WR_E_NOMEM, "out of memory for a template's head"));
    yaml_parser_set_input_string(&r.yaml.parser, (const unsigned char *)text + opened, at - opened);
    status = read_document(&r);
    yaml_parser_delete(&r.yaml.parser);
cleanup:
    return status;
}

void template_head_free(template_head *h) {
    arena_free(h->memory);
    *h = (template_head){0};
}

const char *template_head_role(const template_head *h, const char *role) {
    if (!role) return "";
    for (size_t i = 0; i < h->n_roles; i++)
        if (strcmp(h->roles[i].role, role) == 0) return h->roles[i].name;
    return role;
}
