#include "evaluate/suites/suite_rows.h"

#include <math.h>
#include <stdlib.h>

double suite_won(const suite_item *x, const double *scores, size_t *ties) {
    double worst = INFINITY, best = -INFINITY;
    for (size_t i = 0; i < x->n; i++) {
        const double s = scores[x->first + i];
        if (i < x->n_right && s < worst) worst = s;
        if (i >= x->n_right && s > best) best = s;
    }
    if (worst == best) {
        (*ties)++;
        return x->tie_right;
    }
    return worst > best;
}

void suite_shares(const suite_set *s, const double *scores, size_t *ties, suite_share *shares) {
    for (size_t i = 0; i < s->n; i++) {
        suite_share *share = &shares[s->items[i].group];
        share->n++;
        share->right += suite_won(&s->items[i], scores, ties);
    }
}

double suite_mean(const suite_share *share) { return share->n ? share->right / (double)share->n : NAN; }

wr_status suite_judge_rows(const suite_set *s, const double *scores, suite_figures *out) {
    wr_status status = WR_OK;
    suite_share all = {0}, *shares = mem_calloc(s->n_groups + 1, sizeof *shares);
    TRY_ALLOC(shares);
    suite_shares(s, scores, &out->ties, shares);
    for (size_t g = 0; g < s->n_groups; g++) {
        all.n += shares[g].n;
        all.right += shares[g].right;
        if (shares[g].n) TRY(suite_put(out, "sections", s->groups[g], suite_mean(&shares[g])));
    }
    out->overall = suite_mean(&all);
cleanup:
    free(shares);
    return status;
}
