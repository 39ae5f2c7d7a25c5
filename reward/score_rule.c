#include "reward/score_rule.h"

#include "base/logistic.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static double logit(size_t N, const float *z) {
    (void)N;
    return z[0];
}

static double ordinal(size_t N, const float *z) {
    double score = 1;
    for (size_t k = 0; k < N; k++) score += sigmoid(z[k]);
    return score;
}

static double conditional(size_t N, const float *z) {
    double score = 1, passed = 1;
    for (size_t k = 0; k < N; k++) score += passed *= sigmoid(z[k]);
    return score;
}

static double expected_class(size_t N, const float *z) {
    double top = z[0], mass = 0, sum = 0;
    for (size_t k = 0; k < N; k++) {
        if (isnan(z[k])) return NAN;
        if (z[k] > top) top = z[k];
    }
    for (size_t k = 0; k < N; k++) {
        const double p = exp(z[k] - top);
        mass += p;
        sum += p * (double)(k + 1);
    }
    return sum / mass;
}

const score_rule logit_rule = {"logit", "raw logit", 1, 1, logit},
                 ordinal_rule = {"ordinal", "1 + sum of sigmoids", 1, SIZE_MAX, ordinal},
                 corn_rule = {"corn", "1 + sum of products of sigmoids", 1, SIZE_MAX, conditional},
                 class_rule = {"class", "expected class", 2, SIZE_MAX, expected_class};

wr_status score_rule_choose(const char *wanted, const score_rule *own, size_t N, const char *model,
                            const score_rule **out) {
    static const score_rule *const rules[] = {&logit_rule, &ordinal_rule, &corn_rule, &class_rule};
    const score_rule *r = own ? own : N == 1 ? &logit_rule : &ordinal_rule;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (wanted && strcmp(wanted, rules[i]->name) == 0) r = rules[i];
    if (N < r->least || N > r->most)
        return wr_fail(WR_E_MISMATCH,
                       "%s: its score head has %zu output%s, of which --score-rule %s (%s) makes no score", model, N,
                       N == 1 ? "" : "s", r->name, r->formula);
    *out = r;
    return WR_OK;
}
