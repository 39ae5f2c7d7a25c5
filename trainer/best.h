/* Which evaluation of a run was the best so far, by one of its figures, and for how long none was better. What was found
 * before a resume is read from metrics.jsonl, which holds all there is to know. LOCAL. */
#ifndef WR_TRAINER_BEST_H
#define WR_TRAINER_BEST_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Figures of evaluations between steps. X(name, the least is the best) */
#define BEST_FIGURES(X)                                                                                                \
    X("eval_loss", true)                                                                                               \
    X("eval_accuracy", false)                                                                                          \
    X("eval_mae", true)                                                                                                \
    X("eval_quadratic_kappa", false)                                                                                   \
    X("eval_spearman", false)                                                                                          \
    X("eval_kendall_tau_b", false)                                                                                     \
    X("eval_pairwise_accuracy", false)                                                                                 \
    X("eval_log_loss", true)                                                                                           \
    X("eval_brier", true)                                                                                              \
    X("eval_ece", true)                                                                                                \
    X("eval_auc", false)
#define BEST_OR_NAME(name, least) "|" name
#define BEST_METRICS "none" BEST_FIGURES(BEST_OR_NAME)

typedef struct best_so_far {
    const char *metric;
    int64_t evaluations; /* that had it, as a number or as null */
    int64_t since;       /* of them, behind the best one */
    int64_t step;        /* of the best; -1: none was a number */
    double value;
} best_so_far;

best_so_far best_make(const char *metric);
/* A line of metrics: *better where it is the best one, of equal ones the first. Lines of steps count nothing.
 * WR_E_USAGE: an evaluation without this figure; names those that it has. */
wr_status best_note(best_so_far *b, const char *line, size_t n, bool *better);
/* All lines of RUN/metrics.jsonl; none where it is not there. */
wr_status best_read(best_so_far *b, const char *run);

#endif
