#include "model/chat/jinja_value.h"

#include "model/chat/jinja.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

value value_slice(value s, size_t from, size_t to) {
    value part = s;
    part.text += from;
    part.n = to - from;
    if (part.origin) part.origin += from;
    return part;
}

bool value_is_number(value v) { return v.kind == VALUE_INT || v.kind == VALUE_FLOAT || v.kind == VALUE_BOOL; }

double value_number(value v) {
    return v.kind == VALUE_FLOAT ? v.real : v.kind == VALUE_BOOL ? (double)v.boolean : (double)v.integer;
}

bool value_truth(value v) {
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
    case VALUE_LIST:
        return v.list->n > 0;
    case VALUE_DICT:
        return v.dict->n > 0;
    default:
        return true;
    }
}

bool value_equal(value a, value b) {
    if (value_is_number(a) && value_is_number(b))
        return a.kind == VALUE_FLOAT || b.kind == VALUE_FLOAT
                   ? value_number(a) == value_number(b)
                   : (a.kind == VALUE_BOOL ? (int64_t)a.boolean : a.integer) ==
                         (b.kind == VALUE_BOOL ? (int64_t)b.boolean : b.integer);
    if (a.kind != b.kind) return false;
    switch (a.kind) {
    case VALUE_UNDEFINED:
    case VALUE_NONE:
        return true;
    case VALUE_STRING:
        return a.n == b.n && memcmp(a.text, b.text, a.n) == 0;
    case VALUE_LIST:
        if (a.list->n != b.list->n) return false;
        for (size_t i = 0; i < a.list->n; i++)
            if (!value_equal(a.list->items[i], b.list->items[i])) return false;
        return true;
    case VALUE_DICT:
        if (a.dict->n != b.dict->n) return false;
        for (size_t i = 0; i < a.dict->n; i++) {
            const value *other = dict_get(b.dict, a.dict->keys[i]);
            if (!other || !value_equal(a.dict->values[i], *other)) return false;
        }
        return true;
    case VALUE_NAMESPACE:
        return a.dict == b.dict;
    case VALUE_MACRO:
        return a.macro == b.macro;
    default:
        return a.text == b.text;
    }
}

bool text_equals(value v, const char *s) {
    return v.kind == VALUE_STRING && v.n == strlen(s) && memcmp(v.text, s, v.n) == 0;
}

const char *value_type(value v) {
    static const char *const names[] = {"undefined", "None", "bool",      "int",   "float",   "string",
                                        "list",      "dict", "namespace", "macro", "function"};
    return names[v.kind];
}

/* Room for one more of arrays that live in the arena: doubled, the old memory is left behind. */
static wr_status grow(arena *a, void **items, size_t n, size_t wanted, size_t size) {
    const size_t held = arena_bytes(a);
    if (held > JINJA_MEMORY_MAX || wanted > (JINJA_MEMORY_MAX - held) / size)
        return wr_fail(WR_E_FORMAT, "the chat template needs more than %d MiB", JINJA_MEMORY_MAX >> 20);
    void *larger = arena_alloc(a, wanted * size);
    if (!larger) return wr_fail(WR_E_NOMEM, "out of memory in a chat template");
    if (n) memcpy(larger, *items, n * size);
    *items = larger;
    return WR_OK;
}

wr_status list_new(arena *a, value *out) {
    wr_status status = WR_OK;
    value_list *l = arena_alloc(a, sizeof *l);
    TRY_ALLOC(l);
    *l = (value_list){0};
    *out = (value){.kind = VALUE_LIST, .list = l};
cleanup:
    return status;
}

wr_status list_push(arena *a, value_list *l, value v) {
    wr_status status = WR_OK;
    if (l->n == l->capacity) {
        const size_t wanted = l->capacity ? 2 * l->capacity : 8;
        TRY(grow(a, (void **)&l->items, l->n, wanted, sizeof *l->items));
        l->capacity = wanted;
    }
    l->items[l->n++] = v;
cleanup:
    return status;
}

wr_status dict_new(arena *a, value_kind kind, value *out) {
    wr_status status = WR_OK;
    value_dict *d = arena_alloc(a, sizeof *d);
    TRY_ALLOC(d);
    *d = (value_dict){0};
    *out = (value){.kind = kind, .dict = d};
cleanup:
    return status;
}

wr_status dict_set(arena *a, value_dict *d, value key, value v) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < d->n; i++) {
        if (value_equal(d->keys[i], key)) {
            d->values[i] = v;
            return WR_OK;
        }
    }
    if (d->n == d->capacity) {
        const size_t wanted = d->capacity ? 2 * d->capacity : 4;
        TRY(grow(a, (void **)&d->keys, d->n, wanted, sizeof *d->keys));
        TRY(grow(a, (void **)&d->values, d->n, wanted, sizeof *d->values));
        d->capacity = wanted;
    }
    d->keys[d->n] = key;
    d->values[d->n++] = v;
cleanup:
    return status;
}

const value *dict_get(const value_dict *d, value key) {
    for (size_t i = 0; i < d->n; i++)
        if (value_equal(d->keys[i], key)) return &d->values[i];
    return NULL;
}

const value *dict_get_name(const value_dict *d, const char *name) {
    return dict_get(d, value_text(name, strlen(name)));
}

/* --- text
 * --------------------------------------------------------------------------------------------------------------- */

wr_status text_append(text_builder *b, const char *bytes, size_t n, const uint16_t *origin) {
    wr_status status = WR_OK;
    if (b->limit && n > b->limit - b->n)
        return wr_fail(WR_E_FORMAT, "the chat template writes more than %zu bytes", b->limit);
    if (b->n + n > b->capacity || !b->bytes) {
        const size_t wanted = 2 * b->capacity + n + 64;
        TRY(grow(b->a, (void **)&b->bytes, b->n, wanted, 1));
        if (b->origin) TRY(grow(b->a, (void **)&b->origin, b->n, wanted, sizeof *b->origin));
        b->capacity = wanted;
    }
    if (origin && !b->origin) {
        TRY_ALLOC(b->origin = arena_alloc(b->a, b->capacity * sizeof *b->origin));
        memset(b->origin, 0, b->n * sizeof *b->origin);
    }
    if (n) memcpy(b->bytes + b->n, bytes, n);
    if (b->origin && origin) memcpy(b->origin + b->n, origin, n * sizeof *origin);
    if (b->origin && !origin) memset(b->origin + b->n, 0, n * sizeof *b->origin);
    b->n += n;
cleanup:
    return status;
}

wr_status text_append_value(text_builder *b, value s) { return text_append(b, s.text, s.n, s.origin); }

value text_done(text_builder *b) {
    return (value){.kind = VALUE_STRING, .text = b->bytes ? b->bytes : "", .n = b->n, .origin = b->origin};
}

/* The shortest digits that read back as the same number, as Python's repr. */
static wr_status append_float(text_builder *b, double x, bool json) {
    char digits[40];
    if (!isfinite(x)) {
        const char *name = isnan(x) ? (json ? "NaN" : "nan")
                           : x > 0  ? (json ? "Infinity" : "inf")
                                    : (json ? "-Infinity" : "-inf");
        return text_append(b, name, strlen(name), NULL);
    }
    int n = 0;
    for (int precision = 1; precision <= 17; precision++) {
        n = snprintf(digits, sizeof digits, "%.*g", precision, x);
        if (strtod(digits, NULL) == x) break;
    }
    if (strchr(digits, 'e') || fabs(x) >= 1e16)
        return wr_fail(WR_E_FORMAT, "a number like %s is not supported in a chat template", digits);
    if (!strchr(digits, '.')) n += snprintf(digits + n, sizeof digits - (size_t)n, ".0");
    return text_append(b, digits, (size_t)n, NULL);
}

static wr_status append_int(text_builder *b, int64_t i) {
    char digits[24];
    const int n = snprintf(digits, sizeof digits, "%lld", (long long)i);
    return text_append(b, digits, (size_t)n, NULL);
}

static wr_status append_literal(text_builder *b, const char *s) { return text_append(b, s, strlen(s), NULL); }

wr_status text_append_str(text_builder *b, value v) {
    switch (v.kind) {
    case VALUE_UNDEFINED:
        return WR_OK;
    case VALUE_NONE:
        return append_literal(b, "None");
    case VALUE_BOOL:
        return append_literal(b, v.boolean ? "True" : "False");
    case VALUE_INT:
        return append_int(b, v.integer);
    case VALUE_FLOAT:
        return append_float(b, v.real, false);
    case VALUE_STRING:
        return text_append_value(b, v);
    default:
        return wr_fail(WR_E_FORMAT, "printing a %s is not supported", value_type(v));
    }
}

/* --- JSON
 * ---------------------------------------------------------------------------------------------------------------- */

static wr_status append_json_string(text_builder *b, value s) {
    wr_status status = WR_OK;
    size_t from = 0;
    TRY(append_literal(b, "\""));
    for (size_t i = 0; i <= s.n; i++) {
        const unsigned char c = i < s.n ? (unsigned char)s.text[i] : 0;
        if (i < s.n && c >= 0x20 && c != '"' && c != '\\') continue;
        TRY(text_append_value(b, value_slice(s, from, i)));
        from = i + 1;
        if (i == s.n) break;
        static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
        const char *known = memchr(plain, c, sizeof plain - 1);
        char escape[8];
        if (known)
            snprintf(escape, sizeof escape, "\\%c", letters[known - plain]);
        else
            snprintf(escape, sizeof escape, "\\u%04x", c);
        TRY(append_literal(b, escape));
    }
    TRY(append_literal(b, "\""));
cleanup:
    return status;
}

static wr_status new_line(text_builder *b, int indent, int depth) {
    wr_status status = WR_OK;
    TRY(append_literal(b, "\n"));
    for (int i = 0; i < indent * depth; i++) TRY(append_literal(b, " "));
cleanup:
    return status;
}

static wr_status append_json(text_builder *b, value v, int indent, int depth) {
    wr_status status = WR_OK;
    const bool dict = v.kind == VALUE_DICT;
    if (depth > 50) return wr_fail(WR_E_FORMAT, "tojson: nested too deeply");
    switch (v.kind) {
    case VALUE_NONE:
        return append_literal(b, "null");
    case VALUE_BOOL:
        return append_literal(b, v.boolean ? "true" : "false");
    case VALUE_INT:
        return append_int(b, v.integer);
    case VALUE_FLOAT:
        return append_float(b, v.real, true);
    case VALUE_STRING:
        return append_json_string(b, v);
    case VALUE_LIST:
    case VALUE_DICT:
        break;
    default:
        return wr_fail(WR_E_FORMAT, "tojson of a value that is %s", value_type(v));
    }
    const size_t n = dict ? v.dict->n : v.list->n;
    TRY(append_literal(b, dict ? "{" : "["));
    for (size_t i = 0; i < n; i++) {
        if (i) TRY(append_literal(b, indent < 0 ? ", " : ","));
        if (indent >= 0) TRY(new_line(b, indent, depth + 1));
        if (dict) {
            if (v.dict->keys[i].kind != VALUE_STRING) TRY(wr_fail(WR_E_FORMAT, "tojson: a key that is no string"));
            TRY(append_json_string(b, v.dict->keys[i]));
            TRY(append_literal(b, ": "));
        }
        TRY(append_json(b, dict ? v.dict->values[i] : v.list->items[i], indent, depth + 1));
    }
    if (n && indent >= 0) TRY(new_line(b, indent, depth));
    TRY(append_literal(b, dict ? "}" : "]"));
cleanup:
    return status;
}

wr_status text_append_json(text_builder *b, value v, int indent) { return append_json(b, v, indent, 0); }
