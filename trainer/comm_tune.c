/* Every candidate sums the same floats over all ranks, in turn, ROUNDS times; it counts what the slowest rank took, the
 * median over the rounds. Those are the same numbers on every rank, so all come to the same choice without a word: of
 * the candidates hardly worse than the best the one that needs the least memory.
 *
 *     slice    64 Ki   256 Ki   1 Mi floats     short ones end sooner behind the backward pass, long ones cost less each;
 *     depth    2  4  8  2  4  8  2  4           more under way fill a network with a long way there and back */
#include "trainer/comm_tune.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

enum { FLOATS = 1 << 22, ROUNDS = 3, CANDIDATES = 8 };
static const struct candidate {
    size_t slice, depth;
} candidates[CANDIDATES] = {{1 << 16, 2}, {1 << 16, 4}, {1 << 16, 8}, {1 << 18, 2},
                            {1 << 18, 4}, {1 << 18, 8}, {1 << 20, 2}, {1 << 20, 4}};
static const double HARDLY_WORSE = 1.03;
#define FILE_NAME "comm.json"

/* --- measuring ---------------------------------------------------------------------------------------------------- */

static reduce_options with(const reduce_options *o, struct candidate c) {
    reduce_options all = *o;
    all.background = false;
    if (!all.slice) all.slice = c.slice;
    if (!all.depth) all.depth = c.depth;
    return all;
}

static wr_status sum_once(world *w, const reduce_options *o, float *floats, double *seconds) {
    wr_status status = WR_OK;
    reducer *r = NULL;
    reduce_task task;
    TRY(reducer_create(w, o, &r));
    world_barrier(w);
    const double began = clock_seconds();
    reduce_start(r, &task, floats, FLOATS);
    TRY(reducer_finish(r, WR_OK));
    *seconds = clock_seconds() - began;
    world_max(w, seconds, 1);
cleanup:
    reducer_free(r);
    return status;
}

static double middle(double a, double b, double c) {
    const double low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

static wr_status measure(world *w, reduce_options *o, double *rate) {
    wr_status status = WR_OK;
    double took[CANDIDATES][ROUNDS], best = 0;
    float *floats = mem_aligned(FLOATS, sizeof *floats);
    TRY(world_agree(w, floats ? WR_OK : WR_E_NOMEM));
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < CANDIDATES; i++) {
            const reduce_options all = with(o, candidates[i]);
            TRY(sum_once(w, &all, floats, &took[i][round]));
        }
    for (int i = 0; i < CANDIDATES; i++) {
        took[i][0] = middle(took[i][0], took[i][1], took[i][2]);
        if (i == 0 || took[i][0] < best) best = took[i][0];
    }
    int chosen = -1;
    for (int i = 0; i < CANDIDATES; i++) {
        const struct candidate c = candidates[i];
        if (took[i][0] > HARDLY_WORSE * best) continue;
        if (chosen < 0 || c.slice * c.depth < candidates[chosen].slice * candidates[chosen].depth) chosen = i;
    }
    const reduce_options all = with(o, candidates[chosen]);
    o->slice = all.slice, o->depth = all.depth;
    *rate = FLOATS / took[chosen][0];
cleanup:
    free(floats);
    return status;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static wr_status write_choice(world *w, const char *path, const reduce_options *o) {
    wr_status status = WR_OK;
    strbuf text = {0};
    json_writer j = json_writer_make(&text);
    json_begin_object(&j);
    json_member_int(&j, "ranks", world_size(w));
    json_member_bool(&j, "bf16", o->half);
    json_member_count(&j, "slice", o->slice);
    json_member_count(&j, "depth", o->depth);
    json_end_object(&j);
    strbuf_putc(&text, '\n');
    TRY(strbuf_status(&text));
    TRY(file_write_atomic(path, text.data, text.len));
cleanup:
    strbuf_free(&text);
    return status;
}

/* What the file says of these ranks and this type; *found = false: nothing. */
static wr_status read_choice(world *w, const char *path, const reduce_options *o, double choice[2], bool *found) {
    enum { MOST = 4096, MOST_FLOATS = 1000000000, MOST_DEPTH = 64 };
    wr_status status = WR_OK;
    char *bytes = NULL;
    size_t n;
    int64_t ranks, slice, depth;
    bool half;
    const json_value *v;
    arena *a = arena_create();
    TRY_ALLOC(a);
    if (!file_exists(path)) goto cleanup;
    TRY(file_read(path, MOST, &bytes, &n));
    TRY(wr_context(json_parse(a, bytes, n, &v), "%s", path));
    if (!json_get_int(v, "ranks", &ranks) || !json_get_bool(v, "bf16", &half) || !json_get_int(v, "slice", &slice) ||
        !json_get_int(v, "depth", &depth) || slice < 1 || slice > MOST_FLOATS || depth < 1 || depth > MOST_DEPTH)
        TRY(wr_fail(WR_E_FORMAT, "%s: not what --autotune-comm wrote; remove it to have it measured again", path));
    *found = ranks == world_size(w) && half == o->half;
    choice[0] = (double)slice, choice[1] = (double)depth;
cleanup:
    free(bytes);
    arena_free(a);
    return status;
}

wr_status comm_tune(world *w, const char *run, reduce_options *o) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    const bool root = world_rank(w) == 0;
    bool found = false;
    double choice[2] = {0}, rate = 0;
    if (world_size(w) == 1 || (o->slice && o->depth)) return WR_OK;
    if (root) status = path_join(path, run, FILE_NAME);
    if (root && status >= 0) status = read_choice(w, path, o, choice, &found);
    TRY(world_agree(w, status));
    if (world_any(w, found)) {
        world_max(w, choice, 2); /* zeros elsewhere */
        if (!o->slice) o->slice = (size_t)choice[0];
        if (!o->depth) o->depth = (size_t)choice[1];
        if (root)
            log_info("gradient sums: slices of %zu floats, %zu under way, as %s has it", o->slice, o->depth, path);
        goto cleanup;
    }
    TRY(measure(w, o, &rate));
    if (root)
        log_info("gradient sums: slices of %zu floats, %zu under way were the fastest (%.3g M floats/s)", o->slice,
                 o->depth, rate / 1e6);
    TRY(world_agree(w, root ? write_choice(w, path, o) : WR_OK));
cleanup:
    return status;
}
