/* The safetensors files of a model directory, and which of their tensors are which of the model's. Internal to model/.
 * LOCAL. */
#ifndef WR_MODEL_WEIGHTS_WEIGHT_FILES_H
#define WR_MODEL_WEIGHTS_WEIGHT_FILES_H

#include "model/model.h"
#include "model/weights/safetensors.h"

typedef struct weight_files {
    safetensors **files;
    char **names; /* file names inside the directory */
    size_t n;
} weight_files;

/* model.safetensors, or the shards that model.safetensors.index.json lists. *out: to be closed in any case. score: of a
 * reward model (for the cure that is told where the weights are a pickle). */
wr_status weight_files_open(const char *dir, bool score, weight_files *out);
void weight_files_close(weight_files *w);

/* What the stored tensors say about the head that config.json does not; c: as model_load wants it. Of a tied language
 * model that stores a head of other values, c->tied becomes false, as transformers 5 does (equal values, or no such
 * tensor: tied). WR_E_MISMATCH when the weights are those of another kind of model than asked for: a score head beside
 * no lm_head.weight where a language model is wanted. */
wr_status weight_files_head(const weight_files *w, const char *dir, model_head wanted, model_config *c);
/* A language model's value head (TRL's v_head, and others' by their names) where no other score head is: the head of c
 * becomes one of one output. c->score_bias is read where such a head has one. WR_E_FORMAT: a bias of several
 * outputs. */
wr_status weight_files_value_head(const weight_files *w, const char *dir, model_config *c);
/* found (m->n_tensors): the stored tensor of each of m's, its shape checked. Every one must be there, but for
 * score.weight where fresh_score (found is NULL then), and no other tensor may. A tied matrix may be stored under
 * either of its names. Errors name tensor and file. */
wr_status weight_files_match(const weight_files *w, const char *dir, const model *m, bool fresh_score,
                             const st_tensor **found);
/* WR_E_FORMAT names the first tensor with a NaN or an infinity. */
wr_status weight_files_check(const weight_files *w, const char *dir);

#endif
