/* Filters, tests and functions of templates. */
#include "model/chat/jinja_ast.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* --- functions
 * ------------------------------------------------------------------------------------------------------------- */

bool is_function(const char *name) {
    static const char *const known[] = {"namespace", "range", "raise_exception", "strftime_now", "dict", NULL};
    for (size_t i = 0; known[i]; i++)
        if (strcmp(name, known[i]) == 0) return true;
    return false;
}

static wr_status make_dict(run *r, value_kind kind, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    TRY(dict_new(r->a, kind, out));
    for (size_t i = 0; i < args->n; i++) {
        const value *given = &args->items[i];
        if (args->names[i])
            TRY(dict_set(r->a, out->dict, value_text(args->names[i], strlen(args->names[i])), *given));
        else if (given->kind == VALUE_DICT)
            for (size_t k = 0; k < given->dict->n; k++)
                TRY(dict_set(r->a, out->dict, given->dict->keys[k], given->dict->values[k]));
        else
            TRY(wr_fail(WR_E_FORMAT, "dict of %s", value_type(*given)));
    }
cleanup:
    return status;
}

static wr_status make_range(run *r, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    int64_t bounds[3] = {0, 0, 1};
    if (args->n < 1 || args->n > 3) return wr_fail(WR_E_FORMAT, "range takes 1 to 3 numbers");
    for (size_t i = 0; i < args->n; i++) {
        if (args->items[i].kind != VALUE_INT) return wr_fail(WR_E_FORMAT, "range of %s", value_type(args->items[i]));
        bounds[args->n == 1 ? 1 : i] = args->items[i].integer;
    }
    if (bounds[2] == 0) return wr_fail(WR_E_FORMAT, "range with step 0");
    TRY(list_new(r->a, out));
    for (int64_t i = bounds[0]; bounds[2] > 0 ? i < bounds[1] : i > bounds[1]; i += bounds[2]) {
        if (out->list->n >= 100000) TRY(wr_fail(WR_E_FORMAT, "range of more than 100000 numbers"));
        TRY(list_push(r->a, out->list, value_int(i)));
        if (llabs(i) > INT64_MAX / 2) break;
    }
cleanup:
    return status;
}

/* The local time, or SOURCE_DATE_EPOCH (UTC) where it is set, so that prompts may be the same on another day. */
static wr_status time_text(run *r, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    char text[256], format[128];
    struct tm when;
    const char *fixed = getenv("SOURCE_DATE_EPOCH");
    const value *given = call_argument(args, 0, "format");
    if (!given || given->kind != VALUE_STRING || given->n >= sizeof format)
        return wr_fail(WR_E_FORMAT, "strftime_now takes a short format");
    memcpy(format, given->text, given->n);
    format[given->n] = 0;
    const time_t now = fixed ? (time_t)strtoll(fixed, NULL, 10) : time(NULL);
    if (!(fixed ? gmtime_r(&now, &when) : localtime_r(&now, &when)))
        return wr_fail(WR_E_FORMAT, "strftime_now: no such time");
    const size_t n = strftime(text, sizeof text, format, &when);
    char *copy = arena_strndup(r->a, text, n);
    TRY_ALLOC(copy);
    *out = value_text(copy, n);
cleanup:
    return status;
}

wr_status run_function(run *r, const char *name, const call_arguments *args, value *out) {
    if (strcmp(name, "namespace") == 0) return make_dict(r, VALUE_NAMESPACE, args, out);
    if (strcmp(name, "dict") == 0) return make_dict(r, VALUE_DICT, args, out);
    if (strcmp(name, "range") == 0) return make_range(r, args, out);
    if (strcmp(name, "strftime_now") == 0) return time_text(r, args, out);
    const value *words = call_argument(args, 0, "message");
    if (!words || words->kind != VALUE_STRING) return wr_fail(WR_E_FORMAT, "\x01no reason given");
    return wr_fail(WR_E_FORMAT, "\x01%.*s", (int)(words->n < 400 ? words->n : 400), words->text);
}

/* --- tests
 * ----------------------------------------------------------------------------------------------------------------------
 */

static bool is_case(value v, int (*wanted)(int), int (*other)(int)) {
    bool any = false;
    for (size_t i = 0; i < v.n; i++) {
        if (other((unsigned char)v.text[i])) return false;
        any = any || wanted((unsigned char)v.text[i]);
    }
    return any;
}

wr_status run_test(run *r, const char *name, value v, const call_arguments *args, bool *out) {
    wr_status status = WR_OK;
    const value *other = call_argument(args, 0, NULL);
    const bool text = v.kind == VALUE_STRING;
    const struct {
        const char *name;
        bool holds;
    } plain[] = {{"defined", v.kind != VALUE_UNDEFINED},
                 {"undefined", v.kind == VALUE_UNDEFINED},
                 {"none", v.kind == VALUE_NONE},
                 {"string", text},
                 {"mapping", v.kind == VALUE_DICT},
                 {"iterable", text || v.kind == VALUE_LIST || v.kind == VALUE_DICT || v.kind == VALUE_UNDEFINED},
                 {"sequence", text || v.kind == VALUE_LIST || v.kind == VALUE_DICT || v.kind == VALUE_UNDEFINED},
                 {"number", value_is_number(v)},
                 {"integer", v.kind == VALUE_INT},
                 {"float", v.kind == VALUE_FLOAT},
                 {"boolean", v.kind == VALUE_BOOL},
                 {"true", v.kind == VALUE_BOOL && v.boolean},
                 {"false", v.kind == VALUE_BOOL && !v.boolean},
                 {"callable", v.kind == VALUE_MACRO || v.kind == VALUE_FUNCTION},
                 {"lower", text && is_case(v, islower, isupper)},
                 {"upper", text && is_case(v, isupper, islower)},
                 {"odd", v.kind == VALUE_INT && v.integer % 2 != 0},
                 {"even", v.kind == VALUE_INT && v.integer % 2 == 0}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (strcmp(name, plain[i].name) != 0) continue;
        *out = plain[i].holds;
        return WR_OK;
    }
    if (!other) return wr_fail(WR_E_FORMAT, "the test '%.40s' is not supported", name);
    if (strcmp(name, "equalto") == 0 || strcmp(name, "eq") == 0 || strcmp(name, "sameas") == 0) {
        *out = value_equal(v, *other);
    } else if (strcmp(name, "ne") == 0) {
        *out = !value_equal(v, *other);
    } else if (strcmp(name, "in") == 0) {
        value_list *items;
        *out = false;
        if (other->kind == VALUE_STRING && text) {
            *out = v.n == 0 || memmem(other->text, other->n, v.text, v.n) != NULL;
            return WR_OK;
        }
        TRY(value_items(r, *other, &items));
        for (size_t i = 0; i < items->n && !*out; i++) *out = value_equal(v, items->items[i]);
    } else if (strcmp(name, "divisibleby") == 0 && v.kind == VALUE_INT && other->kind == VALUE_INT &&
               other->integer > 0) {
        *out = v.integer % other->integer == 0;
    } else {
        TRY(wr_fail(WR_E_FORMAT, "the test '%.40s' is not supported", name));
    }
cleanup:
    return status;
}

/* --- filters
 * ---------------------------------------------------------------------------------------------------------------------
 */

static wr_status join(run *r, value v, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    value_list *items;
    const value *between = call_argument(args, 0, "d");
    if (call_argument(args, 1, "attribute")) return wr_fail(WR_E_FORMAT, "join by attribute is not supported");
    TRY(value_items(r, v, &items));
    for (size_t i = 0; i < items->n; i++) {
        if (i && between) TRY(text_append_str(&b, *between));
        TRY(text_append_str(&b, items->items[i]));
    }
    *out = text_done(&b);
cleanup:
    return status;
}

/* attribute "a.b" of an item. */
static wr_status attribute(run *r, value item, value name, value *out) {
    wr_status status = WR_OK;
    if (name.kind != VALUE_STRING) return value_item(r, item, name, out);
    for (size_t from = 0; from <= name.n;) {
        const char *dot = memchr(name.text + from, '.', name.n - from);
        const size_t to = dot ? (size_t)(dot - name.text) : name.n;
        TRY(value_item(r, item, value_slice(name, from, to), &item));
        if (item.kind == VALUE_UNDEFINED) break;
        from = to + 1;
    }
    *out = item;
cleanup:
    return status;
}

/* The name of a test or filter that is given as a string. */
static wr_status name_of(const value *v, char out[64]) {
    if (v->kind != VALUE_STRING || v->n >= 64)
        return wr_fail(WR_E_FORMAT, "the name of a test or filter is expected, not a %s", value_type(*v));
    memcpy(out, v->text, v->n);
    out[v->n] = 0;
    return WR_OK;
}

/* select, reject, selectattr, rejectattr. */
static wr_status choose(run *r, bool by_attribute, bool wanted, value v, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    value_list *items;
    value tested;
    bool holds;
    char test[64];
    const size_t at = by_attribute ? 1 : 0;
    const value *name = call_argument(args, at, NULL);
    if (by_attribute && !args->n) return wr_fail(WR_E_FORMAT, "selectattr and rejectattr take an attribute");
    if (name) TRY(name_of(name, test));
    TRY(value_items(r, v, &items));
    TRY(list_new(r->a, out));
    for (size_t i = 0; i < items->n; i++) {
        tested = items->items[i];
        if (by_attribute) TRY(attribute(r, tested, args->items[0], &tested));
        holds = value_truth(tested);
        if (name) {
            const call_arguments rest = {args->items + at + 1, args->names + at + 1, args->n - at - 1};
            TRY(run_test(r, test, tested, &rest, &holds));
        }
        if (holds == wanted) TRY(list_push(r->a, out->list, items->items[i]));
    }
cleanup:
    return status;
}

static wr_status map(run *r, value v, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    value_list *items;
    value made;
    char inner[64];
    const value *name = call_argument(args, SIZE_MAX, "attribute"), *filter = call_argument(args, 0, NULL);
    if (!name && !filter) return wr_fail(WR_E_FORMAT, "map takes an attribute or a filter");
    if (!name) TRY(name_of(filter, inner));
    TRY(value_items(r, v, &items));
    TRY(list_new(r->a, out));
    for (size_t i = 0; i < items->n; i++) {
        if (name) {
            TRY(attribute(r, items->items[i], *name, &made));
        } else {
            const call_arguments rest = {args->items + 1, args->names + 1, args->n - 1};
            TRY(run_filter(r, inner, items->items[i], &rest, &made));
        }
        TRY(list_push(r->a, out->list, made));
    }
cleanup:
    return status;
}

static wr_status reverse(run *r, value v, value *out) {
    wr_status status = WR_OK;
    value_list *items;
    text_builder b = {.a = r->a};
    TRY(value_items(r, v, &items));
    TRY(list_new(r->a, out));
    for (size_t i = items->n; i-- > 0;)
        TRY(v.kind == VALUE_STRING ? text_append_value(&b, items->items[i])
                                   : list_push(r->a, out->list, items->items[i]));
    if (v.kind == VALUE_STRING) *out = text_done(&b);
cleanup:
    return status;
}

static wr_status unique(run *r, value v, value *out) {
    wr_status status = WR_OK;
    value_list *items;
    TRY(value_items(r, v, &items));
    TRY(list_new(r->a, out));
    for (size_t i = 0; i < items->n; i++) {
        bool seen = false;
        for (size_t k = 0; k < out->list->n && !seen; k++) seen = value_equal(out->list->items[k], items->items[i]);
        if (!seen) TRY(list_push(r->a, out->list, items->items[i]));
    }
cleanup:
    return status;
}

/* Pairs of a dict, by key without regard to case. */
static wr_status sorted_items(run *r, value v, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    static const call_arguments none = {0};
    value key;
    if (v.kind != VALUE_DICT || args->n)
        return wr_fail(WR_E_FORMAT, "dictsort of %s, or with arguments, is not supported", value_type(v));
    TRY(run_method(r, v, "items", &none, out));
    for (size_t i = 0; i < out->list->n; i++) {
        value pair = out->list->items[i];
        size_t at = i;
        key = pair.list->items[0];
        if (key.kind != VALUE_STRING) TRY(wr_fail(WR_E_FORMAT, "dictsort: a key that is no string"));
        for (; at; at--) { /* few keys: insertion, which keeps the order of equals */
            const value before = out->list->items[at - 1].list->items[0];
            const size_t n = before.n < key.n ? before.n : key.n;
            const int order = n ? strncasecmp(before.text, key.text, n) : 0;
            if (order < 0 || (order == 0 && before.n <= key.n)) break;
            out->list->items[at] = out->list->items[at - 1];
        }
        out->list->items[at] = pair;
    }
cleanup:
    return status;
}

static wr_status length(run *r, value v, value *out) {
    wr_status status = WR_OK;
    value_list *items;
    if (v.kind == VALUE_DICT || v.kind == VALUE_NAMESPACE) {
        *out = value_int((int64_t)v.dict->n);
        return WR_OK;
    }
    if (v.kind == VALUE_STRING) {
        int64_t characters = 0;
        for (size_t i = 0; i < v.n; i++) characters += ((unsigned char)v.text[i] & 0xc0) != 0x80;
        *out = value_int(characters);
        return WR_OK;
    }
    TRY(value_items(r, v, &items));
    *out = value_int((int64_t)items->n);
cleanup:
    return status;
}

static wr_status indent(run *r, value v, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    const value *width = call_argument(args, 0, "width");
    const bool first = call_flag(args, 1, "first", false), blank = call_flag(args, 2, "blank", false);
    const int64_t spaces = width && width->kind == VALUE_INT ? width->integer : 4;
    if (v.kind != VALUE_STRING || (width && width->kind != VALUE_INT) || spaces < 0 || spaces > 1000)
        return wr_fail(WR_E_FORMAT, "indent of %s", value_type(v));
    for (size_t from = 0, line = 0; from <= v.n; line++) {
        const char *end = memchr(v.text + from, '\n', v.n - from);
        const size_t to = end ? (size_t)(end - v.text) + 1 : v.n;
        if ((line || first) && (blank || (to > from && v.text[from] != '\n')))
            for (int64_t i = 0; i < spaces; i++) TRY(text_append(&b, " ", 1, NULL));
        TRY(text_append_value(&b, value_slice(v, from, to)));
        if (!end) break;
        from = to;
    }
    *out = text_done(&b);
cleanup:
    return status;
}

static wr_status to_text(run *r, value v, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a};
    TRY(text_append_str(&b, v));
    *out = text_done(&b);
cleanup:
    return status;
}

static wr_status to_json(run *r, value v, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    const value *width = call_argument(args, 1, "indent");
    if (call_flag(args, 0, "ensure_ascii", false) || call_argument(args, 2, "separators") ||
        call_flag(args, 3, "sort_keys", false))
        return wr_fail(WR_E_FORMAT, "tojson with ensure_ascii, separators or sort_keys is not supported");
    TRY(text_append_json(
        &b, v,
        width && width->kind == VALUE_INT && width->integer >= 0 && width->integer < 100 ? (int)width->integer : -1));
    *out = text_done(&b);
cleanup:
    return status;
}

static wr_status to_int(value v, value *out) {
    char digits[32];
    if (value_is_number(v)) {
        const double x = value_number(v);
        if (!(fabs(x) < 9e15)) return wr_fail(WR_E_FORMAT, "int of a number that is too large");
        *out = value_int((int64_t)x);
        return WR_OK;
    }
    *out = value_int(0);
    if (v.kind != VALUE_STRING || v.n >= sizeof digits) return WR_OK;
    memcpy(digits, v.text, v.n);
    digits[v.n] = 0;
    char *end;
    const long long i = strtoll(digits, &end, 10);
    while (isspace((unsigned char)*end)) end++;
    if (v.n && !*end) *out = value_int(i);
    return WR_OK;
}

wr_status run_filter(run *r, const char *name, value v, const call_arguments *args, value *out) {
    static const struct as_method {
        const char *filter, *method;
    } methods[] = {{"trim", "strip"},      {"upper", "upper"},           {"lower", "lower"},
                   {"replace", "replace"}, {"capitalize", "capitalize"}, {"title", "title"},
                   {"items", "items"}};
    wr_status status = WR_OK;
    const value *other = call_argument(args, 0, "default_value");
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(name, methods[i].filter) != 0) continue;
        if (v.kind == VALUE_UNDEFINED) return strcmp(name, "items") == 0 ? list_new(r->a, out) : to_text(r, v, out);
        if (v.kind != VALUE_STRING && strcmp(name, "items") != 0) TRY(to_text(r, v, &v));
        return run_method(r, v, methods[i].method, args, out);
    }
    if (strcmp(name, "default") == 0 || strcmp(name, "d") == 0) {
        const bool missing = v.kind == VALUE_UNDEFINED || (call_flag(args, 1, "boolean", false) && !value_truth(v));
        *out = missing ? other ? *other : value_text("", 0) : v;
        return WR_OK;
    }
    if (strcmp(name, "length") == 0 || strcmp(name, "count") == 0) return length(r, v, out);
    if (strcmp(name, "tojson") == 0) return to_json(r, v, args, out);
    if (strcmp(name, "string") == 0 || strcmp(name, "safe") == 0) return to_text(r, v, out);
    if (strcmp(name, "join") == 0) return join(r, v, args, out);
    if (strcmp(name, "indent") == 0) return indent(r, v, args, out);
    if (strcmp(name, "int") == 0) return to_int(v, out);
    if (strcmp(name, "map") == 0) return map(r, v, args, out);
    if (strcmp(name, "dictsort") == 0) return sorted_items(r, v, args, out);
    if (strcmp(name, "unique") == 0) return unique(r, v, out);
    if (strcmp(name, "reverse") == 0) return reverse(r, v, out);
    if (strcmp(name, "select") == 0 || strcmp(name, "reject") == 0) return choose(r, false, *name == 's', v, args, out);
    if (strcmp(name, "selectattr") == 0 || strcmp(name, "rejectattr") == 0)
        return choose(r, true, *name == 's', v, args, out);
    if (strcmp(name, "first") == 0) return value_item(r, v, value_int(0), out);
    if (strcmp(name, "last") == 0) return value_item(r, v, value_int(-1), out);
    if (strcmp(name, "list") == 0) {
        value_list *items;
        TRY(value_items(r, v, &items));
        *out = (value){.kind = VALUE_LIST, .list = items};
        return WR_OK;
    }
    TRY(wr_fail(WR_E_FORMAT, "the filter '%.40s' is not supported", name));
cleanup:
    return status;
}
