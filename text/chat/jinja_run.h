/* A template at work. Inside of text/chat/jinja_*.c. LOCAL. */
#ifndef WR_TEXT_CHAT_JINJA_RUN_H
#define WR_TEXT_CHAT_JINJA_RUN_H

#include "text/chat/jinja_ast.h"

typedef struct binding {
    const char *name;
    value v;
} binding;

/* Variables by name. A scope that something outlives (a macro, a loop's condition) is `kept` and not used again. */
typedef struct scope {
    binding *bindings;
    size_t n, capacity;
    struct scope *parent;
    bool kept;
} scope;

typedef struct run {
    arena *a;
    text_builder *out;
    enum { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } flow;
    size_t steps;
    int depth;
    bool raised;             /* the words of the error are the template's own (raise_exception), and get no line */
    const text_builder *top; /* what the whole template writes */
    size_t *blocks, n_blocks, block_capacity; /* of DO_GENERATION: (2 n_blocks) */
} run;

typedef struct call_arguments {
    const value *items;
    const char *const *names; /* NULL: by position */
    size_t n;
} call_arguments;

typedef struct value_macro {
    const statement *s;
    scope *closure;
} value_macro;

/* What is gone through: a list, or something that is made as it is asked for. */
typedef struct value_iterator value_iterator;
typedef wr_status (*iterate_next_fn)(run *r, value_iterator *it, value *out, bool *more);
struct value_iterator {
    iterate_next_fn next;
    const value_list *items; /* a list's */
    size_t at;
    value_iterator *source; /* of filters */
    const char *name;       /* of the filter or test applied, NULL: none */
    value attribute, fallback;
    bool by_attribute, wanted, case_sensitive, has_fallback;
    call_arguments args;
    value_list *seen;             /* unique; batch: what is kept back */
    size_t count;                 /* batch, slice */
    const statement *filtered_by; /* a loop's condition */
    scope *here;
};

typedef struct value_loop {
    value over; /* what the loop was given */
    value_iterator *iterator;
    const statement *s;
    scope *here;
    int64_t index0, length; /* length < 0: not known yet */
    int depth0;
    bool has_after, has_changed;
    value current, before, after, changed;
} value_loop;

/* Steps cost time, memory or both; WR_E_FORMAT above the bound. */
wr_status run_spend(run *r, size_t steps);
enum { TEXT_STEP = 64 }; /* bytes of a text that are worth a step */
/* one deeper; afterwards the caller counts r->depth down. WR_E_FORMAT: nested too deeply. */
wr_status run_enter(run *r);

scope *scope_new(run *r, scope *parent); /* NULL: out of memory */
wr_status scope_set(run *r, scope *s, const char *name, value v);
const value *scope_get(const scope *s, const char *name);
void scope_keep(scope *s); /* and those around it */

wr_status evaluate(run *r, const expression *e, scope *s, value *out);
wr_status evaluate_arguments(run *r, const expression *e, scope *s, const value *caller, call_arguments *out);
wr_status run_body(run *r, const statement *first, scope *s);
wr_status bind_target(run *r, scope *s, const expression *target, value v);
wr_status enter_block(run *r, const block *b, scope *s); /* hides what is not set yet */
wr_status run_loop(run *r, const statement *s, scope *here, value over, int depth0);
wr_status run_macro(run *r, const value_macro *macro, const call_arguments *args, value *out);

/* --- values at work --- */
wr_status iterate(run *r, value v, value_iterator **out);
wr_status iterate_next(run *r, value_iterator *it, value *out, bool *more);
wr_status iterate_all(run *r, value v, value_list **out); /* list(v); what is a list is not copied */
wr_status iterator_new(run *r, iterate_next_fn next, value *out);
wr_status value_length(value v, int64_t *out); /* len(v), in characters */
size_t text_length(value s);
/* a.name, a[key], as the sandbox gives them; undefined when there is none. */
wr_status value_member(run *r, value a, const char *name, value *out);
wr_status value_item(run *r, value a, value key, value *out);
wr_status value_slice_of(run *r, value a, const value bounds[3], value *out);
wr_status value_call(run *r, value callee, const call_arguments *args, value *out);
wr_status loop_member(run *r, value_loop *l, const char *name, value *out);
wr_status loop_method(run *r, value_loop *l, const char *name, const call_arguments *args, value *out);
wr_status value_contains(run *r, value container, value v, bool *out);
wr_status value_arithmetic(run *r, operation op, value a, value b, value *out);
wr_status value_compare(run *r, operation op, value a, value b, bool *out);

wr_status run_filter(run *r, const char *name, value operand, const call_arguments *args, value *out);
wr_status run_test(run *r, const char *name, value operand, const call_arguments *args, bool *out);
wr_status run_method(run *r, value object, const char *name, const call_arguments *args, value *out);
wr_status run_function(run *r, const char *name, const call_arguments *args, value *out);
bool is_function(const char *name);
bool has_method(value object, const char *name);

/* --- arguments (jinja_arguments.c) --- */
enum { PARAMETERS_MAX = 6 };
/* parameters: names by blanks, the first `required` of them must be given; "/" before a name: by position only. out:
 * NULL for what is not given. */
wr_status take_arguments(const char *what, const call_arguments *args, const char *parameters, size_t required,
                         const value *out[PARAMETERS_MAX]);
wr_status argument_integer(const char *what, const value *v, int64_t otherwise, int64_t *out); /* int or bool */
wr_status argument_text(const char *what, const value *v, value *out);
bool argument_flag(const value *v, bool otherwise);

/* --- text --- */
wr_status text_percent(run *r, value format, value args, value *out);                /* format % args */
wr_status text_format(run *r, value format, const call_arguments *args, value *out); /* format.format() */
/* int(s, base) and float(s): false when Python raises ValueError. WR_E_FORMAT: too large. */
wr_status text_to_integer(value s, int64_t base, int64_t *out, bool *valid);
bool text_to_real(value s, double *out);
wr_status text_case(run *r, value s, const char *method,
                    value *out); /* upper, lower, title, capitalize, swapcase, casefold */
wr_status text_lower(run *r, value s, value *out);
wr_status text_strip(value s, const value *set, bool left, bool right, value *out);
wr_status text_replace(run *r, value s, value old, value new, int64_t most, value *out);
wr_status text_lines(run *r, value s, bool keep_ends, value_list **out); /* splitlines */
wr_status text_split(run *r, value s, const value *sep, int64_t most, bool from_right, value *out);
wr_status text_join(run *r, value between, const value_list *items, bool as_str, value *out);
wr_status text_pad(run *r, value s, int64_t width, const value *fill, char where, value *out);
wr_status text_predicate(value s, const char *method, bool *out, bool *known); /* isupper, isalpha, … */
/* The byte where character i begins; s.n for i == length. */
size_t text_offset(value s, size_t i);

#endif
