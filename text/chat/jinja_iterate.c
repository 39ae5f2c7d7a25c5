/* Going through values, and how long they are. What filters like map give is made as it is asked for, once. */
#include "base/utf8.h"
#include "text/chat/jinja_run.h"

#include <string.h>

static wr_status next_of_list(run *r, value_iterator *it, value *out, bool *more) {
    (void)r;
    *more = it->at < it->items->n;
    if (*more) *out = it->items->items[it->at++];
    return WR_OK;
}

wr_status iterator_new(run *r, iterate_next_fn next, value *out) {
    wr_status status = WR_OK;
    value_iterator *it = NULL;
    TRY(arena_grow(r->a, (void **)&it, 0, 1, sizeof *it));
    *it = (value_iterator){.next = next};
    *out = (value){.kind = VALUE_ITERATOR, .iterator = it};
cleanup:
    return status;
}

static wr_status next_of_loop(run *r, value_iterator *it, value *out, bool *more) {
    (void)it, (void)out, (void)more, (void)r;
    return wr_fail(WR_E_FORMAT, "going through 'loop' is not supported");
}

static wr_status characters(run *r, value s, value_list **out) {
    wr_status status = WR_OK;
    value made;
    TRY(list_new(r->a, &made));
    for (size_t i = 0, n; i < s.n; i += n) {
        int32_t code;
        n = utf8_decode(s.text + i, s.n - i, &code);
        TRY(list_push(r->a, made.list, value_slice(s, i, i + n)));
    }
    *out = made.list;
cleanup:
    return status;
}

wr_status iterate(run *r, value v, value_iterator **out) {
    wr_status status = WR_OK;
    value made;
    value_list *items = NULL;
    if (v.kind == VALUE_ITERATOR) {
        *out = v.iterator;
        return WR_OK;
    }
    TRY(iterator_new(r, v.kind == VALUE_LOOP ? next_of_loop : next_of_list, &made));
    *out = made.iterator;
    if (value_is_list(v)) {
        items = v.list;
    } else if (v.kind == VALUE_STRING) {
        TRY(characters(r, v, &items));
    } else if (v.kind == VALUE_DICT || v.kind == VALUE_UNDEFINED) {
        value keys;
        TRY(list_new(r->a, &keys));
        for (size_t i = 0; v.kind == VALUE_DICT && i < v.dict->n; i++) TRY(list_push(r->a, keys.list, v.dict->keys[i]));
        items = keys.list;
    } else if (v.kind != VALUE_LOOP) {
        TRY(wr_fail(WR_E_FORMAT, "%s cannot be gone through", value_type(v)));
    }
    made.iterator->items = items;
cleanup:
    return status;
}

wr_status iterate_next(run *r, value_iterator *it, value *out, bool *more) {
    wr_status status = WR_OK;
    TRY(run_spend(r, 1));
    TRY(run_enter(r)); /* filters upon filters */
    status = it->next(r, it, out, more);
    r->depth--;
cleanup:
    return status;
}

wr_status iterate_all(run *r, value v, value_list **out) {
    wr_status status = WR_OK;
    value_iterator *it;
    value made, item;
    bool more;
    if (value_is_list(v)) {
        *out = v.list;
        return run_spend(r, v.list->n / 8);
    }
    TRY(iterate(r, v, &it));
    if (it->next == next_of_list && !it->at) {
        *out = (value_list *)it->items;
        it->at = it->items->n;
        return run_spend(r, it->items->n / 8);
    }
    TRY(list_new(r->a, &made));
    for (;;) {
        TRY(iterate_next(r, it, &item, &more));
        if (!more) break;
        TRY(list_push(r->a, made.list, item));
    }
    *out = made.list;
cleanup:
    return status;
}

size_t text_length(value s) {
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.text[i] & 0xc0) != 0x80;
    return n;
}

size_t text_offset(value s, size_t i) {
    size_t at = 0;
    for (; at < s.n; at++)
        if (((unsigned char)s.text[at] & 0xc0) != 0x80 && i-- == 0) break;
    return at;
}

wr_status value_length(value v, int64_t *out) {
    *out = 0;
    if (value_is_list(v))
        *out = (int64_t)v.list->n;
    else if (v.kind == VALUE_DICT)
        *out = (int64_t)v.dict->n;
    else if (v.kind == VALUE_STRING)
        *out = (int64_t)text_length(v);
    else if (v.kind != VALUE_UNDEFINED)
        return wr_fail(WR_E_FORMAT, "a %s has no length", value_type(v));
    return WR_OK;
}

wr_status value_contains(run *r, value container, value v, bool *out) {
    wr_status status = WR_OK;
    value_iterator *it;
    value item;
    const value *found;
    bool more;
    *out = false;
    if (container.kind == VALUE_STRING) {
        if (v.kind != VALUE_STRING) return wr_fail(WR_E_FORMAT, "'in' of %s and str", value_type(v));
        TRY(run_spend(r, container.n / TEXT_STEP));
        *out = v.n == 0 || (container.n && memmem(container.text, container.n, v.text, v.n) != NULL);
        return WR_OK;
    }
    if (container.kind == VALUE_DICT) {
        TRY(dict_find(container.dict, v, &found));
        *out = found != NULL;
        return WR_OK;
    }
    TRY(iterate(r, container, &it));
    for (;;) {
        TRY(iterate_next(r, it, &item, &more));
        if (!more) break;
        TRY(value_equal(item, v, &r->steps, out));
        if (*out) break;
    }
cleanup:
    return status;
}
