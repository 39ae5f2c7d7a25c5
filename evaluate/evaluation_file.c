#include "evaluate/evaluation_file.h"

#include "base/file.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES_MAX = 1 << 30, CLASSES_MAX = 1000 };

static wr_status column(const json_value *v, const char *key, size_t n, const char *path, const json_value **out) {
    const json_value *list = json_get(v, key);
    if (!json_is(list, JSON_ARRAY) || list->length != n)
        return wr_fail(WR_E_FORMAT, "%s: \"per_record\": \"%s\" is not a list of %zu", path, key, n);
    *out = list->first;
    return WR_OK;
}

static wr_status numbers(const json_value *v, const char *key, size_t n, const char *path, arena *a, double **out) {
    wr_status status = WR_OK;
    const json_value *e = NULL;
    TRY(column(v, key, n, path, &e));
    *out = arena_alloc(a, (n + 1) * sizeof **out);
    TRY_ALLOC(*out);
    for (size_t i = 0; e; e = e->next, i++)
        if (!json_is(e, JSON_NUMBER) || !json_to_double(e, &(*out)[i]) || !isfinite((*out)[i]))
            TRY(wr_fail(WR_E_FORMAT, "%s: \"per_record\": \"%s\" holds what is no finite number", path, key));
cleanup:
    return status;
}

static wr_status levels(const json_value *v, const char *key, size_t n, const char *path, arena *a, int *most,
                        int **out) {
    wr_status status = WR_OK;
    const json_value *e = NULL;
    TRY(column(v, key, n, path, &e));
    *out = arena_alloc(a, (n + 1) * sizeof **out);
    TRY_ALLOC(*out);
    for (size_t i = 0; e; e = e->next, i++) {
        int64_t x;
        if (!json_is(e, JSON_NUMBER) || !json_to_int(e, &x) || x < 1 || x > CLASSES_MAX)
            TRY(wr_fail(WR_E_FORMAT, "%s: \"per_record\": \"%s\" holds what is no class", path, key));
        (*out)[i] = (int)x;
        if (x > *most) *most = (int)x;
    }
cleanup:
    return status;
}

/* Places in the file by id, then by place. */
typedef struct placed_id {
    const char *id;
    size_t at;
} placed_id;

static int by_id(const void *a, const void *b) {
    const placed_id *x = a, *y = b;
    const int c = strcmp(x->id, y->id);
    return c ? c : x->at < y->at ? -1 : x->at > y->at;
}

#define REORDERED(member)                                                                                              \
    if (f->member) {                                                                                                   \
        void *fresh = arena_alloc(a, (n + 1) * sizeof *f->member);                                                     \
        TRY_ALLOC(fresh);                                                                                              \
        memcpy(fresh, f->member, n * sizeof *f->member);                                                               \
        const char *from = fresh;                                                                                      \
        for (size_t i = 0; i < n; i++)                                                                                 \
            memcpy(&f->member[i], from + order[i].at * sizeof *f->member, sizeof *f->member);                          \
    }

static wr_status sort_by_id(evaluation_file *f, arena *a) {
    wr_status status = WR_OK;
    const size_t n = f->n;
    placed_id *order = arena_alloc(a, (n + 1) * sizeof *order);
    TRY_ALLOC(order);
    for (size_t i = 0; i < n; i++) order[i] = (placed_id){f->id[i], i};
    qsort(order, n, sizeof *order, by_id);
    REORDERED(id)
    REORDERED(score)
    REORDERED(log_loss)
    REORDERED(label)
    REORDERED(class)
    REORDERED(user)
cleanup:
    return status;
}

wr_status evaluation_file_read(const char *path, arena *a, evaluation_file *out) {
    wr_status status = WR_OK;
    char *bytes = NULL;
    size_t size, length;
    const json_value *v, *e = NULL;
    const char *model = "";
    double *user;
    *out = (evaluation_file){.path = path, .model = "", .classes = 1};
    TRY(file_read(path, FILE_BYTES_MAX, &bytes, &size));
    TRY(wr_context(json_parse(a, bytes, size, &v), "%s", path));
    const json_value *rows = json_get(v, "per_record"), *ids = json_get(rows, "id");
    if (!json_is(rows, JSON_OBJECT) || !json_is(ids, JSON_ARRAY) || !ids->length)
        TRY(wr_fail(WR_E_FORMAT,
                    "%s: no evaluation of a reward model with its records (\"per_record\"); make it with: wildreward "
                    "evaluate --model DIR --data DIR --out FILE.json",
                    path));
    const size_t n = out->n = ids->length;
    if (json_get_string(v, "model", &model, &length)) out->model = model;
    out->id = arena_alloc(a, (n + 1) * sizeof *out->id);
    out->user = arena_alloc(a, (n + 1) * sizeof *out->user);
    TRY_ALLOC(out->id);
    TRY_ALLOC(out->user);
    TRY(column(rows, "id", n, path, &e));
    for (size_t i = 0; e; e = e->next, i++) {
        if (!json_is(e, JSON_STRING)) TRY(wr_fail(WR_E_FORMAT, "%s: \"per_record\": an \"id\" is no text", path));
        out->id[i] = e->text;
    }
    TRY(numbers(rows, "user", n, path, a, &user));
    for (size_t i = 0; i < n; i++) {
        if (!(user[i] >= 0 && user[i] < (double)n) || user[i] != (double)(uint32_t)user[i])
            TRY(wr_fail(WR_E_FORMAT, "%s: \"per_record\": a \"user\" is none of 0 to %zu", path, n - 1));
        out->user[i] = (uint32_t)user[i];
    }
    TRY(numbers(rows, "score", n, path, a, &out->score));
    TRY(levels(rows, "label", n, path, a, &out->classes, &out->label));
    if (json_get(rows, "class")) TRY(levels(rows, "class", n, path, a, &out->classes, &out->class));
    if (json_get(rows, "log_loss")) TRY(numbers(rows, "log_loss", n, path, a, &out->log_loss));
    out->on_scale = json_is(json_get(v, "mae"), JSON_NUMBER);
    TRY(sort_by_id(out, a));
cleanup:
    free(bytes);
    return status;
}

static void keep(evaluation_file *f, size_t from, size_t to) {
    f->id[to] = f->id[from];
    f->score[to] = f->score[from];
    f->label[to] = f->label[from];
    f->user[to] = f->user[from];
    if (f->class) f->class[to] = f->class[from];
    if (f->log_loss) f->log_loss[to] = f->log_loss[from];
}

wr_status evaluation_files_align(evaluation_file *files, size_t n, size_t *left_out) {
    size_t kept = 0, *at = mem_calloc(n, sizeof *at);
    wr_status status = at ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory comparing %zu files", n);
    for (bool end = status < 0; !end;) {
        /* The largest of the ids at hand: whoever has a smaller one moves on. */
        size_t top = 0, same = 0;
        for (size_t f = 0; f < n && !end; f++) {
            end = at[f] == files[f].n;
            if (!end && strcmp(files[f].id[at[f]], files[top].id[at[top]]) > 0) top = f;
        }
        for (size_t f = 0; f < n && !end; f++) same += strcmp(files[f].id[at[f]], files[top].id[at[top]]) == 0;
        for (size_t f = 0; f < n && !end; f++) {
            if (same == n)
                keep(&files[f], at[f]++, kept);
            else if (strcmp(files[f].id[at[f]], files[top].id[at[top]]) < 0)
                at[f]++;
        }
        if (same == n) kept++;
    }
    for (size_t f = 0; f < n && status >= 0; f++) {
        left_out[f] = files[f].n - kept;
        files[f].n = kept;
        for (size_t i = 0; i < kept && status >= 0; i++)
            if (files[f].label[i] != files[0].label[i])
                status = wr_fail(WR_E_MISMATCH,
                                 "%s and %s: record %s is labelled %d and %d; compare evaluations of the same data",
                                 files[0].path, files[f].path, files[0].id[i], files[0].label[i], files[f].label[i]);
    }
    if (status >= 0 && !kept)
        status = wr_fail(WR_E_MISMATCH, "%s and %s: no common record; compare evaluations of the same data",
                         files[0].path, files[1].path);
    free(at);
    return status;
}
