#include "evaluate/statistics/figures.h"

#include "base/mem.h"
#include "evaluate/statistics/calibration.h"
#include "evaluate/statistics/order.h"
#include "evaluate/statistics/rank_figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIGURE_NAME(name, text) text,
const char *const figure_names[FIGURES] = {FIGURES_OF_ALL(FIGURE_NAME)};

size_t figures_width(int K) { return FIGURES + (size_t)K * CLASS_FIGURES + (size_t)(K - 1) * THRESHOLD_FIGURES; }
size_t figure_of_class(int class, int which) { return FIGURES + (size_t)(class - 1) * CLASS_FIGURES + (size_t)which; }
size_t figure_of_threshold(int K, int k, int which) {
    return FIGURES + (size_t)K * CLASS_FIGURES + (size_t)(k - 1) * THRESHOLD_FIGURES + (size_t)which;
}

/* What does not depend on the sample is worked out once, and lies by rising score, so that a sample costs sums along
 * arrays. */
struct figure_taker {
    predictions p; /* the records by rising score; label, class and above in the arrays below */
    size_t bins;
    uint32_t *order, *tie_end;        /* (n) places of the records given; behind the last of equal score */
    uint32_t *by_length, *length_end; /* (n) likewise by length; where lengths are known */
    uint32_t *user;
    int *label, *class;
    double *above;
    double *apart;              /* (n) |score - label| */
    double *log_loss;           /* (n) */
    uint16_t *bin;              /* (n, K-1) */
    double *weight, *rank;      /* (n) scratch */
    double *confusion;          /* (K, K) scratch */
    double *rank_scratch, *auc; /* scratch; (K) scratch */
    reliability_bin *table;     /* (K-1, bins) scratch */
    double *squares;            /* (K) scratch: of each threshold */
};

const uint32_t *figure_taker_order(const figure_taker *t) { return t->order; }

void figure_taker_free(figure_taker *t) {
    if (!t) return;
    free(t->order);
    free(t->tie_end);
    free(t->by_length);
    free(t->length_end);
    free(t->user);
    free(t->label);
    free(t->class);
    free(t->above);
    free(t->apart);
    free(t->log_loss);
    free(t->bin);
    free(t->weight);
    free(t->rank);
    free(t->confusion);
    free(t->rank_scratch);
    free(t->auc);
    free(t->table);
    free(t->squares);
    free(t);
}

/* A zeroed array of a member's elements, at least one. */
#define TAKE_ROOM(member, count)                                                                                       \
    t->member = mem_calloc((count) + 1, sizeof *t->member);                                                            \
    TRY_ALLOC(t->member)

static wr_status prepare_lengths(figure_taker *t, const double *length) {
    wr_status status = WR_OK;
    const size_t n = t->p.n;
    double *sorted = mem_calloc(n + 1, sizeof *sorted);
    TRY_ALLOC(sorted);
    TAKE_ROOM(by_length, n);
    TAKE_ROOM(length_end, n);
    for (size_t i = 0; i < n; i++) sorted[i] = length[t->order[i]];
    TRY(order_by(sorted, n, t->by_length));
    tie_ends(sorted, t->by_length, n, t->length_end);
cleanup:
    free(sorted);
    return status;
}

static wr_status prepare_probabilities(figure_taker *t, const double *above) {
    wr_status status = WR_OK;
    const int K = t->p.classes;
    const size_t n = t->p.n, N = (size_t)K - 1;
    TAKE_ROOM(above, n * N);
    TAKE_ROOM(log_loss, n);
    TAKE_ROOM(bin, n * N);
    TAKE_ROOM(table, N * t->bins);
    TAKE_ROOM(squares, N);
    for (size_t i = 0; i < n; i++) {
        const double *from = above + t->order[i] * N;
        memcpy(t->above + i * N, from, N * sizeof *from);
        t->log_loss[i] = label_log_loss(K, from, t->label[i], t->auc);
        for (size_t k = 0; k < N; k++) t->bin[i * N + k] = (uint16_t)calibration_bin(from[k], t->bins);
    }
    t->p.above = t->above;
cleanup:
    return status;
}

wr_status figure_taker_create(const predictions *p, size_t bins, figure_taker **out) {
    wr_status status = WR_OK;
    const size_t K = (size_t)p->classes, n = p->n;
    figure_taker *t = mem_calloc(1, sizeof *t);
    *out = NULL;
    TRY_ALLOC(t);
    t->bins = bins;
    TAKE_ROOM(order, n);
    TAKE_ROOM(tie_end, n);
    TAKE_ROOM(user, n);
    TAKE_ROOM(label, n);
    TAKE_ROOM(apart, n);
    TAKE_ROOM(weight, n);
    TAKE_ROOM(rank, n);
    TAKE_ROOM(rank_scratch, rank_scratch_size(p->classes));
    TAKE_ROOM(auc, K);
    TAKE_ROOM(confusion, K * K);
    if (p->class) {
        TAKE_ROOM(class, n);
    }
    TRY(order_by(p->score, n, t->order));
    tie_ends(p->score, t->order, n, t->tie_end);
    for (size_t i = 0; i < n; i++) {
        const uint32_t at = t->order[i];
        t->user[i] = p->user[at];
        t->label[i] = p->label[at];
        if (p->class) t->class[i] = p->class[at];
        t->apart[i] = fabs(p->score[at] - p->label[at]);
    }
    t->p = (predictions){.n = n,
                         .classes = p->classes,
                         .label = t->label,
                         .class = t->class,
                         .user = t->user,
                         .n_users = p->n_users,
                         .on_scale = p->on_scale};
    if (p->length) TRY(prepare_lengths(t, p->length));
    if (p->above && K > 1) TRY(prepare_probabilities(t, p->above));
    *out = t;
    t = NULL;
cleanup:
    figure_taker_free(t);
    return status;
}

void confusion_take(const predictions *p, const double *weight, double *confusion) {
    const int K = p->classes;
    memset(confusion, 0, (size_t)K * (size_t)K * sizeof *confusion);
    for (size_t i = 0; i < p->n; i++) confusion[(p->label[i] - 1) * K + p->class[i] - 1] += weight ? weight[i] : 1;
}

static double share(double part, double whole) { return whole > 0 ? part / whole : NAN; }

/* Accuracy, kappa, and of each class: all from the counts C[y][c] of label y and predicted class c. */
static void take_classes(figure_taker *t, double *out) {
    const int K = t->p.classes;
    const double *C = t->confusion;
    double n = 0, right = 0, l1 = 0, l2 = 0, p1 = 0, p2 = 0, apart = 0;
    confusion_take(&t->p, t->weight, t->confusion);
    for (int y = 0; y < K; y++)
        for (int c = 0; c < K; c++) {
            const double w = C[y * K + c];
            n += w;
            right += y == c ? w : 0;
            l1 += w * y, l2 += w * y * y;
            p1 += w * c, p2 += w * c * c;
            apart += w * (y - c) * (y - c);
        }
    /* kappa = 1 - observed / expected mean squared distance; the expected one is of independent label and class */
    const double expected = l2 / n + p2 / n - 2 * (l1 / n) * (p1 / n);
    out[FIGURE_ACCURACY] = share(right, n);
    out[FIGURE_KAPPA] = expected > 0 ? 1 - apart / n / expected : NAN;
    for (int y = 0; y < K; y++) {
        double labelled = 0, predicted = 0, *f = out + figure_of_class(y + 1, 0);
        for (int c = 0; c < K; c++) {
            labelled += C[y * K + c];
            predicted += C[c * K + y];
        }
        f[CLASS_PRECISION] = share(C[y * K + y], predicted);
        f[CLASS_RECALL] = share(C[y * K + y], labelled);
        f[CLASS_F1] = share(2 * C[y * K + y], labelled + predicted);
    }
}

static void take_probabilities(figure_taker *t, double *out) {
    const predictions *p = &t->p;
    const int K = p->classes;
    const size_t N = (size_t)K - 1, bins = t->bins;
    double n = 0, loss = 0, brier = 0, ece = 0;
    memset(t->table, 0, N * bins * sizeof *t->table);
    memset(t->squares, 0, N * sizeof *t->squares);
    for (size_t i = 0; i < p->n; i++) {
        const double w = t->weight[i];
        if (w == 0) continue;
        n += w;
        loss += w * t->log_loss[i];
        for (size_t k = 0; k < N; k++) {
            const double q = p->above[i * N + k], hit = p->label[i] > (int)k + 1;
            reliability_bin *b = &t->table[k * bins + t->bin[i * N + k]];
            b->n += w;
            b->probability += w * q;
            b->share += w * hit;
            t->squares[k] += w * (q - hit) * (q - hit);
        }
    }
    for (size_t k = 0; k < N; k++) {
        double *f = out + figure_of_threshold(K, (int)k + 1, 0);
        f[THRESHOLD_ECE] = calibration_error(t->table + k * bins, bins);
        f[THRESHOLD_BRIER] = share(t->squares[k], n);
        ece += f[THRESHOLD_ECE];
        brier += f[THRESHOLD_BRIER];
    }
    out[FIGURE_LOG_LOSS] = share(loss, n);
    out[FIGURE_BRIER] = brier / (double)N;
    out[FIGURE_ECE] = ece / (double)N;
}

void figures_take(figure_taker *t, const uint32_t *weight, double *out) {
    const predictions *p = &t->p;
    const int K = p->classes;
    rank_figures ranks;
    double n = 0, apart = 0;
    for (size_t i = 0; i < figures_width(K); i++) out[i] = NAN;
    for (size_t i = 0; i < p->n; i++) t->weight[i] = weight ? weight[t->user[i]] : 1;
    rank_figures_take(p, t->tie_end, t->weight, t->rank_scratch, t->rank, &ranks, t->auc);
    out[FIGURE_SPEARMAN] = ranks.spearman;
    out[FIGURE_KENDALL] = ranks.kendall;
    out[FIGURE_PAIRWISE] = ranks.pairwise;
    for (int k = 1; k < K; k++) out[figure_of_threshold(K, k, THRESHOLD_AUC)] = t->auc[k - 1];
    for (size_t i = 0; i < p->n && p->on_scale; i++) {
        n += t->weight[i];
        apart += t->weight[i] * t->apart[i];
    }
    out[FIGURE_MAE] = share(apart, n);
    if (p->class) take_classes(t, out);
    if (t->bin) take_probabilities(t, out);
    if (!t->by_length) return;
    length_figures lengths;
    length_figures_take(p, t->by_length, t->length_end, t->weight, t->rank, t->rank_scratch, ranks.spearman, &lengths);
    out[FIGURE_SCORE_LENGTH] = lengths.score;
    out[FIGURE_LABEL_LENGTH] = lengths.label;
    out[FIGURE_GIVEN_LENGTH] = lengths.held;
}
