/* Functions of templates: those of Jinja, and what transformers adds. */
#include "text/chat/jinja_run.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RANGE_MAX = 100000 };

bool is_function(const char *name) {
    static const char *const known[] = {
        "namespace", "range", "raise_exception", "strftime_now", "dict", "cycler", "joiner", "lipsum", NULL};
    for (size_t i = 0; known[i]; i++)
        if (strcmp(name, known[i]) == 0) return true;
    return false;
}

/* dict(mapping or pairs, name=value …) */
static wr_status make_dict(run *r, value_kind kind, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    value_list *pairs, *pair;
    TRY(dict_new(r->a, kind, out));
    for (size_t i = 0; i < args->n; i++) {
        const value given = args->items[i];
        if (args->names[i]) {
            TRY(dict_set_name(r->a, out->dict, args->names[i], given));
        } else if (i) {
            TRY(wr_fail(WR_E_FORMAT, "dict takes one value without a name"));
        } else if (given.kind == VALUE_DICT) {
            for (size_t k = 0; k < given.dict->n; k++) {
                TRY(run_spend(r, 1 + out->dict->n / 8));
                TRY(dict_set(r->a, out->dict, given.dict->keys[k], given.dict->values[k]));
            }
        } else {
            TRY(iterate_all(r, given, &pairs));
            for (size_t k = 0; k < pairs->n; k++) {
                TRY(iterate_all(r, pairs->items[k], &pair));
                if (pair->n != 2) TRY(wr_fail(WR_E_FORMAT, "dict takes pairs"));
                TRY(run_spend(r, 1 + out->dict->n / 8));
                TRY(dict_set(r->a, out->dict, pair->items[0], pair->items[1]));
            }
        }
    }
    for (size_t i = 0; kind == VALUE_NAMESPACE && i < out->dict->n; i++) {
        const value key = out->dict->keys[i];
        if (key.kind == VALUE_STRING && key.n && key.text[0] == '_')
            TRY(wr_fail(WR_E_FORMAT, "a namespace cannot hold '%.*s': the name begins with an underscore",
                        (int)(key.n < 40 ? key.n : 40), key.text));
    }
cleanup:
    return status;
}

static wr_status make_range(run *r, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    const value *given[PARAMETERS_MAX];
    int64_t bounds[3] = {0, 0, 1};
    TRY(take_arguments("range", args, "/start /stop /step", 1, given));
    for (size_t i = 0; i < args->n; i++) TRY(argument_integer("range", given[i], 0, &bounds[args->n == 1 ? 1 : i]));
    if (bounds[2] == 0) return wr_fail(WR_E_FORMAT, "range with step 0");
    TRY(list_new_kind(r->a, VALUE_RANGE, out));
    out->list->start = bounds[0], out->list->stop = bounds[1], out->list->step = bounds[2];
    for (int64_t i = bounds[0]; bounds[2] > 0 ? i < bounds[1] : i > bounds[1];) {
        if (out->list->n >= RANGE_MAX) TRY(wr_fail(WR_E_FORMAT, "range of more than %d numbers", RANGE_MAX));
        TRY(list_push(r->a, out->list, value_int(i)));
        if (__builtin_add_overflow(i, bounds[2], &i)) break;
    }
    TRY(run_spend(r, out->list->n / 8));
cleanup:
    return status;
}

/* The local time, or SOURCE_DATE_EPOCH (UTC) where it is set, so that prompts may be the same on another day. */
static wr_status time_text(run *r, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    char text[512], format[128];
    struct tm when;
    size_t n = 0;
    const value *given[PARAMETERS_MAX];
    value f;
    const char *fixed = getenv("SOURCE_DATE_EPOCH");
    TRY(take_arguments("strftime_now", args, "format", 1, given));
    TRY(argument_text("strftime_now", given[0], &f));
    if (f.n >= sizeof format || memchr(f.text, 0, f.n))
        return wr_fail(WR_E_FORMAT, "strftime_now takes a short format");
    for (size_t i = 0; i < f.n; i++) { /* a time without a zone: Python writes nothing for it */
        const char next = i + 1 < f.n ? f.text[i + 1] : 0;
        if (f.text[i] != '%') {
            format[n++] = f.text[i];
            continue;
        }
        if (next == 'f' || next == ':' || !next)
            return wr_fail(WR_E_FORMAT, "strftime_now: '%%%c' is not supported", next ? next : ' ');
        i++;
        if (next == 'z' || next == 'Z') continue;
        format[n++] = '%';
        format[n++] = next;
    }
    format[n] = 0;
    const time_t now = fixed ? (time_t)strtoll(fixed, NULL, 10) : time(NULL);
    if (!(fixed ? gmtime_r(&now, &when) : localtime_r(&now, &when)))
        return wr_fail(WR_E_FORMAT, "strftime_now: no such time");
    n = n ? strftime(text, sizeof text, format, &when) : 0;
    char *copy = arena_strndup(r->a, text, n);
    TRY_ALLOC(copy);
    *out = value_text(copy, n);
cleanup:
    return status;
}

static wr_status make_cycler(run *r, const call_arguments *args, bool joiner, value *out) {
    wr_status status = WR_OK;
    value_cycler *c = NULL;
    value items;
    const value *given[PARAMETERS_MAX] = {0};
    TRY(arena_grow(r->a, (void **)&c, 0, 1, sizeof *c));
    *c = (value_cycler){.separator = value_text(", ", 2)};
    if (joiner) {
        TRY(take_arguments("joiner", args, "sep", 0, given));
        if (given[0]) c->separator = *given[0];
    } else {
        if (!args->n) return wr_fail(WR_E_FORMAT, "cycler takes values");
        TRY(list_new(r->a, &items));
        for (size_t i = 0; i < args->n; i++) {
            if (args->names[i]) TRY(wr_fail(WR_E_FORMAT, "cycler takes no argument named '%.40s'", args->names[i]));
            TRY(list_push(r->a, items.list, args->items[i]));
        }
        c->items = items.list;
    }
    *out = (value){.kind = joiner ? VALUE_JOINER : VALUE_CYCLER, .cycler = c};
cleanup:
    return status;
}

wr_status run_function(run *r, const char *name, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    const value *given[PARAMETERS_MAX];
    value words;
    *out = (value){0};
    if (strcmp(name, "namespace") == 0) return make_dict(r, VALUE_NAMESPACE, args, out);
    if (strcmp(name, "dict") == 0) return make_dict(r, VALUE_DICT, args, out);
    if (strcmp(name, "range") == 0) return make_range(r, args, out);
    if (strcmp(name, "strftime_now") == 0) return time_text(r, args, out);
    if (strcmp(name, "cycler") == 0 || strcmp(name, "joiner") == 0) return make_cycler(r, args, *name == 'j', out);
    if (strcmp(name, "lipsum") == 0) return wr_fail(WR_E_FORMAT, "lipsum writes random text and is not supported");
    TRY(take_arguments("raise_exception", args, "message", 1, given));
    TRY(value_str(r->a, *given[0], &words));
    r->raised = true;
    return wr_fail(WR_E_FORMAT, "%.*s", (int)(words.n < 400 ? words.n : 400), words.text);
cleanup:
    return status;
}
