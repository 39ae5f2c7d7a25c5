#include "study/cell_file.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL_NAME(name, text) text,
const char *const cell_figure_names[CELL_FIGURES] = {CELL_FIGURES_OF(CELL_NAME)};

wr_status cell_folder(char out[PATH_CAP], const char *study, const study_cell *c) {
    char name[80];
    snprintf(name, sizeof name, "cells/%s", c->name);
    return path_join(out, study, name);
}

static wr_status path_in(char out[PATH_CAP], const char *study, const study_cell *c, const char *name) {
    char folder[PATH_CAP];
    const wr_status status = cell_folder(folder, study, c);
    return status < 0 ? status : path_join(out, folder, name);
}

/* name with prefix and suffix; NaN where it is null. False where it is not there. */
static bool read_number(const json_value *v, const char *prefix, const char *name, const char *suffix, double *out) {
    char key[64];
    snprintf(key, sizeof key, "%s%s%s", prefix, name, suffix);
    *out = NAN;
    return json_get_double(v, key, out) || json_is(json_get(v, key), JSON_NULL);
}

static bool read_figures(const json_value *v, const char *prefix, study_cell *c) {
    bool all = true;
    for (size_t i = 0; i < CELL_FIGURES; i++) {
        const char *name = cell_figure_names[i];
        cell_figure *f = &c->figures[i];
        all = read_number(v, prefix, name, "", &f->value) && all;
        all = read_number(v, prefix, name, "_low", &f->low) && all;
        all = read_number(v, prefix, name, "_high", &f->high) && all;
    }
    return all;
}

static bool read_counts(const json_value *v, const char *prefix, study_cell *c) {
    double records, users;
    if (!read_number(v, prefix, "records", "", &records) || !read_number(v, prefix, "users", "", &users)) return false;
    if (!(records >= 1 && users >= 0)) return false;
    c->test_records = (size_t)records;
    c->test_users = (size_t)users;
    return true;
}

typedef struct identity {
    int64_t users, seed, instances, steps;
    const char *data;
} identity;

static bool read_identity(const json_value *v, identity *is) {
    size_t n;
    return json_get_int(v, "users", &is->users) && json_get_int(v, "seed", &is->seed) &&
           json_get_int(v, "instances", &is->instances) && json_get_int(v, "steps", &is->steps) &&
           json_get_string(v, "data_hash", &is->data, &n);
}

static wr_status check_identity(const char *folder, const identity *is, const study_cell *c) {
    if (is->users != (int64_t)c->users || is->seed != (int64_t)c->seed)
        return wr_fail(WR_E_MISMATCH, "%s: is the cell of %lld users and seed %lld; put the folder back, or remove it",
                       folder, (long long)is->users, (long long)is->seed);
    if (is->steps != c->steps)
        return wr_fail(WR_E_MISMATCH,
                       "%s: of another study: it has %lld steps, now %lld; give the same, or another --out", folder,
                       (long long)is->steps, (long long)c->steps);
    if (strcmp(is->data, c->data_hash) != 0)
        return wr_fail(WR_E_MISMATCH,
                       "%s: of another study: it learned from other records (%lld instances, now %zu); give the same "
                       "--data, --users and instances, or another --out",
                       folder, (long long)is->instances, c->instances);
    return WR_OK;
}

wr_status cell_read(const char *study, const run_terms *terms, study_cell *c) {
    wr_status status = WR_OK;
    char path[PATH_CAP], folder[PATH_CAP], config[PATH_CAP], *text = NULL;
    const json_value *v = NULL;
    size_t n = 0;
    identity is = {0};
    arena *a = arena_create();
    TRY_ALLOC(a);
    c->done = false;
    TRY(cell_folder(folder, study, c));
    TRY(path_in(path, study, c, "cell.json"));
    TRY(path_in(config, study, c, "config.yaml"));
    if (!file_exists(path)) goto cleanup;
    TRY(file_read(path, 1 << 20, &text, &n));
    if (json_parse(a, text, n, &v) < 0 || !read_identity(v, &is) || !read_figures(v, "", c) ||
        !read_counts(v, "test_", c)) {
        log_warn("%s: cut short or damaged; the cell is finished again", path);
        goto cleanup;
    }
    TRY(check_identity(folder, &is, c));
    if (terms->same) TRY(wr_context(terms->same(terms->context, config, NULL), "%s", folder));
    c->done = true;
cleanup:
    free(text);
    arena_free(a);
    return status;
}

static void write_cell(const study_cell *c, strbuf *out) {
    json_writer j = json_writer_make(out);
    json_begin_object(&j);
    json_member_string(&j, "study", "users");
    json_member_count(&j, "users", c->users);
    json_member_count(&j, "seed", c->seed);
    json_member_count(&j, "instances", c->instances);
    json_member_int(&j, "steps", c->steps);
    json_member_string(&j, "data_hash", c->data_hash);
    for (size_t i = 0; i < CELL_FIGURES; i++) {
        const cell_figure *f = &c->figures[i];
        char key[64];
        json_member_double(&j, cell_figure_names[i], f->value);
        snprintf(key, sizeof key, "%s_low", cell_figure_names[i]);
        json_member_double(&j, key, f->low);
        snprintf(key, sizeof key, "%s_high", cell_figure_names[i]);
        json_member_double(&j, key, f->high);
    }
    json_member_count(&j, "test_records", c->test_records);
    json_member_count(&j, "test_users", c->test_users);
    json_end_object(&j);
    strbuf_putc(out, '\n');
}

/* The last line of metrics is that of the evaluation behind the last step. */
static wr_status last_evaluation(const char *path, const study_cell *c, arena *a, const json_value **out) {
    wr_status status = WR_OK;
    char *text = NULL;
    size_t n = 0;
    int64_t step;
    TRY(file_read(path, 0, &text, &n));
    while (n && text[n - 1] == '\n') n--;
    const char *before = memrchr(text, '\n', n), *line = before ? before + 1 : text;
    TRY(wr_context(json_parse(a, line, n - (size_t)(line - text), out), "%s", path));
    if (!json_get(*out, "eval_records") || !json_get_int(*out, "step", &step) || step != c->steps)
        TRY(wr_fail(WR_E_FORMAT, "%s: no evaluation behind step %lld at its end", path, (long long)c->steps));
cleanup:
    free(text);
    return status;
}

wr_status cell_finish(const char *study, study_cell *c) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    const json_value *v = NULL;
    strbuf text = {0};
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(path_in(path, study, c, "metrics.jsonl"));
    TRY(last_evaluation(path, c, a, &v));
    read_figures(v, "eval_", c); /* what the objective has not stays NaN */
    if (!read_counts(v, "eval_", c)) TRY(wr_fail(WR_E_FORMAT, "%s: its last evaluation counts no records", path));
    write_cell(c, &text);
    TRY(strbuf_status(&text));
    TRY(path_in(path, study, c, "cell.json"));
    TRY(file_write_atomic(path, strbuf_str(&text), text.len));
    c->done = true;
cleanup:
    strbuf_free(&text);
    arena_free(a);
    return status;
}
