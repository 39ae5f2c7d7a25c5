/* Better probabilities from those that a model says, learned on other users' records. LOCAL.
 *
 * With l = log p / (1 - p), p = P(y > k), held within ±36:
 *   temperature  sigma(l / T), one T > 0 for all thresholds; its inverse minimises the cross-entropy, summed over
 *                records and thresholds
 *   Platt        sigma(a_k l + b_k), a pair for each threshold, towards the targets (n1 + 1)/(n1 + 2) and 1/(n0 + 2) of
 *                n1 and n0 records (Platt 1999), so that it stays finite where the records are separated */
#ifndef WR_EVALUATE_STATISTICS_RECALIBRATE_H
#define WR_EVALUATE_STATISTICS_RECALIBRATE_H

#include "base/status.h"
#include "evaluate/statistics/predictions.h"

/* Of the records with use[user] == side (use NULL: all). *why NULL: *temperature is
 * finite; otherwise it is NaN and *why says in words why there is none. */
void temperature_fit(const predictions *p, const uint8_t *use, uint8_t side, double *temperature, const char **why);
/* Threshold k = 1 … K-1. NaN where no record is used. */
void platt_fit(const predictions *p, const uint8_t *use, uint8_t side, int k, double *a, double *b);

typedef struct recalibration {
    double temperature;    /* NaN: none */
    const char *why;       /* then why */
    double *slope, *shift; /* (K-1) Platt's a, b */
    /* Each record's probabilities as learned from the half of the users to which its own does not belong, (n, K-1);
     * NULL: by_temperature where one half has no finite one, both with one user */
    double *by_temperature, *by_platt;
} recalibration;
/* The parameters are of all records. Halves: users in an order drawn by RNG_FOLD, keyed by seed. p->above is there, K
 * >= 2. */
wr_status recalibrate(const predictions *p, uint64_t seed, recalibration *out);
void recalibration_free(recalibration *r); /* of one that is all zero, too */

#endif
