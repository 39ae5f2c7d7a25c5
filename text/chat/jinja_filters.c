/* Filters of single values. Filters of lists: jinja_filters_list.c. */
#include "text/chat/jinja_filters.h"

#include "base/utf8.h"
#include "text/chat/jinja_unicode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wr_status as_text(run *r, value v, value *out) {
    if (v.kind == VALUE_STRING) {
        *out = v;
        return WR_OK;
    }
    return value_str(r->a, v, out);
}

static wr_status method(run *r, value v, const char *name, const value *const *given, size_t n, value *out) {
    wr_status status = WR_OK;
    value items[PARAMETERS_MAX];
    static const char *const none[PARAMETERS_MAX] = {NULL};
    for (size_t i = 0; i < n; i++) items[i] = given[i] ? *given[i] : value_none();
    TRY(as_text(r, v, &v));
    TRY(run_method(r, v, name, &(call_arguments){items, none, n}, out));
cleanup:
    return status;
}

wr_status filter_upper(run *r, value v, const value *const *g, value *out) { return method(r, v, "upper", g, 0, out); }
wr_status filter_lower(run *r, value v, const value *const *g, value *out) { return method(r, v, "lower", g, 0, out); }
wr_status filter_capitalize(run *r, value v, const value *const *g, value *out) {
    return method(r, v, "capitalize", g, 0, out);
}
wr_status filter_trim(run *r, value v, const value *const *g, value *out) {
    return method(r, v, "strip", g, g[0] != NULL, out);
}

wr_status filter_center(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    int64_t width;
    TRY(argument_integer("center", g[0], 80, &width));
    TRY(as_text(r, v, &v));
    TRY(text_pad(r, v, width, NULL, 'c', out));
cleanup:
    return status;
}

wr_status filter_replace(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    value old, new;
    int64_t most = -1;
    if (g[2] && g[2]->kind != VALUE_NONE) TRY(argument_integer("replace", g[2], -1, &most));
    TRY(value_str(r->a, v, &v));
    TRY(value_str(r->a, *g[0], &old));
    TRY(value_str(r->a, *g[1], &new));
    TRY(text_replace(r, v, old, new, most, out));
cleanup:
    return status;
}

/* A word begins behind any of "-({[<" or white space, not behind an apostrophe. */
wr_status filter_title(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    value part;
    (void)g;
    TRY(as_text(r, v, &v));
    for (size_t from = 0, to; from < v.n; from = to) {
        int32_t code;
        const size_t first = utf8_decode(v.text + from, v.n - from, &code);
        const bool split = (code && code < 0x80 && strchr("-({[<", code)) || unicode_is(UNICODE_SPACE, (uint32_t)code);
        for (to = from + first; to < v.n;) {
            const size_t n = utf8_decode(v.text + to, v.n - to, &code);
            if (((code && code < 0x80 && strchr("-({[<", code)) || unicode_is(UNICODE_SPACE, (uint32_t)code)) != split)
                break;
            to += n;
        }
        TRY(text_case(r, value_slice(v, from, from + first), "upper", &part));
        TRY(text_append_value(&b, part));
        TRY(text_case(r, value_slice(v, from + first, to), "lower", &part));
        TRY(text_append_value(&b, part));
    }
    *out = text_done(&b);
cleanup:
    return status;
}

wr_status filter_string(run *r, value v, const value *const *g, value *out) {
    (void)g;
    return as_text(r, v, out);
}

wr_status filter_safe(run *r, value v, const value *const *g, value *out) {
    wr_status status = as_text(r, v, out);
    (void)g;
    out->markup = true;
    return status;
}

static wr_status escaped(run *r, value v, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    static const struct entity {
        char c;
        const char *text;
    } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"}, {'"', "&#34;"}};
    TRY(as_text(r, v, &v));
    size_t from = 0;
    for (size_t i = 0; i < v.n; i++)
        for (size_t k = 0; k < sizeof entities / sizeof *entities; k++) {
            if (v.text[i] != entities[k].c) continue;
            TRY(text_append_value(&b, value_slice(v, from, i)));
            TRY(text_append_plain(&b, entities[k].text));
            from = i + 1;
        }
    TRY(text_append_value(&b, value_slice(v, from, v.n)));
    *out = text_done(&b);
    out->markup = true;
cleanup:
    return status;
}

wr_status filter_escape(run *r, value v, const value *const *g, value *out) {
    (void)g;
    if (v.kind != VALUE_STRING || !v.markup) return escaped(r, v, out);
    *out = v;
    return WR_OK;
}

wr_status filter_forceescape(run *r, value v, const value *const *g, value *out) {
    (void)g;
    return escaped(r, v, out);
}

wr_status filter_default(run *r, value v, const value *const *g, value *out) {
    (void)r;
    const bool missing = v.kind == VALUE_UNDEFINED || (argument_flag(g[1], false) && !value_truth(v));
    *out = missing ? g[0] ? *g[0] : value_text("", 0) : v;
    return WR_OK;
}

wr_status filter_length(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    int64_t n;
    (void)g;
    if (v.kind == VALUE_LOOP) return loop_member(r, v.loop, "length", out);
    TRY(value_length(v, &n));
    *out = value_int(n);
cleanup:
    return status;
}

wr_status filter_abs(run *r, value v, const value *const *g, value *out) {
    (void)g;
    if (!value_is_number(v)) return wr_fail(WR_E_FORMAT, "abs of %s", value_type(v));
    *out = v.kind == VALUE_FLOAT ? value_real(fabs(v.real)) : value_int(value_integer(v));
    return v.kind != VALUE_FLOAT && out->integer < 0 ? value_arithmetic(r, OP_SUB, value_int(0), *out, out) : WR_OK;
}

wr_status filter_attr(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    value name;
    TRY(value_str(r->a, *g[0], &name));
    *out = (value){0};
    if (v.kind == VALUE_UNDEFINED) return wr_fail(WR_E_FORMAT, "attr of an undefined value");
    if (v.kind == VALUE_DICT) { /* attributes alone, never items */
        value empty;
        TRY(dict_new(r->a, VALUE_DICT, &empty));
        TRY(value_item(r, empty, name, out));
        if (out->kind == VALUE_METHOD) ((value_method *)out->method)->object = v;
    } else {
        TRY(value_item(r, v, name, out));
    }
cleanup:
    return status;
}

static wr_status whole(double x, value *out) {
    if (!isfinite(x)) return wr_fail(WR_E_FORMAT, "int of a number that is not finite");
    if (!(fabs(x) < 9.2e18)) return wr_fail(WR_E_FORMAT, "an integer of more than 63 bits is not supported");
    *out = value_int((int64_t)x);
    return WR_OK;
}

wr_status filter_int(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    int64_t i;
    double x;
    bool valid = false;
    (void)r;
    *out = g[0] ? *g[0] : value_int(0);
    if (v.kind == VALUE_UNDEFINED) return wr_fail(WR_E_FORMAT, "int of an undefined value");
    if (v.kind == VALUE_FLOAT) return isnan(v.real) ? WR_OK : whole(v.real, out);
    if (value_is_integer(v)) *out = value_int(value_integer(v));
    if (v.kind != VALUE_STRING) return WR_OK;
    const value *base = g[1];
    if (!base || value_is_integer(*base)) TRY(text_to_integer(v, base ? value_integer(*base) : 10, &i, &valid));
    if (valid)
        *out = value_int(i);
    else if (text_to_real(v, &x) && isfinite(x))
        TRY(whole(x, out));
cleanup:
    return status;
}

wr_status filter_float(run *r, value v, const value *const *g, value *out) {
    double x;
    (void)r;
    *out = g[0] ? *g[0] : value_real(0);
    if (v.kind == VALUE_UNDEFINED) return wr_fail(WR_E_FORMAT, "float of an undefined value");
    if (value_is_number(v)) *out = value_real(value_number(v));
    if (v.kind == VALUE_STRING && text_to_real(v, &x)) *out = value_real(x);
    return WR_OK;
}

wr_status filter_round(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    int64_t digits;
    char text[400];
    TRY(argument_integer("round", g[0], 0, &digits));
    const bool up = g[1] && text_equals(*g[1], "ceil"), down = g[1] && text_equals(*g[1], "floor");
    if (g[1] && !up && !down && !text_equals(*g[1], "common"))
        return wr_fail(WR_E_FORMAT, "round takes common, ceil or floor");
    if (!value_is_number(v)) return wr_fail(WR_E_FORMAT, "round of %s", value_type(v));
    if (digits < 0 || digits > 15)
        return wr_fail(WR_E_FORMAT, "round to %lld digits is not supported", (long long)digits);
    if (up || down) {
        value scaled, power;
        TRY(value_arithmetic(r, OP_POW, value_int(10), value_int(digits), &power));
        TRY(value_arithmetic(r, OP_MUL, v, power, &scaled));
        if (scaled.kind == VALUE_FLOAT) TRY(whole(up ? ceil(scaled.real) : floor(scaled.real), &scaled));
        return value_arithmetic(r, OP_DIV, scaled, power, out);
    }
    if (v.kind != VALUE_FLOAT) {
        *out = value_int(value_integer(v));
        return WR_OK;
    }
    if (!isfinite(v.real)) return wr_fail(WR_E_FORMAT, "round of a number that is not finite is not supported");
    snprintf(text, sizeof text, "%.*f", (int)digits, v.real);
    *out = value_real(strtod(text, NULL));
cleanup:
    return status;
}

wr_status filter_format(run *r, value v, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    value given;
    size_t named = 0;
    for (size_t i = 0; i < args->n; i++) named += args->names[i] != NULL;
    if (named && named < args->n)
        return wr_fail(WR_E_FORMAT, "format takes arguments by position or by name, not both");
    TRY(as_text(r, v, &v));
    if (named)
        TRY(dict_new(r->a, VALUE_DICT, &given));
    else
        TRY(list_new_kind(r->a, VALUE_TUPLE, &given));
    for (size_t i = 0; i < args->n; i++)
        TRY(named ? dict_set_name(r->a, given.dict, args->names[i], args->items[i])
                  : list_push(r->a, given.list, args->items[i]));
    TRY(text_percent(r, v, given, out));
cleanup:
    return status;
}

wr_status filter_indent(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    value_list *lines;
    value with = value_text("", 0), ended;
    int64_t width = 0;
    const bool first = argument_flag(g[1], false), blank = argument_flag(g[2], false);
    if (v.kind != VALUE_STRING) return wr_fail(WR_E_FORMAT, "indent of %s", value_type(v));
    if (v.markup) return wr_fail(WR_E_FORMAT, "indent of what 'safe' gives is not supported");
    if (g[0] && g[0]->kind == VALUE_STRING)
        with = *g[0];
    else
        TRY(argument_integer("indent", g[0], 4, &width));
    if (width > 1000) return wr_fail(WR_E_FORMAT, "indent by more than 1000 is not supported");
    if (width > 0) TRY(value_arithmetic(r, OP_MUL, value_text(" ", 1), value_int(width), &with));
    TRY(value_arithmetic(r, OP_ADD, v, value_text("\n", 1), &ended));
    TRY(text_lines(r, ended, false, &lines));
    if (first) TRY(text_append_value(&b, with));
    for (size_t i = 0; i < lines->n; i++) {
        if (i) TRY(text_append_plain(&b, "\n"));
        if (i && (blank || lines->items[i].n)) TRY(text_append_value(&b, with));
        TRY(text_append_value(&b, lines->items[i]));
    }
    *out = text_done(&b);
cleanup:
    return status;
}

wr_status filter_truncate(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    int64_t length, leeway = 5;
    value end = value_text("...", 3), cut;
    TRY(argument_integer("truncate", g[0], 255, &length));
    if (g[2]) TRY(argument_text("truncate", g[2], &end));
    if (g[3] && g[3]->kind != VALUE_NONE) TRY(argument_integer("truncate", g[3], 5, &leeway));
    if (v.kind != VALUE_STRING || v.markup) return wr_fail(WR_E_FORMAT, "truncate of %s", value_type(v));
    const int64_t room = length - (int64_t)text_length(end);
    if (room < 0 || leeway < 0)
        return wr_fail(WR_E_FORMAT, "truncate to less than its end mark, or with a leeway below 0");
    *out = v;
    if ((int64_t)text_length(v) <= length + leeway) return WR_OK;
    cut = value_slice(v, 0, text_offset(v, (size_t)room));
    if (!argument_flag(g[1], false)) {
        const char *blank = cut.n ? memrchr(cut.text, ' ', cut.n) : NULL;
        if (blank) cut = value_slice(cut, 0, (size_t)(blank - cut.text));
    }
    TRY(value_arithmetic(r, OP_ADD, cut, end, out));
cleanup:
    return status;
}

wr_status filter_wordcount(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    int64_t n = 0;
    bool inside = false;
    (void)g;
    TRY(as_text(r, v, &v));
    TRY(run_spend(r, v.n / 8)); /* each character is looked up */
    for (size_t i = 0; i < v.n;) {
        int32_t code;
        i += utf8_decode(v.text + i, v.n - i, &code);
        const bool word = code == '_' || unicode_is_alnum((uint32_t)code);
        n += word && !inside;
        inside = word;
    }
    *out = value_int(n);
cleanup:
    return status;
}

wr_status filter_filesizeformat(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    const bool binary = argument_flag(g[0], false);
    const double base = binary ? 1024 : 1000;
    static const char letters[] = "kMGTPEZY";
    double bytes, unit = base;
    char text[64];
    size_t i = 0;
    if (value_is_number(v))
        bytes = value_number(v);
    else if (v.kind != VALUE_STRING || !text_to_real(v, &bytes))
        return wr_fail(WR_E_FORMAT, "filesizeformat of %s", value_type(v));
    if (!isfinite(bytes) || fabs(bytes) > 9e15)
        return wr_fail(WR_E_FORMAT, "filesizeformat of so large a number is not supported");
    for (unit = base * base; i < 7 && bytes >= unit; i++) unit *= base;
    if (bytes == 1)
        strcpy(text, "1 Byte");
    else if (bytes < base)
        snprintf(text, sizeof text, "%lld Bytes", (long long)bytes);
    else
        snprintf(text, sizeof text, "%.1f %c%sB", base * bytes / unit, i || !binary ? letters[i] : 'K',
                 binary ? "i" : "");
    char *copy = arena_strndup(r->a, text, strlen(text));
    TRY_ALLOC(copy);
    *out = value_text(copy, strlen(copy));
cleanup:
    return status;
}

/* tojson as transformers has it. */
wr_status filter_tojson(run *r, value v, const value *const *g, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    json_style style = {.ascii = argument_flag(g[0], false), .sort_keys = argument_flag(g[3], false)};
    const value *indent = g[1] && g[1]->kind != VALUE_NONE ? g[1] : NULL;
    style.indented = indent != NULL;
    style.item_separator = style.indented ? value_text(",", 1) : value_text(", ", 2);
    style.key_separator = value_text(": ", 2);
    style.indent = value_text("", 0);
    if (indent && indent->kind == VALUE_STRING) {
        style.indent = *indent;
    } else if (indent) {
        int64_t width;
        TRY(argument_integer("tojson", indent, 0, &width));
        if (width > 1000) return wr_fail(WR_E_FORMAT, "tojson with an indent above 1000 is not supported");
        if (width > 0) TRY(value_arithmetic(r, OP_MUL, value_text(" ", 1), value_int(width), &style.indent));
    }
    if (g[2] && g[2]->kind != VALUE_NONE) {
        if ((g[2]->kind != VALUE_LIST && g[2]->kind != VALUE_TUPLE) || g[2]->list->n != 2)
            return wr_fail(WR_E_FORMAT, "tojson: separators are two strings");
        TRY(argument_text("tojson", &g[2]->list->items[0], &style.item_separator));
        TRY(argument_text("tojson", &g[2]->list->items[1], &style.key_separator));
    }
    TRY(text_append_json(&b, v, &style));
    *out = text_done(&b);
cleanup:
    return status;
}
