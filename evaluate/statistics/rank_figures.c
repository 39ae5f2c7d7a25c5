/* One pass over the records in the order of their scores, a tie at a time:
 *
 *      score   lower ...........  | tie |  ........... higher
 *      below[y]: records of label y |  here[y]: those of the tie
 *
 * A pair of labels y > z is in order where the record of y comes later: here[y] * below[z], summed over ties. So
 * concordant pairs, the area under each threshold's ROC curve and the ranks that Spearman's correlation needs come of
 * the same pass. Labels are few: their own ranks follow from the counts. */
#include "evaluate/statistics/rank_figures.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sums of a pass; all in copies, exact below 2^53. */
typedef struct pass {
    double total;                  /* N */
    double tied_scores;            /* sum over ties W (W - 1) / 2 */
    double concordant, tied_apart; /* pairs of different label: in order; with equal scores */
    double rr, rl; /* sums of (r - m)^2 and (r - m)(R - m), r rank of a score, R of a label, m their mean */
} pass;

/* Counts of a pass. */
typedef struct counts {
    int K;
    double *here;       /* (K) copies of the tie by label */
    double *lower;      /* (K+1) copies below the tie of labels smaller than y: lower[K] is their number */
    double *label_rank; /* (K) less m */
} counts;

/* A tie of one label, as nearly all are where scores differ: w copies of it. */
static void add_single(pass *s, const counts *c, int y, double w, double r, double *wins) {
    s->concordant += w * c->lower[y];
    s->tied_scores += w * (w - 1) / 2;
    s->rr += w * r * r;
    s->rl += w * r * c->label_rank[y];
    for (int k = 0; k < y; k++) wins[k] += w * c->lower[k + 1];
    for (int k = y; k < c->K; k++) c->lower[k + 1] += w;
}

static void add_tie(pass *s, const counts *c, double tie, double r, double *wins) {
    double level = 0, ranks = 0;
    for (int y = 0; y < c->K; y++) {
        s->concordant += c->here[y] * c->lower[y];
        s->tied_apart += c->here[y] * level;
        level += c->here[y];
        ranks += c->here[y] * c->label_rank[y];
        /* threshold y + 1: negatives are labels up to it */
        if (y + 1 < c->K) wins[y] += (tie - level) * (c->lower[y + 1] + 0.5 * level);
    }
    s->tied_scores += tie * (tie - 1) / 2;
    s->rr += tie * r * r;
    s->rl += r * ranks;
    level = 0;
    for (int y = 0; y < c->K; y++) {
        level += c->here[y];
        c->lower[y + 1] += level;
        c->here[y] = 0;
    }
}

/* The pass itself; rank (n): each record's, less m. */
static void pass_over(pass *s, const predictions *p, const uint32_t *tie_end, const double *weight, const counts *c,
                      double middle, double *rank, double *wins) {
    for (size_t i = 0, j; i < p->n; i = j) {
        j = tie_end[i];
        if (j == i + 1) {
            const double w = weight[i];
            rank[i] = s->total + (w + 1) / 2 - middle;
            if (w > 0) add_single(s, c, p->label[i] - 1, w, rank[i], wins);
            s->total += w;
            continue;
        }
        double tie = 0;
        for (size_t k = i; k < j; k++) {
            c->here[p->label[k] - 1] += weight[k];
            tie += weight[k];
        }
        const double r = s->total + (tie + 1) / 2 - middle;
        for (size_t k = i; k < j; k++) rank[k] = r;
        if (tie > 0) add_tie(s, c, tie, r, wins);
        s->total += tie;
    }
}

void rank_figures_take(const predictions *p, const uint32_t *tie_end, const double *weight, double *scratch,
                       double *rank, rank_figures *out, double *auc) {
    const int K = p->classes;
    double *count = scratch + 3 * K + 1;
    const counts c = {K, scratch, scratch + K, scratch + 2 * K + 1};
    pass s = {0};
    memset(scratch, 0, rank_scratch_size(K) * sizeof *scratch);
    for (int k = 0; k + 1 < K; k++) auc[k] = 0;
    for (size_t i = 0; i < p->n; i++) count[p->label[i] - 1] += weight[i];
    double N = 0, tied_labels = 0, ll = 0;
    for (int y = 0; y < K; y++) {
        c.label_rank[y] = N + (count[y] + 1) / 2;
        N += count[y];
        tied_labels += count[y] * (count[y] - 1) / 2;
    }
    const double middle = (N + 1) / 2, pairs = N * (N - 1) / 2;
    for (int y = 0; y < K; y++) {
        c.label_rank[y] -= middle;
        ll += count[y] * c.label_rank[y] * c.label_rank[y];
    }
    pass_over(&s, p, tie_end, weight, &c, middle, rank, auc);
    const double apart = pairs - tied_labels, discordant = apart - s.concordant - s.tied_apart;
    const double sides = (pairs - s.tied_scores) * (pairs - tied_labels);
    out->spearman = s.rr > 0 && ll > 0 ? s.rl / sqrt(s.rr * ll) : NAN;
    out->kendall = sides > 0 ? (s.concordant - discordant) / sqrt(sides) : NAN;
    out->pairwise = apart > 0 ? s.concordant / apart : NAN;
    double negative = 0;
    for (int k = 0; k + 1 < K; k++) {
        negative += count[k];
        auc[k] = negative > 0 && negative < N ? auc[k] / (negative * (N - negative)) : NAN;
    }
}

/* Ranks of a third number beside those of score and label, which rank_figures_take left. */
void length_figures_take(const predictions *p, const uint32_t *by_length, const uint32_t *tie_end, const double *weight,
                         const double *rank, const double *scratch, double spearman, length_figures *out) {
    const double *label_rank = scratch + 2 * p->classes + 1, *count = label_rank + p->classes;
    double N = 0, zz = 0, sz = 0, lz = 0, ss = 0, ll = 0, below = 0;
    for (int y = 0; y < p->classes; y++) {
        N += count[y];
        ll += count[y] * label_rank[y] * label_rank[y];
    }
    const double middle = (N + 1) / 2;
    for (size_t i = 0, j; i < p->n; i = j) {
        double tie = 0, score = 0, label = 0;
        for (j = i; j < tie_end[i]; j++) {
            const uint32_t at = by_length[j];
            const double w = weight[at];
            tie += w;
            score += w * rank[at];
            label += w * label_rank[p->label[at] - 1];
            ss += w * rank[at] * rank[at];
        }
        const double r = below + (tie + 1) / 2 - middle;
        zz += tie * r * r;
        sz += r * score;
        lz += r * label;
        below += tie;
    }
    const double s = ss > 0 && zz > 0 ? sz / sqrt(ss * zz) : NAN, l = ll > 0 && zz > 0 ? lz / sqrt(ll * zz) : NAN,
                 rest = (1 - s * s) * (1 - l * l);
    out->score = s;
    out->label = l;
    out->held = rest > 1e-14 ? (spearman - s * l) / sqrt(rest) : NAN;
}

/* Pairs of one group: records item[from … to), by rising score. scratch (3K), zero before and after. */
static pair_count pairs_of(const predictions *p, const uint32_t *item, size_t n, double *scratch) {
    const int K = p->classes;
    double *below = scratch, *here = scratch + K, *count = scratch + 2 * K;
    pair_count c = {0};
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i; j < n && p->score[item[j]] == p->score[item[i]]; j++) here[p->label[item[j]] - 1]++;
        double lower = 0;
        for (int y = 0; y < K; y++) {
            c.right += here[y] * lower;
            lower += below[y];
        }
        for (int y = 0; y < K; y++) {
            below[y] += here[y];
            here[y] = 0;
        }
    }
    double lower = 0;
    memcpy(count, below, (size_t)K * sizeof *count);
    for (int y = 0; y < K; y++) {
        c.pairs += count[y] * lower;
        lower += count[y];
    }
    memset(scratch, 0, (size_t)K * 3 * sizeof *scratch);
    return c;
}

wr_status pairs_within(const predictions *p, const uint32_t *order, const uint32_t *group, size_t n_groups,
                       pair_count *of_group) {
    wr_status status = WR_OK;
    /* The records of each group, still by score: counted one slot ahead, filled from the beginning of each. */
    size_t *start = mem_calloc(n_groups + 2, sizeof *start);
    uint32_t *item = mem_calloc(p->n + 1, sizeof *item);
    double *scratch = mem_calloc((size_t)p->classes * 3, sizeof *scratch);
    TRY_ALLOC(start);
    TRY_ALLOC(item);
    TRY_ALLOC(scratch);
    for (size_t i = 0; i < p->n; i++)
        if (group[i] < n_groups) start[group[i] + 2]++;
    for (size_t g = 2; g < n_groups + 2; g++) start[g] += start[g - 1];
    for (size_t i = 0; i < p->n; i++)
        if (group[order[i]] < n_groups) item[start[group[order[i]] + 1]++] = order[i];
    for (size_t g = 0; g < n_groups; g++) of_group[g] = pairs_of(p, item + start[g], start[g + 1] - start[g], scratch);
cleanup:
    free(start);
    free(item);
    free(scratch);
    return status;
}

wr_status confidence_curve(const predictions *p, const uint32_t *order, pair_count out[CURVE_STEPS + 1]) {
    const int K = p->classes;
    double *below = mem_calloc((size_t)K, sizeof *below);
    if (!below) return wr_fail(WR_E_NOMEM, "out of memory for the confidence curve");
    for (int step = 0; step <= CURVE_STEPS; step++) {
        const double least = (double)step / CURVE_STEPS;
        pair_count c = {0};
        /* For each record, those that lie `least` or more below it: they only grow in number as its score rises. At
         * difference 0 all pairs count, but right are those that differ. */
        memset(below, 0, (size_t)K * sizeof *below);
        for (size_t i = 0, j = 0; i < p->n; i++) {
            const double s = p->score[order[i]];
            for (; j < p->n && (step ? s - p->score[order[j]] >= least : p->score[order[j]] < s); j++)
                below[p->label[order[j]] - 1]++;
            const int y = p->label[order[i]] - 1;
            for (int z = 0; z < K; z++) c.pairs += z != y ? below[z] : 0;
            for (int z = 0; z < y; z++) c.right += below[z];
        }
        out[step] = c;
    }
    out[0].pairs = 0;
    memset(below, 0, (size_t)K * sizeof *below);
    for (size_t i = 0; i < p->n; i++) {
        for (int z = 0; z < K; z++) out[0].pairs += z != p->label[i] - 1 ? below[z] : 0;
        below[p->label[i] - 1]++;
    }
    free(below);
    return WR_OK;
}
