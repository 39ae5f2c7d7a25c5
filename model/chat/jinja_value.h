/* Values of a running template. Everything lives in the arena of the rendering. Inside of model/chat/jinja_*.c. LOCAL. */
#ifndef WR_MODEL_JINJA_VALUE_H
#define WR_MODEL_JINJA_VALUE_H

#include "base/mem.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum value_kind {
    VALUE_UNDEFINED,
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_LIST,
    VALUE_DICT,
    VALUE_NAMESPACE, /* a dict whose members may be set */
    VALUE_MACRO,
    VALUE_FUNCTION /* a global function, by its name */
} value_kind;

struct value_list;
struct value_dict;
struct statement;

typedef struct value {
    value_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *text; /* VALUE_STRING, VALUE_FUNCTION */
        struct value_list *list;
        struct value_dict *dict; /* VALUE_DICT, VALUE_NAMESPACE */
        const struct statement *macro;
    };
    size_t n;               /* VALUE_STRING: bytes */
    const uint16_t *origin; /* VALUE_STRING: (n), NULL = all from the template */
} value;

typedef struct value_list {
    value *items;
    size_t n, capacity;
} value_list;

typedef struct value_dict {
    value *keys, *values; /* in order of insertion */
    size_t n, capacity;
} value_dict;

/* A string being written. */
typedef struct text_builder {
    arena *a;
    char *bytes;
    uint16_t *origin; /* NULL until something has one */
    size_t n, capacity, limit;
} text_builder;

static inline value value_none(void) { return (value){.kind = VALUE_NONE}; }
static inline value value_bool(bool b) { return (value){.kind = VALUE_BOOL, .boolean = b}; }
static inline value value_int(int64_t i) { return (value){.kind = VALUE_INT, .integer = i}; }
static inline value value_text(const char *s, size_t n) { return (value){.kind = VALUE_STRING, .text = s, .n = n}; }

/* Bytes from … to of a string. */
value value_slice(value s, size_t from, size_t to);
bool value_is_number(value v); /* int, float, bool */
double value_number(value v);
bool value_truth(value v);
bool value_equal(value a, value b);
bool text_equals(value v, const char *s); /* a string with these bytes */
const char *value_type(value v);          /* for messages: "string", "list", … */

wr_status list_new(arena *a, value *out);
wr_status list_push(arena *a, value_list *l, value v);
wr_status dict_new(arena *a, value_kind kind, value *out);
wr_status dict_set(arena *a, value_dict *d, value key, value v);
/* NULL when there is none. */
const value *dict_get(const value_dict *d, value key);
const value *dict_get_name(const value_dict *d, const char *name);

wr_status text_append(text_builder *b, const char *bytes, size_t n, const uint16_t *origin);
wr_status text_append_value(text_builder *b, value s); /* a string */
value text_done(text_builder *b);
/* As Python's str() where that is plain: strings, numbers, booleans, None; undefined is empty. Lists and dicts:
 * WR_E_FORMAT. */
wr_status text_append_str(text_builder *b, value v);
/* As json.dumps(ensure_ascii=False, indent); indent < 0: on one line. */
wr_status text_append_json(text_builder *b, value v, int indent);

#endif
