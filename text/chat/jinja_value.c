#include "text/chat/jinja_value.h"

#include "text/chat/jinja.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMPARE_DEPTH = 100, KEY_STEPS = 100000 /* of comparing a key with another */ };

value value_slice(value s, size_t from, size_t to) {
    value part = s;
    part.text += from;
    part.n = to - from;
    if (part.origin) part.origin += from;
    return part;
}

bool value_is_integer(value v) { return v.kind == VALUE_INT || v.kind == VALUE_BOOL; }
bool value_is_number(value v) { return value_is_integer(v) || v.kind == VALUE_FLOAT; }
bool value_is_list(value v) { return v.kind >= VALUE_LIST && v.kind <= VALUE_ITEMS; }
int64_t value_integer(value v) { return v.kind == VALUE_BOOL ? v.boolean : v.integer; }

double value_number(value v) { return v.kind == VALUE_FLOAT ? v.real : (double)value_integer(v); }

bool value_truth(value v) {
    if (value_is_list(v)) return v.list->n > 0;
    switch (v.kind) {
    case VALUE_UNDEFINED:
    case VALUE_NONE:
        return false;
    case VALUE_BOOL:
        return v.boolean;
    case VALUE_INT:
        return v.integer != 0;
    case VALUE_FLOAT:
        return v.real != 0;
    case VALUE_STRING:
        return v.n > 0;
    case VALUE_DICT:
        return v.dict->n > 0;
    default:
        return true;
    }
}

/* 2: not a number is among them. A long double holds any int64_t and any double. */
static int compare_numbers(value a, value b) {
    if (a.kind != VALUE_FLOAT && b.kind != VALUE_FLOAT) {
        const int64_t x = value_integer(a), y = value_integer(b);
        return (x > y) - (x < y);
    }
    const long double x = a.kind == VALUE_FLOAT ? (long double)a.real : (long double)value_integer(a),
                      y = b.kind == VALUE_FLOAT ? (long double)b.real : (long double)value_integer(b);
    return x > y ? 1 : x < y ? -1 : x == y ? 0 : 2;
}

static int compare_text(value a, value b) {
    const size_t n = a.n < b.n ? a.n : b.n;
    const int c = n ? memcmp(a.text, b.text, n) : 0; /* UTF-8 sorts as its code points do */
    return c ? (c > 0) - (c < 0) : (a.n > b.n) - (a.n < b.n);
}

static wr_status equal_at(value a, value b, int depth, size_t *steps, bool *out);

static wr_status equal_dicts(const value_dict *a, const value_dict *b, int depth, size_t *steps, bool *out) {
    wr_status status = WR_OK;
    const value *other;
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++) {
        TRY(dict_find(b, a->keys[i], &other));
        *out = other != NULL;
        if (other) TRY(equal_at(a->values[i], *other, depth + 1, steps, out));
    }
cleanup:
    return status;
}

/* A list may hold another many times over, so depth alone is no bound. */
static wr_status spend(size_t *steps, int depth) {
    if (depth > COMPARE_DEPTH) return wr_fail(WR_E_FORMAT, "a comparison is nested too deeply");
    return ++*steps > JINJA_STEPS_MAX ? wr_fail(WR_E_FORMAT, "a comparison does not come to an end") : WR_OK;
}

static wr_status equal_at(value a, value b, int depth, size_t *steps, bool *out) {
    wr_status status = WR_OK;
    *out = false;
    TRY(spend(steps, depth));
    if (value_is_number(a) && value_is_number(b)) {
        *out = compare_numbers(a, b) == 0;
        return WR_OK;
    }
    if (a.kind != b.kind) return WR_OK;
    if (a.kind == VALUE_KEYS || a.kind == VALUE_VALUES || a.kind == VALUE_ITEMS)
        return wr_fail(WR_E_FORMAT, "comparing what %s() of dicts give is not supported", value_type(a) + 5);
    if (value_is_list(a)) {
        *out = a.list->n == b.list->n;
        for (size_t i = 0; i < a.list->n && *out; i++)
            TRY(equal_at(a.list->items[i], b.list->items[i], depth + 1, steps, out));
        return WR_OK;
    }
    switch (a.kind) {
    case VALUE_UNDEFINED:
    case VALUE_NONE:
        *out = true;
        break;
    case VALUE_STRING:
        *out = a.n == b.n && compare_text(a, b) == 0;
        if (a.n == b.n) *steps += a.n / 64;
        break;
    case VALUE_DICT:
        return equal_dicts(a.dict, b.dict, depth, steps, out);
    case VALUE_FUNCTION:
        *out = strcmp(a.text, b.text) == 0;
        break;
    case VALUE_METHOD:
        return wr_fail(WR_E_FORMAT, "comparing methods is not supported");
    default: /* the same object */
        *out = (const void *)a.dict == (const void *)b.dict;
    }
cleanup:
    return status;
}

wr_status value_equal(value a, value b, size_t *steps, bool *out) { return equal_at(a, b, 0, steps, out); }

static wr_status order_at(value a, value b, const char *what, int depth, size_t *steps, int *out) {
    wr_status status = WR_OK;
    bool same;
    TRY(spend(steps, depth));
    if (value_is_number(a) && value_is_number(b)) {
        *out = compare_numbers(a, b);
        return WR_OK;
    }
    if (a.kind == VALUE_STRING && b.kind == VALUE_STRING) {
        *out = compare_text(a, b);
        *steps += (a.n < b.n ? a.n : b.n) / 64;
        return WR_OK;
    }
    if (a.kind != b.kind || (a.kind != VALUE_LIST && a.kind != VALUE_TUPLE))
        return wr_fail(WR_E_FORMAT, "'%s' of %s and %s", what, value_type(a), value_type(b));
    for (size_t i = 0; i < a.list->n && i < b.list->n; i++) {
        TRY(value_equal(a.list->items[i], b.list->items[i], steps, &same));
        if (!same) return order_at(a.list->items[i], b.list->items[i], what, depth + 1, steps, out);
    }
    *out = (a.list->n > b.list->n) - (a.list->n < b.list->n);
cleanup:
    return status;
}

wr_status value_order(value a, value b, const char *what, size_t *steps, int *out) {
    return order_at(a, b, what, 0, steps, out);
}

bool text_equals(value v, const char *s) {
    return v.kind == VALUE_STRING && v.n == strlen(s) && memcmp(v.text, s, v.n) == 0;
}

const char *value_type(value v) {
    static const char *const names[] = {"undefined", "None",      "bool",      "int",       "float",       "str",
                                        "list",      "tuple",     "range",     "dict_keys", "dict_values", "dict_items",
                                        "dict",      "namespace", "generator", "loop",      "macro",       "function",
                                        "method",    "cycler",    "joiner"};
    return names[v.kind];
}

wr_status arena_grow(arena *a, void **items, size_t n, size_t wanted, size_t size) {
    const size_t held = arena_bytes(a);
    if (held > JINJA_MEMORY_MAX || wanted > (JINJA_MEMORY_MAX - held) / size)
        return wr_fail(WR_E_FORMAT, "the chat template needs more than %d MiB", JINJA_MEMORY_MAX >> 20);
    void *larger = arena_alloc(a, wanted * size);
    if (!larger) return wr_fail(WR_E_NOMEM, "out of memory in a chat template");
    if (n) memcpy(larger, *items, n * size);
    *items = larger;
    return WR_OK;
}

wr_status list_new(arena *a, value *out) { return list_new_kind(a, VALUE_LIST, out); }

wr_status list_new_kind(arena *a, value_kind kind, value *out) {
    wr_status status = WR_OK;
    value_list *l = NULL;
    TRY(arena_grow(a, (void **)&l, 0, 1, sizeof *l));
    *l = (value_list){0};
    *out = (value){.kind = kind, .list = l};
cleanup:
    return status;
}

wr_status list_push(arena *a, value_list *l, value v) {
    wr_status status = WR_OK;
    if (l->n == l->capacity) {
        const size_t wanted = l->capacity ? 2 * l->capacity : 8;
        TRY(arena_grow(a, (void **)&l->items, l->n, wanted, sizeof *l->items));
        l->capacity = wanted;
    }
    l->items[l->n++] = v;
cleanup:
    return status;
}

wr_status dict_new(arena *a, value_kind kind, value *out) {
    wr_status status = WR_OK;
    value_dict *d = NULL;
    TRY(arena_grow(a, (void **)&d, 0, 1, sizeof *d));
    *d = (value_dict){0};
    *out = (value){.kind = kind, .dict = d};
cleanup:
    return status;
}

static wr_status check_key(value key, int depth, size_t *steps) {
    wr_status status = WR_OK;
    if (key.kind == VALUE_LIST || key.kind == VALUE_DICT || (value_is_list(key) && key.kind > VALUE_RANGE))
        return wr_fail(WR_E_FORMAT, "%s cannot be a key", value_type(key));
    TRY(spend(steps, depth));
    for (size_t i = 0; key.kind == VALUE_TUPLE && i < key.list->n; i++)
        TRY(check_key(key.list->items[i], depth + 1, steps));
cleanup:
    return status;
}

static wr_status find_key(const value_dict *d, value key, size_t *at) {
    wr_status status = WR_OK;
    bool same = false;
    size_t steps = JINJA_STEPS_MAX - KEY_STEPS;
    TRY(check_key(key, 0, &steps));
    for (*at = 0; *at < d->n; ++*at) {
        steps = JINJA_STEPS_MAX - KEY_STEPS;
        TRY(value_equal(d->keys[*at], key, &steps, &same));
        if (same) break;
    }
cleanup:
    return status;
}

wr_status dict_set(arena *a, value_dict *d, value key, value v) {
    wr_status status = WR_OK;
    size_t at;
    TRY(find_key(d, key, &at));
    if (at < d->n) {
        d->values[at] = v;
        return WR_OK;
    }
    if (d->n == d->capacity) {
        const size_t wanted = d->capacity ? 2 * d->capacity : 4;
        TRY(arena_grow(a, (void **)&d->keys, d->n, wanted, sizeof *d->keys));
        TRY(arena_grow(a, (void **)&d->values, d->n, wanted, sizeof *d->values));
        d->capacity = wanted;
    }
    d->keys[d->n] = key;
    d->values[d->n++] = v;
cleanup:
    return status;
}

wr_status dict_set_name(arena *a, value_dict *d, const char *name, value v) {
    return dict_set(a, d, value_text(name, strlen(name)), v);
}

wr_status dict_find(const value_dict *d, value key, const value **out) {
    wr_status status = WR_OK;
    size_t at;
    *out = NULL;
    TRY(find_key(d, key, &at));
    if (at < d->n) *out = &d->values[at];
cleanup:
    return status;
}

const value *dict_get_name(const value_dict *d, const char *name) {
    for (size_t i = 0; i < d->n; i++)
        if (text_equals(d->keys[i], name)) return &d->values[i];
    return NULL;
}
