/* Filters that compare items, by themselves or by attributes "a.b.0" of them. */
#include "text/chat/jinja_filters.h"

#include <string.h>

/* --- attributes "a.b.0" of items ---------------------------------------------------------------------------------- */

static bool all_digits(value s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.text[i] < '0' || s.text[i] > '9') return false;
    return s.n > 0 && s.n < 18;
}

wr_status item_attribute(run *r, value item, value name, const value *fallback, value *out) {
    wr_status status = WR_OK;
    for (size_t from = 0; name.kind == VALUE_STRING && from <= name.n;) {
        const char *dot = from < name.n ? memchr(name.text + from, '.', name.n - from) : NULL;
        const size_t to = dot ? (size_t)(dot - name.text) : name.n;
        value part = value_slice(name, from, to);
        bool valid;
        int64_t i;
        if (all_digits(part)) {
            TRY(text_to_integer(part, 10, &i, &valid));
            part = value_int(i);
        }
        TRY(value_item(r, item, part, &item));
        if (fallback && item.kind == VALUE_UNDEFINED) item = *fallback;
        from = to + 1;
    }
    if (name.kind != VALUE_STRING && name.kind != VALUE_NONE) {
        TRY(value_item(r, item, name, &item));
        if (fallback && item.kind == VALUE_UNDEFINED) item = *fallback;
    }
    *out = item;
cleanup:
    return status;
}

static wr_status fold_case(run *r, value v, bool case_sensitive, value *out) {
    *out = v;
    return v.kind == VALUE_STRING && !case_sensitive ? text_lower(r, v, out) : WR_OK;
}

/* The keys to sort or compare by. */
wr_status item_key(run *r, value item, const value *name, const value *fallback, bool case_sensitive, value *out) {
    wr_status status = WR_OK;
    TRY(item_attribute(r, item, name ? *name : value_none(), fallback, &item));
    TRY(fold_case(r, item, case_sensitive, out));
cleanup:
    return status;
}

/* --- order
 * --- */

static wr_status extreme(run *r, value v, const value *const *g, bool most, value *out) {
    wr_status status = WR_OK;
    value_list *items;
    value best = {0}, key;
    int order;
    *out = (value){0};
    TRY(iterate_all(r, v, &items));
    for (size_t i = 0; i < items->n; i++) {
        TRY(item_key(r, items->items[i], g[1], NULL, argument_flag(g[0], false), &key));
        order = -1;
        if (i)
            TRY(most ? value_order(key, best, ">", &r->steps, &order) : value_order(key, best, "<", &r->steps, &order));
        if (i && order != (most ? 1 : -1)) continue;
        best = key;
        *out = items->items[i];
    }
cleanup:
    return status;
}

wr_status filter_min(run *r, value v, const value *const *g, value *out) { return extreme(r, v, g, false, out); }
wr_status filter_max(run *r, value v, const value *const *g, value *out) { return extreme(r, v, g, true, out); }

/* Sorts items by keys, both (n); equal ones keep their order, in reverse, too. Merging. */
static wr_status sort_by(run *r, value *items, value *keys, size_t n, bool reverse) {
    wr_status status = WR_OK;
    value *spare = NULL;
    int order;
    if (n < 2) return WR_OK;
    const size_t half = n / 2;
    TRY(sort_by(r, items, keys, half, reverse));
    TRY(sort_by(r, items + half, keys + half, n - half, reverse));
    TRY(arena_grow(r->a, (void **)&spare, 0, 2 * n, sizeof *spare));
    TRY(run_spend(r, n));
    for (size_t i = 0, a = 0, b = half; i < n; i++) {
        bool left = b == n;
        if (a < half && b < n) {
            TRY(value_order(keys[b], keys[a], "<", &r->steps, &order));
            left = reverse ? order <= 0 : order != -1;
        }
        const size_t from = left ? a++ : b++;
        spare[i] = items[from];
        spare[n + i] = keys[from];
    }
    memcpy(items, spare, n * sizeof *items);
    memcpy(keys, spare + n, n * sizeof *keys);
cleanup:
    return status;
}

/* Sorted copy of items by keys that `make` gives. */
typedef wr_status (*key_fn)(run *r, value item, const value *const *g, value *out);
/* reverse (NULL: false): as Python's sorted(), which takes no truth of other kinds. */
static wr_status sorted(run *r, const value_list *items, key_fn make, const value *const *g, const value *reversed,
                        value *out) {
    wr_status status = WR_OK;
    value keys;
    if (reversed && reversed->kind != VALUE_BOOL && reversed->kind != VALUE_INT)
        return wr_fail(WR_E_FORMAT, "reverse: %s is neither true nor false", value_type(*reversed));
    const bool reverse = argument_flag(reversed, false);
    TRY(list_new(r->a, out));
    TRY(list_new(r->a, &keys));
    for (size_t i = 0; i < items->n; i++) {
        value key;
        TRY(make(r, items->items[i], g, &key));
        TRY(list_push(r->a, keys.list, key));
        TRY(list_push(r->a, out->list, items->items[i]));
    }
    TRY(sort_by(r, out->list->items, keys.list->items, items->n, reverse));
cleanup:
    return status;
}

/* Attributes "a,b" make lists of keys, as in Jinja. */
static wr_status sort_key(run *r, value item, const value *const *g, value *out) {
    wr_status status = WR_OK;
    const bool exact = argument_flag(g[1], false);
    const value name = g[2] ? *g[2] : value_none();
    value key;
    TRY(list_new(r->a, out));
    for (size_t from = 0; name.kind == VALUE_STRING && from <= name.n;) {
        const char *comma = from < name.n ? memchr(name.text + from, ',', name.n - from) : NULL;
        const size_t to = comma ? (size_t)(comma - name.text) : name.n;
        const value part = value_slice(name, from, to);
        TRY(item_key(r, item, &part, NULL, exact, &key));
        TRY(list_push(r->a, out->list, key));
        from = to + 1;
    }
    if (name.kind == VALUE_STRING) return WR_OK;
    TRY(item_key(r, item, &name, NULL, exact, &key));
    TRY(list_push(r->a, out->list, key));
cleanup:
    return status;
}

wr_status filter_sort(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    value_list *items;
    TRY(iterate_all(r, v, &items));
    TRY(sorted(r, items, sort_key, g, g[0], out));
cleanup:
    return status;
}

static wr_status pair_key(run *r, value pair, const value *const *g, value *out) {
    const bool by_value = g[1] && text_equals(*g[1], "value");
    return fold_case(r, pair.list->items[by_value], argument_flag(g[0], false), out);
}

wr_status filter_dictsort(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    const call_arguments none = {0};
    value items;
    if (v.kind != VALUE_DICT) return wr_fail(WR_E_FORMAT, "dictsort of %s", value_type(v));
    if (g[1] && !text_equals(*g[1], "key") && !text_equals(*g[1], "value"))
        return wr_fail(WR_E_FORMAT, "dictsort is by key or by value");
    TRY(run_method(r, v, "items", &none, &items));
    TRY(sorted(r, items.list, pair_key, g, g[2], out));
cleanup:
    return status;
}

/* g: attribute, default, case_sensitive */
static wr_status group_key(run *r, value item, const value *const *g, value *out) {
    return item_key(r, item, g[0], g[1] && g[1]->kind != VALUE_NONE ? g[1] : NULL, argument_flag(g[2], false), out);
}

wr_status filter_groupby(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    value_list *items;
    value in_order, key, last = {0}, group;
    const value *exact[PARAMETERS_MAX] = {g[0], g[1]};
    const value yes = value_bool(true);
    exact[2] = &yes;
    TRY(iterate_all(r, v, &items));
    TRY(sorted(r, items, group_key, g, NULL, &in_order));
    TRY(list_new(r->a, out));
    for (size_t i = 0; i < in_order.list->n; i++) {
        bool same = false;
        TRY(group_key(r, in_order.list->items[i], g, &key));
        if (i) TRY(value_equal(last, key, &r->steps, &same));
        if (!same) {
            value pair;
            TRY(list_new_kind(r->a, VALUE_TUPLE, &pair));
            pair.group = true;
            TRY(list_new(r->a, &group));
            last = key;
            if (!argument_flag(g[2], false))
                TRY(group_key(r, in_order.list->items[i], exact, &key)); /* as it is written */
            TRY(list_push(r->a, pair.list, key));
            TRY(list_push(r->a, pair.list, group));
            TRY(list_push(r->a, out->list, pair));
        }
        TRY(list_push(r->a, group.list, in_order.list->items[i]));
    }
cleanup:
    return status;
}
