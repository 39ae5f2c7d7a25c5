/* y = a - b x^-c by least squares: what a figure tends to (a), how far from it one user is (b), how fast it gets there
 * (c). For a given c it is a straight line in x^-c, so that one number is searched. LOCAL. */
#ifndef WR_STUDY_POWER_FIT_H
#define WR_STUDY_POWER_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* c is looked for between these: outside the curve is a line in log x, or a step. */
#define POWER_LEAST 0.01
#define POWER_MOST 10.0
typedef struct power_fit {
    double a, b, c;
    double error; /* root of the mean squared residual */
    bool at_end;  /* c is at an end of what was searched: the points do not tell a, b and c */
} power_fit;

/* Points (n), point i counting weight[i] times (NULL: once); those whose y is not finite do not count. x > 0. False,
 * *out all NaN, where fewer than three different x are left: nothing would tell c. */
bool power_fit_make(const double *x, const double *y, const uint32_t *weight, size_t n, power_fit *out);
double power_at(const power_fit *f, double x);

#endif
