#include "evaluate/reward_line.h"

#include "base/mem.h"
#include "evaluate/statistics/bootstrap.h"
#include "evaluate/statistics/figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BINS = 15 }; /* evaluate's default */

/* The vector of all figures, and AUC over thresholds behind them. */
typedef struct taker {
    figure_taker *figures;
    int classes;
    size_t width;
} taker;

static void take(void *context, const uint32_t *weight, double *values) {
    const taker *t = context;
    double sum = 0, n = 0;
    figures_take(t->figures, weight, values);
    for (int k = 1; k < t->classes; k++) {
        const double auc = values[figure_of_threshold(t->classes, k, THRESHOLD_AUC)];
        if (isfinite(auc)) sum += auc, n++;
    }
    values[t->width - 1] = n > 0 ? sum / n : NAN;
}

static bool told(const predictions *p, size_t figure) {
    if (figure == FIGURE_ACCURACY || figure == FIGURE_KAPPA) return p->class != NULL;
    if (figure == FIGURE_MAE) return p->on_scale;
    return figure < FIGURE_LOG_LOSS || p->above;
}

static void write_figure(json_writer *line, const char *name, const double *value, const figure_interval *interval) {
    char key[64];
    snprintf(key, sizeof key, "eval_%s", name);
    if (value) json_member_double(line, key, *value);
    if (!interval) return;
    snprintf(key, sizeof key, "eval_%s_low", name);
    json_member_double(line, key, interval->low);
    snprintf(key, sizeof key, "eval_%s_high", name);
    json_member_double(line, key, interval->high);
}

/* The figures that sums give, too, are the sums'. */
static double of_sums(const reward_figures *f, size_t figure, double value) {
    return figure == FIGURE_ACCURACY   ? f->accuracy
           : figure == FIGURE_MAE      ? f->mae
           : figure == FIGURE_SPEARMAN ? f->spearman
                                       : value;
}

static void write_all(const reward_figures *f, const reward_records *r, const taker *t, const double *value,
                      const figure_interval *interval, json_writer *line) {
    json_member_double(line, "eval_loss", f->loss);
    for (size_t i = 0; i < FIGURE_SCORE_LENGTH; i++) {
        const double x = of_sums(f, i, value[i]);
        if (told(&r->p, i)) write_figure(line, figure_names[i], &x, interval ? &interval[i] : NULL);
    }
    if (t->classes > 1) write_figure(line, "auc", &value[t->width - 1], interval ? &interval[t->width - 1] : NULL);
    if (isfinite(f->violations)) json_member_double(line, "eval_rank_violations", f->violations);
    if (isfinite(f->spread)) json_member_double(line, "eval_spread", f->spread);
    if (interval) json_member_count(line, "eval_users", r->p.n_users);
    json_member_count(line, "eval_records", f->records);
}

wr_status reward_line_write(const reward_figures *f, const reward_records *r, size_t resamples, json_writer *line) {
    wr_status status = WR_OK;
    const predictions *p = &r->p;
    taker t = {.classes = p->classes, .width = figures_width(p->classes) + 1};
    double *value = mem_calloc(t.width, sizeof *value);
    figure_interval *interval = mem_calloc(t.width, sizeof *interval);
    TRY_ALLOC(value);
    TRY_ALLOC(interval);
    TRY(figure_taker_create(p, BINS, &t.figures));
    take(&t, NULL, value);
    if (resamples) TRY(bootstrap_intervals(p->n_users, t.width, resamples, 0, 0, take, &t, interval));
    write_all(f, r, &t, value, resamples ? interval : NULL, line);
cleanup:
    figure_taker_free(t.figures);
    free(value);
    free(interval);
    return status;
}
