/* Python's methods of strings and dicts, as far as templates call them. */
#include "model/chat/jinja_ast.h"

#include <ctype.h>
#include <string.h>

/* What Python's str.strip() takes away, where it is ASCII; the others (U+0085, U+00A0, U+1680, U+2000 …) by their
 * bytes. */
static size_t space_at(const char *s, size_t n) {
    const unsigned char *u = (const unsigned char *)s;
    if (!n) return 0;
    if (u[0] == ' ' || (u[0] >= 0x09 && u[0] <= 0x0d) || (u[0] >= 0x1c && u[0] <= 0x1f)) return 1;
    if (n >= 2 && u[0] == 0xc2 && (u[1] == 0x85 || u[1] == 0xa0)) return 2;
    if (n < 3) return 0;
    const bool wide = (u[0] == 0xe1 && u[1] == 0x9a && u[2] == 0x80) ||
                      (u[0] == 0xe2 && u[1] == 0x80 &&
                       ((u[2] >= 0x80 && u[2] <= 0x8a) || u[2] == 0xa8 || u[2] == 0xa9 || u[2] == 0xaf)) ||
                      (u[0] == 0xe2 && u[1] == 0x81 && u[2] == 0x9f) || (u[0] == 0xe3 && u[1] == 0x80 && u[2] == 0x80);
    return wide ? 3 : 0;
}

static size_t last_character(value s, size_t to) {
    size_t n = 1;
    while (n < to && n < 4 && ((unsigned char)s.text[to - n] & 0xc0) == 0x80) n++;
    return n;
}

/* Length of the character at s, when it is one to be stripped: of `set`, or white space. */
static size_t strips(const char *s, size_t n, const value *set) {
    if (!set) return space_at(s, n);
    for (size_t i = 0; i < set->n;) {
        size_t length = 1;
        while (i + length < set->n && ((unsigned char)set->text[i + length] & 0xc0) == 0x80) length++;
        if (length <= n && memcmp(s, set->text + i, length) == 0) return length;
        i += length;
    }
    return 0;
}

static wr_status strip(value s, const call_arguments *args, bool left, bool right, value *out) {
    const value *set = call_argument(args, 0, "chars");
    size_t from = 0, to = s.n, n;
    if (set && set->kind == VALUE_NONE) set = NULL;
    if (set && set->kind != VALUE_STRING) return wr_fail(WR_E_FORMAT, "strip by %s", value_type(*set));
    while (left && from < to && (n = strips(s.text + from, to - from, set)) != 0) from += n;
    while (right && to > from) {
        n = last_character(s, to);
        if (n > to - from || strips(s.text + to - n, n, set) != n) break;
        to -= n;
    }
    *out = value_slice(s, from, to);
    return WR_OK;
}

/* split(sep, max) and rsplit. */
static wr_status split(run *r, value s, const call_arguments *args, bool from_right, value *out) {
    wr_status status = WR_OK;
    const value *sep = call_argument(args, 0, "sep"), *most = call_argument(args, 1, "maxsplit");
    int64_t left = most && most->kind == VALUE_INT && most->integer >= 0 ? most->integer : INT64_MAX;
    TRY(list_new(r->a, out));
    if (!sep || sep->kind == VALUE_NONE) {
        if (most) TRY(wr_fail(WR_E_FORMAT, "split at white space with a limit is not supported"));
        for (size_t i = 0, n; i < s.n;) {
            while (i < s.n && (n = space_at(s.text + i, s.n - i)) != 0) i += n;
            const size_t from = i;
            while (i < s.n && !space_at(s.text + i, s.n - i)) i++;
            if (i > from) TRY(list_push(r->a, out->list, value_slice(s, from, i)));
        }
        return WR_OK;
    }
    if (sep->kind != VALUE_STRING || sep->n == 0)
        TRY(wr_fail(WR_E_FORMAT, "split by %s", sep->kind == VALUE_STRING ? "an empty string" : value_type(*sep)));
    size_t skip = 0;
    if (from_right) { /* as split, but the first ones stay together */
        size_t found = 0;
        for (const char *p = s.text, *end = s.text + s.n;
             p < end && (p = memmem(p, (size_t)(end - p), sep->text, sep->n)) != NULL; p += sep->n)
            found++;
        skip = (int64_t)found > left ? found - (size_t)left : 0;
    }
    size_t from = 0;
    for (size_t at = 0; left > 0;) {
        const char *p = at < s.n ? memmem(s.text + at, s.n - at, sep->text, sep->n) : NULL;
        if (!p) break;
        const size_t to = (size_t)(p - s.text);
        at = to + sep->n;
        if (skip) {
            skip--;
            continue;
        }
        TRY(list_push(r->a, out->list, value_slice(s, from, to)));
        from = at;
        left--;
    }
    TRY(list_push(r->a, out->list, value_slice(s, from, s.n)));
cleanup:
    return status;
}

static wr_status replace(run *r, value s, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    const value *old = call_argument(args, 0, "old"), *new = call_argument(args, 1, "new"),
                *most = call_argument(args, 2, "count");
    if (!old || !new || old->kind != VALUE_STRING || new->kind != VALUE_STRING || old->n == 0)
        return wr_fail(WR_E_FORMAT, "replace takes two strings");
    int64_t left = most && most->kind == VALUE_INT && most->integer >= 0 ? most->integer : INT64_MAX;
    size_t from = 0;
    for (const char *p; left > 0 && from < s.n && (p = memmem(s.text + from, s.n - from, old->text, old->n)) != NULL;
         left--) {
        const size_t to = (size_t)(p - s.text);
        TRY(text_append_value(&b, value_slice(s, from, to)));
        TRY(text_append_value(&b, *new));
        from = to + old->n;
    }
    TRY(text_append_value(&b, value_slice(s, from, s.n)));
    *out = text_done(&b);
cleanup:
    return status;
}

/* u: upper, l: lower, c: capitalize, t: title. */
static wr_status change_case(run *r, value s, char how, value *out) {
    wr_status status = WR_OK;
    char *text = arena_alloc(r->a, s.n + 1);
    bool begin = true;
    TRY_ALLOC(text);
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.text[i];
        if (c >= 0x80)
            TRY(wr_fail(WR_E_FORMAT,
                        "upper, lower, title and capitalize of other than ASCII letters are not supported"));
        text[i] = (char)(how == 'u' || (how != 'l' && begin) ? toupper(c) : tolower(c));
        begin = how == 't' && !isalpha(c);
    }
    text[s.n] = 0;
    *out = s;
    out->text = text;
cleanup:
    return status;
}

static bool has_end(value s, value part, bool at_end) {
    return part.kind == VALUE_STRING && part.n <= s.n &&
           memcmp(s.text + (at_end ? s.n - part.n : 0), part.text, part.n) == 0;
}

static wr_status ends(value s, const call_arguments *args, bool at_end, value *out) {
    const value *part = call_argument(args, 0, NULL);
    bool holds = false;
    if (args->n != 1 || (part->kind != VALUE_STRING && part->kind != VALUE_LIST))
        return wr_fail(WR_E_FORMAT, "startswith and endswith take a string");
    if (part->kind == VALUE_LIST)
        for (size_t i = 0; i < part->list->n; i++) holds = holds || has_end(s, part->list->items[i], at_end);
    else
        holds = has_end(s, *part, at_end);
    *out = value_bool(holds);
    return WR_OK;
}

static wr_status find(value s, const call_arguments *args, bool count, value *out) {
    const value *part = call_argument(args, 0, NULL);
    if (args->n != 1 || part->kind != VALUE_STRING || part->n == 0)
        return wr_fail(WR_E_FORMAT, "find and count take a string");
    int64_t n = 0, first = -1;
    for (const char *p = s.text, *end = s.text + s.n;
         p < end && (p = memmem(p, (size_t)(end - p), part->text, part->n)) != NULL; p += part->n) {
        if (first < 0) {
            first = 0;
            for (const char *q = s.text; q < p; q++) first += ((unsigned char)*q & 0xc0) != 0x80;
        }
        n++;
    }
    *out = value_int(count ? n : first);
    return WR_OK;
}

static const char *const text_methods[] = {"strip", "lstrip", "rstrip",     "split",        "rsplit",       "replace",
                                           "upper", "lower",  "capitalize", "title",        "startswith",   "endswith",
                                           "find",  "count",  "join",       "removeprefix", "removesuffix", NULL};
static const char *const dict_methods[] = {"items", "keys", "values", "get", NULL};

static bool listed(const char *const *names, const char *name) {
    for (; *names; names++)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

bool has_method(value object, const char *name) {
    return (object.kind == VALUE_STRING && listed(text_methods, name)) ||
           (object.kind == VALUE_DICT && listed(dict_methods, name));
}

static wr_status text_method(run *r, value s, const char *name, const call_arguments *args, value *out) {
    if (strcmp(name, "strip") == 0) return strip(s, args, true, true, out);
    if (strcmp(name, "lstrip") == 0) return strip(s, args, true, false, out);
    if (strcmp(name, "rstrip") == 0) return strip(s, args, false, true, out);
    if (strcmp(name, "split") == 0) return split(r, s, args, false, out);
    if (strcmp(name, "rsplit") == 0) return split(r, s, args, true, out);
    if (strcmp(name, "replace") == 0) return replace(r, s, args, out);
    if (strcmp(name, "startswith") == 0) return ends(s, args, false, out);
    if (strcmp(name, "endswith") == 0) return ends(s, args, true, out);
    if (strcmp(name, "find") == 0 || strcmp(name, "count") == 0) return find(s, args, *name == 'c', out);
    if (strcmp(name, "join") == 0) {
        const value *items = call_argument(args, 0, NULL);
        static const char *const none[] = {NULL};
        if (!items) return wr_fail(WR_E_FORMAT, "join takes a list");
        return run_filter(r, "join", *items, &(call_arguments){&s, none, 1}, out);
    }
    if (strcmp(name, "removeprefix") == 0 || strcmp(name, "removesuffix") == 0) {
        const value *part = call_argument(args, 0, NULL);
        const bool suffix = name[6] == 's';
        if (!part || part->kind != VALUE_STRING) return wr_fail(WR_E_FORMAT, "%s takes a string", name);
        *out = !has_end(s, *part, suffix) ? s
               : suffix                   ? value_slice(s, 0, s.n - part->n)
                                          : value_slice(s, part->n, s.n);
        return WR_OK;
    }
    return change_case(r, s, *name, out);
}

static wr_status dict_method(run *r, const value_dict *d, const char *name, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    value pair;
    if (strcmp(name, "get") == 0) {
        const value *key = call_argument(args, 0, NULL), *otherwise = call_argument(args, 1, "default");
        if (!key) return wr_fail(WR_E_FORMAT, "get takes a key");
        const value *found = dict_get(d, *key);
        *out = found ? *found : otherwise ? *otherwise : value_none();
        return WR_OK;
    }
    TRY(list_new(r->a, out));
    for (size_t i = 0; i < d->n; i++) {
        pair = *name == 'k' ? d->keys[i] : d->values[i];
        if (*name == 'i') {
            TRY(list_new(r->a, &pair));
            TRY(list_push(r->a, pair.list, d->keys[i]));
            TRY(list_push(r->a, pair.list, d->values[i]));
        }
        TRY(list_push(r->a, out->list, pair));
    }
cleanup:
    return status;
}

wr_status run_method(run *r, value object, const char *name, const call_arguments *args, value *out) {
    if (object.kind == VALUE_UNDEFINED) return wr_fail(WR_E_FORMAT, "'%.40s' of an undefined value", name);
    if (!has_method(object, name))
        return wr_fail(WR_E_FORMAT, "'%.40s' of %s is not supported", name, value_type(object));
    return object.kind == VALUE_STRING ? text_method(r, object, name, args, out)
                                       : dict_method(r, object.dict, name, args, out);
}
