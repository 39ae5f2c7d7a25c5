/* One decoder layer, as model_forward, model_backward and model_decode share it, the rotary table, and the workspace.
 * Internal to model/. LOCAL. Letters: T tokens, C channels, H heads, G key/value heads, D head_dim, F feed-forward, Q =
 * (H + 2G) D. `void *`: the model's precision. */
#ifndef WR_MODEL_LAYER_H
#define WR_MODEL_LAYER_H

#include "model/buffer.h"
#include "model/kernels/kernels.h"
#include "model/linear.h"
#include "model/model.h"

/* Rows that go through the row-wise parts of a layer together: what one kernel writes is still in the cache when the
 * next reads it. */
#define LAYER_ROWS 1024

/* cos and sin of position * inverse frequency, computed in f32 as transformers does: the tables that layers of the
 * config name, the second of those that have one. */
typedef struct rope_tables {
    /* (near, model_config_rotary / 2); with LONGROPE, behind them, (positions, …) for rows that are longer than the
     * original length, from their first token on */
    buffer cosines[ROPE_TABLES], sines[ROPE_TABLES];
    size_t near, positions; /* near: positions, or the original length */
} rope_tables;
wr_status rope_tables_need(const model_config *c, rope_tables *r, size_t positions);
size_t rope_tables_size(const model_config *c, size_t positions); /* bytes of tables for so many */
void rope_tables_free(rope_tables *r);
size_t rope_tables_bytes(const rope_tables *r);
/* The table's row for position 0 of a sequence; far: one of more tokens than model_config_rope_switch. */
static inline size_t rope_first_row(const rope_tables *r, bool far) { return far ? r->near : 0; }

size_t qkv_width(const model_config *c); /* Q */
/* Floats of a row's share of the gradients of biases and norms of q and k: what qkv_backward wants of `partial` a
 * chunk. */
size_t qkv_sums(const model_config *c);
/* factors: layer_buffers.factors */
qkv_args layer_qkv_args(const model *m, size_t l, size_t T, const int32_t *position, const rope_tables *r,
                        float *factors);
/* What norm `index` of the tensors multiplies with: its weights, or 1 + weights, made in `factors`. */
const float *norm_factors(const model *m, size_t index, float *factors);
/* Scores of attention as the kernels take them. */
attention_args layer_attention(const model_config *c, size_t l);

/* Activations of a layer. x is the residual stream that comes in, x2 after attention; x2 and the x that goes out may be
 * the same memory as x. */
typedef struct layer_buffers {
    /* Not with NORM_BEFORE: what attention and MLP give, before their norm, (T, C) or NULL: not kept; scratch of
     * LAYER_ROWS rows of C for that and for the norm's result */
    float *branch1, *branch2, *branch, *normed;
    float *x, *x2, *x_out;        /* (T, C); x_out NULL: not wanted */
    void *qkv;                    /* (T, Q): q heads, k heads, v heads; q and k after RoPE */
    void *raw;                    /* (T, (H+G) D): q and k before their norms; NULL: not kept */
    void *att;                    /* (T, H D) */
    void *gu;                     /* (T, 2F): gate, up */
    float *rstd1, *rstd2;         /* of the two norms: (T) or NULL */
    float *out_rstd1, *out_rstd2; /* of those behind attention and MLP; with NORM_AFTER they are the two */
    void *norm, *act;             /* scratch of LAYER_ROWS rows: (…, C), (…, F) */
    float *factors; /* scratch of norm_factors: of the longest norm, or of q's and k's together; NULL: not needed */
} layer_buffers;

/* Bytes of the scratch of layer_buffers for `rows` rows; memory (NULL: only measured) is dealt out to b. */
size_t layer_scratch(const model *m, size_t rows, void *memory, layer_buffers *b);
/* norm (not with NORM_AFTER) -> qkv -> bias, norms, RoPE. position: (T). */
wr_status layer_qkv(const model *m, linear_context *linear, size_t l, size_t T, const int32_t *position,
                    const rope_tables *r, const layer_buffers *b);
/* After attention has filled b->att: output projection, residual, MLP, residual, each with its norm where the family
 * has it. */
wr_status layer_rest(const model *m, linear_context *linear, size_t l, size_t T, const layer_buffers *b);
/* The tensor that norms what a branch gives (not NORM_BEFORE), of the branch whose norm is LAYER_NORM1 or
 * LAYER_NORM2. */
int branch_out_norm(const model_config *c, int norm);
/* What rows of the embedding are multiplied with. */
float embedding_scale(const model *m);
/* x (T, C) = rows of the embedding, scaled; ids are checked: WR_E_MISMATCH names the first that is not in 0 … V-1. */
wr_status embed_tokens(const model *m, size_t T, const int32_t *ids, float *x);

void stream_add(size_t n, const float *y, float *x); /* x += y */
/* The residual stream x (rows, C) as products read it: itself, or rounded into `rounded` in bf16. */
const void *stream_input(const model *m, size_t rows, const float *x, void *rounded);

/* Row `row` of an array of the model's precision with rows of `width` elements. */
static inline void *act_row(const model *m, const void *base, size_t row, size_t width) {
    return (char *)(uintptr_t)base + row * width * precision_bytes(m->precision);
}
static inline size_t rows_from(size_t first, size_t T) { return T - first < LAYER_ROWS ? T - first : LAYER_ROWS; }

/* How the segments of a batch lie on their paths. */
typedef struct segment_plan {
    attention_item *items; /* (B) */
    attention_grad *grads; /* (B) */
    kv_span *spans;        /* of all items, one item's after another's */
    /* (B + 1): index into spans; (B): tokens up to the segment's end; (B + 1) scratch of attention */
    size_t *first_span, *path, *first_task;
    int32_t *position; /* (T): row of the rotary table */
    size_t B_capacity, T_capacity, span_capacity;
} segment_plan;

/* Of a batch; *longest: the longest path. Grows; room and contents are p's. */
wr_status segment_plan_make(const token_batch *b, segment_plan *p, size_t *longest);
void segment_plan_free(segment_plan *p);
size_t segment_plan_bytes(const segment_plan *p);

typedef struct model_workspace {
    size_t T;             /* of the latest forward */
    bool kept, recompute; /* its activations are stored; every layer's, or its input alone */
    linear_context linear;
    buffer inputs;                                          /* recompute: (L, T, C) f32 */
    buffer layers;                                          /* (L or 1, layer_bytes) */
    buffer scratch;                                         /* norm, act */
    buffer hidden, final_rstd, last_x;                      /* (T,C), (T), (T,C) f32 */
    buffer backward, attention;                             /* scratch of the backward pass */
    buffer logits, dlogits, gathered, dgathered, row_state; /* heads */
    size_t head_rows; /* rows of the latest lm_logprobs, whose log sum exp row_state holds */
    rope_tables rope;
    segment_plan plan;
} workspace;

/* Bytes of the buffers that T tokens ask for: the one rule, for those who make room and those who only want to know.
 * stream: of last_x and hidden each. */
typedef struct activation_sizes {
    size_t layers, inputs, scratch, stream, final_rstd;
} activation_sizes;
activation_sizes activation_sizes_of(const model *m, size_t T, bool keep, bool recompute);
size_t backward_bytes(const model *m, size_t T); /* w->backward */
/* Of the vocabulary's head for n rows; dlogits and dgathered: of its backward pass alone. */
typedef struct head_sizes {
    size_t row_state, gathered, logits, dlogits, dgathered;
} head_sizes;
head_sizes head_sizes_of(const model *m, size_t n);

/* Checks the batch and makes room for its forward pass. */
wr_status workspace_prepare(const model *m, const token_batch *b, workspace *w, bool keep);
/* Activation pointers of layer l for T tokens inside w. *lse: (T, H). */
layer_buffers workspace_layer(const model *m, const workspace *w, size_t l, float **lse);
/* Fills w->plan.items for the batch with qkv, att and lse of one layer. */
void workspace_items(const model *m, const token_batch *b, workspace *w, const layer_buffers *x, float *lse);
attention_args workspace_attention(const model *m, const token_batch *b, const workspace *w, size_t l);
/* One layer's forward pass: qkv, attention, the rest. */
wr_status workspace_layer_forward(const model *m, const token_batch *b, workspace *w, size_t l, const layer_buffers *x,
                                  float *lse);

#endif
