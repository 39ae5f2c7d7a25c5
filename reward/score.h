/* A reward model ready to score replies: model, tokenizer, template. Used by score, evaluate, dpo. LOCAL. */
#ifndef WR_REWARD_SCORE_H
#define WR_REWARD_SCORE_H

#include "reward/template.h"
#include "model/model.h"
#include "reward/objective.h"

typedef struct reward_model {
    model *m;
    tokenizer *tok;
    reward_template *tpl;    /* NULL until given when the model records none */
    objective_use objective; /* what its outputs mean */
    size_t max_length;
} reward_model;
/* WR_E_MISMATCH: no reward model, or of an objective that this version does not have. template_file overrides (its hash
 * must equal the recorded one, else WR_E_MISMATCH). m may be preset (shared parameters), else loaded from dir: *out
 * must be zeroed but for it. max_length 0: the model's max_position_embeddings. */
wr_status reward_model_open(const char *dir, const char *template_file, size_t max_length, reward_model *out);
void reward_model_close(reward_model *r);

/* Row of a sequence of n >= 1 ids that the score head reads (the pooling rule below). */
size_t score_pool_row(const int32_t *ids, size_t n, int32_t pad_id);

typedef struct score_scratch score_scratch;
wr_status score_scratch_create(const reward_model *r, score_scratch **out);
void score_scratch_free(score_scratch *s);
/* Scores n tokenized texts. scores (n), logits (n, N; may be NULL). A score whose logits are not all finite is NaN.
 * Pooling: the last token whose id is not pad_id (the last token where pad_id < 0).
 *
 * Neighbours that begin alike (replies to one prompt) are computed as a tree. They are found by their ids
 * (prefix_groups), not named by the caller: a template may put anything before the prompt, merges reach across seams,
 * and lines of a file carry no names; it also finds a system message that prompts share. Texts are packed in order, at
 * most max_tokens at a time with shared ones counted once. In f32 a text's score has the same bits whatever its
 * neighbours. */
wr_status score_ids(const reward_model *r, score_scratch *s, size_t n, const token_ids *texts, size_t max_tokens,
                    double *scores, float *logits);

#endif
