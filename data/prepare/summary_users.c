/* The user table of a prepared folder: how unevenly the instances are spread over people. */
#include "data/prepare/summary_parts.h"

#include "base/file.h"
#include "base/stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LORENZ_POINTS = 20 };

typedef struct users {
    uint32_t *instances; /* (n) */
    size_t n, capacity;
    uint64_t train, test, turns, total, bad;
} users;

static wr_status read_users(const char *path, users *u) {
    wr_status status = WR_OK;
    instream *in = NULL;
    const char *line, *split;
    size_t n, length;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(instream_open(path, &in));
    for (;;) {
        wr_status got = instream_line(in, &line, &n);
        const json_value *row = NULL;
        int64_t instances, turns = 0;
        TRY(got);
        if (got == WR_END) break;
        arena_reset(a);
        if (json_parse(a, line, n, &row) < 0 || !json_get_int(row, "instances", &instances) || instances < 0 ||
            instances > UINT32_MAX) {
            u->bad++;
            continue;
        }
        bool test = json_get_string(row, "split", &split, &length) && strcmp(split, "test") == 0;
        if (json_get_int(row, "turns", &turns) && turns > 0) u->turns += (uint64_t)turns;
        *(test ? &u->test : &u->train) += 1;
        u->total += (uint64_t)instances;
        VEC_PUSH(u->instances, u->n, u->capacity, (uint32_t)instances);
    }
cleanup:
    instream_close(in);
    arena_free(a);
    return status;
}

/* x: ascending, all above 0. gini = sum (2i - n - 1) x_i / (n sum x), i = 1 … n. */
static void put_inequality(json_writer *w, const uint32_t *x, size_t n, uint64_t total) {
    double weighted = 0, below = 0;
    for (size_t i = 0; i < n; i++) weighted += (2 * (double)(i + 1) - (double)n - 1) * x[i];
    json_member_double(w, "gini", n ? weighted / ((double)n * (double)total) : NAN);
    size_t top = (n + 99) / 100;
    for (size_t i = n - top; i < n; i++) below += x[i];
    json_member_double(w, "top_percent_share", n ? below / (double)total : NAN);
    json_member_array(w, "lorenz");
    double sum = 0;
    size_t at = 0;
    for (size_t p = 0; n && p <= LORENZ_POINTS; p++) {
        size_t end = n * p / LORENZ_POINTS;
        while (at < end) sum += x[at++];
        json_begin_array(w);
        json_double(w, (double)end / (double)n), json_double(w, sum / (double)total);
        json_end_array(w);
    }
    json_end_array(w);
}

wr_status summary_users(const char *dir, json_writer *w) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    users u = {0};
    TRY(path_join(path, dir, "users.jsonl.zst"));
    if (!file_exists(path)) return WR_OK;
    TRY(read_users(path, &u));
    json_member_object(w, "users");
    json_member_count(w, "n", u.n);
    json_member_count(w, "bad_lines", u.bad);
    json_member_count(w, "train", u.train);
    json_member_count(w, "test", u.test);
    json_member_count(w, "turns", u.turns);
    json_member_count(w, "instances", u.total);
    summary_histogram(w, "histogram", u.instances, u.n); /* sorts */
    size_t none = 0;
    while (none < u.n && u.instances[none] == 0) none++;
    json_member_count(w, "with_instances", u.n - none);
    json_member_count(w, "largest", u.n ? u.instances[u.n - 1] : 0);
    put_inequality(w, u.instances + none, u.n - none, u.total);
    json_end_object(w);
cleanup:
    free(u.instances);
    return status;
}
