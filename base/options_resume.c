/* What a run was begun with against what it is to go on with. Values are compared, as options_visit spells them, not
 * texts: an option that the older run did not know has its default there, and 1e-3 is 0.001. */
#include "base/options_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

wr_status options_complete(options *o) {
    char path[4096];
    const char *out = options_str(o, "out");
    if (!options_flag(o, "resume") || !out) return WR_OK;
    const int n = snprintf(path, sizeof path, "%s/config.yaml", out);
    if (n < 0 || (size_t)n >= sizeof path || access(path, R_OK) != 0)
        return WR_OK; /* a run that left none: whoever opens it says what is wrong */
    return wr_context(options_read_yaml(o, path, FROM_RUN), "--resume takes what is not given from the run");
}

wr_status options_defaults(const options *like, options **out) {
    wr_status status = WR_OK;
    options *o = NULL;
    *out = NULL;
    TRY_ALLOC(o = mem_calloc(1, sizeof *o));
    TRY_ALLOC(o->entries = mem_calloc(like->count + 1, sizeof *o->entries));
    for (size_t i = 0; i < like->count; i++) TRY(option_begin(like->entries[i].spec, &o->entries[o->count++]));
    *out = o;
    o = NULL;
cleanup:
    options_free(o);
    return status;
}

wr_status options_like(const options *like, const char *path, options **out) {
    wr_status status = WR_OK;
    TRY(options_defaults(like, out));
    TRY(options_read_yaml(*out, path, FROM_RUN));
cleanup:
    if (status < 0) {
        options_free(*out);
        *out = NULL;
    }
    return status;
}

typedef struct values {
    const char **value; /* (count), in the arena */
    size_t n;
    arena *memory;
} values;

static wr_status keep(void *context, const option_spec *spec, const char *value) {
    (void)spec;
    values *v = context;
    const char *copy = value ? arena_strndup(v->memory, value, strlen(value)) : NULL;
    v->value[v->n++] = copy;
    return value && !copy ? WR_E_NOMEM : WR_OK;
}

static wr_status spell(const options *o, arena *memory, values *out) {
    *out = (values){.memory = memory, .value = arena_alloc(memory, (o->count + 1) * sizeof *out->value)};
    return out->value ? options_visit(o, keep, out) : WR_E_NOMEM;
}

wr_status options_changed(const options *was, const options *now, bool longer, strbuf *out) {
    wr_status status = WR_OK;
    values before, after;
    arena *memory = arena_create();
    TRY_ALLOC(memory);
    TRY(spell(was, memory, &before));
    TRY(spell(now, memory, &after));
    for (size_t i = 0; i < now->count; i++) {
        const option_spec *spec = now->entries[i].spec;
        const char *a = before.value[i], *b = after.value[i];
        const bool compared = spec->resume == RESUME_FIXED || (spec->resume == RESUME_LENGTH && !longer);
        if (!compared || (!a && !b) || (a && b && strcmp(a, b) == 0)) continue;
        strbuf_printf(out, "%s--%s %.200s, now %.200s", out->len ? "; " : "", spec->name, a ? a : "not given",
                      b ? b : "not given");
        if (spec->resume == RESUME_LENGTH)
            strbuf_puts(
                out, " (the rate of every step depends on it; only a constant rate without a warm-up lets a run grow)");
    }
    TRY(strbuf_status(out));
cleanup:
    arena_free(memory);
    return status;
}
