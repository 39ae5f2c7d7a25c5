/* Where each tensor lies in the flat parameter buffer (and, alike, in the gradient buffer). Internal to model/. LOCAL.
 *
 * Order: embedding, then per layer the kinds of LAYER_TENSORS, then final norm, then the head. q, k, v are neighbours, and so
 * are gate and up: each group is one matrix to the products ((H+2G)D rows, 2F rows). */
#ifndef WR_MODEL_PARAMS_H
#define WR_MODEL_PARAMS_H

#include "model/model.h"

/* X(kind, Hugging Face suffix, rows, columns (0 = vector)) in terms of a model_config *c. */
#define LAYER_TENSORS(X)                                                                                               \
    X(LAYER_NORM1, "input_layernorm.weight", c->C, 0)                                                                  \
    X(LAYER_Q, "self_attn.q_proj.weight", c->H *c->D, c->C)                                                            \
    X(LAYER_K, "self_attn.k_proj.weight", c->G *c->D, c->C)                                                            \
    X(LAYER_V, "self_attn.v_proj.weight", c->G *c->D, c->C)                                                            \
    X(LAYER_O, "self_attn.o_proj.weight", c->C, c->H *c->D)                                                            \
    X(LAYER_NORM2, "post_attention_layernorm.weight", c->C, 0)                                                         \
    X(LAYER_GATE, "mlp.gate_proj.weight", c->F, c->C)                                                                  \
    X(LAYER_UP, "mlp.up_proj.weight", c->F, c->C)                                                                      \
    X(LAYER_DOWN, "mlp.down_proj.weight", c->C, c->F)

enum {
#define X(kind, suffix, rows, cols) kind,
    LAYER_TENSORS(X)
#undef X
        LAYER_KINDS
};

/* Offsets in floats. */
size_t offset_embedding(const model *m);
size_t offset_layer(const model *m, size_t l, int kind);
size_t offset_final_norm(const model *m);
/* lm_head.weight, or the embedding when tied (HEAD_LM); score.weight (HEAD_SCORE). */
size_t offset_head(const model *m);
/* Can m produce next-token logits? WR_E_MISMATCH when not. */
wr_status require_lm_head(const model *m);

/* Fills tensor i as model_init_params would. */
void init_tensor(model *m, size_t i, uint64_t seed);

#endif
