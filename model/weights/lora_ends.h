/* What an adapter says about the two ends of a model, embed_tokens and lm_head: updates, and whole matrices. They are
 * put into the weights when the adapter is loaded: the vocabulary's matrices are read in many places (gathered rows,
 * blocks of logits, packed for decoding), and nothing switches loaded adapters off. Internal to model/. LOCAL. */
#ifndef WR_MODEL_WEIGHTS_LORA_ENDS_H
#define WR_MODEL_WEIGHTS_LORA_ENDS_H

#include "model/weights/lora_plan.h"
#include "model/weights/safetensors.h"

enum { END_EMBEDDING, END_HEAD, ENDS };

/* Tensors of an adapter's file, NULL where there is none: a and b of the update, and the whole matrix that it stands
 * on. */
typedef struct lora_end {
    const st_tensor *a, *b, *whole;
} lora_end;
typedef struct lora_ends {
    lora_end end[ENDS];
    size_t n_found;
} lora_ends;

/* Finds and checks them: WR_E_FORMAT, WR_E_MISMATCH name the tensor. */
wr_status lora_ends_find(const model *m, const safetensors *s, const lora_plan *plan, lora_ends *out);
/* Is t one of those found? */
bool lora_ends_know(const lora_ends *e, const st_tensor *t);
/* Puts them into m's weights: into its masters, or into copies that `keep` owns. Does nothing where there are none. */
wr_status lora_ends_fold(model *m, const lora_plan *plan, const lora_ends *e, struct lora *keep);

#endif
