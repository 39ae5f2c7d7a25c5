/* The logit chain. With logits z, the largest of them m, and temperature T, token i weighs
 *
 *     w_i = exp((z_i - m) / T)            and is next with probability w_i / sum of w over the tokens that are left.
 *
 * Each step changes the weights or leaves fewer tokens; probabilities are never written out, so that a step costs
 * nothing that it does not change, and a chain without active steps works on exp(z_i - m) in the order of the ids. */
#include "sampler/sampling.h"

#include <math.h>
#include <stdlib.h>

const option_spec sampling_rows[] = {
    OPTION_FLOAT(sampling_options, temperature, "temperature", "1", "T", 0, 1e6,
                 "of sampled replies; 0: always the most probable token"),
    OPTION_INT(sampling_options, top_k, "top-k", "0", "K", 0, 1e9, "only the K most probable tokens; 0: all"),
    OPTION_FLOAT(sampling_options, top_p, "top-p", "1", "P", 0, 1,
                 "only the most probable tokens that reach P together, above 0; 1: all"),
    {0},
};

wr_status sampling_options_check(const sampling_options *o) {
    if (o->n == 0) return wr_fail(WR_E_USAGE, "--n must be at least 1");
    if (o->max_tokens == 0) return wr_fail(WR_E_USAGE, "--max-tokens must be at least 1");
    if (!(o->temperature >= 0.0) || !isfinite(o->temperature))
        return wr_fail(WR_E_USAGE, "--temperature must be 0 (greedy) or above");
    if (!(o->top_p > 0.0 && o->top_p <= 1.0))
        return wr_fail(WR_E_USAGE, "--top-p %g: must be above 0 and at most 1", o->top_p);
    return WR_OK;
}

/* --- tokens by probability ---------------------------------------------------------------------------------------- */

/* Most probable first; equal logits by id, so that the order is total. */
static int compare(const void *pa, const void *pb) {
    const token_candidate *a = pa, *b = pb;
    if (a->logit != b->logit) return a->logit > b->logit ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* Moves the k first of n candidates (by compare) to the front, in any order: Hoare's selection. */
static void select_first(token_candidate *c, size_t n, size_t k) {
    size_t low = 0, high = n - 1;
    while (low < high) {
        token_candidate pivot = c[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (compare(&c[i], &pivot) < 0) i++;
            while (compare(&c[j], &pivot) > 0) j--;
            if (i >= j) break;
            token_candidate swap = c[i];
            c[i++] = c[j];
            c[j--] = swap;
        }
        /* low … j are not behind the pivot, j+1 … high not before it. */
        if (k <= j + (compare(&c[j], &pivot) <= 0)) {
            if (j == high) break;
            high = j;
        } else {
            low = j + 1;
        }
    }
}

/* Lists all tokens that weigh at least `least`, by id. */
static void list_tokens(next_token *t, double least) {
    t->n_left = 0;
    for (size_t i = 0; i < t->V; i++)
        if ((double)t->weights[i] >= least) t->left[t->n_left++] = (token_candidate){t->logits[i], (int32_t)i};
    t->all = false;
}

void next_token_keep(next_token *t, size_t n) {
    t->n_left = n;
    t->total = 0.0;
    for (size_t i = 0; i < n; i++) t->total += (double)t->weights[t->left[i].id];
}

void next_token_rank(next_token *t, double least) {
    size_t n = 0;
    if (t->all) {
        list_tokens(t, least);
        qsort(t->left, t->n_left, sizeof *t->left, compare);
        return;
    }
    while (n < t->n_left && (double)t->weights[t->left[n].id] >= least) n++;
    t->n_left = n;
}

/* --- the steps ---------------------------------------------------------------------------------------------------- */

static bool temperature_active(const sampling_options *o, size_t V) {
    (void)V;
    return o->temperature != 1.0;
}

static void temperature(const sampling_options *o, next_token *t) {
    t->total = 0.0;
    for (size_t i = 0; i < t->V; i++) {
        t->weights[i] = (float)exp((double)(t->logits[i] - t->max) / o->temperature);
        t->total += (double)t->weights[i];
    }
}

static bool top_k_active(const sampling_options *o, size_t V) { return o->top_k && o->top_k < V; }

static void top_k(const sampling_options *o, next_token *t) {
    if (!t->all) { /* ranked already */
        next_token_keep(t, o->top_k < t->n_left ? o->top_k : t->n_left);
        return;
    }
    list_tokens(t, 0.0);
    select_first(t->left, t->n_left, o->top_k); /* sorting the whole vocabulary would cost more than all the rest */
    t->n_left = o->top_k;
    qsort(t->left, t->n_left, sizeof *t->left, compare);
    next_token_keep(t, t->n_left);
}

static bool top_p_active(const sampling_options *o, size_t V) {
    (void)V;
    return o->top_p < 1.0;
}

/* The most probable tokens that reach p together. Those below (1-p)/V of the mass sum to less than 1-p, so the others
 * reach p and the cut lies among them: only they are sorted. */
static void top_p(const sampling_options *o, next_token *t) {
    const double reach = o->top_p * t->total;
    double sum = 0.0;
    next_token_rank(t, t->all ? t->total * (1.0 - o->top_p) / (double)t->V : 0.0);
    size_t n = 0;
    while (n < t->n_left && !(sum >= reach && n)) sum += (double)t->weights[t->left[n++].id];
    next_token_keep(t, n);
}

const sampling_step sampling_steps[] = {
    {"temperature", temperature_active, temperature},
    {"top-k", top_k_active, top_k},
    {"top-p", top_p_active, top_p},
    {0},
};
