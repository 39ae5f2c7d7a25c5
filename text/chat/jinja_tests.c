/* Tests: x is … */
#include "text/chat/jinja_run.h"

#include <math.h>
#include <string.h>

typedef wr_status (*test_fn)(run *r, value v, const value *const *other, bool *out);

static wr_status is_defined(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = v.kind != VALUE_UNDEFINED;
    return WR_OK;
}

static wr_status is_undefined(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = v.kind == VALUE_UNDEFINED;
    return WR_OK;
}

static wr_status is_none(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = v.kind == VALUE_NONE;
    return WR_OK;
}

static wr_status is_boolean(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = v.kind == VALUE_BOOL;
    return WR_OK;
}

static wr_status is_true(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = v.kind == VALUE_BOOL && v.boolean;
    return WR_OK;
}

static wr_status is_false(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = v.kind == VALUE_BOOL && !v.boolean;
    return WR_OK;
}

static wr_status is_integer(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = v.kind == VALUE_INT;
    return WR_OK;
}

static wr_status is_float(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = v.kind == VALUE_FLOAT;
    return WR_OK;
}

static wr_status is_number(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = value_is_number(v);
    return WR_OK;
}

static wr_status is_string(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = v.kind == VALUE_STRING;
    return WR_OK;
}

static wr_status is_mapping(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = v.kind == VALUE_DICT;
    return WR_OK;
}

static wr_status is_sequence(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = v.kind == VALUE_STRING || v.kind == VALUE_LIST || v.kind == VALUE_TUPLE || v.kind == VALUE_RANGE ||
           v.kind == VALUE_DICT || v.kind == VALUE_UNDEFINED;
    return WR_OK;
}

static wr_status is_iterable(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = v.kind == VALUE_STRING || value_is_list(v) || v.kind == VALUE_DICT || v.kind == VALUE_UNDEFINED ||
           v.kind == VALUE_ITERATOR || v.kind == VALUE_LOOP;
    return WR_OK;
}

static wr_status is_callable(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = v.kind == VALUE_MACRO || v.kind == VALUE_FUNCTION || v.kind == VALUE_METHOD || v.kind == VALUE_JOINER ||
           v.kind == VALUE_LOOP || v.kind == VALUE_UNDEFINED;
    return WR_OK;
}

static wr_status is_escaped(run *r, value v, const value *const *other, bool *out) {
    (void)r, (void)other;
    *out = v.kind == VALUE_STRING && v.markup;
    return WR_OK;
}

static wr_status case_of(run *r, value v, const char *method, bool *out) {
    wr_status status = WR_OK;
    bool known;
    TRY(value_str(r->a, v, &v));
    TRY(text_predicate(v, method, out, &known));
cleanup:
    return status;
}

static wr_status is_lower(run *r, value v, const value *const *other, bool *out) {
    (void)other;
    return case_of(r, v, "islower", out);
}

static wr_status is_upper(run *r, value v, const value *const *other, bool *out) {
    (void)other;
    return case_of(r, v, "isupper", out);
}

/* v % num == equal */
static wr_status remainder_is(run *r, value v, value num, int64_t equal, bool *out) {
    wr_status status = WR_OK;
    value rest;
    TRY(value_arithmetic(r, OP_MOD, v, num, &rest));
    TRY(value_equal(rest, value_int(equal), &r->steps, out));
cleanup:
    return status;
}

static wr_status is_odd(run *r, value v, const value *const *other, bool *out) {
    (void)other;
    return remainder_is(r, v, value_int(2), 1, out);
}

static wr_status is_even(run *r, value v, const value *const *other, bool *out) {
    (void)other;
    return remainder_is(r, v, value_int(2), 0, out);
}

static wr_status is_divisible(run *r, value v, const value *const *other, bool *out) {
    return remainder_is(r, v, *other[0], 0, out);
}

static wr_status is_eq(run *r, value v, const value *const *o, bool *out) {
    return value_compare(r, OP_EQ, v, *o[0], out);
}
static wr_status is_ne(run *r, value v, const value *const *o, bool *out) {
    return value_compare(r, OP_NE, v, *o[0], out);
}
static wr_status is_lt(run *r, value v, const value *const *o, bool *out) {
    return value_compare(r, OP_LT, v, *o[0], out);
}
static wr_status is_le(run *r, value v, const value *const *o, bool *out) {
    return value_compare(r, OP_LE, v, *o[0], out);
}
static wr_status is_gt(run *r, value v, const value *const *o, bool *out) {
    return value_compare(r, OP_GT, v, *o[0], out);
}
static wr_status is_ge(run *r, value v, const value *const *o, bool *out) {
    return value_compare(r, OP_GE, v, *o[0], out);
}
static wr_status is_in(run *r, value v, const value *const *o, bool *out) {
    return value_compare(r, OP_IN, v, *o[0], out);
}

/* The same object: certain for what there is once, and for values of two kinds. */
static wr_status is_same(run *r, value v, const value *const *other, bool *out) {
    (void)r;
    const value o = *other[0];
    if (v.kind == VALUE_NONE || v.kind == VALUE_BOOL || o.kind == VALUE_NONE || o.kind == VALUE_BOOL ||
        v.kind != o.kind) {
        *out = v.kind == o.kind && (v.kind == VALUE_NONE || v.boolean == o.boolean);
        return WR_OK;
    }
    if (v.kind == VALUE_DICT || v.kind == VALUE_LIST || v.kind == VALUE_NAMESPACE) {
        *out = v.dict == o.dict;
        return WR_OK;
    }
    return wr_fail(WR_E_FORMAT, "'is sameas' of two values of type %s is not supported", value_type(v));
}

static bool name_of(value v, char name[64]) {
    if (v.kind != VALUE_STRING || v.n >= 64) return false;
    memcpy(name, v.text, v.n);
    name[v.n] = 0;
    return true;
}

static wr_status unhashable(value v) {
    return v.kind == VALUE_LIST || v.kind == VALUE_DICT ? wr_fail(WR_E_FORMAT, "%s is no name", value_type(v)) : WR_OK;
}

static wr_status is_filter_name(run *r, value v, const value *const *other, bool *out) {
    char name[64];
    (void)r, (void)other;
    *out = false;
    if (!name_of(v, name)) return unhashable(v);
    *out = is_filter(name);
    return WR_OK;
}

static wr_status is_test_name(run *r, value v, const value *const *other, bool *out) {
    char name[64];
    (void)r, (void)other;
    *out = false;
    if (!name_of(v, name)) return unhashable(v);
    *out = is_test(name);
    return WR_OK;
}

static const struct test {
    const char *name;
    test_fn run;
    const char *parameters; /* all of them are needed */
} tests[] = {{"odd", is_odd, ""},
             {"even", is_even, ""},
             {"divisibleby", is_divisible, "num"},
             {"defined", is_defined, ""},
             {"undefined", is_undefined, ""},
             {"filter", is_filter_name, ""},
             {"test", is_test_name, ""},
             {"none", is_none, ""},
             {"boolean", is_boolean, ""},
             {"false", is_false, ""},
             {"true", is_true, ""},
             {"integer", is_integer, ""},
             {"float", is_float, ""},
             {"lower", is_lower, ""},
             {"upper", is_upper, ""},
             {"string", is_string, ""},
             {"mapping", is_mapping, ""},
             {"number", is_number, ""},
             {"sequence", is_sequence, ""},
             {"iterable", is_iterable, ""},
             {"callable", is_callable, ""},
             {"sameas", is_same, "other"},
             {"escaped", is_escaped, ""},
             {"in", is_in, "seq"},
             {"==", is_eq, "/other"},
             {"eq", is_eq, "/other"},
             {"equalto", is_eq, "/other"},
             {"!=", is_ne, "/other"},
             {"ne", is_ne, "/other"},
             {">", is_gt, "/other"},
             {"gt", is_gt, "/other"},
             {"greaterthan", is_gt, "/other"},
             {">=", is_ge, "/other"},
             {"ge", is_ge, "/other"},
             {"<", is_lt, "/other"},
             {"lt", is_lt, "/other"},
             {"lessthan", is_lt, "/other"},
             {"<=", is_le, "/other"},
             {"le", is_le, "/other"}};

static const struct test *find(const char *name) {
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (strcmp(tests[i].name, name) == 0) return &tests[i];
    return NULL;
}

bool is_test(const char *name) { return find(name) != NULL; }

wr_status run_test(run *r, const char *name, value v, const call_arguments *args, bool *out) {
    wr_status status = WR_OK;
    const struct test *t = find(name);
    const value *given[PARAMETERS_MAX];
    char what[80] = "the test ";
    if (!t) return wr_fail(WR_E_FORMAT, "there is no test named '%.40s'", name);
    if (v.kind == VALUE_STRING) TRY(run_spend(r, v.n / TEXT_STEP));
    TRY(take_arguments(strncat(what, name, 60), args, t->parameters, *t->parameters != 0, given));
    TRY(t->run(r, v, given, out));
cleanup:
    return status;
}
