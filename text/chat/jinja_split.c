/* Cutting strings up and putting them together, as Python does. */
#include "base/utf8.h"
#include "text/chat/jinja_run.h"
#include "text/chat/white_space.h"

#include <string.h>

/* Length of the character at byte i, when it is one to be stripped: of `set`, or white space. */
static size_t strips(value s, size_t i, const value *set) {
    int32_t code;
    if (!set) return white_space_at(s.text + i, s.n - i);
    const size_t n = utf8_decode(s.text + i, s.n - i, &code);
    for (size_t k = 0, length; k < set->n; k += length) {
        int32_t other;
        length = utf8_decode(set->text + k, set->n - k, &other);
        if (other == code && length == n) return n;
    }
    return 0;
}

static size_t character_before(value s, size_t to) {
    size_t n = 1;
    while (n < to && n < 4 && ((unsigned char)s.text[to - n] & 0xc0) == 0x80) n++;
    return to - n;
}

wr_status text_strip(value s, const value *set, bool left, bool right, value *out) {
    size_t from = 0, to = s.n, n;
    if (set && set->kind == VALUE_NONE) set = NULL;
    if (set && set->kind != VALUE_STRING) return wr_fail(WR_E_FORMAT, "strip by %s", value_type(*set));
    while (left && from < to && (n = strips(s, from, set)) != 0) from += n;
    while (right && to > from) {
        const size_t last = character_before(s, to);
        if (last < from || !strips(value_slice(s, 0, to), last, set)) break;
        to = last;
    }
    *out = value_slice(s, from, to);
    return WR_OK;
}

/* By white space: runs of it are one, and what is at the ends counts for nothing. */
static wr_status split_words(run *r, value s, int64_t most, bool from_right, value *out) {
    wr_status status = WR_OK;
    size_t from = 0, to = s.n, n;
    TRY(list_new(r->a, out));
    for (;;) {
        if (from_right)
            while (to > from && strips(value_slice(s, 0, to), character_before(s, to), NULL))
                to = character_before(s, to);
        else
            while (from < to && (n = strips(s, from, NULL)) != 0) from += n;
        if (from == to) break;
        size_t begin = from, end = to;
        if (most-- == 0) { /* the rest, with the white space at its other end */
            TRY(list_push(r->a, out->list, value_slice(s, from, to)));
            break;
        }
        if (from_right) {
            for (begin = end; begin > from && !strips(value_slice(s, 0, begin), character_before(s, begin), NULL);)
                begin = character_before(s, begin);
            to = begin;
        } else {
            int32_t code;
            for (end = begin; end < to && !strips(s, end, NULL);) end += utf8_decode(s.text + end, s.n - end, &code);
            from = end;
        }
        TRY(list_push(r->a, out->list, value_slice(s, begin, end)));
    }
cleanup:
    return status;
}

static void turn_around(value_list *l) {
    for (size_t i = 0; i < l->n / 2; i++) {
        const value v = l->items[i];
        l->items[i] = l->items[l->n - 1 - i];
        l->items[l->n - 1 - i] = v;
    }
}

/* The last place of part in the first n bytes of s, or NULL. */
static const char *last_place(value s, size_t n, value part) {
    for (size_t at = n >= part.n ? n - part.n + 1 : 0; at-- > 0;)
        if (memcmp(s.text + at, part.text, part.n) == 0) return s.text + at;
    return NULL;
}

wr_status text_split(run *r, value s, const value *sep, int64_t most, bool from_right, value *out) {
    wr_status status = WR_OK;
    if (most < 0) most = INT64_MAX;
    if (!sep || sep->kind == VALUE_NONE) {
        TRY(split_words(r, s, most, from_right, out));
        if (from_right) turn_around(out->list);
        return WR_OK;
    }
    if (sep->kind != VALUE_STRING || sep->n == 0)
        return wr_fail(WR_E_FORMAT, "split by %s", sep->kind == VALUE_STRING ? "an empty string" : value_type(*sep));
    TRY(list_new(r->a, out));
    size_t from = 0, to = s.n;
    for (; most > 0; most--) {
        const char *p = from_right  ? last_place(s, to, *sep)
                        : from < to ? memmem(s.text + from, to - from, sep->text, sep->n)
                                    : NULL;
        if (!p) break;
        const size_t at = (size_t)(p - s.text);
        TRY(list_push(r->a, out->list, from_right ? value_slice(s, at + sep->n, to) : value_slice(s, from, at)));
        if (from_right)
            to = at;
        else
            from = at + sep->n;
    }
    TRY(list_push(r->a, out->list, value_slice(s, from, to)));
    if (from_right) turn_around(out->list);
cleanup:
    return status;
}

/* Line breaks as Python knows them: \n, \r, \r\n, \v, \f, FS, GS, RS, NEL, LS, PS. */
wr_status text_lines(run *r, value s, bool keep_ends, value_list **out) {
    wr_status status = WR_OK;
    value made;
    size_t from = 0;
    TRY(list_new(r->a, &made));
    for (size_t i = 0, n; i < s.n; i += n) {
        int32_t code;
        n = utf8_decode(s.text + i, s.n - i, &code);
        if (!((code >= 0x0a && code <= 0x0d) || (code >= 0x1c && code <= 0x1e) || code == 0x85 || code == 0x2028 ||
              code == 0x2029))
            continue;
        if (code == '\r' && i + 1 < s.n && s.text[i + 1] == '\n') n = 2;
        TRY(list_push(r->a, made.list, value_slice(s, from, keep_ends ? i + n : i)));
        from = i + n;
    }
    if (from < s.n) TRY(list_push(r->a, made.list, value_slice(s, from, s.n)));
    *out = made.list;
cleanup:
    return status;
}

wr_status text_replace(run *r, value s, value old, value new, int64_t most, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    if (most < 0) most = INT64_MAX;
    size_t from = 0;
    for (size_t at = 0; most > 0 && at <= s.n; most--) {
        const char *p = old.n == 0 ? s.text + at : at < s.n ? memmem(s.text + at, s.n - at, old.text, old.n) : NULL;
        if (!p) break;
        const size_t to = (size_t)(p - s.text);
        TRY(text_append_value(&b, value_slice(s, from, to)));
        TRY(text_append_value(&b, new));
        from = to + old.n;
        at = from;
        if (old.n == 0) { /* between all characters, and at both ends */
            if (at == s.n) break;
            at += text_offset(value_slice(s, at, s.n), 1);
        }
    }
    TRY(text_append_value(&b, value_slice(s, from, s.n)));
    *out = text_done(&b);
cleanup:
    return status;
}

/* as_str: whatever the items are, as the filter join; else they must be strings, as str.join has it. */
wr_status text_join(run *r, value between, const value_list *items, bool as_str, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    for (size_t i = 0; i < items->n; i++) {
        if (!as_str && items->items[i].kind != VALUE_STRING)
            TRY(wr_fail(WR_E_FORMAT, "join of strings: item %zu is %s", i, value_type(items->items[i])));
        if (i) TRY(text_append_value(&b, between));
        TRY(text_append_str(&b, items->items[i]));
    }
    *out = text_done(&b);
cleanup:
    return status;
}

/* where: l (ljust), r (rjust), c (center). */
wr_status text_pad(run *r, value s, int64_t width, const value *fill, char where, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    const value blank = value_text(" ", 1), with = fill ? *fill : blank;
    if (with.kind != VALUE_STRING || text_length(with) != 1)
        return wr_fail(WR_E_FORMAT, "a string is filled up with one character");
    const int64_t n = (int64_t)text_length(s), pad = width > n ? width - n : 0;
    if (pad > JINJA_OUTPUT_MAX / 64) return wr_fail(WR_E_FORMAT, "a string is filled up too far");
    const int64_t left = where == 'l' ? 0 : where == 'r' ? pad : pad / 2 + (pad & width & 1);
    TRY(run_spend(r, (size_t)pad / 16));
    for (int64_t i = 0; i < left; i++) TRY(text_append_value(&b, with));
    TRY(text_append_value(&b, s));
    for (int64_t i = left; i < pad; i++) TRY(text_append_value(&b, with));
    *out = text_done(&b);
cleanup:
    return status;
}
