/* Methods of strings, lists and dicts, as Python has them and the sandbox allows them. */
#include "text/chat/jinja_run.h"

#include <stdio.h>
#include <string.h>

typedef wr_status (*method_fn)(run *r, value s, const char *name, const value *const *given, value *out);

static wr_status strip(run *r, value s, const char *name, const value *const *g, value *out) {
    (void)r;
    return text_strip(s, g[0], *name != 'r', *name != 'l', out);
}

static wr_status split(run *r, value s, const char *name, const value *const *g, value *out) {
    wr_status status = WR_OK;
    int64_t most;
    TRY(argument_integer(name, g[1], -1, &most));
    TRY(text_split(r, s, g[0], most, *name == 'r', out));
cleanup:
    return status;
}

static wr_status split_lines(run *r, value s, const char *name, const value *const *g, value *out) {
    value_list *lines;
    (void)name;
    wr_status status = text_lines(r, s, argument_flag(g[0], false), &lines);
    if (status >= 0) *out = (value){.kind = VALUE_LIST, .list = lines};
    return status;
}

static wr_status replace(run *r, value s, const char *name, const value *const *g, value *out) {
    wr_status status = WR_OK;
    value old, new;
    int64_t most;
    TRY(argument_text(name, g[0], &old));
    TRY(argument_text(name, g[1], &new));
    TRY(argument_integer(name, g[2], -1, &most));
    TRY(text_replace(r, s, old, new, most, out));
cleanup:
    return status;
}

static wr_status change_case(run *r, value s, const char *name, const value *const *g, value *out) {
    (void)g;
    return text_case(r, s, name, out);
}

static wr_status predicate(run *r, value s, const char *name, const value *const *g, value *out) {
    bool holds = false, known;
    (void)r, (void)g;
    wr_status status = text_predicate(s, name, &holds, &known);
    *out = value_bool(holds);
    return status;
}

/* Characters start … end of s, as arguments of find, count, startswith … say. false: start is behind the end. */
static wr_status part_of(const char *name, value s, const value *start, const value *end, value *out, int64_t *first,
                         bool *valid) {
    wr_status status = WR_OK;
    const int64_t n = (int64_t)text_length(s);
    int64_t from = 0, to = n;
    if (start && start->kind != VALUE_NONE) TRY(argument_integer(name, start, 0, &from));
    if (end && end->kind != VALUE_NONE) TRY(argument_integer(name, end, n, &to));
    if (to > n) to = n;
    if (to < 0) to = to + n < 0 ? 0 : to + n;
    if (from < 0) from = from + n < 0 ? 0 : from + n;
    *valid = from <= to;
    *first = from;
    if (*valid) *out = value_slice(s, text_offset(s, (size_t)from), text_offset(s, (size_t)to));
cleanup:
    return status;
}

static bool has_end(value s, value part, bool at_end) {
    return part.n <= s.n && (!part.n || memcmp(s.text + (at_end ? s.n - part.n : 0), part.text, part.n) == 0);
}

static wr_status ends(run *r, value s, const char *name, const value *const *g, value *out) {
    wr_status status = WR_OK;
    const bool at_end = *name == 'e';
    bool holds = false, valid;
    int64_t first;
    (void)r;
    TRY(part_of(name, s, g[1], g[2], &s, &first, &valid));
    const bool several = g[0]->kind == VALUE_TUPLE;
    for (size_t i = 0; i < (several ? g[0]->list->n : 1) && !holds; i++) {
        value part;
        TRY(argument_text(name, several ? &g[0]->list->items[i] : g[0], &part));
        holds = valid && has_end(s, part, at_end);
    }
    *out = value_bool(holds);
cleanup:
    return status;
}

/* find, rfind, index, rindex, count. */
static wr_status find(run *r, value s, const char *name, const value *const *g, value *out) {
    wr_status status = WR_OK;
    value sub, part = s;
    int64_t first, found = -1, count = 0;
    bool valid;
    const bool last = *name == 'r', index = strstr(name, "index") != NULL, counts = *name == 'c';
    (void)r;
    TRY(argument_text(name, g[0], &sub));
    TRY(part_of(name, s, g[1], g[2], &part, &first, &valid));
    if (valid && sub.n == 0) {
        const int64_t n = (int64_t)text_length(part);
        count = n + 1;
        found = last ? first + n : first;
    }
    for (size_t at = 0; valid && sub.n && at < part.n;) {
        const char *p = memmem(part.text + at, part.n - at, sub.text, sub.n);
        if (!p) break;
        const size_t place = (size_t)(p - part.text);
        if (found < 0 || last) found = first + (int64_t)text_length(value_slice(part, 0, place));
        count++;
        if (!counts && !last) break;
        at = place + (counts ? sub.n : 1);
        if (last && !counts && count > 100000) TRY(run_spend(r, 100));
    }
    if (index && found < 0) return wr_fail(WR_E_FORMAT, "%s: the text is not found", name);
    *out = value_int(counts ? count : found);
cleanup:
    return status;
}

static wr_status join(run *r, value s, const char *name, const value *const *g, value *out) {
    wr_status status = WR_OK;
    value_list *items;
    (void)name;
    TRY(iterate_all(r, *g[0], &items));
    TRY(text_join(r, s, items, false, out));
cleanup:
    return status;
}

static wr_status remove_end(run *r, value s, const char *name, const value *const *g, value *out) {
    wr_status status = WR_OK;
    const bool suffix = name[6] == 's';
    value part;
    (void)r;
    TRY(argument_text(name, g[0], &part));
    *out = !has_end(s, part, suffix) ? s : suffix ? value_slice(s, 0, s.n - part.n) : value_slice(s, part.n, s.n);
cleanup:
    return status;
}

static wr_status pad(run *r, value s, const char *name, const value *const *g, value *out) {
    wr_status status = WR_OK;
    int64_t width;
    TRY(argument_integer(name, g[0], 0, &width));
    TRY(text_pad(r, s, width, g[1], *name, out));
cleanup:
    return status;
}

static wr_status zero_fill(run *r, value s, const char *name, const value *const *g, value *out) {
    wr_status status = WR_OK;
    const value zero = value_text("0", 1);
    int64_t width;
    TRY(argument_integer(name, g[0], 0, &width));
    const bool sign = s.n && (*s.text == '-' || *s.text == '+');
    if (!sign || width <= (int64_t)text_length(s)) return text_pad(r, s, width, &zero, 'r', out);
    TRY(text_pad(r, value_slice(s, 1, s.n), width - 1, &zero, 'r', out));
    TRY(value_arithmetic(r, OP_ADD, value_slice(s, 0, 1), *out, out));
cleanup:
    return status;
}

static wr_status partition(run *r, value s, const char *name, const value *const *g, value *out) {
    wr_status status = WR_OK;
    const bool right = *name == 'r';
    value sep, parts, empty = value_text("", 0);
    TRY(argument_text(name, g[0], &sep));
    TRY(text_split(r, s, &sep, 1, right, &parts));
    TRY(list_new_kind(r->a, VALUE_TUPLE, out));
    const bool found = parts.list->n == 2;
    TRY(list_push(r->a, out->list, found ? parts.list->items[0] : right ? empty : s));
    TRY(list_push(r->a, out->list, found ? sep : empty));
    TRY(list_push(r->a, out->list, found ? parts.list->items[1] : right ? s : empty));
cleanup:
    return status;
}

static wr_status expand_tabs(run *r, value s, const char *name, const value *const *g, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    int64_t size, column = 0;
    TRY(argument_integer(name, g[0], 8, &size));
    if (size > 1000) return wr_fail(WR_E_FORMAT, "expandtabs by more than 1000 is not supported");
    for (size_t i = 0; i < s.n; i++) {
        if (s.text[i] == '\t') {
            for (int64_t n = size > 0 ? size - column % size : 0; n > 0; n--, column++) TRY(text_append_plain(&b, " "));
            continue;
        }
        if (((unsigned char)s.text[i] & 0xc0) != 0x80) column++;
        if (s.text[i] == '\n' || s.text[i] == '\r') column = 0;
        TRY(text_append_value(&b, value_slice(s, i, i + 1)));
    }
    *out = text_done(&b);
cleanup:
    return status;
}

/* --- lists and dicts ---------------------------------------------------------------------------------------------- */

static wr_status list_find(run *r, value s, const char *name, const value *const *g, value *out) {
    wr_status status = WR_OK;
    const bool counts = *name == 'c';
    const int64_t n = (int64_t)s.list->n;
    int64_t from, to, count = 0;
    bool same;
    TRY(argument_integer(name, counts ? NULL : g[1], 0, &from));
    TRY(argument_integer(name, counts ? NULL : g[2], n, &to));
    if (from < 0) from = from + n < 0 ? 0 : from + n;
    if (to < 0) to += n;
    for (int64_t i = from; i < to && i < n; i++) {
        TRY(value_equal(s.list->items[i], *g[0], &r->steps, &same));
        if (same && !counts) {
            *out = value_int(i);
            return WR_OK;
        }
        count += same;
    }
    if (!counts) return wr_fail(WR_E_FORMAT, "index: the item is not in the %s", value_type(s));
    *out = value_int(count);
cleanup:
    return status;
}

static wr_status copy(run *r, value s, const char *name, const value *const *g, value *out) {
    wr_status status = WR_OK;
    const value whole[3] = {{.refused = true}, {.refused = true}, {.refused = true}};
    (void)name, (void)g;
    if (s.kind != VALUE_DICT) return value_slice_of(r, s, whole, out);
    TRY(dict_new(r->a, VALUE_DICT, out));
    for (size_t i = 0; i < s.dict->n; i++) TRY(dict_set(r->a, out->dict, s.dict->keys[i], s.dict->values[i]));
cleanup:
    return status;
}

static wr_status dict_views(run *r, value s, const char *name, const value *const *g, value *out) {
    wr_status status = WR_OK;
    const value_dict *d = s.dict;
    (void)g;
    TRY(list_new_kind(r->a, *name == 'k' ? VALUE_KEYS : *name == 'v' ? VALUE_VALUES : VALUE_ITEMS, out));
    for (size_t i = 0; i < d->n; i++) {
        value pair = *name == 'k' ? d->keys[i] : d->values[i];
        if (*name == 'i') {
            TRY(list_new_kind(r->a, VALUE_TUPLE, &pair));
            TRY(list_push(r->a, pair.list, d->keys[i]));
            TRY(list_push(r->a, pair.list, d->values[i]));
        }
        TRY(list_push(r->a, out->list, pair));
    }
cleanup:
    return status;
}

static wr_status dict_lookup(run *r, value s, const char *name, const value *const *g, value *out) {
    wr_status status = WR_OK;
    const value *found;
    (void)r, (void)name;
    TRY(dict_find(s.dict, *g[0], &found));
    *out = found ? *found : g[1] ? *g[1] : value_none();
cleanup:
    return status;
}

static wr_status cycle(run *r, value s, const char *name, const value *const *g, value *out) {
    value_cycler *c = s.cycler;
    (void)r, (void)g;
    if (s.kind == VALUE_JOINER) {
        *out = c->at ? c->separator : value_text("", 0);
        c->at = 1;
        return WR_OK;
    }
    *out = *name == 'n' ? c->items->items[c->at] : value_none();
    c->at = *name == 'n' ? (c->at + 1) % c->items->n : 0;
    return WR_OK;
}

static const struct method {
    value_kind kind;
    const char *name;
    method_fn run; /* NULL: takes any arguments */
    const char *parameters;
    size_t required;
} methods[] = {{VALUE_STRING, "strip", strip, "/chars", 0},
               {VALUE_STRING, "lstrip", strip, "/chars", 0},
               {VALUE_STRING, "rstrip", strip, "/chars", 0},
               {VALUE_STRING, "split", split, "sep maxsplit", 0},
               {VALUE_STRING, "rsplit", split, "sep maxsplit", 0},
               {VALUE_STRING, "splitlines", split_lines, "keepends", 0},
               {VALUE_STRING, "replace", replace, "/old /new /count", 2},
               {VALUE_STRING, "upper", change_case, "", 0},
               {VALUE_STRING, "lower", change_case, "", 0},
               {VALUE_STRING, "title", change_case, "", 0},
               {VALUE_STRING, "capitalize", change_case, "", 0},
               {VALUE_STRING, "swapcase", change_case, "", 0},
               {VALUE_STRING, "casefold", change_case, "", 0},
               {VALUE_STRING, "isupper", predicate, "", 0},
               {VALUE_STRING, "islower", predicate, "", 0},
               {VALUE_STRING, "istitle", predicate, "", 0},
               {VALUE_STRING, "isalpha", predicate, "", 0},
               {VALUE_STRING, "isalnum", predicate, "", 0},
               {VALUE_STRING, "isdigit", predicate, "", 0},
               {VALUE_STRING, "isdecimal", predicate, "", 0},
               {VALUE_STRING, "isnumeric", predicate, "", 0},
               {VALUE_STRING, "isspace", predicate, "", 0},
               {VALUE_STRING, "isascii", predicate, "", 0},
               {VALUE_STRING, "isprintable", predicate, "", 0},
               {VALUE_STRING, "isidentifier", predicate, "", 0},
               {VALUE_STRING, "startswith", ends, "/prefix /start /end", 1},
               {VALUE_STRING, "endswith", ends, "/suffix /start /end", 1},
               {VALUE_STRING, "find", find, "/sub /start /end", 1},
               {VALUE_STRING, "rfind", find, "/sub /start /end", 1},
               {VALUE_STRING, "index", find, "/sub /start /end", 1},
               {VALUE_STRING, "rindex", find, "/sub /start /end", 1},
               {VALUE_STRING, "count", find, "/sub /start /end", 1},
               {VALUE_STRING, "join", join, "/iterable", 1},
               {VALUE_STRING, "removeprefix", remove_end, "/prefix", 1},
               {VALUE_STRING, "removesuffix", remove_end, "/suffix", 1},
               {VALUE_STRING, "ljust", pad, "/width /fillchar", 1},
               {VALUE_STRING, "rjust", pad, "/width /fillchar", 1},
               {VALUE_STRING, "center", pad, "/width /fillchar", 1},
               {VALUE_STRING, "zfill", zero_fill, "/width", 1},
               {VALUE_STRING, "partition", partition, "/sep", 1},
               {VALUE_STRING, "rpartition", partition, "/sep", 1},
               {VALUE_STRING, "expandtabs", expand_tabs, "tabsize", 0},
               {VALUE_STRING, "format", NULL, "", 0},
               {VALUE_STRING, "format_map", NULL, "", 0},
               {VALUE_LIST, "count", list_find, "/value", 1},
               {VALUE_LIST, "index", list_find, "/value /start /stop", 1},
               {VALUE_LIST, "copy", copy, "", 0},
               {VALUE_TUPLE, "count", list_find, "/value", 1},
               {VALUE_TUPLE, "index", list_find, "/value /start /stop", 1},
               {VALUE_RANGE, "count", list_find, "/value", 1},
               {VALUE_RANGE, "index", list_find, "/value", 1},
               {VALUE_DICT, "items", dict_views, "", 0},
               {VALUE_DICT, "keys", dict_views, "", 0},
               {VALUE_DICT, "values", dict_views, "", 0},
               {VALUE_DICT, "get", dict_lookup, "/key /default", 1},
               {VALUE_DICT, "copy", copy, "", 0},
               {VALUE_CYCLER, "next", cycle, "", 0},
               {VALUE_CYCLER, "reset", cycle, "", 0},
               {VALUE_JOINER, "", cycle, "", 0},
               {VALUE_LOOP, "cycle", NULL, "", 0},
               {VALUE_LOOP, "changed", NULL, "", 0}};

static const struct method *find_method(value object, const char *name) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (methods[i].kind == object.kind && strcmp(methods[i].name, name) == 0) return &methods[i];
    return NULL;
}

bool has_method(value object, const char *name) { return find_method(object, name) != NULL; }

static wr_status format_method(run *r, value s, const char *name, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    call_arguments by_name = {0};
    if (strcmp(name, "format") == 0) return text_format(r, s, args, out);
    if (args->n != 1 || args->names[0] || args->items[0].kind != VALUE_DICT)
        return wr_fail(WR_E_FORMAT, "format_map takes a dict");
    const value_dict *d = args->items[0].dict;
    const char **names = NULL;
    TRY(arena_grow(r->a, (void **)&names, 0, d->n + 1, sizeof *names));
    for (size_t i = 0; i < d->n; i++) {
        if (d->keys[i].kind != VALUE_STRING)
            return wr_fail(WR_E_FORMAT, "format_map: a key that is %s", value_type(d->keys[i]));
        TRY_ALLOC(names[i] = arena_strndup(r->a, d->keys[i].text, d->keys[i].n));
    }
    by_name = (call_arguments){d->values, names, d->n};
    TRY(text_format(r, s, &by_name, out));
cleanup:
    return status;
}

wr_status run_method(run *r, value object, const char *name, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    const struct method *m = find_method(object, name);
    const value *given[PARAMETERS_MAX];
    if (object.kind == VALUE_UNDEFINED) return wr_fail(WR_E_FORMAT, "'%.40s' of an undefined value", name);
    if (!m) return wr_fail(WR_E_FORMAT, "'%.40s' of %s is not supported", name, value_type(object));
    if (object.kind == VALUE_LOOP) return loop_method(r, object.loop, name, args, out);
    if (object.kind == VALUE_STRING && object.markup && args->n && m->run != find && m->run != ends)
        return wr_fail(WR_E_FORMAT, "'%s' of what 'safe' or 'escape' gives is not supported", name);
    if (!m->run) return format_method(r, object, name, args, out);
    if (object.kind == VALUE_STRING) TRY(run_spend(r, object.n / TEXT_STEP));
    TRY(take_arguments(m->name, args, m->parameters, m->required, given));
    TRY(m->run(r, object, name, given, out));
cleanup:
    return status;
}
