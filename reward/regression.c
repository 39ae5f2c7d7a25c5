/* The level as a number: one row and a bias, which begins in the middle of the scale, so that a new head needs not
 * learn first that levels are positive.
 *
 *   z = h . w + b                       b begins as (K + 1) / 2
 *   loss = Huber(z - y):  e^2 / 2 if |e| <= delta, else delta (|e| - delta / 2)      one term a record
 *   score = z                           any number: not held to 1 … K, where it would tie
 *   class = the nearest of 1 … K */
#include "reward/binary_terms.h"

#include <math.h>

enum { DELTA };

static size_t regression_outputs(int classes) {
    (void)classes;
    return 1;
}

static head_own regression_own(int classes) {
    return (head_own){.kind = HEAD_OWN_BIASES, .n = 1, .values = {(float)(classes + 1) / 2}};
}

static double regression_loss(const objective_use *u, size_t n, const float *z, const int *labels, float scale,
                              float *dz) {
    const double delta = u->settings[DELTA];
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double e = (double)z[i] - labels[i], far = fabs(e);
        sum += far <= delta ? e * e / 2 : delta * (far - delta / 2);
        if (dz) dz[i] = (float)((double)scale * (far <= delta ? e : e > 0 ? delta : -delta));
    }
    return sum;
}

static int regression_class(const objective_use *u, const float *z) {
    const double nearest = round((double)z[0]);
    return nearest >= u->classes ? u->classes : nearest > 1 ? (int)nearest : 1;
}

const option_spec regression_options[] = {
    [DELTA] = {.name = "huber-delta",
               .kind = OPT_FLOAT,
               .default_value = "1",
               .arg = "X",
               .help = "--objective regression: errors beyond so many levels count linearly, those below squared",
               .min = 1e-6,
               .max = 1e6},
    {0}};
const objective regression_objective = {.name = "regression",
                                        .options = regression_options,
                                        .most_classes = OBJECTIVE_CLASSES_MAX,
                                        .outputs = regression_outputs,
                                        .own = regression_own,
                                        .loss = regression_loss,
                                        .terms = one_term,
                                        .scores_classes = true,
                                        .rule = &logit_rule,
                                        .class = regression_class};
