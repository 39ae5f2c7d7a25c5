/* One decoder layer, as model_forward and model_extend share it, and the rotary table. Internal to model/. LOCAL.
 * Letters: T tokens, C channels, H heads, G key/value heads, D head_dim, F feed-forward, Q = (H + 2G) D. */
#ifndef WR_MODEL_LAYER_H
#define WR_MODEL_LAYER_H

#include "model/kernels.h"
#include "model/model.h"

/* A buffer that grows to need and never shrinks; contents are lost when it grows. */
typedef struct float_buffer {
    float *data;
    size_t capacity;
} float_buffer;
wr_status float_buffer_need(float_buffer *b, size_t count);
void float_buffer_free(float_buffer *b);

/* cos and sin of position * theta^(-2i/D), computed in f32 as transformers does. */
typedef struct rope_table {
    float_buffer cosines, sines; /* (positions, D/2) */
    size_t positions;
} rope_table;
wr_status rope_table_need(const model_config *c, rope_table *r, size_t positions);
void rope_table_free(rope_table *r);

size_t qkv_width(const model_config *c); /* Q */

/* Activations of a layer. x is the residual stream that comes in, x2 after attention; x2 and the x that goes out may be
 * the same memory as x. Rows of rstd1, rstd2 (T) may be NULL. */
typedef struct layer_buffers {
    float *x, *x2, *x_out; /* (T, C) */
    float *qkv;            /* (T, Q): q heads, k heads, v heads; q and k after RoPE */
    float *att;            /* (T, H D) */
    float *gu;             /* (T, 2F): gate, up */
    float *norm;           /* (T, C) scratch */
    float *act;            /* (T, F) scratch */
    float *rstd1, *rstd2;
} layer_buffers;

/* norm -> qkv -> RoPE. position: (T). */
void layer_qkv(const model *m, size_t l, size_t T, const int32_t *position, const rope_table *r,
               const layer_buffers *b);
/* After attention has filled b->att: output projection, residual, norm, SwiGLU, residual. */
void layer_rest(const model *m, size_t l, size_t T, const layer_buffers *b);
/* x (T, C) = rows of the embedding; ids are checked: WR_E_MISMATCH names the first that is not in 0 … V-1. */
wr_status embed_tokens(const model *m, size_t T, const int32_t *ids, float *x);

/* The workspace's parts that heads and backward use. */
typedef struct model_workspace {
    size_t T;                                 /* of the latest forward */
    bool kept;                                /* its activations are stored */
    float_buffer kept_layers;                 /* (L, layer_floats) */
    float_buffer once;                        /* scratch, or the single layer when not keeping */
    float_buffer hidden, final_rstd, last_x;  /* (T,C), (T), (T,C) */
    float_buffer backward;                    /* scratch of the backward pass */
    float_buffer logits, gathered, dgathered; /* heads: (chunk, V), (chunk, C) twice */
    rope_table rope;
    attention_item *items; /* (B) */
    attention_grad *item_grads;
    size_t *first_task; /* (B + 1) */
    int32_t *position;  /* (T) */
    size_t B_capacity, T_capacity;
} workspace;

/* Activation pointers of layer l for T tokens inside w (kept or not). */
layer_buffers workspace_layer(const model *m, const workspace *w, size_t l);
/* Fills w->items for the batch with qkv, att and lse of one layer. */
void workspace_items(const model *m, const token_batch *b, workspace *w, size_t l);
attention_args workspace_attention(const model *m, const token_batch *b, const workspace *w);

#endif
