#include "report/metrics_series.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/stream.h"
#include <stdlib.h>
#include <string.h>

const metric_series *metrics_find(const metrics_table *t, const char *name) {
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->series[i].name, name) == 0) return &t->series[i];
    return NULL;
}

static wr_status add_point(metrics_table *t, const json_value *v, double step, double value) {
    wr_status status = WR_OK;
    char *name = mem_strndup(v->key, v->key_length);
    TRY_ALLOC(name);
    metric_series *s = (metric_series *)metrics_find(t, name);
    if (!s) {
        metric_series fresh = {.name = name};
        VEC_PUSH(t->series, t->n, t->capacity, fresh);
        name = NULL;
        s = &t->series[t->n - 1];
    }
    while (s->n && s->step[s->n - 1] >= step) s->n--;
    TRY(mem_reserve((void **)&s->step, &s->step_capacity, s->n + 1, sizeof *s->step));
    TRY(mem_reserve((void **)&s->value, &s->value_capacity, s->n + 1, sizeof *s->value));
    s->step[s->n] = step;
    s->value[s->n++] = value;
cleanup:
    free(name);
    return status;
}

wr_status metrics_load(const char *path, metrics_table *out) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *line;
    size_t n;
    metrics_table t = {0};
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(instream_open(path, &in));
    for (;;) {
        wr_status got = instream_line(in, &line, &n);
        TRY(got);
        if (got == WR_END) break;
        if (n == 0) continue;
        t.lines++;
        arena_reset(a);
        const json_value *row;
        double step, value;
        if (json_parse(a, line, n, &row) < 0 || !json_get_double(row, "step", &step) || !(step >= 0 && step < 1e15)) {
            t.skipped++;
            continue;
        }
        t.last_step = step;
        for (const json_value *v = row->first; v; v = v->next)
            if (json_is(v, JSON_NUMBER) && json_to_double(v, &value) && strcmp(v->key, "step") != 0)
                TRY(add_point(&t, v, step, value));
    }
    if (t.lines == t.skipped)
        TRY(wr_fail(WR_E_FORMAT, "%s: no usable line of metrics (%zu lines read)", path, t.lines));
    *out = t;
    memset(&t, 0, sizeof t);
cleanup:
    metrics_free(&t);
    instream_close(in);
    arena_free(a);
    return status;
}

void metrics_free(metrics_table *t) {
    for (size_t i = 0; i < t->n; i++) {
        free(t->series[i].name);
        free(t->series[i].step);
        free(t->series[i].value);
    }
    free(t->series);
    memset(t, 0, sizeof *t);
}
