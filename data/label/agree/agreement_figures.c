/* Figures of agreement out of one table of counts. */
#include "data/label/agree/agreement.h"

#include <math.h>

enum { L = PATTERN_LEVELS, LL = L * L };

const char *agreement_figure_name(agreement_figure f) {
    static const char *const names[AGREEMENT_FIGURES] = {
        "agreement", "kappa", "kappa_linear", "kappa_quadratic", "alpha_nominal", "alpha_ordinal", "alpha_interval"};
    return names[f];
}

static double square(double x) { return x * x; }

/* Sum over g = c … k of n_g, less half of the ends: how many answers lie between two ordinal levels. */
static double ordinal_distance(const double *n, size_t c, size_t k) {
    double sum = 0;
    for (size_t g = c; g <= k; g++) sum += n[g];
    return sum - (n[c] + n[k]) / 2;
}

double agreement_alpha(const double *o, size_t levels, agreement_figure metric) {
    double n[L] = {0}, total = 0, observed = 0, expected = 0;
    for (size_t c = 0; c < levels; c++) {
        for (size_t k = 0; k < levels; k++) n[c] += o[c * levels + k];
        total += n[c];
    }
    for (size_t c = 0; c < levels; c++) {
        for (size_t k = c + 1; k < levels; k++) {
            double d = metric == AGREEMENT_NOMINAL   ? 1
                       : metric == AGREEMENT_ORDINAL ? square(ordinal_distance(n, c, k))
                                                     : square((double)(k - c));
            observed += o[c * levels + k] * d;
            expected += n[c] * n[k] * d;
        }
    }
    return expected > 0 ? 1 - (total - 1) * observed / expected : NAN;
}

/* 1 - sum w_ij o_ij / sum w_ij e_ij, with w = 0 on the diagonal (Cohen 1968, equation 11). */
static double kappa(const double *t, size_t levels, const double *row, const double *column, double n,
                    agreement_figure f) {
    double observed = 0, expected = 0;
    for (size_t i = 0; i < levels; i++) {
        for (size_t j = 0; j < levels; j++) {
            double d = fabs((double)i - (double)j), w = f == AGREEMENT_KAPPA    ? (i != j)
                                                        : f == AGREEMENT_LINEAR ? d
                                                                                : d * d;
            observed += w * t[i * levels + j];
            expected += w * row[i] * column[j];
        }
    }
    return expected > 0 ? 1 - n * observed / expected : NAN;
}

void agreement_of_table(const double *t, size_t levels, double figures[AGREEMENT_FIGURES]) {
    double row[L] = {0}, column[L] = {0}, o[LL], n = 0, equal = 0;
    for (size_t i = 0; i < levels; i++) {
        for (size_t j = 0; j < levels; j++) {
            double v = t[i * levels + j];
            row[i] += v;
            column[j] += v;
            n += v;
            if (i == j) equal += v;
            o[i * levels + j] = v + t[j * levels + i]; /* each unit has two values: both orders count, over m - 1 = 1 */
        }
    }
    figures[AGREEMENT_SHARE] = n > 0 ? equal / n : NAN;
    for (int f = AGREEMENT_KAPPA; f <= AGREEMENT_QUADRATIC; f++)
        figures[f] = kappa(t, levels, row, column, n, (agreement_figure)f);
    for (int f = AGREEMENT_NOMINAL; f <= AGREEMENT_INTERVAL; f++)
        figures[f] = agreement_alpha(o, levels, (agreement_figure)f);
}
