/* K = 5 levels, A annotators, P patterns that occur (n_i turns of pattern i, with answers l_ia). All sums run over
 * patterns in ascending order. Both steps of EM, with s = smoothing and d = anchor:
 *
 *   E   q_i(k)            =  pi_k  prod_a theta_a[k][l_ia]  /  the same summed over k        (a: who answered)
 *   M   pi_k              ~  s + sum_i n_i q_i(k)
 *       theta_a[k][l]     ~  s + d [k = l] + sum_{i: l_ia = l} n_i q_i(k)                    (rows sum to 1)
 *
 * What grows in every round is  sum_i n_i log p(l_i)  +  s sum_k log pi_k  +  sum_a,k,l (s + d [k = l]) log theta. */
#include "data/label/agree/dawid_skene.h"

#include "base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { K = PATTERN_LEVELS, A_MAX = PATTERN_ANNOTATORS };

typedef struct parameters {
    double prior[K];
    double confusion[A_MAX][K][K];
    double log_prior[K], log_confusion[A_MAX][K][K];
    double likelihood, objective; /* log; objective: with the smoothing's part */
    size_t iterations;
    bool converged;
} parameters;

struct dawid_skene {
    size_t annotators;
    parameters p;
};

/* The patterns that occur and hold an answer. */
typedef struct observed {
    size_t annotators, n;
    uint8_t (*answers)[A_MAX]; /* (n) */
    double *count;             /* (n) */
    double (*posterior)[K];    /* (n) */
    double smoothing, anchor;
} observed;

static void observed_free(observed *x) {
    free(x->answers);
    free(x->count);
    free(x->posterior);
}

static wr_status observe(size_t annotators, const uint64_t *counts, observed *x) {
    wr_status status = WR_OK;
    size_t all = pattern_count(annotators), n = 0;
    for (size_t p = 1; p < all; p++) n += counts[p] > 0; /* pattern 0: nobody answered */
    if (!n) return wr_fail(WR_E_FORMAT, "consensus: no turn has an answer");
    TRY_ALLOC(x->answers = mem_calloc(n, sizeof *x->answers));
    TRY_ALLOC(x->count = mem_calloc(n, sizeof *x->count));
    TRY_ALLOC(x->posterior = mem_calloc(n, sizeof *x->posterior));
    for (size_t p = 1; p < all; p++) {
        if (!counts[p]) continue;
        pattern_answers((uint32_t)p, annotators, x->answers[x->n]);
        x->count[x->n++] = (double)counts[p];
    }
cleanup:
    return status;
}

/* Posterior of one pattern into out; returns the log of its probability. */
static double posterior_of(const parameters *p, size_t annotators, const uint8_t *answers, double out[K]) {
    double most = -INFINITY, sum = 0;
    for (size_t k = 0; k < K; k++) {
        out[k] = p->log_prior[k];
        for (size_t a = 0; a < annotators; a++) {
            if (answers[a]) out[k] += p->log_confusion[a][k][answers[a] - 1];
        }
        most = fmax(most, out[k]);
    }
    for (size_t k = 0; k < K; k++) sum += out[k] = exp(out[k] - most);
    for (size_t k = 0; k < K; k++) out[k] /= sum;
    return most + log(sum);
}

static void take_logs(parameters *p, size_t annotators) {
    for (size_t k = 0; k < K; k++) {
        p->log_prior[k] = log(p->prior[k]);
        for (size_t a = 0; a < annotators; a++) {
            for (size_t l = 0; l < K; l++) p->log_confusion[a][k][l] = log(p->confusion[a][k][l]);
        }
    }
}

static double pseudo_count(const observed *x, size_t k, size_t l) { return x->smoothing + (k == l ? x->anchor : 0); }

/* E step: posteriors of all patterns; likelihood and objective of the parameters that made them. */
static void expect(const observed *x, parameters *p) {
    double sum = 0, density = 0; /* log of the Dirichlet density, less its constant */
    for (size_t i = 0; i < x->n; i++)
        sum += x->count[i] * posterior_of(p, x->annotators, x->answers[i], x->posterior[i]);
    for (size_t k = 0; k < K; k++) {
        density += x->smoothing * p->log_prior[k];
        for (size_t a = 0; a < x->annotators; a++) {
            for (size_t l = 0; l < K; l++) density += pseudo_count(x, k, l) * p->log_confusion[a][k][l];
        }
    }
    p->likelihood = sum;
    p->objective = sum + density;
}

static double normalise(double *new, double *old) {
    double sum = 0, change = 0;
    for (size_t i = 0; i < K; i++) sum += new[i];
    for (size_t i = 0; i < K; i++) {
        double v = new[i] / sum;
        change = fmax(change, fabs(v - old[i]));
        old[i] = v;
    }
    return change;
}

/* M step: returns the largest change of a prior or confusion cell. */
static double maximise(const observed *x, parameters *p) {
    double prior[K], confusion[A_MAX][K][K], change = 0;
    for (size_t k = 0; k < K; k++) prior[k] = x->smoothing;
    for (size_t a = 0; a < x->annotators; a++) {
        for (size_t k = 0; k < K; k++) {
            for (size_t l = 0; l < K; l++) confusion[a][k][l] = pseudo_count(x, k, l);
        }
    }
    for (size_t i = 0; i < x->n; i++) {
        for (size_t k = 0; k < K; k++) {
            double w = x->count[i] * x->posterior[i][k];
            prior[k] += w;
            for (size_t a = 0; a < x->annotators; a++) {
                if (x->answers[i][a]) confusion[a][k][x->answers[i][a] - 1] += w;
            }
        }
    }
    change = normalise(prior, p->prior);
    for (size_t a = 0; a < x->annotators; a++) {
        for (size_t k = 0; k < K; k++) change = fmax(change, normalise(confusion[a][k], p->confusion[a][k]));
    }
    take_logs(p, x->annotators);
    return change;
}

/* Posteriors to start from: shares of votes, or, of patterns that `leader` answered, its answer alone. */
static void start(const observed *x, size_t leader) {
    for (size_t i = 0; i < x->n; i++) {
        double votes = 0;
        const uint8_t *answers = x->answers[i];
        bool led = leader < x->annotators && answers[leader];
        memset(x->posterior[i], 0, sizeof x->posterior[i]);
        for (size_t a = 0; a < x->annotators; a++) {
            if (answers[a] && (!led || a == leader)) x->posterior[i][answers[a] - 1]++, votes++;
        }
        for (size_t k = 0; k < K; k++) x->posterior[i][k] /= votes;
    }
}

static void climb(const observed *x, size_t leader, const dawid_skene_options *o, parameters *p) {
    memset(p, 0, sizeof *p);
    start(x, leader);
    maximise(x, p);
    while (!p->converged && p->iterations < o->iterations) {
        p->iterations++;
        expect(x, p);
        p->converged = maximise(x, p) <= o->tolerance;
    }
    expect(x, p);
}

/* True where no other naming of the latent levels would have the annotators right more often: the best assignment of
 * levels to latent classes is the identity. Weights: answers of level l while the class is k, over all annotators. 5! =
 * 120 assignments. */
static bool keeps_names(const observed *x, const parameters *p) {
    double right[K][K] = {{0}};
    for (size_t a = 0; a < x->annotators; a++) {
        for (size_t k = 0; k < K; k++) {
            for (size_t l = 0; l < K; l++) right[k][l] += p->prior[k] * p->confusion[a][k][l];
        }
    }
    double identity = 0, best = 0;
    for (size_t k = 0; k < K; k++) identity += right[k][k];
    for (unsigned code = 0; code < K * K * K * K * K; code++) {
        unsigned used = 0;
        double sum = 0;
        for (unsigned k = 0, rest = code; k < K; k++, rest /= K) used |= 1u << rest % K, sum += right[k][rest % K];
        if (used == (1u << K) - 1) best = fmax(best, sum);
    }
    return identity >= best;
}

wr_status dawid_skene_fit(size_t annotators, const uint64_t *counts, const dawid_skene_options *given,
                          dawid_skene **out) {
    wr_status status = WR_OK;
    observed x = {.annotators = annotators};
    dawid_skene *d = NULL;
    parameters *other = NULL;
    dawid_skene_options o = given ? *given : (dawid_skene_options){0};
    if (!(o.smoothing > 0)) o.smoothing = 0.01;
    if (o.anchor == 0) o.anchor = 1;
    if (!(o.tolerance > 0)) o.tolerance = 1e-7;
    if (!o.iterations) o.iterations = 5000;
    if (annotators < 1 || annotators > A_MAX)
        return wr_fail(WR_E_USAGE, "consensus: %zu annotators; 1 to %d are possible", annotators, A_MAX);
    x.smoothing = o.smoothing;
    x.anchor = o.anchor > 0 ? o.anchor : 0;
    TRY_ALLOC(d = mem_calloc(1, sizeof *d));
    TRY_ALLOC(other = mem_calloc(1, sizeof *other));
    TRY(observe(annotators, counts, &x));
    d->annotators = annotators;
    climb(&x, SIZE_MAX, &o, &d->p);
    for (size_t a = 0; a < annotators && annotators > 2; a++) {
        climb(&x, a, &o, other);
        /* A thousandth: two ways to one summit differ in the last digits and must not take turns. */
        if (other->objective > d->p.objective + 1e-3 && keeps_names(&x, other)) d->p = *other;
    }
    *out = d;
    d = NULL;
cleanup:
    observed_free(&x);
    free(other);
    dawid_skene_free(d);
    return status;
}

void dawid_skene_free(dawid_skene *d) { free(d); }
const double *dawid_skene_prior(const dawid_skene *d) { return d->p.prior; }
const double *dawid_skene_confusion(const dawid_skene *d, size_t a) { return &d->p.confusion[a][0][0]; }
size_t dawid_skene_iterations(const dawid_skene *d) { return d->p.iterations; }
int dawid_skene_converged(const dawid_skene *d) { return d->p.converged; }
double dawid_skene_log_likelihood(const dawid_skene *d) { return d->p.likelihood; }

void dawid_skene_posterior(const dawid_skene *d, uint32_t pattern, double posterior[PATTERN_LEVELS]) {
    uint8_t answers[A_MAX];
    pattern_answers(pattern, d->annotators, answers);
    posterior_of(&d->p, d->annotators, answers, posterior);
}

int dawid_skene_level(const dawid_skene *d, uint32_t pattern, double *posterior) {
    double all[K];
    int best = 0;
    if (!pattern) {
        if (posterior) *posterior = 0;
        return 0;
    }
    dawid_skene_posterior(d, pattern, all);
    for (int k = 1; k < K; k++) {
        if (all[k] > all[best]) best = k;
    }
    if (posterior) *posterior = all[best];
    return best + 1;
}
