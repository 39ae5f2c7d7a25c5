/* The transformer: parameters in one flat buffer, forward and backward on packed sequences, heads.
 *
 * A packed batch is B segments laid end to end without padding; attention is causal inside each, RoPE positions start
 * at 0 in each, unless a segment continues an earlier one. LOCAL throughout; a model's parameters may be read by
 * several threads, a model_workspace belongs to one. */
#ifndef WR_MODEL_MODEL_H
#define WR_MODEL_MODEL_H

#include "model/weights/config.h"
#include "model/kernels/precision.h"
#include <stdint.h>

/* One tensor of a flat buffer. */
typedef struct tensor_info {
    char name[112]; /* Hugging Face name, "model.layers.3.mlp.up_proj.weight" */
    size_t dims[2]; /* (rows, cols); vectors have cols = 1 and n_dims = 1 */
    int n_dims;
    size_t offset, count; /* in elements, inside params / grads */
    bool decay;           /* weight decay applies (matrices), not to norms and biases */
    bool score;           /* the score head, or what its objective has beside it */
} tensor_info;

struct lora;           /* model/weights/lora.h */
struct weight_mapping; /* model/weights/weight_mapping.h */

typedef struct model {
    model_config config;
    tensor_info *tensors; /* owned */
    size_t n_tensors;
    size_t n_params;     /* elements */
    precision precision; /* what products compute in */
    /* (n_params) f32: master weights. Owned unless params_shared. NULL in a frozen model that is used as it is
     * stored */
    float *params;
    bool params_shared; /* params (and params16) belong to someone else (node-shared memory) */
    /* (n_params) the matrices rounded, laid out as params; NULL in f32, or when weights are mapped */
    bf16 *params16;
    /* (n_tensors) what computing reads: matrices in `precision`, vectors and the score head in f32. Owned array */
    const void **weights;
    struct weight_mapping *mapping; /* frozen: files that weights point into. Owned */
    struct lora *lora;              /* adapters; NULL: none. Owned */
    char *template_text;            /* reward models: template recorded in the directory, NULL otherwise; owned */
    /* generation_config.json of the directory, NULL: none; owned. Saved again, with this model's token ids */
    char *generation_text;
    char parent_hash[33]; /* provenance: hash of the directory this was loaded from; "" for new */
} model;

/* --- life --------------------------------------------------------------------------------------------------------- */
/* Tensor table and sizes only (params NULL): to place params elsewhere. */
wr_status model_create(const model_config *c, model **out);
wr_status model_alloc_params(model *m); /* zeroed, in f32 */
/* Seeded initialisation: N(0, init_std) matrices (residual projections scaled by 1/sqrt(2L)), norms 1, biases 0.
 * RNG_INIT, keyed by tensor. */
void model_init_params(model *m, uint64_t seed);
/* Loads a Hugging Face directory (config.json, model.safetensors or sharded with index; F32/F16/BF16). `head`: HEAD_LM
 * wants lm_head (or tied), HEAD_SCORE a score head; HEAD_NONE takes the head the directory has. A causal LM loaded with
 * HEAD_SCORE gets a fresh score head of n_outputs rows, N(0, init_std) from seed. `frozen`: never to be trained;
 * weights stored in `precision` are mapped and used where they lie (params NULL then), others are converted once.
 * `check_weights`: NaN or infinity in a tensor is WR_E_FORMAT that names it. */
typedef struct model_load_options {
    model_head head;
    size_t n_outputs;
    head_own own; /* of a fresh score head */
    uint64_t seed;
    bool quiet, frozen, check_weights;
    /* frozen: all but the weights that would have to be converted (weights[] stay NULL then) */
    bool without_converted;
    precision precision;
    /* frozen: weights that are not mapped are converted into this memory (weight_image_bytes, 64-byte aligned), which
     * stays the caller's; NULL: into the model's own */
    void *image;
    /* the directory's parent_hash where it is known already: not computed again then; NULL: computed */
    const char *hash;
} model_load_options;
wr_status model_load(const char *dir, const model_load_options *o, model **out);
/* Bytes that a directory's model takes, from its configuration and the types that its files store; no weight is read.
 * What is mapped counts as nothing: its pages are the files', and the system takes them back when it needs memory. */
typedef struct model_memory {
    uint64_t loaded; /* by model_load: converted weights, or masters and what is rounded of them */
    uint64_t image;  /* a copy of all weights in `precision` (model/host/frozen.h) */
    uint64_t packed; /* the copy that decoding packs (model/decode.h) */
    uint64_t parameters;
} model_memory;
/* o: head, n_outputs, frozen and precision count. */
wr_status model_memory_of(const char *dir, const model_load_options *o, model_memory *out);
/* What f32 masters, the rounded copy and adapters take of m's shape, which need not be filled. */
uint64_t model_weights_bytes(const model *m);
/* The model of a directory without its weights: configuration, tensor table, template. */
wr_status model_load_shape(const char *dir, const model_load_options *o, model **out);
void model_free(model *m);

/* Computes in p from now on: allocates and fills (bf16), or frees (f32), the rounded copy. Needs master weights. */
wr_status model_set_precision(model *m, precision p);
/* To be called after params (or an adapter's values) have changed: renews what computing reads. Does nothing in f32. */
void model_round_weights(model *m);

/* What training changes: all parameters, or the adapters where the model has some. Gradients and optimizer state are
 * laid out alike. */
typedef struct trainables {
    const tensor_info *tensors;
    size_t n_tensors, n; /* n: floats */
    float *values;
} trainables;
trainables model_trainables(const model *m);
/* What the objective has beside the score head (model_config.own), as it is now: the adapters' where there are some. */
head_own model_own(const model *m);
/* Their parts, in the order of memory: 0 the embedding, 1 … L the layers, L + 1 what lies behind them (final norm and
 * head, or the score head beside adapters). A part may be empty; together they are all. */
typedef struct float_range {
    size_t begin, end;
} float_range;
size_t model_parts(const model *m); /* L + 2 */
float_range model_part(const model *m, size_t part);
/* The first of the tensors that has a NaN or an infinity in `values` (parameters, gradients …; laid out by the tensors'
 * offsets), NULL if none has. *index (may be NULL): its element. */
const tensor_info *first_nonfinite(const tensor_info *tensors, size_t n_tensors, const float *values, size_t *index);

/* Model provenance, written into config.json under "wildreward". Any may be NULL. */
typedef struct model_provenance {
    const char *config_hash, *data_hash, *parent_hash, *template_text;
} model_provenance;
/* Writes config.json, model.safetensors (in `stored`: F32 or BF16), generation_config.json (LM), template.txt (when
 * given) into an existing `dir`, and copies tokenizer.json, tokenizer_config.json, special_tokens_map.json,
 * added_tokens.json, chat_template.jinja from `tokenizer_dir` (may be NULL) where present. Adapters are not written:
 * see lora_save and lora_merge. */
wr_status model_save(const model *m, const char *dir, const char *tokenizer_dir, const model_provenance *p,
                     precision stored);

/* --- forward and backward ----------------------------------------------------------------------------------------- */
typedef struct token_batch {
    size_t B; /* segments */
    /* (B+1): segment b is ids[offsets[b] … offsets[b+1]); offsets[B] = T. Empty segments are an error */
    const size_t *offsets;
    const int32_t *ids; /* (T), each in 0 … V-1 (checked) */
    /* (B): the earlier segment that segment b continues, or -1. NULL: none does. A reply that continues its prompt
     * gives the numbers that prompt + reply as one segment gives, to rounding, gradients too */
    const int32_t *parent;
} token_batch;

/* Activations and scratch; grows to the largest batch seen. */
typedef struct model_workspace model_workspace;
wr_status model_workspace_create(const model *m, model_workspace **out);
void model_workspace_free(model_workspace *w);
size_t model_workspace_bytes(const model_workspace *w);
/* What a workspace will hold of batches that are only planned, buffer by buffer. */
enum { WORKSPACE_BUFFERS = 17 };
typedef struct workspace_need {
    size_t bytes[WORKSPACE_BUFFERS];
} workspace_need;
/* Raises x, all zero at first, to what one more batch asks for (of which ids are not read, and m needs no weights):
 * model_forward, with `keep` the backward pass, too, and lm_logprobs of head_rows rows. WR_E_NOMEM. */
wr_status model_workspace_need(const model *m, const token_batch *b, size_t head_rows, bool keep, bool recompute,
                               workspace_need *x);
/* Of the memory that the system gives for it, which comes in pages. */
size_t workspace_need_bytes(const workspace_need *x);
/* on: model_forward(keep) stores only each layer's input, and model_backward runs each layer again: memory for a third
 * more arithmetic. */
void model_workspace_recompute(model_workspace *w, bool on);
/* on: in f32, no bit of a gradient depends on the number of threads. Other bits than when off, and some time
 * (matmul_fix_tiles). */
void model_workspace_fix_tiles(model_workspace *w, bool on);

/* Runs the decoder. *hidden: (T, C), after the final norm, owned by w, valid until the next call.
 * keep = true stores what model_backward needs; false needs a few layers' worth of memory only. */
wr_status model_forward(const model *m, const token_batch *b, model_workspace *w, bool keep, const float **hidden);
/* Needs the same batch and workspace as the latest model_forward(keep = true). dhidden (T, C): gradient at *hidden,
 * clobbered. Adds to grads (laid out as model_trainables). */
wr_status model_backward(const model *m, const token_batch *b, model_workspace *w, float *dhidden, float *grads);
/* The same, to the bit, and tells when gradients are final: `ready` is called for every part that is not empty, from
 * the last (L + 1) down to the embedding, as soon as model_backward will add no more to it. Its gradients of the heads
 * must have been added before. What it returns below WR_OK ends the call. */
typedef struct backward_hook {
    wr_status (*ready)(void *context, size_t part, float_range range);
    void *context;
} backward_hook;
wr_status model_backward_hooked(const model *m, const token_batch *b, model_workspace *w, float *dhidden, float *grads,
                                const backward_hook *hook);

/* --- heads -------------------------------------------------------------------------------------------------------- */
/* Log-probabilities of given next tokens: logprob[i] = log softmax(hidden[rows[i]] W^T)[targets[i]].
 * Chunked over rows: no (T, V) buffer. */
wr_status lm_logprobs(const model *m, model_workspace *w, const float *hidden, size_t n, const size_t *rows,
                      const int32_t *targets, float *logprob);
/* After lm_logprobs with the same arguments on the same workspace. Adds dlogprob[i] * d logprob[i] / d(hidden, W) to
 * dhidden (T, C) and grads (the head's, or the tied embedding's; with adapters: dhidden alone). */
wr_status lm_logprobs_backward(const model *m, model_workspace *w, const float *hidden, size_t n, const size_t *rows,
                               const int32_t *targets, const float *dlogprob, float *dhidden, float *grads);
/* Score head, f32 in both precisions: logits (n, config_logits) at hidden rows. */
wr_status score_logits(const model *m, const float *hidden, size_t n, const size_t *rows, float *logits);
wr_status score_backward(const model *m, const float *hidden, size_t n, const size_t *rows, const float *dlogits,
                         float *dhidden, float *grads);

#endif
