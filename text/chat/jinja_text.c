/* Strings being written: pieces, and values as Python's str() and repr() write them. */
#include "base/utf8.h"
#include "text/chat/jinja_unicode.h"
#include "text/chat/jinja_value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPR_DEPTH = 100 };

wr_status text_append(text_builder *b, const char *bytes, size_t n, const uint16_t *origin) {
    wr_status status = WR_OK;
    if (b->limit && n > b->limit - b->n)
        return wr_fail(WR_E_FORMAT, "the chat template writes more than %zu bytes", b->limit);
    if (b->n + n > b->capacity || !b->bytes) {
        const size_t wanted = 2 * b->capacity + n + 64;
        TRY(arena_grow(b->a, (void **)&b->bytes, b->n, wanted, 1));
        if (b->origin) TRY(arena_grow(b->a, (void **)&b->origin, b->n, wanted, sizeof *b->origin));
        b->capacity = wanted;
    }
    if (origin && !b->origin) {
        TRY(arena_grow(b->a, (void **)&b->origin, 0, b->capacity, sizeof *b->origin));
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
wr_status text_append_plain(text_builder *b, const char *s) { return text_append(b, s, strlen(s), NULL); }

value text_done(text_builder *b) {
    return (value){.kind = VALUE_STRING, .text = b->bytes ? b->bytes : "", .n = b->n, .origin = b->origin};
}

void float_text(double x, char out[FLOAT_TEXT]) {
    char digits[FLOAT_TEXT], plain[24];
    if (!isfinite(x)) {
        snprintf(out, FLOAT_TEXT, "%s", isnan(x) ? "nan" : x > 0 ? "inf" : "-inf");
        return;
    }
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision, x);
        if (strtod(digits, NULL) == x) break;
    }
    const char *e = strchr(digits, 'e');
    const int exponent = atoi(e + 1);
    const bool negative = digits[0] == '-';
    size_t n = 0;
    for (const char *p = digits + negative; p < e; p++)
        if (*p != '.') plain[n++] = *p;
    plain[n] = 0;
    char *to = out;
    if (negative) *to++ = '-';
    if (exponent < -4 || exponent >= 16) {
        *to++ = plain[0];
        if (n > 1) to += sprintf(to, ".%s", plain + 1);
        sprintf(to, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
    } else if (exponent < 0) {
        sprintf(to, "0.%.*s%s", -exponent - 1, "0000", plain);
    } else {
        for (int i = 0; i <= exponent; i++) *to++ = (size_t)i < n ? plain[i] : '0';
        sprintf(to, ".%s", n > (size_t)exponent + 1 ? plain + exponent + 1 : "0");
    }
}

/* 'text', or "it's", with what is not printable escaped. */
static wr_status repr_text(text_builder *b, value s) {
    wr_status status = WR_OK;
    const char quote[2] = {s.n && memchr(s.text, '\'', s.n) && !memchr(s.text, '"', s.n) ? '"' : '\'',
                           0}; /* as few \' as may be */
    TRY(text_append_plain(b, quote));
    for (size_t i = 0, n; i < s.n; i += n) {
        int32_t code;
        char escape[16] = "";
        n = utf8_decode(s.text + i, s.n - i, &code);
        if (code == '\\' || code == quote[0])
            snprintf(escape, sizeof escape, "\\%c", (char)code);
        else if (code == '\n' || code == '\r' || code == '\t')
            snprintf(escape, sizeof escape, "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
        else if (!unicode_is(UNICODE_PRINTABLE, (uint32_t)code))
            snprintf(escape, sizeof escape,
                     code < 0x100     ? "\\x%02x"
                     : code < 0x10000 ? "\\u%04x"
                                      : "\\U%08x",
                     (unsigned)code);
        TRY(*escape ? text_append_plain(b, escape) : text_append_value(b, value_slice(s, i, i + n)));
    }
    TRY(text_append_plain(b, quote));
cleanup:
    return status;
}

static wr_status append_at(text_builder *b, value v, bool repr, int depth);

static wr_status append_items(text_builder *b, value v, int depth) {
    wr_status status = WR_OK;
    static const char *const opens[] = {"[", "(", NULL, "dict_keys([", "dict_values([", "dict_items(["},
                             *const ends[] = {"]", ")", NULL, "])", "])", "])"};
    if (v.kind == VALUE_RANGE) {
        char text[96];
        const int n =
            snprintf(text, sizeof text, "range(%lld, %lld", (long long)v.list->start, (long long)v.list->stop);
        snprintf(text + n, sizeof text - (size_t)n, v.list->step == 1 ? ")" : ", %lld)", (long long)v.list->step);
        return text_append_plain(b, text);
    }
    TRY(text_append_plain(b, opens[v.kind - VALUE_LIST]));
    for (size_t i = 0; i < v.list->n; i++) {
        if (i) TRY(text_append_plain(b, ", "));
        TRY(append_at(b, v.list->items[i], true, depth + 1));
    }
    if (v.kind == VALUE_TUPLE && v.list->n == 1) TRY(text_append_plain(b, ","));
    TRY(text_append_plain(b, ends[v.kind - VALUE_LIST]));
cleanup:
    return status;
}

static wr_status append_dict(text_builder *b, const value_dict *d, int depth) {
    wr_status status = WR_OK;
    TRY(text_append_plain(b, "{"));
    for (size_t i = 0; i < d->n; i++) {
        if (i) TRY(text_append_plain(b, ", "));
        TRY(append_at(b, d->keys[i], true, depth + 1));
        TRY(text_append_plain(b, ": "));
        TRY(append_at(b, d->values[i], true, depth + 1));
    }
    TRY(text_append_plain(b, "}"));
cleanup:
    return status;
}

static wr_status append_at(text_builder *b, value v, bool repr, int depth) {
    wr_status status = WR_OK;
    char text[FLOAT_TEXT];
    if (depth > REPR_DEPTH) return wr_fail(WR_E_FORMAT, "a value that is printed is nested too deeply");
    if (value_is_list(v)) return append_items(b, v, depth);
    switch (v.kind) {
    case VALUE_UNDEFINED:
        return repr ? text_append_plain(b, "Undefined") : WR_OK;
    case VALUE_NONE:
        return text_append_plain(b, "None");
    case VALUE_BOOL:
        return text_append_plain(b, v.boolean ? "True" : "False");
    case VALUE_INT:
        snprintf(text, sizeof text, "%lld", (long long)v.integer);
        return text_append_plain(b, text);
    case VALUE_FLOAT:
        float_text(v.real, text);
        return text_append_plain(b, text);
    case VALUE_STRING:
        if (!repr) return text_append_value(b, v);
        if (v.markup) TRY(text_append_plain(b, "Markup("));
        TRY(repr_text(b, v));
        return v.markup ? text_append_plain(b, ")") : WR_OK;
    case VALUE_DICT:
        return append_dict(b, v.dict, depth);
    case VALUE_NAMESPACE:
        TRY(text_append_plain(b, "<Namespace "));
        TRY(append_dict(b, v.dict, depth));
        return text_append_plain(b, ">");
    default:
        return wr_fail(WR_E_FORMAT, "printing a %s is not supported", value_type(v));
    }
cleanup:
    return status;
}

wr_status text_append_str(text_builder *b, value v) { return append_at(b, v, false, 0); }
wr_status text_append_repr(text_builder *b, value v) { return append_at(b, v, true, 0); }

wr_status value_str(arena *a, value v, value *out) {
    text_builder b = {.a = a};
    if (v.kind == VALUE_STRING) {
        *out = v;
        out->markup = false;
        return WR_OK;
    }
    wr_status status = text_append_str(&b, v);
    *out = text_done(&b);
    return status;
}
