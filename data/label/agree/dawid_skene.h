/* Consensus of several annotators by the model of Dawid and Skene (1979, Applied Statistics 28): every turn has one
 * true level, drawn from a prior; annotator a answers l to a turn of level k with probability confusion_a[k][l],
 * independently of the others given k. A missing answer says nothing about the level. Prior and confusions are found by
 * EM from how often each pattern of answers occurs (data/label/annotate/answer_pattern.h), which is all the model
 * needs: counts of ranks add up. Systematic bias of an annotator ends up in its confusion and no longer moves the
 * consensus, as it does a majority.
 *
 * Start: the shares of votes (majority vote with ties shared). A start from each annotator's own answers is tried as
 * well and taken only where it explains the answers better and every latent level still is the one its annotators name
 * most; so the likelihood's freedom to permute levels does not show. `smoothing` counts are added to every cell of the
 * prior and of each confusion in each M step, and `anchor` more to each confusion's diagonal (so EM climbs the
 * likelihood times a Dirichlet density with 1 + smoothing + anchor). The anchor is nothing beside hundreds of turns of
 * a level, but keeps the meaning of one that occurs a few times only, whose latent class would otherwise drift to
 * explain something else. EM ends when no prior or confusion cell changes by more than `tolerance`.
 *
 * With two annotators the confusions are not determined by the data (their consensus follows the start), and annotators
 * that err together look better than they are. LOCAL; the same counts give the same bits. */
#ifndef WR_DATA_LABEL_AGREE_DAWID_SKENE_H
#define WR_DATA_LABEL_AGREE_DAWID_SKENE_H

#include "base/status.h"
#include "data/label/annotate/answer_pattern.h"

typedef struct dawid_skene_options {
    double smoothing;  /* > 0; 0: 0.01 */
    double anchor;     /* > 0; 0: 1; negative: none */
    double tolerance;  /* > 0; 0: 1e-7 */
    size_t iterations; /* at most; 0: 5000 */
} dawid_skene_options;

typedef struct dawid_skene dawid_skene;
/* counts: (6^annotators), 1 to PATTERN_ANNOTATORS annotators; o may be NULL. WR_E_USAGE for a wrong number, WR_E_FORMAT
 * when no turn has an answer. */
wr_status dawid_skene_fit(size_t annotators, const uint64_t *counts, const dawid_skene_options *o, dawid_skene **out);
void dawid_skene_free(dawid_skene *d); /* NULL is fine */

const double *dawid_skene_prior(const dawid_skene *d); /* (5) sums to 1 */
const double *dawid_skene_confusion(const dawid_skene *d,
                                    size_t a); /* (5, 5) row: true level, column: answer; rows sum to 1 */
size_t dawid_skene_iterations(const dawid_skene *d);
int dawid_skene_converged(const dawid_skene *d);         /* 0: the limit of iterations came first */
double dawid_skene_log_likelihood(const dawid_skene *d); /* of the answers, without the smoothing's part */
/* Most probable level of a pattern (the lower of equal ones), its posterior probability in *posterior (may be NULL); 0
 * where all are missing. */
int dawid_skene_level(const dawid_skene *d, uint32_t pattern, double *posterior);
/* All five posterior probabilities; the prior where all are missing. */
void dawid_skene_posterior(const dawid_skene *d, uint32_t pattern, double posterior[PATTERN_LEVELS]);

#endif
