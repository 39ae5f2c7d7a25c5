/* Values of a running template. Everything lives in the arena of the rendering. Inside of text/chat/jinja_*.c. LOCAL.
 */
#ifndef WR_TEXT_CHAT_JINJA_VALUE_H
#define WR_TEXT_CHAT_JINJA_VALUE_H

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
    VALUE_LIST, /* from here to VALUE_ITEMS: list */
    VALUE_TUPLE,
    VALUE_RANGE,
    VALUE_KEYS,
    VALUE_VALUES,
    VALUE_ITEMS,
    VALUE_DICT,
    VALUE_NAMESPACE, /* a dict whose members may be set */
    VALUE_ITERATOR,  /* what map, select and the like give: gone through once, when it is asked for */
    VALUE_LOOP,      /* the variable `loop` */
    VALUE_MACRO,
    VALUE_FUNCTION, /* a global function, by its name */
    VALUE_METHOD,   /* a method of an object */
    VALUE_CYCLER,
    VALUE_JOINER
} value_kind;

struct value_list;
struct value_dict;
struct value_iterator;
struct value_loop;
struct value_macro;
struct value_method;
struct value_cycler;

typedef struct value {
    value_kind kind;
    bool markup;  /* VALUE_STRING: `safe` or `escape` made it */
    bool group;   /* VALUE_TUPLE of groupby: (grouper, list) by name, too */
    bool refused; /* VALUE_UNDEFINED: an attribute that the sandbox does not give */
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *text; /* VALUE_STRING, VALUE_FUNCTION */
        struct value_list *list;
        struct value_dict *dict; /* VALUE_DICT, VALUE_NAMESPACE */
        struct value_iterator *iterator;
        struct value_loop *loop;
        const struct value_macro *macro;
        const struct value_method *method;
        struct value_cycler *cycler; /* VALUE_CYCLER, VALUE_JOINER */
    };
    size_t n;               /* VALUE_STRING: bytes */
    const uint16_t *origin; /* VALUE_STRING: (n), NULL = all from the template */
} value;

typedef struct value_list {
    value *items;
    size_t n, capacity;
    int64_t start, step; /* VALUE_RANGE: for its repr */
    int64_t stop;
} value_list;

typedef struct value_dict {
    value *keys, *values; /* in order of insertion */
    size_t n, capacity;
} value_dict;

typedef struct value_method {
    value object;
    const char *name;
} value_method;

typedef struct value_cycler {
    value_list *items; /* VALUE_CYCLER */
    value separator;   /* VALUE_JOINER */
    size_t at;
} value_cycler;

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
static inline value value_real(double x) { return (value){.kind = VALUE_FLOAT, .real = x}; }
static inline value value_text(const char *s, size_t n) { return (value){.kind = VALUE_STRING, .text = s, .n = n}; }

/* Bytes from … to of a string. */
value value_slice(value s, size_t from, size_t to);
bool value_is_number(value v);  /* int, float, bool */
bool value_is_integer(value v); /* int, bool */
bool value_is_list(value v);    /* anything that has .list */
int64_t value_integer(value v); /* of an int or bool */
double value_number(value v);
bool value_truth(value v);
/* *steps grows with what is looked at, up to JINJA_STEPS_MAX: a value may hold another many times over. WR_E_FORMAT:
 * beyond that, and views of dicts, whose comparison is not supported. */
wr_status value_equal(value a, value b, size_t *steps, bool *out);
/* -1, 0, 1. WR_E_FORMAT: Python does not order them; `what` names the operator. */
wr_status value_order(value a, value b, const char *what, size_t *steps, int *out);
bool text_equals(value v, const char *s); /* a string with these bytes */
const char *value_type(value v);          /* for messages, as Python names it: "str", "list", … */

wr_status list_new(arena *a, value *out);
wr_status list_new_kind(arena *a, value_kind kind, value *out);
wr_status list_push(arena *a, value_list *l, value v);
wr_status dict_new(arena *a, value_kind kind, value *out);
/* WR_E_FORMAT: a key that cannot be one (a list, a dict). */
wr_status dict_set(arena *a, value_dict *d, value key, value v);
wr_status dict_set_name(arena *a, value_dict *d, const char *name, value v);
wr_status dict_find(const value_dict *d, value key, const value **out); /* NULL when there is none */
const value *dict_get_name(const value_dict *d, const char *name);
/* Room for one more of arrays that live in the arena; the old memory is left behind. WR_E_FORMAT above the bound. */
wr_status arena_grow(arena *a, void **items, size_t n, size_t wanted, size_t size);

wr_status text_append(text_builder *b, const char *bytes, size_t n, const uint16_t *origin);
wr_status text_append_value(text_builder *b, value s); /* a string */
wr_status text_append_plain(text_builder *b, const char *s);
value text_done(text_builder *b);
/* As Python's str() and repr(); undefined is empty. WR_E_FORMAT: macros and the like. */
wr_status text_append_str(text_builder *b, value v);
wr_status text_append_repr(text_builder *b, value v);
wr_status value_str(arena *a, value v, value *out);
/* The shortest digits that read back as the same number, as Python writes them: 0.1, 1e+16, inf. */
enum { FLOAT_TEXT = 40 };
void float_text(double x, char out[FLOAT_TEXT]);

/* As json.dumps. */
typedef struct json_style {
    bool ascii, sort_keys;
    bool indented;
    value indent; /* a string, when indented */
    value item_separator, key_separator;
} json_style;
wr_status text_append_json(text_builder *b, value v, const json_style *style);

#endif
