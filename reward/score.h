/* Scores of tokenized texts. LOCAL. */
#ifndef WR_REWARD_SCORE_H
#define WR_REWARD_SCORE_H

#include "reward/reward_model.h"

/* Row of a sequence of n >= 1 ids that the score head reads (the pooling rule below). */
size_t score_pool_row(const int32_t *ids, size_t n, int32_t pad_id);

typedef struct score_scratch score_scratch;
wr_status score_scratch_create(const reward_model *r, score_scratch **out);
void score_scratch_free(score_scratch *s);
/* Scores n tokenized texts. scores (n), logits (n, N; may be NULL). A score whose logits are not all finite is NaN.
 * Pooling: the last token whose id is not pad_id, the first where all are (the last token where pad_id < 0).
 *
 * Neighbours that begin alike (replies to one prompt, the turns of a conversation) are computed as a tree. They are
 * found by their ids (model/prefix_tree.h), not named by the caller: a template may put anything before the prompt,
 * merges reach across seams, and lines of a file carry no names; it also finds a system message that prompts share.
 * Texts are packed in order, at most max_tokens at a time with shared ones counted once. In f32 a text's score has the
 * same bits whatever its neighbours. */
wr_status score_ids(const reward_model *r, score_scratch *s, size_t n, const token_ids *texts, size_t max_tokens,
                    double *scores, float *logits);

#endif
