#include "evaluate/scored_rows.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/stream.h"
#include "evaluate/statistics/figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES_MAX = 1000 };

/* A line, checked by itself. */
typedef struct scored_row {
    const char *id, *user;   /* NULL: none */
    int64_t label, class;    /* class 0: none */
    double score, length;    /* length NaN: none */
    const json_value *above; /* NULL: none */
    char prompt[HASH_HEX];   /* "": none */
} scored_row;

static wr_status text_member(const json_value *v, const char *key, arena *a, const char **out) {
    const json_value *member = json_get(v, key);
    *out = NULL;
    if (!member || json_is(member, JSON_NULL)) return WR_OK;
    if (!json_is(member, JSON_STRING)) return wr_fail(WR_E_FORMAT, "\"%s\" is not a text", key);
    *out = arena_strndup(a, member->text, member->length);
    return *out ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory");
}

static bool there(const json_value *v, const char *key) {
    return json_get(v, key) && !json_is(json_get(v, key), JSON_NULL);
}

static wr_status row_of(const json_value *v, arena *a, scored_row *x) {
    wr_status status = WR_OK;
    strbuf prompt = {0};
    *x = (scored_row){.length = NAN};
    if (!json_is(v, JSON_OBJECT)) TRY(wr_fail(WR_E_FORMAT, "is not an object"));
    TRY(text_member(v, "id", a, &x->id));
    TRY(text_member(v, "user", a, &x->user));
    if (!json_get_int(v, "label", &x->label) || x->label < 1 || x->label > CLASSES_MAX)
        TRY(wr_fail(WR_E_FORMAT, "\"label\" must be a whole number from 1 to %d", CLASSES_MAX));
    if (!json_get_double(v, "score", &x->score) || !isfinite(x->score))
        TRY(wr_fail(WR_E_FORMAT, "\"score\" must be a finite number"));
    if (there(v, "class") && (!json_get_int(v, "class", &x->class) || x->class < 1 || x->class > CLASSES_MAX))
        TRY(wr_fail(WR_E_FORMAT, "\"class\" must be a whole number from 1 to %d", CLASSES_MAX));
    if (there(v, "length") && (!json_get_double(v, "length", &x->length) || !(x->length >= 0)))
        TRY(wr_fail(WR_E_FORMAT, "\"length\" must be a number that is not negative"));
    if (there(v, "above")) {
        x->above = json_get(v, "above");
        if (!json_is(x->above, JSON_ARRAY) || !x->above->length || x->above->length >= CLASSES_MAX)
            TRY(wr_fail(WR_E_FORMAT, "\"above\" must be a list of K-1 probabilities"));
        for (const json_value *e = x->above->first; e; e = e->next) {
            double q;
            if (!json_is(e, JSON_NUMBER) || !json_to_double(e, &q) || !(q >= 0 && q <= 1))
                TRY(wr_fail(WR_E_FORMAT, "\"above\" must hold probabilities, from 0 to 1"));
        }
    }
    if (there(v, "prompt")) {
        json_writer j = json_writer_make(&prompt);
        json_copy(&j, json_get(v, "prompt"));
        TRY(strbuf_status(&prompt));
        hash_hex(strbuf_str(&prompt), prompt.len, x->prompt);
    }
cleanup:
    strbuf_free(&prompt);
    return status;
}

typedef struct row_list {
    scored_row *rows;
    size_t n, capacity;
    arena *memory;
} row_list;

static wr_status read_rows(const char *path, row_list *l) {
    wr_status status = WR_OK;
    instream *s = NULL;
    const char *line;
    size_t n;
    TRY(instream_open(path, &s));
    while ((status = instream_line(s, &line, &n)) == WR_OK) {
        const json_value *v;
        scored_row x;
        status = json_parse(l->memory, line, n, &v);
        if (status >= 0) status = row_of(v, l->memory, &x);
        if (status >= 0 && l->n &&
            ((x.class > 0) != (l->rows[0].class > 0) || !x.above != !l->rows[0].above ||
             (x.above && x.above->length != l->rows[0].above->length)))
            status = wr_fail(WR_E_FORMAT, "has other members (\"class\", \"above\") than the first line");
        TRY(wr_context(status, "%s line %zu", instream_name(s), instream_line_number(s)));
        VEC_PUSH(l->rows, l->n, l->capacity, x);
    }
    TRY(status);
    status = WR_OK;
    if (!l->n) TRY(wr_fail(WR_E_FORMAT, "%s: no line", path));
cleanup:
    instream_close(s);
    return status;
}

static wr_status classes_of(const char *path, const row_list *l, int *out) {
    const size_t N = l->rows[0].above ? l->rows[0].above->length : 0;
    int64_t most = 1;
    for (size_t i = 0; i < l->n; i++) {
        const int64_t here = l->rows[i].label > l->rows[i].class ? l->rows[i].label : l->rows[i].class;
        if (N && here > (int64_t)N + 1)
            return wr_fail(WR_E_FORMAT,
                           "%s line %zu: class %lld, but \"above\" has the %zu probabilities of %zu classes", path,
                           i + 1, (long long)here, N, N + 1);
        if (here > most) most = here;
    }
    *out = N ? (int)N + 1 : (int)most;
    return WR_OK;
}

wr_status scored_rows_read(const char *path, reward_records *r) {
    wr_status status = WR_OK;
    row_list l = {.memory = arena_create()};
    name_maps *m = NULL;
    int K = 1;
    *r = (reward_records){0};
    TRY_ALLOC(l.memory);
    TRY(read_rows(path, &l));
    TRY(classes_of(path, &l, &K));
    const scored_row *first = &l.rows[0];
    TRY(reward_records_create(r, l.n, K, first->class > 0, first->above != NULL));
    TRY(name_maps_create(&m));
    for (size_t i = 0; i < l.n; i++) {
        const scored_row *x = &l.rows[i];
        char number[32];
        snprintf(number, sizeof number, "%zu", i + 1);
        r->score[i] = x->score;
        r->label[i] = (int)x->label;
        if (r->class) r->class[i] = (int)x->class;
        r->length[i] = x->length;
        if (isnan(x->length)) r->p.length = NULL;
        const json_value *e = x->above ? x->above->first : NULL;
        for (size_t k = 0; e; e = e->next, k++) json_to_double(e, &r->above[i * (size_t)(K - 1) + k]);
        TRY(reward_records_name(r, m, i, x->id ? x->id : number, x->user ? x->user : "",
                                x->prompt[0] ? x->prompt : NULL));
    }
    r->p.on_scale = r->class || r->above;
    r->own_why = "rows do not tell which users the model was trained on";
cleanup:
    free(l.rows);
    arena_free(l.memory);
    name_maps_free(m);
    return status;
}

wr_status scored_rows_figures(const reward_records *r, reward_figures *out) {
    wr_status status = WR_OK;
    const predictions *p = &r->p;
    figure_taker *taker = NULL;
    double *value = mem_calloc(figures_width(p->classes), sizeof *value);
    *out = (reward_figures){.records = p->n, .classes = p->classes, .loss = NAN, .violations = NAN, .spread = NAN};
    out->mean_score = mem_calloc((size_t)p->classes, sizeof *out->mean_score);
    out->count = mem_calloc((size_t)p->classes, sizeof *out->count);
    TRY_ALLOC(value);
    TRY_ALLOC(out->mean_score);
    TRY_ALLOC(out->count);
    TRY(figure_taker_create(p, 2, &taker));
    figures_take(taker, NULL, value);
    out->accuracy = value[FIGURE_ACCURACY];
    out->mae = value[FIGURE_MAE];
    out->spearman = value[FIGURE_SPEARMAN];
    out->kappa = value[FIGURE_KAPPA];
    for (size_t i = 0; i < p->n; i++) {
        out->mean_score[p->label[i] - 1] += p->score[i];
        out->count[p->label[i] - 1]++;
    }
    for (int k = 0; k < p->classes; k++)
        out->mean_score[k] = out->count[k] ? out->mean_score[k] / (double)out->count[k] : NAN;
cleanup:
    figure_taker_free(taker);
    free(value);
    return status;
}
