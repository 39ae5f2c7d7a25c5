/* grads of this rank's records, each divided by the whole step's count  ->  sum over ranks  ->  norm, the same bits on
 * every rank  ->  min(1, limit / norm)  ->  AdamW on every rank's own copy, which so stay equal without being sent; or
 * (ZeRO-1) on this rank's range of it, which goes to all.
 *
 * The sum begins before the backward pass is over. In that of the last micro-batch a layer's gradient is final when the
 * pass leaves the layer, and its range is handed to the reduction task then:
 *
 *     backward    head ─ layer L ─ layer L-1 ─ … ─ layer 1 ─ embedding ─ norm, AdamW
 *     sums              └─ head ──┴─ layer L ───────┴─ …          └ what is left is waited for
 *
 * Which ranges there are and in what order is the model's, so that ranks without a last micro-batch (fewer records than
 * ranks) start the same ones at the end. A gradient that is not finite is found when its range is about to be started:
 * that rank starts no more, and all hear of it where they meet. */
#include "trainer/update.h"

#include "base/mem.h"
#include "mpi/gather.h"
#include "trainer/comm_tune.h"
#include "trainer/moments_ranks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option_spec optimizer_rows[] = {
    OPTION_FLOAT(update_options, adam.weight_decay, "weight-decay", "0.01", "X", 0, 10, "AdamW, on matrices"),
    OPTION_FLOAT(update_options, adam.beta1, "beta1", "0.9", "X", 0, 0.999999, "AdamW"),
    OPTION_FLOAT(update_options, adam.beta2, "beta2", "0.999", "X", 0, 0.9999999, "AdamW"),
    OPTION_FLOAT(update_options, adam.eps, "eps", "1e-8", "X", 0, 1, "AdamW"),
    OPTION_FLOAT(update_options, grad_clip, "grad-clip", "1.0", "X", 0, 1e9, "largest gradient norm; 0: no clipping"),
    {0},
};

const option_spec reduce_rows[] = {
    OPTION_INT(update_options, reduce.slice, "reduce-slice", "0", "FLOATS", 0, 1e9,
               "slice of the gradient sum; 0: chosen here; no bit depends on it", .resume = RESUME_FREE),
    OPTION_INT(update_options, reduce.depth, "reduce-depth", "0", "N", 0, 64,
               "slices under way at a time; 0: chosen here; no bit depends on it", .resume = RESUME_FREE),
    OPTION_CHOICE(update_options, reduce.half, "reduce-dtype", "f32", "f32|bf16",
                  "gradients on their way between ranks; bf16: half the bytes, rounded"),
    OPTION_CHOICE(update_options, reduce.background, "overlap", "on", "off|on",
                  "sum gradients over ranks while the backward pass goes on; no bit depends on it",
                  .resume = RESUME_FREE),
    OPTION_FLAG(update_options, autotune, "autotune-comm", NULL,
                "measure which --reduce-slice and --reduce-depth suit this network, and keep them in RUN/comm.json; no "
                "bit depends on it",
                .resume = RESUME_FREE),
    OPTION_FLAG(update_options, same_bits, "same-bits-any-ranks", NULL,
                "the same bits on 1, 2, 4, 8 ranks (f32: and with any number of threads): more memory, and some time"),
    OPTION_INT(update_options, parts, "same-bits-parts", "8", "N", 1, 1024,
               "parts that a step is cut into for that, a power of two, at least as many as ranks"),
    OPTION_CHOICE(
        update_options, zero, "zero", "0", "0|1",
        "1: each rank keeps and updates its share of the optimizer's state: less memory; no bit depends on it",
        .resume = RESUME_FREE),
    {0},
};

wr_status update_options_check(const update_options *o, const world *w) { return update_parts_check(o, world_size(w)); }

wr_status update_parts_check(const update_options *o, int ranks) {
    if (!o->same_bits) return WR_OK;
    if (o->parts & (o->parts - 1)) return wr_fail(WR_E_USAGE, "--same-bits-parts %zu: give a power of two", o->parts);
    if (o->parts < (size_t)ranks)
        return wr_fail(WR_E_USAGE,
                       "--same-bits-any-ranks: %d ranks, but a step has %zu parts; begin the run with "
                       "--same-bits-parts N, a power of two, at least as many as the ranks",
                       ranks, o->parts);
    return WR_OK;
}

/* What of the sum rank p is given: the range that it updates, and before it what completes the pieces of the norm
 * (trainer/optimizer.h) that are its to add up, those that begin in its range, but for the last, which the next rank has.
 *
 *     pieces  |      |      |      |      |      |          ranges and pieces need not end at the same places
 *     ranges  |         0        |         1      |
 *     kept    0: …………………………………      1 from here: └────┐
 *             norm:  0: two pieces   1: from the third   */
static wr_status plan_keep(updater *u) {
    wr_status status = WR_OK;
    const size_t n = u->x.n, ranks = (size_t)world_size(u->w), piece = norm_piece(n);
    size_t *bounds = mem_calloc(ranks + 1, sizeof *bounds);
    TRY_ALLOC(bounds);
    TRY_ALLOC(u->keep = mem_calloc(2 * ranks, sizeof *u->keep));
    for (size_t p = 0; p < ranks; p++) {
        const float_range r = moments_range(n, ranks, p);
        u->keep[2 * p] = r.begin / piece * piece;
        u->keep[2 * p + 1] = bounds[p + 1] = r.end;
    }
    TRY(gather_create(u->w, bounds, 0, &u->gather));
cleanup:
    free(bounds);
    return status;
}

float_range updater_moments(size_t n, bool shard, size_t ranks, size_t rank) {
    enum { LEAST = 64 }; /* floats a rank, so that nobody has all or nothing */
    return shard && ranks > 1 && n >= LEAST * ranks ? moments_range(n, ranks, rank) : (float_range){0, n};
}

wr_status updater_create(world *w, model *m, bool shard, updater *out) {
    wr_status status = WR_OK;
    const size_t ranks = (size_t)world_size(w), rank = (size_t)world_rank(w);
    *out = (updater){.w = w, .m = m, .x = model_trainables(m)};
    const float_range own = updater_moments(out->x.n, shard, ranks, rank);
    const bool ranges = own.end - own.begin < out->x.n;
    TRY(adamw_create_range(own, &out->opt));
    TRY(gradient_tree_create(out->x.n, 1, &out->tree));
    if (ranges) TRY(plan_keep(out));
    if (ranks > 1 && !m->lora && model_part(m, 0).end == out->x.tensors[0].count)
        TRY(row_sum_create(m->config.V, m->config.C, &out->rows));
    out->tree.sparse = ranges;
    TRY_ALLOC(out->tasks = mem_calloc(model_parts(m), sizeof *out->tasks));
cleanup:
    if (status < 0) updater_free(out);
    return status;
}

void updater_free(updater *u) {
    reducer_free(u->r);
    gradient_tree_free(&u->tree);
    row_sum_free(&u->rows);
    adamw_free(&u->opt);
    free(u->tasks);
    free(u->sums);
    free(u->keep);
    gather_free(u->gather);
    *u = (updater){0};
}

/* --- a step ------------------------------------------------------------------------------------------------------- */

static wr_status divide(updater *u, size_t shares) {
    wr_status status = WR_OK;
    u->shares = 0;
    u->mine = rank_shares(shares, (size_t)world_size(u->w), (size_t)world_rank(u->w));
    free(u->sums);
    TRY_ALLOC(u->sums = mem_calloc(shares * UPDATE_SUMS, sizeof *u->sums));
    if (u->tree.count != u->mine.count) {
        gradient_tree_free(&u->tree);
        TRY(gradient_tree_create(u->x.n, u->mine.count, &u->tree));
        u->tree.sparse = u->keep != NULL;
    }
    u->shares = shares;
cleanup:
    return status;
}

static bool same_reducer(const reduce_options *a, const reduce_options *b) {
    return a->slice == b->slice && a->depth == b->depth && a->half == b->half && a->background == b->background;
}

wr_status updater_tune(updater *u, const update_options *o, const char *run) {
    reduce_options r = o->reduce;
    const wr_status status = o->autotune ? comm_tune(u->w, run, &r) : WR_OK;
    u->slice = r.slice, u->depth = r.depth;
    return status;
}

wr_status updater_begin(updater *u, const update_options *o) {
    wr_status status = WR_OK;
    reduce_options reduce = o->reduce;
    if (!reduce.slice) reduce.slice = u->slice;
    if (!reduce.depth) reduce.depth = u->depth;
    reduce.keep = u->keep;
    const size_t ranks = (size_t)world_size(u->w), shares = o->same_bits ? o->parts : ranks;
    world_task_part(u->w, "gradients");
    if (u->shares != shares) TRY(world_agree(u->w, divide(u, shares)));
    if (ranks > 1 && !(u->r && same_reducer(&u->made_with, &reduce))) {
        reducer_free(u->r);
        u->r = NULL;
        TRY(reducer_create(u->w, &reduce, &u->r));
        u->made_with = reduce;
    }
    memset(u->sums, 0, shares * UPDATE_SUMS * sizeof *u->sums);
    gradient_tree_restart(&u->tree);
    row_sum_restart(&u->rows);
    u->next_part = model_parts(u->m);
cleanup:
    return status;
}

void updater_touch(updater *u, const int32_t *ids, size_t n) { row_sum_touch(&u->rows, ids, n); }

wr_status updater_rows(updater *u) { return row_sum_agree(u->w, &u->rows); }

void updater_share(updater *u) { u->grads = gradient_tree_leaf(&u->tree); }

double *updater_sums(updater *u, size_t share) { return u->sums + share * UPDATE_SUMS; }

void updater_total(updater *u, double total[UPDATE_SUMS]) {
    const bool one_each = u->shares == (size_t)world_size(u->w);
    memcpy(total, u->sums + u->mine.first * UPDATE_SUMS, UPDATE_SUMS * sizeof *total);
    world_sum(u->w, one_each ? total : u->sums, (one_each ? 1 : u->shares) * UPDATE_SUMS);
    if (!one_each) {
        memset(total, 0, UPDATE_SUMS * sizeof *total);
        for (size_t i = 0; i < u->shares * UPDATE_SUMS; i++) total[i % UPDATE_SUMS] += u->sums[i];
    }
    memset(u->sums, 0, u->shares * UPDATE_SUMS * sizeof *u->sums);
}

/* --- what is not finite ------------------------------------------------------------------------------------------- */

/* The tensors of a range. */
static trainables tensors_of(trainables x, float_range r) {
    while (x.n_tensors && x.tensors->offset < r.begin) x.tensors++, x.n_tensors--;
    while (x.n_tensors && x.tensors[x.n_tensors - 1].offset >= r.end) x.n_tensors--;
    return x;
}

/* LOCAL. WR_E_NUMERIC naming rank, host, `what` and its value, and the tensor that a NaN or infinity is in, if one is:
 * of x in `values` (laid out as the trainables; they are called `kind`), or of the model below adapters. */
static wr_status updater_not_finite(const updater *u, trainables x, const char *kind, const float *values,
                                    const char *what, double value) {
    char where[200] = "no tensor alone is the cause";
    size_t at = 0;
    const model *m = u->m;
    const tensor_info *bad = first_nonfinite(x.tensors, x.n_tensors, values, &at);
    if (!bad && m->lora && m->params) {
        bad = first_nonfinite(m->tensors, m->n_tensors, m->params, &at);
        kind = "weight";
        values = m->params;
    }
    if (bad)
        snprintf(where, sizeof where, "the %s of %s is %g at element %zu", kind, bad->name,
                 (double)values[bad->offset + at], at);
    return wr_fail(WR_E_NUMERIC, "rank %d on %s: %s is %g (%s); lower --lr, or look at this step's records",
                   world_rank(u->w), world_host(u->w), what, value, where);
}

wr_status updater_check_loss(const updater *u, double loss) {
    return isfinite(loss) ? WR_OK : updater_not_finite(u, u->x, "weight", u->x.values, "the loss", loss);
}

/* Floats. Where gradients are given back to the system the backward pass must not run far ahead of the sums that free
 * them: 8 MiB keep any network busy, and one that is slower than the pass ends no later. */
enum { MOST_UNDER_WAY = 1 << 21 };

/* --- the sum ------------------------------------------------------------------------------------------------------ */

/* One range of this rank's gradient is final: the shares' parts of it are added up, looked at, and given to the sum
 * over ranks. */
static wr_status range_ready(void *context, size_t part, float_range range) {
    updater *u = context;
    double squares[NORM_PIECES] = {0};
    float *sum = u->tree.level[0];
    gradient_tree_sum(&u->tree, range);
    norm_squares(sum + range.begin, range, u->x.n, squares);
    const double norm = norm_of_squares(squares);
    if (!isfinite(norm))
        return updater_not_finite(u, tensors_of(u->x, range), "gradient", sum, "the gradient's norm", norm);
    if (u->r && part == 0 && u->rows.count) {
        row_sum_pack(&u->rows, sum);
        if (u->keep) mem_drop(sum, range.end * sizeof *sum);
        reduce_start(u->r, &u->tasks[part], u->rows.packed, u->rows.count * u->rows.width);
    } else if (u->r)
        reduce_start_at(u->r, &u->tasks[part], sum + range.begin, range.end - range.begin, range.begin);
    if (u->r && u->keep) reduce_catch_up(u->r, MOST_UNDER_WAY);
    u->next_part = part;
    return WR_OK;
}

const backward_hook *updater_hook(updater *u, bool last) {
    if (!u->r || !u->made_with.background || !last || u->tree.begun < u->mine.count) return NULL;
    u->hook = (backward_hook){range_ready, u};
    return &u->hook;
}

static wr_status start_rest(updater *u) {
    wr_status status = WR_OK;
    while (u->next_part > 0) {
        const size_t part = u->next_part - 1;
        const float_range range = model_part(u->m, part);
        if (range.begin < range.end) TRY(range_ready(u, part, range));
        u->next_part = part;
    }
cleanup:
    return status;
}

/* The norm of the sum, the same bits on every rank whether each has all of it or its own part. */
static double norm_of_sum(const updater *u) {
    const size_t me = (size_t)world_rank(u->w), last = (size_t)world_size(u->w) - 1, piece = norm_piece(u->x.n);
    double squares[NORM_PIECES] = {0};
    if (!u->keep) return global_norm(u->grads, u->x.n);
    const float_range own = {u->keep[2 * me], me == last ? u->x.n : u->keep[2 * me + 1] / piece * piece};
    norm_squares(u->grads + own.begin, own, u->x.n, squares);
    world_sum(u->w, squares, NORM_PIECES);
    return norm_of_squares(squares);
}

/* COLLECTIVE where each rank has its own part: whoever has what is not finite names it. */
static wr_status check_sum(const updater *u, double norm) {
    static const char kind[] = "gradient summed over ranks", what[] = "the summed gradient's norm";
    wr_status status = WR_OK;
    size_t at;
    if (isfinite(norm)) return WR_OK;
    if (u->keep) {
        if (first_nonfinite(u->x.tensors, u->x.n_tensors, u->grads, &at))
            status = updater_not_finite(u, u->x, kind, u->grads, what, norm);
        TRY(world_agree(u->w, status));
    }
    status = updater_not_finite(u, u->x, kind, u->grads, what, norm);
cleanup:
    return status;
}

wr_status updater_reduce(updater *u, wr_status mine, double *norm) {
    wr_status status = WR_OK;
    world_task_part(u->w, "sum of gradients over the ranks");
    if (mine >= 0) mine = start_rest(u);
    TRY(u->r ? reducer_finish(u->r, mine) : mine);
    u->grads = u->tree.level[0];
    if (u->r && u->rows.count) {
        const size_t *keep = u->keep ? u->keep + 2 * (size_t)world_rank(u->w) : (const size_t[]){0, u->x.n};
        row_sum_unpack(&u->rows, u->grads, keep[0], keep[1]);
    }
    *norm = norm_of_sum(u); /* the same bits on every rank, so every rank comes to the same answer here */
    TRY(check_sum(u, *norm));
cleanup:
    return status;
}

void updater_times(const updater *u, double *busy_s, double *waited_s) {
    *busy_s = *waited_s = 0;
    if (u->r) reduce_times(u->r, busy_s, waited_s);
}

enum { UPDATE_PIECE = 1 << 20 };

static void weights_made(void *g, size_t end) { gather_made(g, end); }

/* Sharded: what is updated is on its way to the other ranks while the rest is. */
void updater_apply(updater *u, const update_options *o, double norm, double lr) {
    world_task_part(u->w, "update of the weights");
    const double scale = clip_scale(norm, o->grad_clip);
    if (u->gather) {
        gather_begin(u->gather, u->x.values);
        adamw_step_pieces(&u->opt, &o->adam, lr, scale, u->x, u->grads, UPDATE_PIECE, weights_made, u->gather);
        gather_finish(u->gather);
    } else {
        adamw_step(&u->opt, &o->adam, lr, scale, u->x, u->grads);
    }
    model_round_weights(u->m);
}
