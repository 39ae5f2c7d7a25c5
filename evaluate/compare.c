#include "evaluate/compare.h"

#include "base/mem.h"
#include "evaluate/evaluation_file.h"
#include "evaluate/statistics/bootstrap.h"
#include "evaluate/statistics/figures.h"
#include "evaluate/statistics/paired.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is compared; better: +1 where more is better. */
static const struct {
    int figure, better;
} compared[] = {{FIGURE_ACCURACY, 1}, {FIGURE_MAE, -1},     {FIGURE_KAPPA, 1},    {FIGURE_SPEARMAN, 1},
                {FIGURE_KENDALL, 1},  {FIGURE_PAIRWISE, 1}, {FIGURE_LOG_LOSS, -1}};
enum { COMPARED = sizeof compared / sizeof *compared };
static const double LEVEL = 0.05;

typedef struct comparison {
    size_t n, n_pairs; /* models; pairs of them */
    evaluation_file *files;
    size_t *left_out;
    predictions *p;
    figure_taker **takers;
    uint32_t *user; /* (records) of the first file, numbered anew */
    size_t n_users, resamples;
    double *value;    /* (n, COMPARED) */
    double *sampled;  /* (resamples, n, COMPARED) */
    double *all;      /* (width) scratch */
    double *adjusted; /* (COMPARED, n_pairs) p */
} comparison;

static void comparison_free(comparison *c) {
    for (size_t i = 0; c->takers && i < c->n; i++) figure_taker_free(c->takers[i]);
    free(c->files);
    free(c->left_out);
    free(c->p);
    free(c->takers);
    free(c->user);
    free(c->value);
    free(c->sampled);
    free(c->all);
    free(c->adjusted);
}

/* Users of the first file that have a record left, numbered in the order of the records. */
static wr_status number_users(comparison *c) {
    wr_status status = WR_OK;
    const evaluation_file *f = &c->files[0];
    uint32_t most = 0, *number = NULL;
    for (size_t i = 0; i < f->n; i++) most = f->user[i] > most ? f->user[i] : most;
    number = mem_calloc((size_t)most + 1, sizeof *number);
    c->user = mem_calloc(f->n, sizeof *c->user);
    TRY_ALLOC(number);
    TRY_ALLOC(c->user);
    for (size_t i = 0; i < f->n; i++) {
        if (!number[f->user[i]]) number[f->user[i]] = (uint32_t)++c->n_users;
        c->user[i] = number[f->user[i]] - 1;
    }
cleanup:
    free(number);
    return status;
}

static void take_model(comparison *c, size_t m, const uint32_t *weight, double *value) {
    const evaluation_file *f = &c->files[m];
    double n = 0, loss = 0;
    figures_take(c->takers[m], weight, c->all);
    for (size_t i = 0; i < COMPARED; i++) value[i] = c->all[compared[i].figure];
    for (size_t i = 0; i < f->n && f->log_loss; i++) {
        const double w = weight ? weight[c->user[i]] : 1;
        n += w;
        loss += w * f->log_loss[i];
    }
    if (n > 0) value[COMPARED - 1] = loss / n; /* the file has no probabilities, but what they cost */
}

static wr_status measure(comparison *c, const detail_options *o) {
    wr_status status = WR_OK;
    uint32_t *weight = NULL;
    int K = 1;
    TRY(number_users(c));
    for (size_t m = 0; m < c->n; m++) K = c->files[m].classes > K ? c->files[m].classes : K;
    c->resamples = c->n_users > 1 ? o->resamples : 0;
    c->p = mem_calloc(c->n, sizeof *c->p);
    c->takers = mem_calloc(c->n, sizeof(figure_taker *));
    c->value = mem_calloc(c->n, COMPARED * sizeof *c->value);
    c->sampled = mem_calloc(c->resamples + 1, c->n * COMPARED * sizeof *c->sampled);
    c->all = mem_calloc(figures_width(K), sizeof *c->all);
    weight = mem_calloc(c->n_users, sizeof *weight);
    if (!c->p || !c->takers || !c->value || !c->sampled || !c->all || !weight)
        TRY(wr_fail(WR_E_NOMEM, "out of memory comparing %zu models", c->n));
    for (size_t m = 0; m < c->n; m++) {
        const evaluation_file *f = &c->files[m];
        c->p[m] = (predictions){.n = f->n,
                                .classes = K,
                                .score = f->score,
                                .label = f->label,
                                .class = f->class,
                                .user = c->user,
                                .n_users = c->n_users,
                                .on_scale = f->on_scale};
        TRY(figure_taker_create(&c->p[m], 2, &c->takers[m]));
        take_model(c, m, NULL, c->value + m * COMPARED);
    }
    for (size_t b = 0; b < c->resamples; b++) {
        resample_weights(o->seed, b, 0, c->n_users, weight);
        for (size_t m = 0; m < c->n; m++) take_model(c, m, weight, c->sampled + (b * c->n + m) * COMPARED);
    }
cleanup:
    free(weight);
    return status;
}

/* Resampled differences of figure f between models i and j, into d (resamples). */
static void differences(const comparison *c, size_t i, size_t j, size_t f, double *d) {
    for (size_t b = 0; b < c->resamples; b++) {
        d[b] = c->sampled[(b * c->n + i) * COMPARED + f] - c->sampled[(b * c->n + j) * COMPARED + f];
        if (fabs(d[b]) < 1e-12) d[b] = 0; /* what sums round to is no difference */
    }
}

static size_t pair_of(const comparison *c, size_t i, size_t j) {
    if (i > j) return pair_of(c, j, i);
    return i * c->n - i * (i + 1) / 2 + (j - i - 1);
}

static bool told_apart(const comparison *c, size_t i, size_t j, size_t f) {
    return c->adjusted[f * c->n_pairs + pair_of(c, i, j)] < LEVEL;
}

static void write_mcnemar(json_writer *j, const evaluation_file *x, const evaluation_file *y) {
    size_t first = 0, second = 0;
    for (size_t i = 0; i < x->n; i++) {
        const bool a = x->class[i] == x->label[i], b = y->class[i] == y->label[i];
        first += a && !b;
        second += b && !a;
    }
    json_member_object(j, "mcnemar");
    json_member_count(j, "only_first_right", first);
    json_member_count(j, "only_second_right", second);
    json_member_double(j, "p", mcnemar_exact(first, second));
    json_end_object(j);
}

static void write_pair(json_writer *j, const comparison *c, size_t x, size_t y, double *d) {
    json_begin_object(j);
    json_member_string(j, "first", c->files[x].path);
    json_member_string(j, "second", c->files[y].path);
    for (size_t f = 0; f < COMPARED; f++) {
        const double difference = c->value[x * COMPARED + f] - c->value[y * COMPARED + f];
        if (!isfinite(difference)) continue;
        differences(c, x, y, f, d);
        const double p = bootstrap_p(d, c->resamples);
        const figure_interval v = interval_of_values(d, c->resamples);
        json_member_object(j, figure_names[compared[f].figure]);
        json_member_double(j, "difference", difference);
        json_member_double(j, "low", v.low);
        json_member_double(j, "high", v.high);
        json_member_count(j, "defined", v.defined);
        json_member_double(j, "p", p);
        json_member_double(j, "p_adjusted", c->adjusted[f * c->n_pairs + pair_of(c, x, y)]);
        json_member_bool(j, "told_apart", told_apart(c, x, y, f));
        json_end_object(j);
    }
    if (c->files[x].class && c->files[y].class) write_mcnemar(j, &c->files[x], &c->files[y]);
    json_end_object(j);
}

/* Groups of models, best first, of which no two can be told apart; each as large as it can be, neighbours in the order
 * by that figure. A model may stand in several. */
static void write_groups(json_writer *j, const comparison *c, size_t f, size_t *order) {
    size_t n = 0, end = 0;
    for (size_t m = 0; m < c->n; m++) {
        const double v = compared[f].better * c->value[m * COMPARED + f];
        if (!isfinite(v)) continue;
        size_t at = n++;
        for (; at && compared[f].better * c->value[order[at - 1] * COMPARED + f] < v; at--) order[at] = order[at - 1];
        order[at] = m;
    }
    json_member_array(j, figure_names[compared[f].figure]);
    for (size_t from = 0; from < n; from++) {
        size_t to = from + 1;
        for (bool all = true; all && to < n; to += all)
            for (size_t k = from; k < to && all; k++) all = !told_apart(c, order[k], order[to], f);
        if (to <= end) continue; /* part of the group before */
        end = to;
        json_begin_array(j);
        for (size_t k = from; k < to; k++) json_string(j, c->files[order[k]].path);
        json_end_array(j);
    }
    json_end_array(j);
}

static wr_status write_all(json_writer *j, comparison *c, const detail_options *o) {
    wr_status status = WR_OK;
    size_t *order = mem_calloc(c->n, sizeof *order);
    double *d = mem_calloc(c->resamples + 1, sizeof *d);
    c->n_pairs = c->n * (c->n - 1) / 2;
    c->adjusted = mem_calloc(COMPARED * c->n_pairs, sizeof *c->adjusted);
    TRY_ALLOC(order);
    TRY_ALLOC(d);
    TRY_ALLOC(c->adjusted);
    for (size_t f = 0; f < COMPARED; f++) {
        for (size_t x = 0; x < c->n; x++)
            for (size_t y = x + 1; y < c->n; y++) {
                differences(c, x, y, f, d);
                c->adjusted[f * c->n_pairs + pair_of(c, x, y)] = bootstrap_p(d, c->resamples);
            }
        holm_adjust(c->adjusted + f * c->n_pairs, c->n_pairs);
    }
    json_begin_object(j);
    json_member_string(j, "kind", "comparison");
    json_member_count(j, "records", c->files[0].n);
    json_member_count(j, "users", c->n_users);
    json_member_count(j, "resamples", c->resamples);
    json_member_count(j, "seed", o->seed);
    json_member_double(j, "told_apart_below", LEVEL);
    json_member_array(j, "models");
    for (size_t m = 0; m < c->n; m++) {
        json_begin_object(j);
        json_member_string(j, "file", c->files[m].path);
        json_member_string(j, "model", c->files[m].model);
        json_member_count(j, "records_left_out", c->left_out[m]);
        for (size_t f = 0; f < COMPARED; f++)
            json_member_double(j, figure_names[compared[f].figure], c->value[m * COMPARED + f]);
        json_end_object(j);
    }
    json_end_array(j);
    json_member_array(j, "pairs");
    for (size_t x = 0; x < c->n; x++)
        for (size_t y = x + 1; y < c->n; y++) write_pair(j, c, x, y, d);
    json_end_array(j);
    json_member_object(j, "cannot_be_told_apart");
    for (size_t f = 0; f < COMPARED; f++) write_groups(j, c, f, order);
    json_end_object(j);
    json_end_object(j);
cleanup:
    free(order);
    free(d);
    return status;
}

wr_status compare_evaluations(const char *const *files, size_t n, const detail_options *o, strbuf *out) {
    wr_status status = WR_OK;
    comparison c = {.n = n};
    json_writer j = json_writer_make(out);
    arena *a = arena_create();
    TRY_ALLOC(a);
    c.files = mem_calloc(n, sizeof *c.files);
    c.left_out = mem_calloc(n, sizeof *c.left_out);
    TRY_ALLOC(c.files);
    TRY_ALLOC(c.left_out);
    for (size_t i = 0; i < n; i++) TRY(evaluation_file_read(files[i], a, &c.files[i]));
    TRY(evaluation_files_align(c.files, n, c.left_out));
    TRY(measure(&c, o));
    TRY(write_all(&j, &c, o));
    TRY(strbuf_status(out));
cleanup:
    comparison_free(&c);
    arena_free(a);
    return status;
}
