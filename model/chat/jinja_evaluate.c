/* Values of expressions. */
#include "model/chat/jinja_ast.h"

#include <math.h>
#include <string.h>

enum { DEPTH_MAX = 100, ARGUMENTS_MAX = 32 };

static const value *lookup(const scope *s, const char *name) {
    for (; s; s = s->parent) {
        const value *v = dict_get_name(&s->variables, name);
        if (v) return v;
    }
    return NULL;
}

static wr_status wrong(const char *what, value a, value b) {
    return wr_fail(WR_E_FORMAT, "%s of %s and %s", what, value_type(a), value_type(b));
}

/* --- members and items
 * ----------------------------------------------------------------------------------------------------- */

/* Bytes of the character at byte i. */
static size_t character(value s, size_t i) {
    const unsigned char c = (unsigned char)s.text[i];
    const size_t length = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    return length < s.n - i ? length : s.n - i;
}

wr_status value_items(run *r, value v, value_list **out) {
    wr_status status = WR_OK;
    value made;
    if (v.kind == VALUE_LIST) {
        *out = v.list;
        return WR_OK;
    }
    TRY(list_new(r->a, &made));
    *out = made.list;
    if (v.kind == VALUE_DICT)
        for (size_t i = 0; i < v.dict->n; i++) TRY(list_push(r->a, *out, v.dict->keys[i]));
    else if (v.kind == VALUE_STRING)
        for (size_t i = 0, n; i < v.n; i += n) {
            n = character(v, i);
            TRY(list_push(r->a, *out, value_slice(v, i, i + n)));
        }
    else if (v.kind != VALUE_UNDEFINED)
        TRY(wr_fail(WR_E_FORMAT, "%s cannot be gone through", value_type(v)));
cleanup:
    return status;
}

wr_status value_item(run *r, value a, value key, value *out) {
    wr_status status = WR_OK;
    *out = (value){0};
    if (a.kind == VALUE_UNDEFINED) return wr_fail(WR_E_FORMAT, "an item of an undefined value");
    if (a.kind == VALUE_DICT || a.kind == VALUE_NAMESPACE) {
        const value *found = dict_get(a.dict, key);
        if (found) *out = *found;
        return WR_OK;
    }
    if ((a.kind != VALUE_LIST && a.kind != VALUE_STRING) || key.kind != VALUE_INT) return WR_OK;
    value_list *items;
    TRY(value_items(r, a, &items));
    const int64_t i = key.integer < 0 ? key.integer + (int64_t)items->n : key.integer;
    if (i >= 0 && i < (int64_t)items->n) *out = items->items[i];
cleanup:
    return status;
}

static int64_t clamp(int64_t i, int64_t n) {
    if (i < 0) i += n;
    return i < 0 ? 0 : i > n ? n : i;
}

static wr_status slice(run *r, const expression *e, scope *s, value object, value *out) {
    wr_status status = WR_OK;
    value bounds[3] = {{0}, {0}, {0}};
    const expression *const parts[] = {e->b, e->c, e->d};
    for (int i = 0; i < 3; i++) {
        if (parts[i]) TRY(evaluate(r, parts[i], s, &bounds[i]));
        if (bounds[i].kind == VALUE_NONE) bounds[i].kind = VALUE_UNDEFINED;
        if (bounds[i].kind != VALUE_UNDEFINED && bounds[i].kind != VALUE_INT)
            TRY(wr_fail(WR_E_FORMAT, "a slice by %s", value_type(bounds[i])));
    }
    if (object.kind != VALUE_LIST && object.kind != VALUE_STRING)
        TRY(wr_fail(WR_E_FORMAT, "a slice of %s", value_type(object)));
    value_list *items;
    value made;
    TRY(value_items(r, object, &items));
    const int64_t n = (int64_t)items->n, step = bounds[2].kind == VALUE_INT ? bounds[2].integer : 1;
    if (step != 1 && step != -1) TRY(wr_fail(WR_E_FORMAT, "a slice with step %lld is not supported", (long long)step));
    if (step == -1 && (bounds[0].kind == VALUE_INT || bounds[1].kind == VALUE_INT))
        TRY(wr_fail(WR_E_FORMAT, "a slice backwards with bounds is not supported"));
    const int64_t from = bounds[0].kind == VALUE_INT ? clamp(bounds[0].integer, n) : 0,
                  to = bounds[1].kind == VALUE_INT ? clamp(bounds[1].integer, n) : n;
    if (object.kind == VALUE_STRING) {
        text_builder b = {.a = r->a};
        for (int64_t i = from; i < to; i++) TRY(text_append_value(&b, items->items[step > 0 ? i : n - 1 - i]));
        *out = text_done(&b);
        return WR_OK;
    }
    TRY(list_new(r->a, &made));
    for (int64_t i = from; i < to; i++) TRY(list_push(r->a, made.list, items->items[step > 0 ? i : n - 1 - i]));
    *out = made;
cleanup:
    return status;
}

static wr_status member(value object, const char *name, value *out) {
    *out = (value){0};
    if (object.kind == VALUE_UNDEFINED) return wr_fail(WR_E_FORMAT, "member '%.40s' of an undefined value", name);
    if (object.kind == VALUE_DICT || object.kind == VALUE_NAMESPACE) {
        const value *found = dict_get_name(object.dict, name);
        if (found && (object.kind == VALUE_NAMESPACE || !has_method(object, name))) *out = *found;
    }
    if (out->kind == VALUE_UNDEFINED && has_method(object, name))
        return wr_fail(WR_E_FORMAT, "the method '%.40s' is not called", name);
    return WR_OK;
}

/* --- operators
 * ---------------------------------------------------------------------------------------------------------------- */

static int text_compare(value a, value b) {
    const int c = memcmp(a.text, b.text, a.n < b.n ? a.n : b.n);
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static wr_status compare(operation op, value a, value b, value *out) {
    double order;
    if (value_is_number(a) && value_is_number(b)) {
        const double x = value_number(a), y = value_number(b);
        order = x > y ? 1 : x < y ? -1 : 0;
    } else if (a.kind == VALUE_STRING && b.kind == VALUE_STRING) {
        order = text_compare(a, b);
    } else {
        return wrong("comparison", a, b);
    }
    *out = value_bool(op == OP_LT ? order < 0 : op == OP_GT ? order > 0 : op == OP_LE ? order <= 0 : order >= 0);
    return WR_OK;
}

static wr_status contains(value a, value b, bool *out) {
    *out = false;
    if (b.kind == VALUE_STRING) {
        if (a.kind != VALUE_STRING) return wrong("'in'", a, b);
        *out = a.n == 0 || (b.n && memmem(b.text, b.n, a.text, a.n) != NULL);
    } else if (b.kind == VALUE_DICT) {
        *out = dict_get(b.dict, a) != NULL;
    } else if (b.kind == VALUE_LIST) {
        for (size_t i = 0; i < b.list->n && !*out; i++) *out = value_equal(a, b.list->items[i]);
    } else if (b.kind != VALUE_UNDEFINED) {
        return wrong("'in'", a, b);
    }
    return WR_OK;
}

static wr_status integers(operation op, int64_t x, int64_t y, value *out) {
    int64_t z = 0;
    bool over = false;
    switch (op) {
    case OP_ADD:
        over = __builtin_add_overflow(x, y, &z);
        break;
    case OP_SUB:
        over = __builtin_sub_overflow(x, y, &z);
        break;
    case OP_MUL:
        over = __builtin_mul_overflow(x, y, &z);
        break;
    default:
        if (y == 0) return wr_fail(WR_E_FORMAT, "division by zero");
        if (y == -1) { /* INT64_MIN / -1 does not fit */
            over = op == OP_FLOOR && __builtin_sub_overflow((int64_t)0, x, &z);
            break;
        }
        z = x / y;
        if (x % y != 0 && (x < 0) != (y < 0)) z--; /* Python rounds down */
        if (op == OP_MOD) z = x - z * y;
    }
    if (over) return wr_fail(WR_E_FORMAT, "an integer is too large");
    *out = value_int(z);
    return WR_OK;
}

static wr_status arithmetic(run *r, operation op, value a, value b, value *out) {
    wr_status status = WR_OK;
    static const char *const names[] = {[OP_ADD] = "'+'",    [OP_SUB] = "'-'", [OP_MUL] = "'*'", [OP_DIV] = "'/'",
                                        [OP_FLOOR] = "'//'", [OP_MOD] = "'%'", [OP_POW] = "'**'"};
    if (op == OP_ADD && a.kind == VALUE_STRING && b.kind == VALUE_STRING) {
        text_builder t = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
        TRY(text_append_value(&t, a));
        TRY(text_append_value(&t, b));
        *out = text_done(&t);
        return WR_OK;
    }
    if (op == OP_ADD && a.kind == VALUE_LIST && b.kind == VALUE_LIST) {
        TRY(list_new(r->a, out));
        for (size_t i = 0; i < a.list->n; i++) TRY(list_push(r->a, out->list, a.list->items[i]));
        for (size_t i = 0; i < b.list->n; i++) TRY(list_push(r->a, out->list, b.list->items[i]));
        return WR_OK;
    }
    if (op == OP_MUL && a.kind == VALUE_STRING && b.kind == VALUE_INT) {
        text_builder t = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
        if (a.n && b.integer > JINJA_OUTPUT_MAX / 64 / (int64_t)a.n)
            return wr_fail(WR_E_FORMAT, "a string is repeated too often");
        for (int64_t i = 0; a.n && i < b.integer; i++) TRY(text_append_value(&t, a));
        *out = text_done(&t);
        return WR_OK;
    }
    if (!value_is_number(a) || !value_is_number(b)) return wrong(names[op], a, b);
    if (a.kind != VALUE_FLOAT && b.kind != VALUE_FLOAT && op != OP_DIV && op != OP_POW)
        return integers(op, a.kind == VALUE_BOOL ? a.boolean : a.integer, b.kind == VALUE_BOOL ? b.boolean : b.integer,
                        out);
    const double x = value_number(a), y = value_number(b);
    if ((op == OP_DIV || op == OP_FLOOR || op == OP_MOD) && y == 0) return wr_fail(WR_E_FORMAT, "division by zero");
    if (op == OP_POW) return wr_fail(WR_E_FORMAT, "'**' is not supported");
    const double z = op == OP_ADD     ? x + y
                     : op == OP_SUB   ? x - y
                     : op == OP_MUL   ? x * y
                     : op == OP_DIV   ? x / y
                     : op == OP_FLOOR ? floor(x / y)
                                      : x - floor(x / y) * y;
    *out = (value){.kind = VALUE_FLOAT, .real = z};
cleanup:
    return status;
}

static wr_status concatenate(run *r, value a, value b, value *out) {
    wr_status status = WR_OK;
    text_builder t = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
    TRY(text_append_str(&t, a));
    TRY(text_append_str(&t, b));
    *out = text_done(&t);
cleanup:
    return status;
}

static wr_status binary(run *r, const expression *e, scope *s, value *out) {
    wr_status status = WR_OK;
    value a, b;
    bool found;
    TRY(evaluate(r, e->a, s, &a));
    if ((e->op == OP_OR && value_truth(a)) || (e->op == OP_AND && !value_truth(a))) {
        *out = a;
        return WR_OK;
    }
    TRY(evaluate(r, e->b, s, &b));
    switch (e->op) {
    case OP_OR:
    case OP_AND:
        *out = b;
        break;
    case OP_EQ:
        *out = value_bool(value_equal(a, b));
        break;
    case OP_NE:
        *out = value_bool(!value_equal(a, b));
        break;
    case OP_LT:
    case OP_GT:
    case OP_LE:
    case OP_GE:
        return compare(e->op, a, b, out);
    case OP_IN:
    case OP_NOT_IN:
        TRY(contains(a, b, &found));
        *out = value_bool(found == (e->op == OP_IN));
        break;
    case OP_CONCAT:
        return concatenate(r, a, b, out);
    default:
        return arithmetic(r, e->op, a, b, out);
    }
cleanup:
    return status;
}

static wr_status unary(run *r, const expression *e, scope *s, value *out) {
    wr_status status = WR_OK;
    value a;
    TRY(evaluate(r, e->a, s, &a));
    if (e->op == OP_NOT)
        *out = value_bool(!value_truth(a));
    else if (!value_is_number(a))
        TRY(wr_fail(WR_E_FORMAT, "a sign before %s", value_type(a)));
    else if (e->op == OP_PLUS)
        *out = a;
    else if (a.kind == VALUE_FLOAT)
        *out = (value){.kind = VALUE_FLOAT, .real = -a.real};
    else
        TRY(integers(OP_SUB, 0, a.kind == VALUE_BOOL ? a.boolean : a.integer, out));
cleanup:
    return status;
}

/* --- calls
 * ----------------------------------------------------------------------------------------------------------------------
 */

const value *call_argument(const call_arguments *args, size_t i, const char *name) {
    for (size_t k = 0; k < args->n; k++)
        if (args->names[k] ? name && strcmp(args->names[k], name) == 0 : k == i) return &args->items[k];
    return NULL;
}

bool call_flag(const call_arguments *args, size_t i, const char *name, bool otherwise) {
    const value *v = call_argument(args, i, name);
    return v ? value_truth(*v) : otherwise;
}

static wr_status call(run *r, const expression *e, scope *s, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    value object;
    if (e->a->kind == EXPR_MEMBER) {
        TRY(evaluate(r, e->a->a, s, &object));
        const value *macro =
            object.kind == VALUE_NAMESPACE || object.kind == VALUE_DICT ? dict_get_name(object.dict, e->a->name) : NULL;
        if (macro && macro->kind == VALUE_MACRO) return run_macro(r, macro->macro, args, out);
        return run_method(r, object, e->a->name, args, out);
    }
    TRY(evaluate(r, e->a, s, &object));
    if (object.kind == VALUE_MACRO) return run_macro(r, object.macro, args, out);
    if (object.kind == VALUE_FUNCTION) return run_function(r, object.text, args, out);
    TRY(wr_fail(WR_E_FORMAT, "%s%s%s is called, which is %s", e->a->name ? "'" : "",
                e->a->name ? e->a->name : "a value", e->a->name ? "'" : "", value_type(object)));
cleanup:
    return status;
}

static wr_status with_arguments(run *r, const expression *e, scope *s, value *out) {
    wr_status status = WR_OK;
    value items[ARGUMENTS_MAX], operand;
    const char *names[ARGUMENTS_MAX];
    bool holds;
    if (e->n_args > ARGUMENTS_MAX) return wr_fail(WR_E_FORMAT, "too many arguments");
    for (size_t i = 0; i < e->n_args; i++) {
        TRY(evaluate(r, e->args[i].value, s, &items[i]));
        names[i] = e->args[i].name;
    }
    const call_arguments args = {items, names, e->n_args};
    if (e->kind == EXPR_CALL) return call(r, e, s, &args, out);
    TRY(evaluate(r, e->a, s, &operand));
    if (e->kind == EXPR_FILTER) return run_filter(r, e->name, operand, &args, out);
    TRY(run_test(r, e->name, operand, &args, &holds));
    *out = value_bool(holds);
cleanup:
    return status;
}

static wr_status collection(run *r, const expression *e, scope *s, value *out) {
    wr_status status = WR_OK;
    value made, key, v;
    if (e->kind == EXPR_LIST) {
        TRY(list_new(r->a, &made));
        for (size_t i = 0; i < e->n_args; i++) {
            TRY(evaluate(r, e->args[i].value, s, &v));
            TRY(list_push(r->a, made.list, v));
        }
    } else {
        TRY(dict_new(r->a, VALUE_DICT, &made));
        for (size_t i = 0; i + 1 < e->n_args; i += 2) {
            TRY(evaluate(r, e->args[i].value, s, &key));
            TRY(evaluate(r, e->args[i + 1].value, s, &v));
            TRY(dict_set(r->a, made.dict, key, v));
        }
    }
    *out = made;
cleanup:
    return status;
}

static wr_status evaluate_here(run *r, const expression *e, scope *s, value *out) {
    wr_status status = WR_OK;
    value a, b;
    const value *found;
    *out = (value){0};
    switch (e->kind) {
    case EXPR_LITERAL:
        *out = e->literal;
        break;
    case EXPR_NAME:
        found = lookup(s, e->name);
        if (found)
            *out = *found;
        else if (is_function(e->name))
            *out = (value){.kind = VALUE_FUNCTION, .text = e->name};
        break;
    case EXPR_LIST:
    case EXPR_DICT:
        return collection(r, e, s, out);
    case EXPR_MEMBER:
        TRY(evaluate(r, e->a, s, &a));
        return member(a, e->name, out);
    case EXPR_ITEM:
        TRY(evaluate(r, e->a, s, &a));
        TRY(evaluate(r, e->b, s, &b));
        return value_item(r, a, b, out);
    case EXPR_SLICE:
        TRY(evaluate(r, e->a, s, &a));
        return slice(r, e, s, a, out);
    case EXPR_CALL:
    case EXPR_FILTER:
    case EXPR_TEST:
        return with_arguments(r, e, s, out);
    case EXPR_UNARY:
        return unary(r, e, s, out);
    case EXPR_BINARY:
        return binary(r, e, s, out);
    case EXPR_CONDITION:
        TRY(evaluate(r, e->b, s, &b));
        if (value_truth(b)) return evaluate(r, e->a, s, out);
        if (e->c) return evaluate(r, e->c, s, out);
        break;
    }
cleanup:
    return status;
}

wr_status evaluate(run *r, const expression *e, scope *s, value *out) {
    if (++r->steps > JINJA_STEPS_MAX) return wr_fail(WR_E_FORMAT, "line %d: the template does not come to an end", e->line);
    if (r->depth > DEPTH_MAX) return wr_fail(WR_E_FORMAT, "line %d: nested too deeply", e->line);
    r->depth++;
    wr_status status = evaluate_here(r, e, s, out);
    r->depth--;
    /* The innermost expression says where. */
    if (status == WR_E_FORMAT && strncmp(wr_error(), "line ", 5) != 0 && wr_error()[0] != '\x01')
        status = wr_context(status, "line %d", e->line);
    return status;
}
