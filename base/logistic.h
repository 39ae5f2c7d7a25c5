/* Functions of the logistic curve, safe at both ends: nothing overflows, NaN stays NaN. LOCAL. */
#ifndef WR_BASE_LOGISTIC_H
#define WR_BASE_LOGISTIC_H

double sigmoid(double x);     /* 1 / (1 + e^-x) */
double softplus(double x);    /* log(1 + e^x) */
double log_sigmoid(double x); /* log sigmoid(x) = -softplus(-x) */

#endif
