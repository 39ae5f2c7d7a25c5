/* for, with the variable `loop`. */
#include "text/chat/jinja_run.h"

#include <string.h>

/* Items that a loop's condition lets through; it is asked when they are wanted. */
static wr_status next_filtered(run *r, value_iterator *it, value *out, bool *more) {
    wr_status status = WR_OK;
    value holds;
    for (;;) {
        TRY(iterate_next(r, it->source, out, more));
        if (!*more) return WR_OK;
        scope *inner = scope_new(r, it->here);
        if (!inner) return WR_E_FORMAT;
        TRY(bind_target(r, inner, it->filtered_by->target, *out));
        TRY(evaluate(r, it->filtered_by->condition, inner, &holds));
        if (value_truth(holds)) return WR_OK;
    }
cleanup:
    return status;
}

static wr_status peek(run *r, value_loop *l) {
    wr_status status = WR_OK;
    bool more;
    if (l->has_after) return WR_OK;
    TRY(iterate_next(r, l->iterator, &l->after, &more));
    l->has_after = more;
cleanup:
    return status;
}

static wr_status loop_next(run *r, value_loop *l, bool *more) {
    wr_status status = WR_OK;
    const value before = l->current;
    if (l->has_after) {
        l->current = l->after;
        l->has_after = false;
        *more = true;
    } else {
        value next;
        TRY(iterate_next(r, l->iterator, &next, more));
        if (!*more) return WR_OK;
        l->current = next;
    }
    l->index0++;
    l->before = before;
cleanup:
    return status;
}

/* The rest is made a list where there is no length. */
static wr_status loop_length(run *r, value_loop *l) {
    wr_status status = WR_OK;
    value rest, item, made;
    bool more;
    if (l->length >= 0) return WR_OK;
    if (!l->s->condition && value_length(l->over, &l->length) >= 0) return WR_OK;
    TRY(list_new(r->a, &rest));
    for (;;) {
        TRY(iterate_next(r, l->iterator, &item, &more));
        if (!more) break;
        TRY(list_push(r->a, rest.list, item));
    }
    l->length = (int64_t)rest.list->n + l->index0 + 1 + l->has_after;
    TRY(iterate(r, rest, &made.iterator));
    l->iterator = made.iterator;
cleanup:
    return status;
}

wr_status loop_member(run *r, value_loop *l, const char *name, value *out) {
    wr_status status = WR_OK;
    *out = (value){0};
    if (strcmp(name, "index") == 0) {
        *out = value_int(l->index0 + 1);
    } else if (strcmp(name, "index0") == 0) {
        *out = value_int(l->index0);
    } else if (strcmp(name, "first") == 0) {
        *out = value_bool(l->index0 == 0);
    } else if (strcmp(name, "depth") == 0) {
        *out = value_int(l->depth0 + 1);
    } else if (strcmp(name, "depth0") == 0) {
        *out = value_int(l->depth0);
    } else if (strcmp(name, "previtem") == 0) {
        if (l->index0) *out = l->before;
    } else if (strcmp(name, "last") == 0) {
        TRY(peek(r, l));
        *out = value_bool(!l->has_after);
    } else if (strcmp(name, "nextitem") == 0) {
        TRY(peek(r, l));
        if (l->has_after) *out = l->after;
    } else if (strcmp(name, "length") == 0 || strncmp(name, "revindex", 8) == 0) {
        if (strcmp(name, "length") != 0 && strcmp(name, "revindex") != 0 && strcmp(name, "revindex0") != 0)
            return WR_OK;
        TRY(loop_length(r, l));
        *out = value_int(*name == 'l' ? l->length : l->length - l->index0 - (name[8] == '0'));
    }
cleanup:
    return status;
}

/* name "": the loop itself is called, which runs it for what is inside. */
wr_status loop_method(run *r, value_loop *l, const char *name, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < args->n; i++)
        if (args->names[i])
            return wr_fail(WR_E_FORMAT, "loop.%s takes no argument named '%.40s'", name, args->names[i]);
    if (strcmp(name, "cycle") == 0) {
        if (!args->n) return wr_fail(WR_E_FORMAT, "loop.cycle takes values");
        *out = args->items[(size_t)l->index0 % args->n];
    } else if (strcmp(name, "changed") == 0) {
        value now;
        bool same = false;
        TRY(list_new_kind(r->a, VALUE_TUPLE, &now));
        for (size_t i = 0; i < args->n; i++) TRY(list_push(r->a, now.list, args->items[i]));
        if (l->has_changed) TRY(value_equal(l->changed, now, &r->steps, &same));
        l->changed = now;
        l->has_changed = true;
        *out = value_bool(!same);
    } else {
        text_builder text = {.a = r->a, .limit = JINJA_OUTPUT_MAX}, *outer = r->out;
        if (!l->s->recursive || args->n != 1) return wr_fail(WR_E_FORMAT, "a loop that is not recursive is called");
        if (r->depth > 200) return wr_fail(WR_E_FORMAT, "a loop calls itself too deeply");
        r->out = &text;
        r->depth += 5;
        status = run_loop(r, l->s, l->here, args->items[0], l->depth0 + 1);
        r->depth -= 5;
        r->out = outer;
        TRY(status);
        *out = text_done(&text);
    }
cleanup:
    return status;
}

static wr_status begin(run *r, const statement *s, scope *here, value over, int depth0, value *out) {
    wr_status status = WR_OK;
    value_loop *l = NULL;
    value filtered;
    TRY(arena_grow(r->a, (void **)&l, 0, 1, sizeof *l));
    *l = (value_loop){.over = over, .s = s, .here = here, .index0 = -1, .length = -1, .depth0 = depth0};
    TRY(iterate(r, over, &l->iterator));
    if (s->condition) {
        scope_keep(here);
        TRY(iterator_new(r, next_filtered, &filtered));
        filtered.iterator->source = l->iterator;
        filtered.iterator->filtered_by = s;
        filtered.iterator->here = here;
        l->iterator = filtered.iterator;
    }
    *out = (value){.kind = VALUE_LOOP, .loop = l};
cleanup:
    return status;
}

wr_status run_loop(run *r, const statement *s, scope *here, value over, int depth0) {
    wr_status status = WR_OK;
    value loop;
    scope *inner = NULL;
    bool more, done = false;
    if (s->recursive) scope_keep(here);
    TRY(begin(r, s, here, over, depth0, &loop));
    for (;;) {
        TRY(loop_next(r, loop.loop, &more));
        if (!more) break;
        TRY(run_spend(r, 20)); /* an iteration costs memory, too */
        if (!inner || inner->kept) TRY_ALLOC(inner = scope_new(r, here));
        inner->n = 0; /* what an iteration sets, the next one does not see */
        TRY(enter_block(r, &s->body, inner));
        TRY(bind_target(r, inner, s->target, loop.loop->current));
        TRY(scope_set(r, inner, "loop", loop));
        TRY(run_body(r, s->body.first, inner));
        const bool ended = r->flow == FLOW_BREAK;
        done = done || r->flow == FLOW_ON;
        r->flow = FLOW_ON;
        if (ended) break;
    }
    /* Jinja's else is for loops none of whose iterations came to their end */
    if (done || !s->otherwise.first) return WR_OK;
    TRY_ALLOC(inner = scope_new(r, here));
    TRY(enter_block(r, &s->otherwise, inner));
    TRY(run_body(r, s->otherwise.first, inner));
cleanup:
    return status;
}
