/* All figures of a set of predictions as one vector, of the whole or of a sample of its users; and their intervals.
 * LOCAL. */
#ifndef WR_EVALUATE_STATISTICS_FIGURES_H
#define WR_EVALUATE_STATISTICS_FIGURES_H

#include "base/status.h"
#include "evaluate/statistics/predictions.h"

/* The first figures of the vector; behind them, for each class, CLASS_FIGURES, and for each threshold, k = 1 … K-1,
 * THRESHOLD_FIGURES. One that the predictions do not give is NaN. X(name, its name in files) */
#define FIGURES_OF_ALL(X)                                                                                              \
    X(ACCURACY, "accuracy")                                                                                            \
    X(MAE, "mae")                                                                                                      \
    X(KAPPA, "quadratic_kappa")                                                                                        \
    X(SPEARMAN, "spearman")                                                                                            \
    X(KENDALL, "kendall_tau_b")                                                                                        \
    X(PAIRWISE, "pairwise_accuracy")                                                                                   \
    X(LOG_LOSS, "log_loss")                                                                                            \
    X(BRIER, "brier")                                                                                                  \
    X(ECE, "ece")                                                                                                      \
    X(SCORE_LENGTH, "score_length_spearman")                                                                           \
    X(LABEL_LENGTH, "label_length_spearman")                                                                           \
    X(GIVEN_LENGTH, "spearman_given_length")
#define FIGURE_ENUM(name, text) FIGURE_##name,
enum { FIGURES_OF_ALL(FIGURE_ENUM) FIGURES };
enum { CLASS_PRECISION, CLASS_RECALL, CLASS_F1, CLASS_FIGURES };
enum { THRESHOLD_AUC, THRESHOLD_ECE, THRESHOLD_BRIER, THRESHOLD_FIGURES };

extern const char *const figure_names[FIGURES];
size_t figures_width(int classes); /* of the vector */
size_t figure_of_class(int class, int which);
size_t figure_of_threshold(int classes, int k, int which);

typedef struct figure_taker figure_taker;
/* It keeps nothing of p. bins: of the calibration errors. */
wr_status figure_taker_create(const predictions *p, size_t bins, figure_taker **out);
void figure_taker_free(figure_taker *t); /* NULL is fine */
/* out (width): of a sample that holds each record of user u weight[u] times; NULL: once. O(n K), nothing is sorted.
 * Kappa keeps all K labels whatever the sample holds. */
void figures_take(figure_taker *t, const uint32_t *weight, double *out);
/* (n) records by rising score. */
const uint32_t *figure_taker_order(const figure_taker *t);
/* confusion (K, K): records of each label (row) and class, record i weight[i] times (NULL: once). p->class is there. */
void confusion_take(const predictions *p, const double *weight, double *confusion);

#endif
