/* One JSON row in one pass: conversation_scan.c notes known members where they stand (the last one of duplicates
 * counts) and makes messages; conversation_parse.c makes the row's own fields of what was noted. LOCAL. */
#ifndef WR_DATA_SOURCE_CONVERSATION_SCAN_H
#define WR_DATA_SOURCE_CONVERSATION_SCAN_H

#include "base/json_scan.h"
#include "data/source/fields.h"
#include "text/chat/chat_read.h"

enum { ROW_VARIABLES = 3 }; /* tools, documents, chat_template_kwargs */
extern const char *const row_variable_names[ROW_VARIABLES];

typedef struct row_parser {
    arena *memory;
    const char *end;
    const field_map *map;
    conversation *out;
    json_span row[ROW_FIELDS];
    bool in_row[ROW_FIELDS];
    size_t messages, capacity; /* messages met; room in out->messages and out->turns */
    row_fault fault;           /* of the first message that has one */
    json_span user;            /* of the first message that has one; text NULL: none */
    json_span header;          /* of the first message; text NULL: none */
    bool exhausted;
    const chat_names *shown;            /* members of messages that are kept; NULL: none */
    bool more;                          /* the message at hand has one */
    json_span variables[ROW_VARIABLES]; /* tools, documents, chat_template_kwargs of the row; text NULL: none */
} row_parser;

/* ROW_FIELD, and the conversation says which. */
row_fault row_wrong(row_parser *p, field f);
/* The string's text: where it stands, or an unescaped copy. False: out of memory, and the parser is exhausted. */
bool row_text(row_parser *p, const json_span *s, const char **text, size_t *length);
/* at: the opening brace. The values of the fields [first, last) as spans; returns NULL on invalid JSON. depth:
 * containers open around the object. Messages are made on the way. */
const char *row_scan_members(row_parser *p, const char *at, unsigned depth, unsigned first, unsigned last,
                             json_span *value, bool *has);

#endif
