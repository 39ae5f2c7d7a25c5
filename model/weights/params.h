/* Where each tensor lies in the flat parameter buffer (and, alike, in the gradient buffer). Internal to model/. LOCAL.
 *
 * Order: embedding, then per layer the kinds of LAYER_TENSORS that the config has, then final norm, then the head. q,
 * k, v are neighbours, and so are gate and up: each group is one matrix to the products ((H+2G)D rows, 2F rows), and so
 * are their biases. Where a family stores the group as one matrix, it is one tensor here. */
#ifndef WR_MODEL_WEIGHTS_PARAMS_H
#define WR_MODEL_WEIGHTS_PARAMS_H

#include "model/model.h"

/* X(kind, Hugging Face suffix, rows, columns (0 = vector), present) in terms of a model_config *c. The norms of
 * attention (LAYER_NORM1) and MLP (LAYER_NORM2), and with NORM_BOTH those of what comes out of them (LAYER_OUT_NORM1,
 * LAYER_OUT_NORM2), have the names that their family gives them. */
#define LAYER_TENSORS(X)                                                                                               \
    X(LAYER_NORM1, NULL, c->C, 0, true)                                                                                \
    X(LAYER_QKV, "self_attn.qkv_proj.weight", (c->H + 2 * c->G) * c->D, c->C, c->fused)                                \
    X(LAYER_Q, "self_attn.q_proj.weight", c->H * c->D, c->C, !c->fused)                                                \
    X(LAYER_K, "self_attn.k_proj.weight", c->G * c->D, c->C, !c->fused)                                                \
    X(LAYER_V, "self_attn.v_proj.weight", c->G * c->D, c->C, !c->fused)                                                \
    X(LAYER_Q_BIAS, "self_attn.q_proj.bias", c->H * c->D, 0, c->qkv_bias)                                              \
    X(LAYER_K_BIAS, "self_attn.k_proj.bias", c->G * c->D, 0, c->qkv_bias)                                              \
    X(LAYER_V_BIAS, "self_attn.v_proj.bias", c->G * c->D, 0, c->qkv_bias)                                              \
    X(LAYER_Q_NORM, "self_attn.q_norm.weight", c->qk_norm == QK_NORM_ALL ? c->H * c->D : c->D, 0, c->qk_norm)          \
    X(LAYER_K_NORM, "self_attn.k_norm.weight", c->qk_norm == QK_NORM_ALL ? c->G * c->D : c->D, 0, c->qk_norm)          \
    X(LAYER_O, "self_attn.o_proj.weight", c->C, c->H * c->D, true)                                                     \
    X(LAYER_OUT_NORM1, NULL, c->C, 0, c->norm_place == NORM_BOTH)                                                      \
    X(LAYER_NORM2, NULL, c->C, 0, true)                                                                                \
    X(LAYER_GATE_UP, "mlp.gate_up_proj.weight", 2 * c->F, c->C, c->fused)                                              \
    X(LAYER_GATE, "mlp.gate_proj.weight", c->F, c->C, !c->fused)                                                       \
    X(LAYER_UP, "mlp.up_proj.weight", c->F, c->C, !c->fused)                                                           \
    X(LAYER_DOWN, "mlp.down_proj.weight", c->C, c->F, true)                                                            \
    X(LAYER_OUT_NORM2, NULL, c->C, 0, c->norm_place == NORM_BOTH)

enum {
#define X(kind, suffix, rows, cols, present) kind,
    LAYER_TENSORS(X)
#undef X
        LAYER_KINDS
};

/* Indices into m->tensors. A layer tensor that the config does not have: SIZE_MAX. */
size_t index_embedding(const model *m);
size_t index_layer(const model *m, size_t l, int kind);
/* The first tensor of layer l; l = L: the one behind the layers. */
size_t index_layer_begin(const model *m, size_t l);
size_t index_final_norm(const model *m);
/* lm_head.weight, or the embedding when tied (HEAD_LM); score.weight (HEAD_SCORE). */
size_t index_head(const model *m);
/* What the objective has beside the score head, behind it; SIZE_MAX: nothing. It is in no weight file: config.json
 * records it. */
size_t index_own(const model *m);
/* The same as offsets in floats. */
size_t offset_embedding(const model *m);
size_t offset_layer(const model *m, size_t l, int kind);
size_t offset_final_norm(const model *m);
size_t offset_head(const model *m);

/* Can m produce next-token logits? WR_E_MISMATCH when not. */
wr_status require_lm_head(const model *m);

/* Gives a tied m a head of its own, with the values of its embedding. Does nothing where it has one. Without masters,
 * both weights[] lie in one place. */
wr_status model_untie(model *m);

/* Values of tensor i as model_init_params would draw them. */
void init_tensor(const model *m, size_t i, uint64_t seed, float *out);
/* Points m->weights at params, or at params16 for matrices in bf16. */
void bind_weights(model *m);
/* params16 = params, rounded; nothing where m has no masters of its own or computes in f32. */
void params_round(const model *m);
/* Room for n_params elements of `size` bytes, 64-byte aligned. NULL: out of memory, and wr_error() says so. */
void *params_memory(const model *m, size_t size);

/* The weights part of model_save: model.safetensors, or, where that would be above shard_bytes, shards of at most that
 * (but one tensor at least) and their index. */
wr_status write_weights(const model *m, const char *dir, precision stored, size_t shard_bytes);

#endif
