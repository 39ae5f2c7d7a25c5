/* Field maps: where a chat log keeps what a conversation needs. Built in: "wildchat" (WildChat as JSON), "lmsys"
 * (LMSYS-Chat-1M), "sharegpt" (ShareGPT dumps), "openai" ({"messages": [{role, content} …]}); any other log is
 * described by a YAML file. And the reader of one JSON row by such a map, in one pass over the line. LOCAL; a map is
 * immutable once opened. */
#ifndef WR_DATA_SOURCE_FIELDS_H
#define WR_DATA_SOURCE_FIELDS_H

#include "data/source/conversation.h"

/* Members of a row, then members of a message. */
typedef enum field {
    FIELD_ID,
    FIELD_USER,
    FIELD_HEADER, /* an object that --user-key ip+header adds to the user */
    FIELD_LANGUAGE,
    FIELD_MODEL,
    FIELD_TIMESTAMP,
    FIELD_TOXIC,
    FIELD_REDACTED,
    FIELD_MESSAGES,
    ROW_FIELDS,
    FIELD_ROLE = ROW_FIELDS,
    FIELD_CONTENT,
    FIELD_TURN,
    FIELD_MESSAGE_USER,   /* the user, where the row itself has none: the first message's that has one */
    FIELD_MESSAGE_HEADER, /* of the first message, where the row has none */
    FIELDS
} field;

typedef struct role_name {
    const char *from, *to;
} role_name;

typedef struct field_map {
    const char *names[FIELDS]; /* NULL: the log has no such field */
    size_t lengths[FIELDS];
    const role_name *roles; /* (n_roles) names of roles in the log; others stay as they are */
    size_t n_roles;
    /* the id must be there and a string; else a number will do, and rows without one get the hash of their bytes */
    bool strict_id;
    arena *memory; /* NULL: built in */
} field_map;

/* name: a built-in map, NULL for "wildchat", or the path of a YAML file (a name with '.' or '/'). WR_E_USAGE names the
 * file, the line and, for a key that does not exist, the nearest one. */
wr_status field_map_open(const char *name, const field_map **out);
/* The map that is tried where rows do not follow the first: without a name, {"messages": [{role, content} …]}; else
 * NULL. */
const field_map *field_map_second(const char *name);
void field_map_close(const field_map *m); /* NULL is fine */

/* What the log's role is called here; NULL: as it is. */
const char *field_map_role(const field_map *m, const char *role, size_t n);
/* Reads one row. Text without escapes is not copied: it points into the line, which must outlive the conversation; the
 * rest is the arena's. Contents are not NUL-terminated; id, user, language, model, timestamp and roles are. WR_E_NOMEM
 * is the only error; a bad row is reported in *fault. */
wr_status conversation_parse(arena *a, const char *line, size_t n, const field_map *map, bool user_key_header,
                             conversation *out, row_fault *fault);
/* The same for a chat template that may show the members `shown` of messages: these are kept as `fields`, and the row's
 * tools and documents (NULL: nothing is). */
wr_status conversation_parse_shown(arena *a, const char *line, size_t n, const field_map *map, const chat_names *shown,
                                   bool user_key_header, conversation *out, row_fault *fault);

/* The same of one line of WildChat. */
static inline wr_status wildchat_parse(arena *a, const char *line, size_t n, bool user_key_header, conversation *out,
                                       row_fault *fault) {
    const field_map *map;
    wr_status status = field_map_open(NULL, &map); /* built in: costs nothing */
    return status < 0 ? status : conversation_parse(a, line, n, map, user_key_header, out, fault);
}

#endif
