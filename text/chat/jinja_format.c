/* '%s' % x, and '{}'.format(x). */
#include "base/utf8.h"
#include "text/chat/jinja_number.h"

#include <ctype.h>
#include <string.h>

/* --- % ------------------------------------------------------------------------------------------------------------ */

typedef struct percent {
    run *r;
    text_builder *b;
    value args;
    size_t at;  /* items of a tuple, or 0 and 1 of one value */
    bool named; /* %(name)s took one */
} percent;

static wr_status next_argument(percent *p, value *out) {
    const size_t n = p->args.kind == VALUE_TUPLE ? p->args.list->n : 1;
    if (p->at >= n) return wr_fail(WR_E_FORMAT, "'%%': there are fewer values than places");
    *out = p->args.kind == VALUE_TUPLE ? p->args.list->items[p->at] : p->args;
    p->at++;
    return WR_OK;
}

/* Digits at s[*i], or *: an argument. -1: neither. */
static wr_status take_number(percent *p, value s, size_t *i, int64_t *out) {
    wr_status status = WR_OK;
    value v;
    *out = -1;
    if (*i < s.n && s.text[*i] == '*') {
        ++*i;
        TRY(next_argument(p, &v));
        return argument_integer("'%': *", &v, 0, out);
    }
    for (; *i < s.n && isdigit((unsigned char)s.text[*i]); ++*i) {
        if (*out < 0) *out = 0;
        *out = *out * 10 + (s.text[*i] - '0');
        if (*out > 1000000) return wr_fail(WR_E_FORMAT, "'%%': a width above a million");
    }
cleanup:
    return status;
}

static wr_status convert(percent *p, value v, number_format *f, bool left, bool zero) {
    wr_status status = WR_OK;
    text_builder b = {.a = p->r->a};
    switch (f->type) {
    case 's':
        TRY(value_str(p->r->a, v, &v));
        return append_padded(p->b, v, f);
    case 'r':
        TRY(text_append_repr(&b, v));
        return append_padded(p->b, text_done(&b), f);
    case 'c':
        if (value_is_integer(v)) {
            const int64_t code = value_integer(v);
            char *bytes = NULL;
            if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
                return wr_fail(WR_E_FORMAT, "'%%c' of %lld", (long long)code);
            TRY_ALLOC(bytes = arena_alloc(p->r->a, 4));
            v = value_text(bytes, utf8_encode((uint32_t)code, bytes));
        }
        if (v.kind != VALUE_STRING || text_length(v) != 1) return wr_fail(WR_E_FORMAT, "'%%c' of %s", value_type(v));
        f->precision = -1;
        return append_padded(p->b, v, f);
    case 'i':
    case 'u':
        f->type = 'd';
        break;
    default:
        break;
    }
    if (!f->type || !strchr("dxXoeEfFgG", f->type)) return wr_fail(WR_E_FORMAT, "'%%%c' is not supported", f->type);
    if (!value_is_number(v) || (strchr("xXo", f->type) && v.kind == VALUE_FLOAT))
        return wr_fail(WR_E_FORMAT, "'%%%c' of %s", f->type, value_type(v));
    if (f->type == 'd' && v.kind == VALUE_FLOAT) {
        if (!(v.real > -9.2e18 && v.real < 9.2e18))
            return wr_fail(WR_E_FORMAT, "'%%d' of so large a number is not supported");
        v = value_int((int64_t)v.real);
    }
    if (zero && !left) {
        f->fill = value_text("0", 1);
        f->align = '=';
    }
    return append_number(p->b, v, f);
cleanup:
    return status;
}

/* Behind a %, at s[*i]. */
static wr_status place(percent *p, value s, size_t *i) {
    wr_status status = WR_OK;
    number_format f = {.fill = value_text(" ", 1), .align = '>', .precision = -1};
    bool left = false, zero = false;
    value v = {0};
    bool have = false;
    if (*i < s.n && s.text[*i] == '(') {
        const size_t from = ++*i;
        for (int depth = 1; *i < s.n; ++*i) {
            depth += s.text[*i] == '(' ? 1 : s.text[*i] == ')' ? -1 : 0;
            if (!depth) break;
        }
        const value *found;
        if (*i >= s.n || p->args.kind != VALUE_DICT)
            return wr_fail(WR_E_FORMAT, "'%%(name)' of %s", value_type(p->args));
        TRY(dict_find(p->args.dict, value_slice(s, from, *i), &found));
        if (!found)
            return wr_fail(WR_E_FORMAT, "'%%(%.*s)': there is no such key", (int)(*i - from < 40 ? *i - from : 40),
                           s.text + from);
        v = *found;
        have = p->named = true;
        ++*i;
    }
    for (; *i < s.n && strchr("-+ #0", s.text[*i]) && s.text[*i]; ++*i) {
        const char c = s.text[*i];
        left |= c == '-';
        zero |= c == '0';
        f.alternate |= c == '#';
        if (c == '+' || (c == ' ' && !f.sign)) f.sign = c;
    }
    TRY(take_number(p, s, i, &f.width));
    if (f.width < -1) left = true, f.width = -f.width;
    if (*i < s.n && s.text[*i] == '.') {
        int64_t digits;
        ++*i;
        TRY(take_number(p, s, i, &digits));
        f.precision = digits < 0 ? 0 : (int)digits;
    }
    if (*i < s.n && s.text[*i] && strchr("hlL", s.text[*i])) ++*i;
    if (*i >= s.n) return wr_fail(WR_E_FORMAT, "'%%': the format ends too early");
    f.type = s.text[(*i)++];
    if (f.type == '%') return text_append_plain(p->b, "%");
    if (left) f.align = '<';
    if (!have) TRY(next_argument(p, &v));
    TRY(convert(p, v, &f, left, zero));
cleanup:
    return status;
}

wr_status text_percent(run *r, value format, value args, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    percent p = {.r = r, .b = &b, .args = args};
    if (format.markup) return wr_fail(WR_E_FORMAT, "'%%' of what 'safe' or 'escape' gives is not supported");
    for (size_t i = 0; i < format.n;) {
        const char *next = memchr(format.text + i, '%', format.n - i);
        const size_t to = next ? (size_t)(next - format.text) : format.n;
        TRY(text_append_value(&b, value_slice(format, i, to)));
        i = to + 1;
        if (next) TRY(place(&p, format, &i));
    }
    /* what has items, and is no tuple, may be left over */
    const bool holds_items = args.kind == VALUE_DICT || args.kind == VALUE_UNDEFINED ||
                             (value_is_list(args) && (args.kind == VALUE_LIST || args.kind == VALUE_RANGE));
    const size_t n = args.kind == VALUE_TUPLE ? args.list->n : 1;
    if (p.at < n && !holds_items) TRY(wr_fail(WR_E_FORMAT, "'%%': there are more values than places"));
    *out = text_done(&b);
cleanup:
    return status;
}

/* --- format() ----------------------------------------------------------------------------------------------------- */

typedef struct formatter {
    run *r;
    const call_arguments *args;
    int64_t next; /* {}; -1: {0} was seen */
} formatter;

static wr_status bad_spec(value spec) {
    return wr_fail(WR_E_FORMAT, "format: '%.*s' is not supported here", (int)(spec.n < 40 ? spec.n : 40), spec.text);
}

/* [[fill]align][sign][#][0][width][grouping][.precision][type] */
static wr_status read_spec(value spec, number_format *f, bool *zero) {
    wr_status status = WR_OK;
    size_t i = 0;
    int32_t code;
    *f = (number_format){.fill = value_text(" ", 1), .precision = -1, .width = -1};
    const size_t first = spec.n ? utf8_decode(spec.text, spec.n, &code) : 0;
    if (first && first < spec.n && spec.text[first] && strchr("<>=^", spec.text[first])) {
        f->fill = value_slice(spec, 0, first);
        f->align = spec.text[first];
        i = first + 1;
    } else if (spec.n && spec.text[0] && strchr("<>=^", spec.text[0])) {
        f->align = spec.text[i++];
    }
    if (i < spec.n && spec.text[i] && strchr("+- ", spec.text[i])) f->sign = spec.text[i++];
    if (i < spec.n && spec.text[i] == '#') f->alternate = true, i++;
    *zero = i < spec.n && spec.text[i] == '0';
    if (*zero) i++;
    for (; i < spec.n && isdigit((unsigned char)spec.text[i]); i++) {
        f->width = (f->width < 0 ? 0 : f->width) * 10 + (spec.text[i] - '0');
        if (f->width > 1000000) return bad_spec(spec);
    }
    if (i < spec.n && (spec.text[i] == ',' || spec.text[i] == '_')) f->group = spec.text[i++];
    if (i < spec.n && spec.text[i] == '.') {
        if (++i >= spec.n || !isdigit((unsigned char)spec.text[i])) return bad_spec(spec);
        for (f->precision = 0; i < spec.n && isdigit((unsigned char)spec.text[i]); i++) {
            f->precision = f->precision * 10 + (spec.text[i] - '0');
            if (f->precision > 1000000) return bad_spec(spec);
        }
    }
    if (i < spec.n) f->type = spec.text[i++];
    if (i < spec.n) return bad_spec(spec);
    return status;
}

/* format(v, spec) */
static wr_status format_value(run *r, text_builder *b, value v, value spec) {
    wr_status status = WR_OK;
    number_format f;
    bool zero;
    char text[FLOAT_TEXT];
    if (!spec.n) return text_append_str(b, v);
    TRY(read_spec(spec, &f, &zero));
    if (zero && !f.align) f.align = v.kind == VALUE_STRING ? '<' : '=';
    if (zero && text_equals(f.fill, " ")) f.fill = value_text("0", 1);
    if (v.kind == VALUE_STRING) {
        if ((f.type && f.type != 's') || f.sign || f.alternate || f.group || f.align == '=') return bad_spec(spec);
        return append_padded(b, v, &f);
    }
    if (!value_is_number(v))
        return wr_fail(WR_E_FORMAT, "format of %s with '%.*s'", value_type(v), (int)(spec.n < 40 ? spec.n : 40),
                       spec.text);
    if (!f.align) f.align = '>';
    if (value_is_integer(v)) {
        if (!f.type) f.type = 'd';
        const bool whole = strchr("dbxXo", f.type) != NULL;
        if (!whole && !strchr("eEfFgG%", f.type)) return bad_spec(spec);
        if (whole && f.precision >= 0) return bad_spec(spec);
        if (f.group == ',' && whole && f.type != 'd') return bad_spec(spec);
    } else if (!f.type && f.precision < 0 && !f.alternate && !f.group && !f.sign) {
        if (f.align == '=') return bad_spec(spec);
        float_text(v.real, text);
        return append_padded(b, value_text(text, strlen(text)), &f);
    } else if (!f.type || !strchr("eEfFgG%", f.type)) {
        return bad_spec(spec);
    }
    (void)r;
    return append_number(b, v, &f);
cleanup:
    return status;
}

/* The argument that a field names: "", "0", "name", with .member and [item] behind it. */
static wr_status field_value(formatter *f, value field, value *out) {
    wr_status status = WR_OK;
    size_t to = 0, count = 0;
    int64_t index = 0;
    bool number = true;
    while (to < field.n && field.text[to] != '.' && field.text[to] != '[') {
        number = number && isdigit((unsigned char)field.text[to]) && to < 9;
        if (number) index = index * 10 + (field.text[to] - '0');
        to++;
    }
    if (!to || number) {
        if (to ? f->next > 0 : f->next < 0) return wr_fail(WR_E_FORMAT, "format: {} and {0} do not go together");
        index = to ? index : f->next++;
        if (to) f->next = -1;
    }
    const value *found = NULL;
    for (size_t i = 0; i < f->args->n && !found; i++) {
        const char *name = f->args->names[i];
        if (!to || number)
            found = !name && (int64_t)count++ == index ? &f->args->items[i] : NULL;
        else if (name && strlen(name) == to && memcmp(name, field.text, to) == 0)
            found = &f->args->items[i];
    }
    if (!found)
        return wr_fail(WR_E_FORMAT, "format: nothing is given for {%.*s}", (int)(field.n < 40 ? field.n : 40),
                       field.text);
    *out = *found;
    while (to < field.n) {
        const bool item = field.text[to++] == '[';
        const size_t from = to;
        while (to < field.n && (item ? field.text[to] != ']' : field.text[to] != '.' && field.text[to] != '[')) to++;
        value part = value_slice(field, from, to);
        if (to == from || (item && to == field.n))
            return wr_fail(WR_E_FORMAT, "format: a field's name is not complete");
        if (item) {
            bool digits = part.n < 18;
            for (size_t i = 0; i < part.n; i++) digits = digits && isdigit((unsigned char)part.text[i]);
            if (digits) {
                bool valid;
                TRY(text_to_integer(part, 10, &index, &valid));
                part = value_int(index);
            }
            to++;
            if (to < field.n && field.text[to] != '.' && field.text[to] != '[')
                return wr_fail(WR_E_FORMAT, "format: only '.' or '[' may follow ']'");
            TRY(value_item(f->r, *out, part, out));
        } else {
            char *name = arena_strndup(f->r->a, part.text, part.n);
            TRY_ALLOC(name);
            TRY(value_member(f->r, *out, name, out));
        }
    }
cleanup:
    return status;
}

static wr_status format_text(formatter *f, text_builder *b, value s, int depth);

/* {field!r:spec} without its braces. */
static wr_status format_field(formatter *f, text_builder *b, value s, int depth) {
    wr_status status = WR_OK;
    size_t to = 0;
    int brackets = 0;
    value v, spec = value_text("", 0);
    char conversion = 0;
    for (; to < s.n && (brackets || (s.text[to] != ':' && s.text[to] != '!')); to++) {
        if (s.text[to] == '{') return wr_fail(WR_E_FORMAT, "format: '{' in a field's name");
        brackets += s.text[to] == '[' ? 1 : s.text[to] == ']' ? -brackets : 0;
    }
    TRY(field_value(f, value_slice(s, 0, to), &v));
    if (to < s.n && s.text[to] == '!') {
        if (to + 1 >= s.n || (to + 2 < s.n && s.text[to + 2] != ':'))
            return wr_fail(WR_E_FORMAT, "format: what is behind '!' is not understood");
        conversion = s.text[to + 1];
        to += 2;
    }
    if (to < s.n) {
        text_builder inner = {.a = f->r->a, .limit = JINJA_OUTPUT_MAX};
        TRY(format_text(f, &inner, value_slice(s, to + 1, s.n), depth + 1));
        spec = text_done(&inner);
    }
    if (conversion && conversion != 's' && conversion != 'r')
        return wr_fail(WR_E_FORMAT, "format: '!%c' is not supported", conversion);
    if (conversion == 's') TRY(value_str(f->r->a, v, &v));
    if (conversion == 'r') {
        text_builder repr = {.a = f->r->a};
        TRY(text_append_repr(&repr, v));
        v = text_done(&repr);
    }
    TRY(format_value(f->r, b, v, spec));
cleanup:
    return status;
}

static wr_status format_text(formatter *f, text_builder *b, value s, int depth) {
    wr_status status = WR_OK;
    if (depth > 1 && s.n && memchr(s.text, '{', s.n))
        return wr_fail(WR_E_FORMAT, "format: braces are nested too deeply");
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.text[i];
        if (c != '{' && c != '}') {
            TRY(text_append_value(b, value_slice(s, i, i + 1)));
            continue;
        }
        if (i + 1 < s.n && s.text[i + 1] == c) {
            TRY(text_append_value(b, value_slice(s, i, i + 1)));
            i++;
            continue;
        }
        size_t to = i + 1;
        for (int open = 1; c == '{' && to < s.n; to++) {
            open += s.text[to] == '{' ? 1 : s.text[to] == '}' ? -1 : 0;
            if (!open) break;
        }
        if (c == '}' || to >= s.n) return wr_fail(WR_E_FORMAT, "format: a single '%c'", c);
        TRY(format_field(f, b, value_slice(s, i + 1, to), depth));
        i = to;
    }
cleanup:
    return status;
}

wr_status text_format(run *r, value format, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    text_builder b = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    formatter f = {r, args, 0};
    if (format.markup) return wr_fail(WR_E_FORMAT, "format of what 'safe' or 'escape' gives is not supported");
    TRY(format_text(&f, &b, format, 0));
    *out = text_done(&b);
cleanup:
    return status;
}
