/* Filters of lists. What is made item by item (map, select, unique, batch, slice, items, reverse) is made when it is
 * asked for, as in Jinja. */
#include "text/chat/jinja_filters.h"

#include <string.h>

/* --- lazy ones ---------------------------------------------------------------------------------------------------- */

static wr_status lazy(run *r, iterate_next_fn next, value over, value *out) {
    wr_status status = WR_OK;
    TRY(iterator_new(r, next, out));
    TRY(iterate(r, over, &out->iterator->source));
cleanup:
    return status;
}

static wr_status as_iterator(run *r, value list, value *out) {
    value_iterator *it;
    wr_status status = iterate(r, list, &it);
    if (status >= 0) *out = (value){.kind = VALUE_ITERATOR, .iterator = it};
    return status;
}

static wr_status nothing(run *r, value *out) { return as_iterator(r, (value){0}, out); }

static wr_status next_mapped(run *r, value_iterator *it, value *out, bool *more) {
    wr_status status = WR_OK;
    TRY(iterate_next(r, it->source, out, more));
    if (!*more) return WR_OK;
    if (it->by_attribute)
        TRY(item_attribute(r, *out, it->attribute, it->has_fallback ? &it->fallback : NULL, out));
    else
        TRY(run_filter(r, it->name, *out, &it->args, out));
cleanup:
    return status;
}

/* The name of a test or filter that is given as a string. */
static wr_status name_of(run *r, const value *v, const char **out) {
    wr_status status = WR_OK;
    if (v->kind != VALUE_STRING || v->n >= 64)
        return wr_fail(WR_E_FORMAT, "the name of a test or filter is expected, not a %s", value_type(*v));
    TRY_ALLOC(*out = arena_strndup(r->a, v->text, v->n));
cleanup:
    return status;
}

static size_t positional(const call_arguments *args) {
    size_t n = 0;
    while (n < args->n && !args->names[n]) n++;
    return n;
}

wr_status filter_map(run *r, value v, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    if (!value_truth(v)) return nothing(r, out);
    TRY(lazy(r, next_mapped, v, out));
    value_iterator *it = out->iterator;
    for (size_t i = 0; !positional(args) && i < args->n; i++) {
        if (strcmp(args->names[i], "attribute") == 0) {
            it->by_attribute = true;
            it->attribute = args->items[i];
        } else if (strcmp(args->names[i], "default") == 0) {
            it->fallback = args->items[i];
            it->has_fallback = args->items[i].kind != VALUE_NONE;
        } else {
            return wr_fail(WR_E_FORMAT, "map takes no argument named '%.40s'", args->names[i]);
        }
    }
    if (it->by_attribute) return WR_OK;
    if (!positional(args)) return wr_fail(WR_E_FORMAT, "map takes a filter or an attribute");
    TRY(name_of(r, &args->items[0], &it->name));
    it->args = (call_arguments){args->items + 1, args->names + 1, args->n - 1};
cleanup:
    return status;
}

static wr_status next_chosen(run *r, value_iterator *it, value *out, bool *more) {
    wr_status status = WR_OK;
    value tested;
    bool holds;
    do {
        TRY(iterate_next(r, it->source, out, more));
        if (!*more) return WR_OK;
        tested = *out;
        if (it->by_attribute) TRY(item_attribute(r, tested, it->attribute, NULL, &tested));
        holds = value_truth(tested);
        if (it->name) TRY(run_test(r, it->name, tested, &it->args, &holds));
    } while (holds != it->wanted);
cleanup:
    return status;
}

static wr_status choose(run *r, value v, const call_arguments *args, bool by_attribute, bool wanted, value *out) {
    wr_status status = WR_OK;
    const size_t given = positional(args), at = by_attribute;
    if (!value_truth(v)) return nothing(r, out);
    TRY(lazy(r, next_chosen, v, out));
    value_iterator *it = out->iterator;
    it->by_attribute = by_attribute;
    it->wanted = wanted;
    if (by_attribute && !given) return wr_fail(WR_E_FORMAT, "selectattr and rejectattr take an attribute");
    if (by_attribute) it->attribute = args->items[0];
    if (given <= at) return WR_OK; /* what is given by name belongs to a test, and there is none */
    TRY(name_of(r, &args->items[at], &it->name));
    it->args = (call_arguments){args->items + at + 1, args->names + at + 1, args->n - at - 1};
cleanup:
    return status;
}

wr_status filter_select(run *r, value v, const call_arguments *a, value *out) {
    return choose(r, v, a, false, true, out);
}
wr_status filter_reject(run *r, value v, const call_arguments *a, value *out) {
    return choose(r, v, a, false, false, out);
}
wr_status filter_selectattr(run *r, value v, const call_arguments *a, value *out) {
    return choose(r, v, a, true, true, out);
}
wr_status filter_rejectattr(run *r, value v, const call_arguments *a, value *out) {
    return choose(r, v, a, true, false, out);
}

static wr_status next_unique(run *r, value_iterator *it, value *out, bool *more) {
    wr_status status = WR_OK;
    value key;
    bool known = true;
    while (known) {
        TRY(iterate_next(r, it->source, out, more));
        if (!*more) return WR_OK;
        TRY(item_key(r, *out, &it->attribute, NULL, it->case_sensitive, &key));
        if (key.kind == VALUE_LIST || key.kind == VALUE_DICT)
            TRY(wr_fail(WR_E_FORMAT, "unique: a %s cannot be compared so", value_type(key)));
        known = false;
        for (size_t i = 0; i < it->seen->n && !known; i++) TRY(value_equal(it->seen->items[i], key, &r->steps, &known));
    }
    TRY(list_push(r->a, it->seen, key));
cleanup:
    return status;
}

wr_status filter_unique(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    value seen;
    TRY(list_new(r->a, &seen));
    TRY(lazy(r, next_unique, v, out));
    out->iterator->seen = seen.list;
    out->iterator->case_sensitive = argument_flag(g[0], false);
    out->iterator->attribute = g[1] ? *g[1] : value_none();
cleanup:
    return status;
}

static wr_status next_batch(run *r, value_iterator *it, value *out, bool *more) {
    wr_status status = WR_OK;
    value item;
    TRY(list_new(r->a, out));
    while (out->list->n < it->count) {
        TRY(iterate_next(r, it->source, &item, more));
        if (!*more) break;
        TRY(list_push(r->a, out->list, item));
    }
    *more = out->list->n > 0;
    while (*more && it->has_fallback && out->list->n < it->count) TRY(list_push(r->a, out->list, it->fallback));
cleanup:
    return status;
}

wr_status filter_batch(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    int64_t count;
    TRY(argument_integer("batch", g[0], 0, &count));
    if (count < 1 || count > 100000) return wr_fail(WR_E_FORMAT, "batch of %lld is not supported", (long long)count);
    TRY(lazy(r, next_batch, v, out));
    out->iterator->count = (size_t)count;
    out->iterator->has_fallback = g[1] && g[1]->kind != VALUE_NONE;
    if (g[1]) out->iterator->fallback = *g[1];
cleanup:
    return status;
}

wr_status filter_slice(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    value_list *items;
    value slices, part;
    int64_t count;
    size_t offset = 0;
    TRY(argument_integer("slice", g[0], 0, &count));
    if (count < 1 || count > 100000) return wr_fail(WR_E_FORMAT, "slice into %lld is not supported", (long long)count);
    TRY(iterate_all(r, v, &items));
    const size_t each = items->n / (size_t)count, extra = items->n % (size_t)count;
    TRY(list_new(r->a, &slices));
    for (size_t i = 0; i < (size_t)count; i++) {
        const size_t from = offset + i * each;
        if (i < extra) offset++;
        const size_t to = offset + (i + 1) * each;
        TRY(list_new(r->a, &part));
        for (size_t k = from; k < to; k++) TRY(list_push(r->a, part.list, items->items[k]));
        if (g[1] && g[1]->kind != VALUE_NONE && i >= extra) TRY(list_push(r->a, part.list, *g[1]));
        TRY(list_push(r->a, slices.list, part));
    }
    TRY(as_iterator(r, slices, out));
cleanup:
    return status;
}

wr_status filter_items(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    const call_arguments none = {0};
    value items;
    (void)g;
    if (v.kind == VALUE_UNDEFINED) return nothing(r, out);
    if (v.kind != VALUE_DICT) return wr_fail(WR_E_FORMAT, "items of %s", value_type(v));
    TRY(run_method(r, v, "items", &none, &items));
    TRY(as_iterator(r, items, out));
cleanup:
    return status;
}

wr_status filter_reverse(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    const value back[3] = {{.refused = true}, {.refused = true}, {.kind = VALUE_INT, .integer = -1}};
    value_list *items;
    value list;
    (void)g;
    if (v.kind == VALUE_STRING) return value_slice_of(r, v, back, out);
    TRY(iterate_all(r, v, &items));
    TRY(list_new(r->a, &list));
    for (size_t i = items->n; i-- > 0;) TRY(list_push(r->a, list.list, items->items[i]));
    if (v.kind == VALUE_ITERATOR || v.kind == VALUE_UNDEFINED) /* what has no order backwards becomes a list */
        *out = list;
    else
        TRY(as_iterator(r, list, out));
cleanup:
    return status;
}

/* --- those that give a value -------------------------------------------------------------------------------------- */

wr_status filter_list(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    value_list *items;
    (void)g;
    TRY(iterate_all(r, v, &items));
    *out = (value){.kind = VALUE_LIST, .list = items};
cleanup:
    return status;
}

wr_status filter_first(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    value_iterator *it;
    bool more;
    (void)g;
    TRY(iterate(r, v, &it));
    TRY(iterate_next(r, it, out, &more));
    if (!more) *out = (value){0};
cleanup:
    return status;
}

wr_status filter_last(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    value_list *items;
    (void)g;
    *out = (value){0};
    if (v.kind == VALUE_ITERATOR) return wr_fail(WR_E_FORMAT, "last of a generator: put '| list' before it");
    TRY(iterate_all(r, v, &items));
    if (items->n) *out = items->items[items->n - 1];
cleanup:
    return status;
}

wr_status filter_join(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    value between = value_text("", 0), parts;
    value_list *items;
    TRY(iterate_all(r, v, &items));
    if (g[1] && g[1]->kind != VALUE_NONE) {
        TRY(list_new(r->a, &parts));
        for (size_t i = 0; i < items->n; i++) {
            value part;
            TRY(item_attribute(r, items->items[i], *g[1], NULL, &part));
            TRY(list_push(r->a, parts.list, part));
        }
        items = parts.list;
    }
    if (g[0]) TRY(value_str(r->a, *g[0], &between));
    TRY(text_join(r, between, items, true, out));
cleanup:
    return status;
}

wr_status filter_sum(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    value_list *items;
    value item;
    *out = g[1] ? *g[1] : value_int(0);
    if (out->kind == VALUE_STRING) return wr_fail(WR_E_FORMAT, "sum of strings");
    TRY(iterate_all(r, v, &items));
    for (size_t i = 0; i < items->n; i++) {
        item = items->items[i];
        if (g[0] && g[0]->kind != VALUE_NONE) TRY(item_attribute(r, item, *g[0], NULL, &item));
        TRY(value_arithmetic(r, OP_ADD, *out, item, out));
    }
cleanup:
    return status;
}
