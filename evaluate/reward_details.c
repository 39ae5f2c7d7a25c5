#include "evaluate/reward_details.h"

#include "base/mem.h"
#include "evaluate/calibration_details.h"
#include "evaluate/pair_details.h"
#include "evaluate/record_columns.h"
#include "evaluate/statistics/bootstrap.h"
#include "evaluate/statistics/figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option_spec detail_rows[] = {
    OPTION_INT(detail_options, resamples, "resamples", "1000", "N", 0, 1e6,
               "reward models: resamples of users (of suites: of prompts) behind the 95 % intervals; 0: none"),
    OPTION_INT(detail_options, bins, "bins", "15", "N", 2, 1000, "reward models: bins of the calibration errors"),
    {0},
};

/* Figures of the whole and their intervals, by place in the vector. */
typedef struct taken {
    const predictions *p;
    const detail_options *o;
    figure_taker *taker;
    double *value;             /* (width) */
    figure_interval *interval; /* (width) */
} taken;

static void take(void *context, const uint32_t *weight, double *values) { figures_take(context, weight, values); }

static wr_status take_all(const predictions *p, const detail_options *o, taken *t) {
    wr_status status = WR_OK;
    const size_t width = figures_width(p->classes);
    *t = (taken){.p = p, .o = o};
    t->value = mem_calloc(width, sizeof *t->value);
    t->interval = mem_calloc(width, sizeof *t->interval);
    TRY_ALLOC(t->value);
    TRY_ALLOC(t->interval);
    TRY(figure_taker_create(p, o->bins, &t->taker));
    figures_take(t->taker, NULL, t->value);
    TRY(bootstrap_intervals(p->n_users, width, o->resamples, o->seed, 0, take, t->taker, t->interval));
cleanup:
    return status;
}

static void taken_free(taken *t) {
    figure_taker_free(t->taker);
    free(t->value);
    free(t->interval);
}

/* NAME, NAME_low, NAME_high. with_value: false where the file has NAME already. */
static void write_figure(json_writer *j, const taken *t, const char *name, size_t at, bool with_value) {
    char key[64];
    if (with_value) json_member_double(j, name, t->value[at]);
    snprintf(key, sizeof key, "%s_low", name);
    json_member_double(j, key, t->interval[at].low);
    snprintf(key, sizeof key, "%s_high", name);
    json_member_double(j, key, t->interval[at].high);
}

static void write_first(json_writer *j, const taken *t) {
    json_member_count(j, "users", t->p->n_users);
    for (size_t f = 0; f < FIGURE_SCORE_LENGTH; f++)
        write_figure(j, t, figure_names[f], f,
                     f != FIGURE_ACCURACY && f != FIGURE_MAE && f != FIGURE_KAPPA && f != FIGURE_SPEARMAN);
    json_member_object(j, "bootstrap");
    json_member_string(j, "method", "percentiles of resampled users");
    json_member_double(j, "level", 0.95);
    json_member_count(j, "resamples", t->o->resamples);
    json_member_count(j, "seed", t->o->seed);
    json_member_object(j, "defined");
    for (size_t f = 0; f < FIGURES; f++) json_member_count(j, figure_names[f], t->interval[f].defined);
    json_end_object(j);
    json_end_object(j);
}

static wr_status write_classes(json_writer *j, const taken *t) {
    static const char *const names[CLASS_FIGURES] = {"precision", "recall", "f1"};
    wr_status status = WR_OK;
    const int K = t->p->classes;
    double *C = mem_calloc((size_t)K * (size_t)K, sizeof *C);
    TRY_ALLOC(C);
    confusion_take(t->p, NULL, C);
    json_member_array(j, "confusion");
    for (int y = 0; y < K; y++) {
        json_begin_array(j);
        for (int c = 0; c < K; c++) json_int(j, (int64_t)C[y * K + c]);
        json_end_array(j);
    }
    json_end_array(j);
    json_member_array(j, "by_class");
    for (int y = 0; y < K; y++) {
        double labelled = 0, predicted = 0;
        for (int c = 0; c < K; c++) {
            labelled += C[y * K + c];
            predicted += C[c * K + y];
        }
        json_begin_object(j);
        json_member_int(j, "class", y + 1);
        json_member_count(j, "records", (uint64_t)labelled);
        json_member_count(j, "predicted", (uint64_t)predicted);
        for (int f = 0; f < CLASS_FIGURES; f++) write_figure(j, t, names[f], figure_of_class(y + 1, f), true);
        json_end_object(j);
    }
    json_end_array(j);
cleanup:
    free(C);
    return status;
}

static wr_status write_thresholds(json_writer *j, const taken *t) {
    static const char *const names[THRESHOLD_FIGURES] = {"auc", "ece", "brier"};
    wr_status status = WR_OK;
    const predictions *p = t->p;
    json_member_array(j, "by_threshold");
    for (int k = 1; k < p->classes; k++) {
        size_t better = 0;
        for (size_t i = 0; i < p->n; i++) better += p->label[i] > k;
        json_begin_object(j);
        json_member_int(j, "above", k);
        json_member_count(j, "records", better);
        for (int f = 0; f < THRESHOLD_FIGURES; f++)
            write_figure(j, t, names[f], figure_of_threshold(p->classes, k, f), true);
        if (p->above) TRY(reliability_write(j, p, k, t->o->bins));
        json_end_object(j);
    }
    json_end_array(j);
cleanup:
    return status;
}

static wr_status write_length(json_writer *j, const taken *t) {
    wr_status status = WR_OK;
    json_member_object(j, "length_bias");
    for (size_t f = FIGURE_SCORE_LENGTH; f < FIGURES; f++) write_figure(j, t, figure_names[f], f, true);
    TRY(length_alone_write(j, t->p));
    json_end_object(j);
cleanup:
    return status;
}

/* Why figures are null, by name. */
static void write_missing(json_writer *j, const reward_records *r, const taken *t) {
    const predictions *p = t->p;
    const char *no_order = "all labels, or all scores, are equal";
    json_member_object(j, "missing");
    if (!p->n) json_member_string(j, "records", "none");
    if (!p->class) json_member_string(j, "accuracy", "the outputs predict no class of these labels");
    if (!p->class) json_member_string(j, "quadratic_kappa", "the outputs predict no class of these labels");
    if (!p->on_scale) json_member_string(j, "mae", "the scores are not on the labels' scale");
    for (size_t f = FIGURE_LOG_LOSS; f <= FIGURE_ECE && !p->above; f++)
        json_member_string(j, figure_names[f], "the outputs tell no probabilities of these labels");
    if (p->class && !isfinite(t->value[FIGURE_KAPPA]))
        json_member_string(j, "quadratic_kappa", "all labels and classes are the same one");
    for (size_t f = FIGURE_SPEARMAN; f <= FIGURE_PAIRWISE; f++)
        if (!isfinite(t->value[f])) json_member_string(j, figure_names[f], no_order);
    if (!p->length) json_member_string(j, "length_bias", "replies that are no texts of their own");
    if (p->n_users < 2) json_member_string(j, "intervals", "one user: there is nobody else to draw");
    if (!r->own) json_member_string(j, "own_users", r->own_why ? r->own_why : "not asked for");
    json_end_object(j);
}

/* Users that the model was trained on against others: each side's figures, and their difference in the same resamples.
 * A side is the whole with weight 0 for the others. */
enum { SIDE_FIGURES = 4 };
static const size_t side_figures[SIDE_FIGURES] = {FIGURE_ACCURACY, FIGURE_MAE, FIGURE_SPEARMAN, FIGURE_PAIRWISE};

typedef struct sides {
    figure_taker *taker;
    const uint8_t *own;
    size_t n_users;
    uint32_t *weight; /* (n_users) */
    double *all;      /* (width) */
} sides;

/* values: of the own, of the new, own - new. */
static void take_sides(void *context, const uint32_t *weight, double *values) {
    const sides *s = context;
    for (int side = 0; side < 2; side++) {
        for (size_t u = 0; u < s->n_users; u++)
            s->weight[u] = (s->own[u] != 0) == (side == 0) ? (weight ? weight[u] : 1) : 0;
        figures_take(s->taker, s->weight, s->all);
        for (size_t f = 0; f < SIDE_FIGURES; f++) values[side * SIDE_FIGURES + (int)f] = s->all[side_figures[f]];
    }
    for (size_t f = 0; f < SIDE_FIGURES; f++) values[2 * SIDE_FIGURES + f] = values[f] - values[SIDE_FIGURES + f];
}

static wr_status write_sides(json_writer *j, const reward_records *r, const taken *t) {
    static const char *const names[3] = {"own_users", "new_users", "own_minus_new"};
    wr_status status = WR_OK;
    const predictions *p = &r->p;
    double value[3 * SIDE_FIGURES];
    figure_interval interval[3 * SIDE_FIGURES];
    size_t users[2] = {0}, records[2] = {0};
    sides s = {t->taker, r->own, p->n_users, mem_calloc(p->n_users + 1, sizeof *s.weight),
               mem_calloc(figures_width(p->classes), sizeof *s.all)};
    TRY_ALLOC(s.weight);
    TRY_ALLOC(s.all);
    for (size_t u = 0; u < p->n_users; u++) users[!r->own[u]]++;
    for (size_t i = 0; i < p->n; i++) records[!r->own[p->user[i]]]++;
    const bool both = users[0] && users[1];
    take_sides(&s, NULL, value);
    TRY(bootstrap_intervals(p->n_users, 3 * SIDE_FIGURES, both ? t->o->resamples : 0, t->o->seed, 0, take_sides, &s,
                            interval));
    for (size_t side = 0; side < 3; side++) {
        const size_t at = side * SIDE_FIGURES;
        if (side == 2 && !both) break;
        json_member_object(j, names[side]);
        if (side < 2) {
            json_member_count(j, "users", users[side]);
            json_member_count(j, "records", records[side]);
        }
        const taken part = {.value = value + at, .interval = interval + at};
        for (size_t f = 0; f < SIDE_FIGURES && (side == 2 || records[side]); f++)
            write_figure(j, &part, figure_names[side_figures[f]], f, true);
        json_end_object(j);
    }
cleanup:
    free(s.weight);
    free(s.all);
    return status;
}

wr_status reward_details_write(const reward_records *r, const detail_options *o, json_writer *j) {
    wr_status status = WR_OK;
    const predictions *p = &r->p;
    taken t = {0};
    TRY(take_all(p, o, &t));
    write_first(j, &t);
    if (p->class) TRY(write_classes(j, &t));
    TRY(write_thresholds(j, &t));
    if (p->above && p->classes > 1) TRY(calibration_write(j, p, o->bins, o->seed));
    TRY(pairs_write(j, p, figure_taker_order(t.taker), o));
    if (p->length) TRY(write_length(j, &t));
    if (r->own) TRY(write_sides(j, r, &t));
    write_missing(j, r, &t);
    TRY(record_columns_write(j, r));
cleanup:
    taken_free(&t);
    return status;
}
