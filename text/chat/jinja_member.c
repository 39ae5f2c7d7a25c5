/* Members, items and slices, as Jinja's sandbox gives them. */
#include "text/chat/jinja_run.h"

#include <string.h>

static bool listed(const char *const *names, const char *name) {
    for (; *names; names++)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

/* Attributes that Python has and this does not: named, instead of undefined. */
static bool is_unsupported(value v, const char *name) {
    static const char *const
        number[] = {"real",      "imag",       "numerator",        "denominator", "bit_length",
                    "bit_count", "conjugate",  "as_integer_ratio", "to_bytes",    "from_bytes",
                    "hex",       "is_integer", "fromhex",          NULL},
        *const text[] = {"encode", "maketrans", "translate", NULL}, *const range[] = {"start", "stop", "step", NULL},
        *const view[] = {"mapping", "isdisjoint", NULL},
        *const macro[] = {"name", "arguments", "catch_kwargs", "catch_varargs", "caller", "explicit_caller", NULL},
        *const generator[] = {"send", "throw", "close", "gi_running", "gi_suspended", "gi_yieldfrom", NULL},
        *const joiner[] = {"sep", "used", NULL}, *const cycler[] = {"items", "pos", NULL};
    const size_t n = strlen(name);
    if (n > 4 && memcmp(name, "__", 2) == 0 && memcmp(name + n - 2, "__", 2) == 0) return true;
    switch (v.kind) {
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_FLOAT:
        return listed(number, name);
    case VALUE_STRING:
        return listed(text, name);
    case VALUE_RANGE:
        return listed(range, name);
    case VALUE_KEYS:
    case VALUE_VALUES:
    case VALUE_ITEMS:
        return listed(view, name);
    case VALUE_MACRO:
        return listed(macro, name);
    case VALUE_ITERATOR:
        return listed(generator, name);
    case VALUE_JOINER:
        return listed(joiner, name);
    case VALUE_CYCLER:
        return listed(cycler, name);
    case VALUE_DICT:
        return strcmp(name, "fromkeys") == 0;
    default:
        return false;
    }
}

/* Methods that would change the object: the sandbox gives an undefined value, and an error when it is called. */
static bool is_forbidden(value v, const char *name) {
    static const char *const dict[] = {"clear", "pop", "popitem", "setdefault", "update", NULL},
                             *const list[] = {"append", "clear",  "pop",    "reverse", "insert",
                                              "sort",   "extend", "remove", NULL};
    return (v.kind == VALUE_DICT && listed(dict, name)) || (v.kind == VALUE_LIST && listed(list, name));
}

/* What getattr finds. */
static wr_status attribute(run *r, value a, const char *name, value *out, bool *found) {
    wr_status status = WR_OK;
    *out = (value){0};
    *found = true;
    if (a.kind == VALUE_UNDEFINED) return wr_fail(WR_E_FORMAT, "member '%.40s' of an undefined value", name);
    if (a.kind == VALUE_NAMESPACE) {
        const value *member = dict_get_name(a.dict, name);
        *found = member != NULL;
        if (member) *out = *member;
        return WR_OK;
    }
    if (is_unsupported(a, name)) return wr_fail(WR_E_FORMAT, "'%.40s' of %s is not supported", name, value_type(a));
    if (is_forbidden(a, name)) {
        out->refused = true;
        return WR_OK;
    }
    if (a.kind == VALUE_LOOP) {
        TRY(loop_member(r, a.loop, name, out));
        if (out->kind != VALUE_UNDEFINED || strcmp(name, "previtem") == 0 || strcmp(name, "nextitem") == 0)
            return WR_OK;
    }
    if (a.kind == VALUE_CYCLER && strcmp(name, "current") == 0) {
        *out = a.cycler->items->items[a.cycler->at];
        return WR_OK;
    }
    if (a.group && (strcmp(name, "grouper") == 0 || strcmp(name, "list") == 0)) {
        *out = a.list->items[*name == 'l'];
        return WR_OK;
    }
    if (has_method(a, name)) {
        value_method *m = NULL;
        TRY(arena_grow(r->a, (void **)&m, 0, 1, sizeof *m));
        *m = (value_method){a, name};
        *out = (value){.kind = VALUE_METHOD, .method = m};
        return WR_OK;
    }
    *found = false;
cleanup:
    return status;
}

wr_status value_member(run *r, value a, const char *name, value *out) {
    wr_status status = WR_OK;
    bool found;
    TRY(attribute(r, a, name, out, &found));
    if (found || a.kind != VALUE_DICT) return WR_OK;
    const value *item = dict_get_name(a.dict, name);
    if (item) *out = *item;
cleanup:
    return status;
}

wr_status value_item(run *r, value a, value key, value *out) {
    wr_status status = WR_OK;
    *out = (value){0};
    if (a.kind == VALUE_UNDEFINED) return wr_fail(WR_E_FORMAT, "an item of an undefined value");
    if (a.kind == VALUE_DICT) {
        const value *found = NULL;
        TRY(run_spend(r, a.dict->n / 8 + (key.kind == VALUE_STRING ? key.n / TEXT_STEP : 0)));
        if (dict_find(a.dict, key, &found) < 0) return WR_OK; /* no key at all: undefined, as a missing one */
        if (found) *out = *found;
        if (found) return WR_OK;
    } else if ((value_is_list(a) && a.kind <= VALUE_RANGE) || a.kind == VALUE_STRING) {
        if (value_is_integer(key)) {
            if (a.kind == VALUE_STRING) TRY(run_spend(r, a.n / TEXT_STEP));
            const int64_t n = a.kind == VALUE_STRING ? (int64_t)text_length(a) : (int64_t)a.list->n;
            const int64_t at = value_integer(key), i = at < 0 ? at + n : at;
            if (i < 0 || i >= n) return WR_OK;
            if (a.kind == VALUE_STRING)
                *out = value_slice(a, text_offset(a, (size_t)i), text_offset(a, (size_t)i + 1));
            else
                *out = a.list->items[i];
            return WR_OK;
        }
    }
    if (key.kind == VALUE_STRING) {
        char name[64];
        bool found;
        if (key.n >= sizeof name) return WR_OK;
        memcpy(name, key.text, key.n);
        name[key.n] = 0;
        TRY(attribute(r, a, name, out, &found));
        if (out->kind == VALUE_METHOD) { /* the name outlives this */
            char *copy = arena_strndup(r->a, name, key.n);
            TRY_ALLOC(copy);
            ((value_method *)out->method)->name = copy;
        }
    }
cleanup:
    return status;
}

/* One end of a slice of n items, as Python cuts it to size. */
static int64_t bound(const value *v, int64_t n, int64_t step, bool start) {
    if (v->kind == VALUE_UNDEFINED) return step > 0 ? (start ? 0 : n) : (start ? n - 1 : -1);
    int64_t i = value_integer(*v);
    if (i < 0) {
        i = i < -n ? -1 : i + n;
        if (i < 0) i = step < 0 ? -1 : 0;
    } else if (i >= n) {
        i = step < 0 ? n - 1 : n;
    }
    return i;
}

/* Characters of s, by byte offsets (n + 1). */
static wr_status offsets(run *r, value s, size_t n, size_t **out) {
    wr_status status = WR_OK;
    size_t *at = NULL, k = 0;
    TRY(arena_grow(r->a, (void **)&at, 0, n + 1, sizeof *at));
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.text[i] & 0xc0) != 0x80) at[k++] = i;
    at[n] = s.n;
    *out = at;
cleanup:
    return status;
}

wr_status value_slice_of(run *r, value a, const value bounds[3], value *out) {
    wr_status status = WR_OK;
    const bool text = a.kind == VALUE_STRING;
    value cut[3];
    for (int i = 0; i < 3; i++) {
        cut[i] = bounds[i];
        if (cut[i].kind == VALUE_NONE)
            cut[i] = (value){0};
        else if (!value_is_integer(cut[i]) && !cut[i].refused)
            return wr_fail(WR_E_FORMAT, "a slice by %s", value_type(cut[i]));
        else if (cut[i].refused) /* marks what is left out, too */
            cut[i] = (value){0};
    }
    if (!text && !(value_is_list(a) && a.kind <= VALUE_RANGE))
        return wr_fail(WR_E_FORMAT, "a slice of %s", value_type(a));
    if (text) TRY(run_spend(r, a.n / TEXT_STEP));
    const int64_t n = text ? (int64_t)text_length(a) : (int64_t)a.list->n;
    const int64_t step = cut[2].kind == VALUE_UNDEFINED ? 1 : value_integer(cut[2]);
    if (step == 0) return wr_fail(WR_E_FORMAT, "a slice with step 0");
    const int64_t from = bound(&cut[0], n, step, true), to = bound(&cut[1], n, step, false);
    if (text && step == 1) {
        const size_t begin = text_offset(a, (size_t)from), end = to > from ? text_offset(a, (size_t)to) : begin;
        *out = value_slice(a, begin, end);
        return WR_OK;
    }
    text_builder b = {.a = r->a};
    size_t *at = NULL;
    if (text)
        TRY(offsets(r, a, (size_t)n, &at));
    else
        TRY(list_new_kind(r->a, a.kind, out));
    for (int64_t i = from; step > 0 ? i < to : i > to; i += step) {
        if (text)
            TRY(text_append_value(&b, value_slice(a, at[i], at[i + 1])));
        else
            TRY(list_push(r->a, out->list, a.list->items[i]));
        if (step > n || step < -n) break;
    }
    if (text) {
        *out = text_done(&b);
        out->markup = a.markup;
    } else if (a.kind == VALUE_RANGE) {
        out->list->start = a.list->start + from * a.list->step;
        out->list->stop = a.list->start + to * a.list->step;
        out->list->step = a.list->step * (step > n || step < -n ? (step > 0 ? n + 1 : -n - 1) : step);
        if (step > n || step < -n)
            TRY(wr_fail(WR_E_FORMAT, "a slice of a range with so large a step is not supported"));
    }
cleanup:
    return status;
}
