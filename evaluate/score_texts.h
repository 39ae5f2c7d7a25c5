/* Scores of many texts, as pulled EVALUATE tasks. */
#ifndef WR_EVALUATE_SCORE_TEXTS_H
#define WR_EVALUATE_SCORE_TEXTS_H

#include "mpi/world.h"
#include "reward/score.h"

/* COLLECTIVE. texts (n) and scores (n) are rank 0's; the others need of r the model and the rule alone (r->m, r->rule).
 * max_tokens: of one forward pass. */
wr_status score_texts(world *w, const reward_model *r, const token_ids *texts, size_t n, size_t max_tokens,
                      double *scores);

#endif
