#include "evaluate/calibration_details.h"

#include "base/mem.h"
#include "evaluate/statistics/calibration.h"
#include "evaluate/statistics/figures.h"
#include "evaluate/statistics/recalibrate.h"

#include <math.h>
#include <stdlib.h>

/* hit[i] = [y_i > k + 1], laid out as p->above: (n, K-1). */
static wr_status hits_of(const predictions *p, uint8_t **hit) {
    const size_t N = (size_t)p->classes - 1;
    *hit = mem_calloc(p->n * N + 1, sizeof **hit);
    if (!*hit) return wr_fail(WR_E_NOMEM, "out of memory for the thresholds of %zu records", p->n);
    for (size_t i = 0; i < p->n * N; i++) (*hit)[i] = p->label[i / N] > (int)(i % N) + 1;
    return WR_OK;
}

wr_status reliability_write(json_writer *j, const predictions *p, int k, size_t bins) {
    wr_status status = WR_OK;
    const size_t N = (size_t)p->classes - 1, at = (size_t)k - 1;
    double adaptive;
    uint8_t *hit = NULL;
    reliability_bin *table = mem_calloc(bins, sizeof *table);
    TRY_ALLOC(table);
    TRY(hits_of(p, &hit));
    TRY(adaptive_calibration_error(p->above + at, hit + at, N, p->n, bins, &adaptive));
    reliability_table(p->above + at, hit + at, N, p->n, bins, table);
    json_member_double(j, "adaptive_ece", adaptive);
    json_member_array(j, "reliability");
    for (size_t b = 0; b < bins; b++) {
        json_begin_object(j);
        json_member_double(j, "from", (double)b / (double)bins);
        json_member_double(j, "to", (double)(b + 1) / (double)bins);
        json_member_count(j, "records", (uint64_t)table[b].n);
        json_member_double(j, "probability", table[b].probability / table[b].n);
        json_member_double(j, "share", table[b].share / table[b].n);
        json_end_object(j);
    }
    json_end_array(j);
cleanup:
    free(table);
    free(hit);
    return status;
}

static wr_status mean_adaptive(const predictions *p, size_t bins, double *out) {
    wr_status status = WR_OK;
    const size_t N = (size_t)p->classes - 1;
    double one;
    uint8_t *hit = NULL;
    *out = 0;
    TRY(hits_of(p, &hit));
    for (size_t k = 0; k < N; k++) {
        TRY(adaptive_calibration_error(p->above + k, hit + k, N, p->n, bins, &one));
        *out += one / (double)N;
    }
cleanup:
    free(hit);
    return status;
}

/* Members of the figures that other probabilities would have; above NULL: there are none. */
static wr_status write_after(json_writer *j, const predictions *p, const double *above, size_t bins) {
    static const int told[] = {FIGURE_LOG_LOSS, FIGURE_BRIER, FIGURE_ECE};
    wr_status status = WR_OK;
    predictions q = *p;
    figure_taker *taker = NULL;
    double adaptive = NAN, *value = mem_calloc(figures_width(p->classes), sizeof *value);
    TRY_ALLOC(value);
    for (size_t i = 0; i < figures_width(p->classes); i++) value[i] = NAN;
    if (above) {
        q.above = above;
        q.length = NULL;
        TRY(figure_taker_create(&q, bins, &taker));
        figures_take(taker, NULL, value);
        TRY(mean_adaptive(&q, bins, &adaptive));
    }
    for (size_t f = 0; f < sizeof told / sizeof *told; f++)
        json_member_double(j, figure_names[told[f]], value[told[f]]);
    json_member_double(j, "adaptive_ece", adaptive);
cleanup:
    figure_taker_free(taker);
    free(value);
    return status;
}

wr_status calibration_write(json_writer *j, const predictions *p, size_t bins, uint64_t seed) {
    wr_status status = WR_OK;
    const size_t N = (size_t)p->classes - 1;
    recalibration r = {0};
    double adaptive;
    TRY(mean_adaptive(p, bins, &adaptive));
    TRY(recalibrate(p, seed, &r));
    json_member_double(j, "adaptive_ece", adaptive);
    json_member_object(j, "calibration");
    json_member_count(j, "bins", bins);
    json_member_string(j, "edges", "from <= p < to; the last bin holds 1");
    json_member_string(j, "figures_of",
                       p->n_users > 1 ? "each half of the users, as learned on the other"
                                      : "none: one user cannot be halved");
    json_member_object(j, "temperature");
    json_member_double(j, "temperature", r.temperature);
    if (r.why) json_member_string(j, "why", r.why);
    TRY(write_after(j, p, r.by_temperature, bins));
    json_end_object(j);
    json_member_object(j, "platt");
    json_member_array(j, "slope");
    for (size_t k = 0; k < N; k++) json_double(j, r.slope[k]);
    json_end_array(j);
    json_member_array(j, "shift");
    for (size_t k = 0; k < N; k++) json_double(j, r.shift[k]);
    json_end_array(j);
    TRY(write_after(j, p, r.by_platt, bins));
    json_end_object(j);
    json_end_object(j);
cleanup:
    recalibration_free(&r);
    return status;
}
