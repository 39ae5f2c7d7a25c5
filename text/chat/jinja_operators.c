/* Operators as Python has them. */
#include "text/chat/jinja_run.h"

#include <math.h>
#include <string.h>

static const char *const signs[] = {
    [OP_ADD] = "+",  [OP_SUB] = "-", [OP_MUL] = "*", [OP_DIV] = "/", [OP_FLOOR] = "//", [OP_MOD] = "%",
    [OP_POW] = "**", [OP_LT] = "<",  [OP_GT] = ">",  [OP_LE] = "<=", [OP_GE] = ">="};

wr_status value_compare(run *r, operation op, value a, value b, bool *out) {
    wr_status status = WR_OK;
    int order = 0;
    switch (op) {
    case OP_EQ:
    case OP_NE:
        TRY(value_equal(a, b, &r->steps, out));
        *out = *out == (op == OP_EQ);
        return WR_OK;
    case OP_IN:
    case OP_NOT_IN:
        TRY(value_contains(r, b, a, out));
        *out = *out == (op == OP_IN);
        return WR_OK;
    default:
        TRY(value_order(a, b, signs[op], &r->steps, &order));
        *out = op == OP_LT   ? order == -1
               : op == OP_GT ? order == 1
               : op == OP_LE ? order <= 0
                             : order == 0 || order == 1;
    }
cleanup:
    return status;
}

static wr_status too_large(void) { return wr_fail(WR_E_FORMAT, "an integer of more than 63 bits is not supported"); }

static wr_status integer_power(int64_t x, int64_t y, value *out) {
    int64_t z = 1;
    if (x == 0 || x == 1 || x == -1) {
        *out = value_int(x == 0 ? y == 0 : x == 1 || y % 2 == 0 ? 1 : -1);
        return WR_OK;
    }
    for (; y > 0; y--)
        if (__builtin_mul_overflow(z, x, &z)) return too_large();
    *out = value_int(z);
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
    case OP_POW:
        return integer_power(x, y, out);
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
    if (over) return too_large();
    *out = value_int(z);
    return WR_OK;
}

/* Python's: the remainder has the divisor's sign. */
static void divide(double x, double y, double *quotient, double *remainder) {
    double mod = fmod(x, y), div = (x - mod) / y;
    if (mod != 0) {
        if ((y < 0) != (mod < 0)) {
            mod += y;
            div -= 1.0;
        }
    } else {
        mod = copysign(0.0, y);
    }
    if (div != 0) {
        *quotient = floor(div);
        if (div - *quotient > 0.5) *quotient += 1.0;
    } else {
        *quotient = copysign(0.0, x / y);
    }
    *remainder = mod;
}

static wr_status reals(operation op, double x, double y, value *out) {
    double z = 0, other;
    if ((op == OP_DIV || op == OP_FLOOR || op == OP_MOD) && y == 0) return wr_fail(WR_E_FORMAT, "division by zero");
    switch (op) {
    case OP_ADD:
        z = x + y;
        break;
    case OP_SUB:
        z = x - y;
        break;
    case OP_MUL:
        z = x * y;
        break;
    case OP_DIV:
        z = x / y;
        break;
    case OP_FLOOR:
        divide(x, y, &z, &other);
        break;
    case OP_MOD:
        divide(x, y, &other, &z);
        break;
    default:
        if (x == 0 && y < 0) return wr_fail(WR_E_FORMAT, "division by zero");
        if (x < 0 && isfinite(y) && floor(y) != y) return wr_fail(WR_E_FORMAT, "complex numbers are not supported");
        z = pow(x, y);
        if (isinf(z) && isfinite(x) && isfinite(y)) return wr_fail(WR_E_FORMAT, "'**' gives too large a number");
    }
    *out = value_real(z);
    return WR_OK;
}

static wr_status repeat(run *r, value a, int64_t times, value *out) {
    wr_status status = WR_OK;
    const int64_t most = JINJA_OUTPUT_MAX / 64, n = a.kind == VALUE_STRING ? (int64_t)a.n : (int64_t)a.list->n * 32;
    if (n && times > most / n) return wr_fail(WR_E_FORMAT, "a %s is repeated too often", value_type(a));
    if (a.kind == VALUE_STRING) {
        text_builder t = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
        for (int64_t i = 0; a.n && i < times; i++) TRY(text_append_value(&t, a));
        *out = text_done(&t);
        out->markup = a.markup;
        return WR_OK;
    }
    TRY(list_new_kind(r->a, a.kind, out));
    for (int64_t i = 0; a.list->n && i < times; i++)
        for (size_t k = 0; k < a.list->n; k++) TRY(list_push(r->a, out->list, a.list->items[k]));
cleanup:
    return status;
}

static wr_status append(run *r, value a, value b, value *out) {
    wr_status status = WR_OK;
    if (a.kind == VALUE_STRING) {
        text_builder t = {.a = r->a, .limit = JINJA_OUTPUT_MAX};
        if (a.markup != b.markup) { /* the other one is escaped */
            value *plain = a.markup ? &b : &a;
            const call_arguments none = {0};
            TRY(run_filter(r, "escape", *plain, &none, plain));
        }
        TRY(text_append_value(&t, a));
        TRY(text_append_value(&t, b));
        *out = text_done(&t);
        out->markup = a.markup;
        return WR_OK;
    }
    TRY(list_new_kind(r->a, a.kind, out));
    TRY(run_spend(r, (a.list->n + b.list->n) / 8));
    for (size_t i = 0; i < a.list->n; i++) TRY(list_push(r->a, out->list, a.list->items[i]));
    for (size_t i = 0; i < b.list->n; i++) TRY(list_push(r->a, out->list, b.list->items[i]));
cleanup:
    return status;
}

static bool is_sequence(value v) { return v.kind == VALUE_STRING || v.kind == VALUE_LIST || v.kind == VALUE_TUPLE; }

wr_status value_arithmetic(run *r, operation op, value a, value b, value *out) {
    if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED) {
        if (!(op == OP_MOD && a.kind == VALUE_STRING))
            return wr_fail(WR_E_FORMAT, "'%s' of %s and %s", signs[op], value_type(a), value_type(b));
    }
    if (op == OP_ADD && is_sequence(a) && a.kind == b.kind) return append(r, a, b, out);
    if (op == OP_MUL && is_sequence(a) && value_is_integer(b)) return repeat(r, a, value_integer(b), out);
    if (op == OP_MUL && is_sequence(b) && value_is_integer(a)) return repeat(r, b, value_integer(a), out);
    if (op == OP_MOD && a.kind == VALUE_STRING) return text_percent(r, a, b, out);
    if (!value_is_number(a) || !value_is_number(b))
        return wr_fail(WR_E_FORMAT, "'%s' of %s and %s", signs[op], value_type(a), value_type(b));
    if (value_is_integer(a) && value_is_integer(b)) {
        const int64_t x = value_integer(a), y = value_integer(b), exact = INT64_C(1) << 53;
        if (op != OP_DIV && !(op == OP_POW && y < 0)) return integers(op, x, y, out);
        if (x > exact || x < -exact || y > exact || y < -exact)
            return wr_fail(WR_E_FORMAT, "'%s' of integers above 2^53 is not supported", signs[op]);
    }
    return reals(op, value_number(a), value_number(b), out);
}
