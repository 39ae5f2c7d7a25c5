/* evaluate --truth: how well scores follow the true quality that the practice world knows. */
#ifndef WR_EVALUATE_TRUTH_H
#define WR_EVALUATE_TRUTH_H

#include "mpi/world.h"
#include "reward/score.h"

typedef struct truth_figures {
    size_t replies, users;
    size_t too_long;            /* replies left out because they do not fit the model */
    double spearman, low, high; /* 95 % interval, bootstrap by user */
} truth_figures;

/* COLLECTIVE. Scores every reply of `truth_path` (practice_synth's truth.jsonl.zst) whose user is in
 * DATA/users.jsonl.zst with split "test", as pulled EVALUATE tasks. r: complete on rank 0 (tokenizer, template); the
 * others need r->m. limit 0 = all. out is filled on rank 0. */
wr_status truth_evaluate(world *w, const reward_model *r, const char *truth_path, const char *data_dir, size_t limit,
                         size_t max_tokens, uint64_t seed, truth_figures *out);

#endif
