#include "trainer/best.h"

#include "base/file.h"
#include "base/json.h"
#include "base/stream.h"

#include <stdio.h>
#include <string.h>

best_so_far best_make(const char *metric) { return (best_so_far){.metric = metric, .step = -1}; }

static const struct {
    const char *name;
    bool least;
} figures[] = {
#define BEST_ROW(name_, least_) {name_, least_},
    BEST_FIGURES(BEST_ROW)
#undef BEST_ROW
};
enum { BEST_COUNT = sizeof figures / sizeof *figures };

static bool less_is_better(const char *metric) {
    for (size_t i = 0; i < BEST_COUNT; i++)
        if (strcmp(metric, figures[i].name) == 0) return figures[i].least;
    return false;
}

static wr_status not_there(const best_so_far *b, const json_value *line) {
    char there[24 * BEST_COUNT] = "";
    size_t at = 0;
    for (size_t i = 0; i < BEST_COUNT; i++)
        if (json_get(line, figures[i].name))
            at += (size_t)snprintf(there + at, sizeof there - at, "%s%s", at ? ", " : "", figures[i].name);
    return wr_fail(WR_E_USAGE, "--keep-best %s: evaluations of this run have none; they have: %s", b->metric, there);
}

static wr_status note(best_so_far *b, arena *memory, const char *line, size_t n, bool *better) {
    wr_status status = WR_OK;
    const json_value *v = NULL;
    int64_t step = 0;
    double x;
    *better = false;
    TRY(json_parse(memory, line, n, &v));
    if (!json_get(v, "eval_time_s")) goto cleanup;
    const json_value *m = json_get(v, b->metric);
    if (!m) TRY(not_there(b, v));
    b->evaluations++;
    b->since++;
    if (!json_is_finite(m) || !json_to_double(m, &x) || !json_get_int(v, "step", &step)) goto cleanup;
    *better = b->step < 0 || (less_is_better(b->metric) ? x < b->value : x > b->value);
    if (!*better) goto cleanup;
    b->value = x;
    b->step = step;
    b->since = 0;
cleanup:
    return status;
}

wr_status best_note(best_so_far *b, const char *line, size_t n, bool *better) {
    wr_status status = WR_OK;
    arena *memory = arena_create();
    TRY_ALLOC(memory);
    TRY(note(b, memory, line, n, better));
cleanup:
    arena_free(memory);
    return status;
}

wr_status best_read(best_so_far *b, const char *run) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    const char *line;
    size_t n;
    instream *in = NULL;
    arena *memory = NULL;
    bool better;
    TRY(path_join(path, run, "metrics.jsonl"));
    if (!file_exists(path)) goto cleanup;
    TRY_ALLOC(memory = arena_create());
    TRY(instream_open(path, &in));
    for (wr_status s; (s = instream_line(in, &line, &n)) != WR_END;) {
        TRY(s);
        arena_reset(memory);
        TRY(wr_context(note(b, memory, line, n, &better), "%s:%zu", path, instream_line_number(in)));
    }
cleanup:
    instream_close(in);
    arena_free(memory);
    return status;
}
