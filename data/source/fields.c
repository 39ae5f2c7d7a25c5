/* Built-in maps, and maps from YAML: a flat mapping of field names, and under "roles" a mapping of role names. */
#include "data/source/fields.h"

#include "base/options.h"
#include "base/yaml_events.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AT(field, text) .names[field] = text, .lengths[field] = sizeof(text) - 1

static const field_map wildchat = {
    AT(FIELD_ID, "conversation_hash"),
    AT(FIELD_USER, "hashed_ip"),
    AT(FIELD_HEADER, "header"),
    AT(FIELD_LANGUAGE, "language"),
    AT(FIELD_MODEL, "model"),
    AT(FIELD_TIMESTAMP, "timestamp"),
    AT(FIELD_TOXIC, "toxic"),
    AT(FIELD_REDACTED, "redacted"),
    AT(FIELD_MESSAGES, "conversation"),
    AT(FIELD_ROLE, "role"),
    AT(FIELD_CONTENT, "content"),
    AT(FIELD_TURN, "turn_identifier"),
    AT(FIELD_MESSAGE_USER, "hashed_ip"),
    AT(FIELD_MESSAGE_HEADER, "header"),
    .strict_id = true,
};

/* No user is published: each conversation is its own. */
static const field_map lmsys = {
    AT(FIELD_ID, "conversation_id"), AT(FIELD_LANGUAGE, "language"), AT(FIELD_MODEL, "model"),
    AT(FIELD_TIMESTAMP, "tstamp"),   AT(FIELD_REDACTED, "redacted"), AT(FIELD_MESSAGES, "conversation"),
    AT(FIELD_ROLE, "role"),          AT(FIELD_CONTENT, "content"),
};

/* "from" names the service in older dumps. */
static const role_name sharegpt_roles[] = {{"human", "user"},     {"gpt", "assistant"},  {"chatgpt", "assistant"},
                                           {"bing", "assistant"}, {"bard", "assistant"}, {"model", "assistant"}};
static const field_map sharegpt = {
    AT(FIELD_ID, "id"),
    AT(FIELD_LANGUAGE, "language"),
    AT(FIELD_MODEL, "model"),
    AT(FIELD_TIMESTAMP, "timestamp"),
    AT(FIELD_MESSAGES, "conversations"),
    AT(FIELD_ROLE, "from"),
    AT(FIELD_CONTENT, "value"),
    .roles = sharegpt_roles,
    .n_roles = sizeof sharegpt_roles / sizeof *sharegpt_roles,
};

/* Rows of OpenAI's and TRL's kind. */
static const field_map openai = {
    AT(FIELD_ID, "id"),     AT(FIELD_USER, "user"),       AT(FIELD_MESSAGES, "messages"),
    AT(FIELD_ROLE, "role"), AT(FIELD_CONTENT, "content"),
};

static const char *const map_names[] = {"wildchat", "lmsys", "sharegpt", "openai", NULL};
static const field_map *const maps[] = {&wildchat, &lmsys, &sharegpt, &openai};

const field_map *field_map_second(const char *name) { return name ? NULL : &openai; }

/* Keys of a YAML map, in the order of `field`. */
static const char *const keys[FIELDS + 2] = {
    "id",       "user", "header",  "language", "model",        "timestamp",      "toxic", "redacted",
    "messages", "role", "content", "turn",     "message_user", "message_header", "roles", NULL};
static const char *const known_roles[] = {"user", "assistant", "system", "tool", NULL};

typedef struct reader {
    const char *path;
    field_map *map;
    role_name *roles;
    size_t capacity;
    yaml_events yaml;
    bool mapping, seen_roles;
} reader;

static const char *scalar(const yaml_event_t *e) { return (const char *)e->data.scalar.value; }

static wr_status unknown(const reader *r, size_t line, const char *what, const char *name, const char *const *names) {
    const char *near = nearest_name(name, names);
    return wr_fail(WR_E_USAGE, "%s:%zu: unknown %s '%s'%s%s%s", r->path, line, what, name,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static wr_status add_role(reader *r, size_t line, const yaml_event_t *key, const yaml_event_t *value) {
    wr_status status = WR_OK;
    size_t i = 0, n = r->map->n_roles;
    while (known_roles[i] && strcmp(known_roles[i], scalar(value)) != 0) i++;
    if (!known_roles[i]) return unknown(r, line, "role", scalar(value), known_roles);
    for (size_t k = 0; k < n; k++) {
        if (strcmp(r->roles[k].from, scalar(key)) == 0)
            return wr_fail(WR_E_USAGE, "%s:%zu: role '%s' is given twice", r->path, line, scalar(key));
    }
    if (n == r->capacity) { /* from the arena: the map keeps it */
        role_name *grown = arena_alloc(r->map->memory, (2 * n + 8) * sizeof *grown);
        TRY_ALLOC(grown);
        if (n) memcpy(grown, r->roles, n * sizeof *grown);
        r->map->roles = r->roles = grown;
        r->capacity = 2 * n + 8;
    }
    r->roles[n].to = known_roles[i];
    TRY_ALLOC(r->roles[n].from = arena_strndup(r->map->memory, scalar(key), key->data.scalar.length));
    r->map->n_roles++;
cleanup:
    return status;
}

static wr_status add_field(reader *r, size_t line, const yaml_event_t *key, const yaml_event_t *value) {
    wr_status status = WR_OK;
    unsigned i = 0;
    while (i < FIELDS && strcmp(keys[i], scalar(key)) != 0) i++;
    if (i == FIELDS) return unknown(r, line, "key", scalar(key), keys);
    if (r->map->names[i]) return wr_fail(WR_E_USAGE, "%s:%zu: key '%s' is given twice", r->path, line, keys[i]);
    if (yaml_is_null(value)) return WR_OK;
    unsigned first = i < ROW_FIELDS ? 0 : ROW_FIELDS, last = i < ROW_FIELDS ? ROW_FIELDS : FIELDS;
    for (unsigned k = first; k < last; k++) {
        if (r->map->names[k] && strcmp(r->map->names[k], scalar(value)) == 0)
            return wr_fail(WR_E_USAGE, "%s:%zu: %s and %s are both '%s'", r->path, line, keys[k], keys[i],
                           scalar(value));
    }
    TRY_ALLOC(r->map->names[i] = arena_strndup(r->map->memory, scalar(value), value->data.scalar.length));
    r->map->lengths[i] = value->data.scalar.length;
cleanup:
    return status;
}

/* The members of a mapping whose start has been read: of the file, or of "roles". */
static wr_status read_mapping(reader *r, bool roles) {
    wr_status status = WR_OK;
    for (;;) {
        yaml_event_t key = {0}, value = {0};
        bool last = false;
        TRY(yaml_events_next(&r->yaml, &key));
        size_t line = key.start_mark.line + 1;
        last = key.type == YAML_MAPPING_END_EVENT;
        if (last) goto cleanup;
        if (key.type != YAML_SCALAR_EVENT)
            TRY(wr_fail(WR_E_USAGE, "%s:%zu: a key must be a plain name", r->path, line));
        TRY(yaml_events_next(&r->yaml, &value));
        if (!roles && strcmp(scalar(&key), "roles") == 0) {
            if (r->seen_roles) TRY(wr_fail(WR_E_USAGE, "%s:%zu: key 'roles' is given twice", r->path, line));
            r->seen_roles = true;
            if (value.type == YAML_MAPPING_START_EVENT)
                TRY(read_mapping(r, true));
            else if (value.type != YAML_SCALAR_EVENT || !yaml_is_null(&value))
                TRY(wr_fail(WR_E_USAGE,
                            "%s:%zu: 'roles' must be lines of 'name in the log: user|assistant|system|tool'", r->path,
                            line));
        } else if (value.type != YAML_SCALAR_EVENT) {
            TRY(wr_fail(WR_E_USAGE, "%s:%zu: '%s' must be a single name", r->path, line, scalar(&key)));
        } else if (strlen(scalar(&value)) != value.data.scalar.length) {
            TRY(wr_fail(WR_E_USAGE, "%s:%zu: '%s' holds a NUL character", r->path, line, scalar(&key)));
        } else {
            TRY(roles ? add_role(r, line, &key, &value) : add_field(r, line, &key, &value));
        }
    cleanup:
        yaml_event_delete(&key);
        yaml_event_delete(&value);
        if (status < 0 || last) return status;
    }
}

static wr_status read_document(reader *r) {
    wr_status status = WR_OK;
    for (bool done = false; !done;) {
        yaml_event_t event = {0};
        TRY(yaml_events_next(&r->yaml, &event));
        const size_t line = event.start_mark.line + 1;
        switch (event.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            break;
        case YAML_STREAM_END_EVENT:
            done = true;
            break;
        case YAML_MAPPING_START_EVENT:
            if (r->mapping)
                TRY(wr_fail(WR_E_USAGE, "%s:%zu: a second document starts here; a field map is one", r->path, line));
            r->mapping = true;
            TRY(read_mapping(r, false));
            break;
        default:
            TRY(wr_fail(WR_E_USAGE, "%s:%zu: a field map is a list of 'key: name' lines", r->path, line));
        }
    cleanup:
        yaml_event_delete(&event);
        if (status < 0) return status;
    }
    return WR_OK;
}

/* Names that nearly every log uses need not be given. */
static wr_status complete(reader *r) {
    static const char *const usual[FIELDS] = {[FIELD_ROLE] = "role", [FIELD_CONTENT] = "content"};
    if (!r->map->names[FIELD_MESSAGES])
        return wr_fail(WR_E_USAGE, "%s: needs 'messages': the name of the array of messages in a row", r->path);
    for (unsigned i = 0; i < FIELDS; i++) {
        if (r->map->names[i] || !usual[i]) continue;
        for (unsigned k = ROW_FIELDS; k < FIELDS; k++) {
            if (r->map->names[k] && strcmp(r->map->names[k], usual[i]) == 0)
                return wr_fail(WR_E_USAGE, "%s: %s is '%s', so '%s' must be given", r->path, keys[k], usual[i],
                               keys[i]);
        }
        r->map->names[i] = usual[i];
        r->map->lengths[i] = strlen(usual[i]);
    }
    return WR_OK;
}

static wr_status read_file(const char *path, const field_map **out) {
    wr_status status = WR_OK;
    reader r = {.path = path, .yaml = {.path = path, .fault = WR_E_USAGE}};
    bool parser = false;
    arena *memory = NULL;
    FILE *file = fopen(path, "rbe");
    if (!file) return wr_fail(WR_E_USAGE, "--fields: cannot open %s: %s", path, strerror(errno));
    TRY_ALLOC(memory = arena_create());
    TRY_ALLOC(r.map = arena_alloc(memory, sizeof *r.map));
    *r.map = (field_map){.memory = memory};
    parser = yaml_parser_initialize(&r.yaml.parser);
    if (!parser) TRY(wr_fail(WR_E_NOMEM, "out of memory reading %s", path));
    yaml_parser_set_input_file(&r.yaml.parser, file);
    TRY(read_document(&r));
    TRY(complete(&r));
    *out = r.map;
    memory = NULL;
cleanup:
    if (parser) yaml_parser_delete(&r.yaml.parser);
    arena_free(memory);
    fclose(file);
    return status;
}

wr_status field_map_open(const char *name, const field_map **out) {
    *out = &wildchat;
    if (!name) return WR_OK;
    for (size_t i = 0; map_names[i]; i++) {
        *out = maps[i];
        if (strcmp(map_names[i], name) == 0) return WR_OK;
    }
    *out = NULL;
    if (strpbrk(name, "./")) return read_file(name, out);
    const char *near = nearest_name(name, map_names);
    return wr_fail(WR_E_USAGE,
                   "--fields: '%s' is none of wildchat, lmsys, sharegpt, openai, nor a file (FILE.yaml)%s%s%s", name,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

void field_map_close(const field_map *m) {
    if (m) arena_free(m->memory);
}
