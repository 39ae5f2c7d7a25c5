#include "data/prepare/funnel.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static funnel_line *find(const funnel *f, const char *stage, const char *name) {
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->lines[i].name, name) == 0 && strcmp(f->lines[i].stage, stage) == 0) return &f->lines[i];
    }
    return NULL;
}

wr_status funnel_count(funnel *f, const char *stage, const char *name, uint64_t n) {
    wr_status status = WR_OK;
    funnel_line *line = find(f, stage, name);
    if (line) {
        line->count += n;
    } else {
        VEC_PUSH(f->lines, f->n, f->capacity, ((funnel_line){stage, name, n, NULL}));
    }
cleanup:
    return status;
}

wr_status funnel_note(funnel *f, const char *stage, const char *name, const char *note) {
    funnel_line *line = find(f, stage, name);
    if (!line || line->note) return WR_OK;
    line->note = mem_strdup(note);
    return line->note ? WR_OK : WR_E_NOMEM;
}

uint64_t funnel_get(const funnel *f, const char *stage, const char *name) {
    const funnel_line *line = find(f, stage, name);
    return line ? line->count : 0;
}

/* True when no earlier line has this line's stage: stages come in the order of their first lines. */
static bool opens_stage(const funnel *f, size_t i) {
    for (size_t k = 0; k < i; k++) {
        if (strcmp(f->lines[k].stage, f->lines[i].stage) == 0) return false;
    }
    return true;
}

void funnel_print(const funnel *f) {
    for (size_t i = 0; i < f->n; i++) {
        if (!opens_stage(f, i)) continue;
        const char *stage = f->lines[i].stage, *shown = stage;
        for (size_t k = i; k < f->n; k++) {
            const funnel_line *l = &f->lines[k];
            if (strcmp(l->stage, stage) != 0 || (!l->count && !l->note)) continue;
            log_info("  %-10s %-36s %10" PRIu64 "%s%s", shown, l->name, l->count, l->note ? "  " : "",
                     l->note ? l->note : "");
            shown = "";
        }
    }
}

void funnel_json(const funnel *f, json_writer *w) {
    json_begin_object(w);
    for (size_t i = 0; i < f->n; i++) {
        if (!opens_stage(f, i)) continue;
        const char *stage = f->lines[i].stage;
        json_member_object(w, stage);
        for (size_t k = i; k < f->n; k++) {
            if (strcmp(f->lines[k].stage, stage) != 0) continue;
            json_member_int(w, f->lines[k].name, (int64_t)f->lines[k].count);
        }
        json_end_object(w);
    }
    json_end_object(w);
}

void funnel_free(funnel *f) {
    for (size_t i = 0; i < f->n; i++) free(f->lines[i].note);
    free(f->lines);
    *f = (funnel){0};
}
