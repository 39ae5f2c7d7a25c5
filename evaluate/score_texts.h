/* Scores of many texts, as pulled EVALUATE tasks. */
#ifndef WR_EVALUATE_SCORE_TEXTS_H
#define WR_EVALUATE_SCORE_TEXTS_H

#include "mpi/world.h"
#include "reward/score.h"

/* COLLECTIVE. texts (n) and scores (n) are rank 0's; the others need of r the model and the rule alone (r->m, r->rule).
 * max_tokens: of one forward pass. */
wr_status score_texts(world *w, const reward_model *r, const token_ids *texts, size_t n, size_t max_tokens,
                      double *scores);

/* Scores of texts from … from + n are known; on rank 0, from the coordinator's thread, in whatever order they come. */
typedef wr_status (*scored_fn)(void *context, size_t from, size_t n, const double *scores);
/* COLLECTIVE. The same, and who keeps scores hears of them as they come (scored may be NULL). */
wr_status score_texts_told(world *w, const reward_model *r, const token_ids *texts, size_t n, size_t max_tokens,
                           double *scores, scored_fn scored, void *context);

#endif
