#include "study/user_figures.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

enum { RESAMPLES = 1000, RESAMPLED_SEEDS = 2 };

static const study_cell *cell_at(const user_figures *f, size_t seed, size_t count) {
    return &f->cells[seed * f->counts + count];
}

static void take_counts(user_figures *f, double *values) {
    for (size_t k = 0; k < f->counts; k++) {
        count_figures *c = &f->by_count[k];
        *c = (count_figures){.users = cell_at(f, 0, k)->users, .least = SIZE_MAX};
        for (size_t s = 0; s < f->seeds; s++) {
            const size_t n = cell_at(f, s, k)->instances;
            c->least = n < c->least ? n : c->least;
            c->most = n > c->most ? n : c->most;
        }
        for (size_t i = 0; i < CELL_FIGURES; i++) {
            for (size_t s = 0; s < f->seeds; s++) values[s] = cell_at(f, s, k)->figures[i].value;
            c->mean[i] = mean_of_few(values, f->seeds);
        }
    }
}

static void take_differences(user_figures *f, double *values) {
    for (size_t i = 0; i < CELL_FIGURES; i++) {
        for (size_t s = 0; s < f->seeds; s++)
            values[s] = cell_at(f, s, f->counts - 1)->figures[i].value - cell_at(f, s, 0)->figures[i].value;
        f->difference[i] = mean_of_few(values, f->seeds);
    }
}

/* Room for a fit and its resamples. */
typedef struct fit_room {
    double *x, *y;    /* (cells) */
    uint32_t *weight; /* (cells) */
    uint32_t *drawn;  /* (seeds) */
    double *values;   /* (3, RESAMPLES): a, b, c; and at least one of each seed */
} fit_room;

static void take_curve(const user_figures *f, size_t figure, const fit_room *r, fitted_curve *out) {
    const size_t n = f->counts * f->seeds;
    for (size_t i = 0; i < n; i++) {
        r->x[i] = (double)f->cells[i].users;
        r->y[i] = f->cells[i].figures[figure].value;
    }
    const figure_interval none = {NAN, NAN, 0};
    *out = (fitted_curve){.a = none, .b = none, .c = none};
    out->made = power_fit_make(r->x, r->y, NULL, n, &out->fit);
    if (!out->made || f->seeds < 2) return;
    for (size_t b = 0; b < RESAMPLES; b++) {
        power_fit fit;
        resample_weights(0, b, RESAMPLED_SEEDS, f->seeds, r->drawn);
        for (size_t i = 0; i < n; i++) r->weight[i] = r->drawn[i / f->counts];
        power_fit_make(r->x, r->y, r->weight, n, &fit);
        r->values[b] = fit.a, r->values[RESAMPLES + b] = fit.b, r->values[2 * RESAMPLES + b] = fit.c;
    }
    out->a = interval_of_values(r->values, RESAMPLES);
    out->b = interval_of_values(r->values + RESAMPLES, RESAMPLES);
    out->c = interval_of_values(r->values + 2 * RESAMPLES, RESAMPLES);
}

void user_sentence(const mean_interval *d, size_t fewest, size_t most, size_t seeds, bool matched, strbuf *out) {
    static const char held[] = "at the same number of instances",
                      grown[] = "though the instances grew with the users, so this is not the number of users alone";
    if (!isfinite(d->mean)) {
        strbuf_puts(out, "No effect can be told: Spearman's correlation is not defined in every cell (scores or labels "
                         "that are all equal).");
    } else if (seeds < 2) {
        strbuf_puts(out, "No effect can be told: one seed has no interval; give more (--seeds 5).");
    } else if (d->low > 0 || d->high < 0) {
        strbuf_printf(
            out,
            "More users %s: with %zu in place of %zu, %s, Spearman's correlation on users that were not trained "
            "on is %s by %.3f (95 %% interval %.3f to %.3f, paired by seed, %zu seeds).",
            d->low > 0 ? "help" : "do harm", most, fewest, matched ? held : grown, d->low > 0 ? "higher" : "lower",
            fabs(d->mean), d->low > 0 ? d->low : -d->high, d->low > 0 ? d->high : -d->low, seeds);
    } else {
        strbuf_printf(out,
                      "No effect can be told: the interval of the difference in Spearman's correlation between %zu and "
                      "%zu users, paired by seed, %zu seeds, is %.3f to %.3f and holds 0.",
                      most, fewest, seeds, d->low, d->high);
    }
}

wr_status user_figures_make(const study_cell *cells, size_t counts, size_t seeds, bool matched, user_figures *out) {
    wr_status status = WR_OK;
    const size_t n = counts * seeds;
    fit_room r = {.x = mem_calloc(n, sizeof *r.x),
                  .y = mem_calloc(n, sizeof *r.y),
                  .weight = mem_calloc(n, sizeof *r.weight),
                  .drawn = mem_calloc(seeds, sizeof *r.drawn),
                  .values = mem_calloc(3 * RESAMPLES + seeds, sizeof *r.values)};
    *out = (user_figures){.cells = cells, .counts = counts, .seeds = seeds, .matched = matched};
    out->by_count = mem_calloc(counts, sizeof *out->by_count);
    TRY(r.x && r.y && r.weight && r.drawn && r.values && out->by_count
            ? WR_OK
            : wr_fail(WR_E_NOMEM, "out of memory for the results of a study"));
    take_counts(out, r.values);
    take_differences(out, r.values);
    take_curve(out, CELL_ACCURACY, &r, &out->curve[CELL_ACCURACY]);
    take_curve(out, CELL_SPEARMAN, &r, &out->curve[CELL_SPEARMAN]);
    user_sentence(&out->difference[CELL_SPEARMAN], cells[0].users, cells[counts - 1].users, seeds, matched,
                  &out->sentence);
    TRY(strbuf_status(&out->sentence));
cleanup:
    free(r.x), free(r.y), free(r.weight), free(r.drawn), free(r.values);
    return status;
}

void user_figures_free(user_figures *f) {
    free(f->by_count);
    strbuf_free(&f->sentence);
    *f = (user_figures){0};
}
