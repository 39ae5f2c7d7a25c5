/* tojson: values as json.dumps writes them. */
#include "base/utf8.h"
#include "text/chat/jinja_value.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { JSON_DEPTH = 220 };

static wr_status append_string(text_builder *b, value s, bool ascii) {
    wr_status status = WR_OK;
    size_t from = 0;
    TRY(text_append_plain(b, "\""));
    for (size_t i = 0, n; i <= s.n; i += n) {
        const unsigned char c = i < s.n ? (unsigned char)s.text[i] : 0;
        int32_t code = c;
        n = i < s.n && c >= 0x80 ? utf8_decode(s.text + i, s.n - i, &code) : 1;
        if (i < s.n && c >= 0x20 && c != '"' && c != '\\' && (!ascii || c < 0x7f)) continue;
        TRY(text_append_value(b, value_slice(s, from, i)));
        from = i + n;
        if (i == s.n) break;
        static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
        const char *known = c < 0x80 ? memchr(plain, c, sizeof plain - 1) : NULL;
        char escape[16];
        if (known)
            snprintf(escape, sizeof escape, "\\%c", letters[known - plain]);
        else if (code < 0x10000)
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code);
        else
            snprintf(escape, sizeof escape, "\\u%04x\\u%04x", 0xd800 + (unsigned)((code - 0x10000) >> 10),
                     0xdc00 + (unsigned)((code - 0x10000) & 0x3ff));
        TRY(text_append_plain(b, escape));
    }
    TRY(text_append_plain(b, "\""));
cleanup:
    return status;
}

static wr_status append_number(text_builder *b, value v) {
    char text[FLOAT_TEXT];
    if (v.kind == VALUE_FLOAT && !isfinite(v.real))
        return text_append_plain(b, isnan(v.real) ? "NaN" : v.real > 0 ? "Infinity" : "-Infinity");
    if (v.kind != VALUE_FLOAT) return text_append_str(b, v);
    float_text(v.real, text);
    return text_append_plain(b, text);
}

static wr_status new_line(text_builder *b, const json_style *style, int depth) {
    wr_status status = WR_OK;
    TRY(text_append_plain(b, "\n"));
    for (int i = 0; i < depth; i++) TRY(text_append_value(b, style->indent));
cleanup:
    return status;
}

static wr_status append_key(text_builder *b, value key, const json_style *style) {
    wr_status status = WR_OK;
    if (key.kind == VALUE_STRING) return append_string(b, key, style->ascii);
    TRY(text_append_plain(b, "\""));
    if (key.kind == VALUE_NONE)
        TRY(text_append_plain(b, "null"));
    else if (key.kind == VALUE_BOOL)
        TRY(text_append_plain(b, key.boolean ? "true" : "false"));
    else if (value_is_number(key))
        TRY(append_number(b, key));
    else
        TRY(wr_fail(WR_E_FORMAT, "tojson: a key that is %s", value_type(key)));
    TRY(text_append_plain(b, "\""));
cleanup:
    return status;
}

/* order (n) of a dict's members: by key, for sort_keys. */
static wr_status sort_members(arena *a, const value_dict *d, size_t **order) {
    wr_status status = WR_OK;
    size_t *at = NULL, steps = 0;
    int c;
    TRY(arena_grow(a, (void **)&at, 0, d->n + 1, sizeof *at));
    for (size_t i = 0, k; i < d->n; i++) { /* few keys */
        for (k = i; k; k--) {
            TRY(value_order(d->keys[i], d->keys[at[k - 1]], "<", &steps, &c));
            if (c >= 0) break;
            at[k] = at[k - 1];
        }
        at[k] = i;
    }
    *order = at;
cleanup:
    return status;
}

static wr_status append_at(text_builder *b, value v, const json_style *style, int depth);

static wr_status append_collection(text_builder *b, value v, const json_style *style, int depth) {
    wr_status status = WR_OK;
    const bool dict = v.kind == VALUE_DICT;
    const size_t n = dict ? v.dict->n : v.list->n;
    size_t *order = NULL;
    if (dict && style->sort_keys) TRY(sort_members(b->a, v.dict, &order));
    TRY(text_append_plain(b, dict ? "{" : "["));
    for (size_t i = 0; i < n; i++) {
        const size_t at = order ? order[i] : i;
        if (i) TRY(text_append_value(b, style->item_separator));
        if (style->indented) TRY(new_line(b, style, depth + 1));
        if (dict) {
            TRY(append_key(b, v.dict->keys[at], style));
            TRY(text_append_value(b, style->key_separator));
        }
        TRY(append_at(b, dict ? v.dict->values[at] : v.list->items[at], style, depth + 1));
    }
    if (n && style->indented) TRY(new_line(b, style, depth));
    TRY(text_append_plain(b, dict ? "}" : "]"));
cleanup:
    return status;
}

static wr_status append_at(text_builder *b, value v, const json_style *style, int depth) {
    if (depth > JSON_DEPTH) return wr_fail(WR_E_FORMAT, "tojson: nested too deeply");
    switch (v.kind) {
    case VALUE_NONE:
        return text_append_plain(b, "null");
    case VALUE_BOOL:
        return text_append_plain(b, v.boolean ? "true" : "false");
    case VALUE_INT:
    case VALUE_FLOAT:
        return append_number(b, v);
    case VALUE_STRING:
        return append_string(b, v, style->ascii);
    case VALUE_LIST:
    case VALUE_TUPLE:
    case VALUE_DICT:
        return append_collection(b, v, style, depth);
    default:
        return wr_fail(WR_E_FORMAT, "tojson of a value that is %s", value_type(v));
    }
}

wr_status text_append_json(text_builder *b, value v, const json_style *style) { return append_at(b, v, style, 0); }
