/* The transformer: parameters in one flat f32 buffer, forward and backward on packed sequences, heads.
 *
 * A packed batch is B sequences laid end to end without padding; attention is causal inside each sequence and RoPE positions
 * start at 0 in each. LOCAL throughout; a model's parameters may be read by several threads, a model_workspace belongs to one. */
#ifndef WR_MODEL_MODEL_H
#define WR_MODEL_MODEL_H

#include "model/config.h"
#include <stdint.h>

/* One tensor of the flat parameter buffer. */
typedef struct tensor_info {
    char name[96];        /* Hugging Face name, "model.layers.3.mlp.up_proj.weight" */
    size_t dims[2];       /* (rows, cols); vectors have cols = 1 and n_dims = 1 */
    int n_dims;
    size_t offset, count; /* in floats, inside params / grads */
    bool decay;           /* weight decay applies (matrices), not to norms */
} tensor_info;

typedef struct model {
    model_config config;
    tensor_info *tensors;     /* owned */
    size_t n_tensors;
    size_t n_params;          /* floats */
    float *params;            /* (n_params), owned unless params_shared */
    bool params_shared;       /* params belong to someone else (node-shared memory) */
    char *template_text;      /* reward models: template recorded in the directory, NULL otherwise; owned */
    char parent_hash[33];     /* provenance: hash of the directory this was loaded from; "" for new */
} model;

/* --- life ------------------------------------------------------------------------------------------------------- */
/* Tensor table and sizes only (params NULL): to place params elsewhere. */
wr_status model_create(const model_config *c, model **out);
wr_status model_alloc_params(model *m); /* zeroed */
/* Seeded initialisation: N(0, init_std) matrices (residual projections scaled by 1/sqrt(2L)), norms 1. RNG_INIT, keyed by tensor. */
void model_init_params(model *m, uint64_t seed);
/* Loads a Hugging Face directory (config.json, model.safetensors or sharded with index; F32/F16/BF16, converted to f32).
 * `head`: HEAD_LM wants lm_head (or tied), HEAD_SCORE a score head; HEAD_NONE takes the head the directory has.
 * A causal LM loaded with HEAD_SCORE gets a fresh score head of n_labels rows, N(0, init_std) from seed. */
typedef struct model_load_options { model_head head; size_t n_labels; uint64_t seed; bool quiet; } model_load_options;
wr_status model_load(const char *dir, const model_load_options *o, model **out);
void model_free(model *m);

/* Model provenance, written into config.json under "wildreward". Any may be NULL. */
typedef struct model_provenance { const char *config_hash, *data_hash, *parent_hash, *template_text; } model_provenance;
/* Writes config.json, model.safetensors (F32), generation_config.json (LM), template.txt (when given) into an existing `dir`,
 * and copies tokenizer.json, tokenizer_config.json, special_tokens_map.json, chat_template.jinja from `tokenizer_dir` (may be NULL) where present. */
wr_status model_save(const model *m, const char *dir, const char *tokenizer_dir, const model_provenance *p);

/* --- forward and backward ------------------------------------------------------------------------------------------ */
typedef struct token_batch {
    size_t B;               /* sequences */
    const size_t *offsets;  /* (B+1): sequence b is ids[offsets[b] … offsets[b+1]); offsets[B] = T. Empty sequences are an error */
    const int32_t *ids;     /* (T), each in 0 … V-1 (checked) */
} token_batch;

/* Activations and scratch; grows to the largest batch seen. */
typedef struct model_workspace model_workspace;
wr_status model_workspace_create(const model *m, model_workspace **out);
void model_workspace_free(model_workspace *w);
size_t model_workspace_bytes(const model_workspace *w);

/* Runs the decoder. *hidden: (T, C), after the final norm, owned by w, valid until the next call.
 * keep = true stores what model_backward needs; false needs a few layers' worth of memory only. */
wr_status model_forward(const model *m, const token_batch *b, model_workspace *w, bool keep, const float **hidden);
/* Needs the same batch and workspace as the latest model_forward(keep = true). dhidden (T, C): gradient at *hidden, clobbered.
 * Adds to grads (n_params, laid out as params). */
wr_status model_backward(const model *m, const token_batch *b, model_workspace *w, float *dhidden, float *grads);

/* --- heads ----------------------------------------------------------------------------------------------------------- */
/* Log-probabilities of given next tokens: logprob[i] = log softmax(hidden[rows[i]] W^T)[targets[i]].
 * Chunked over rows: no (T, V) buffer. */
wr_status lm_logprobs(const model *m, model_workspace *w, const float *hidden, size_t n, const size_t *rows,
                      const int32_t *targets, float *logprob);
/* Adds dlogprob[i] * d logprob[i] / d(hidden, W) to dhidden (T, C) and grads (the head's, or the tied embedding's). */
wr_status lm_logprobs_backward(const model *m, model_workspace *w, const float *hidden, size_t n, const size_t *rows,
                               const int32_t *targets, const float *dlogprob, float *dhidden, float *grads);
/* Raw logits (n, V) of n hidden rows (n, C), contiguous. */
wr_status lm_logits(const model *m, size_t n, const float *hidden_rows, float *logits);
/* Score head: logits (n, n_labels) at hidden rows. */
wr_status score_logits(const model *m, const float *hidden, size_t n, const size_t *rows, float *logits);
wr_status score_backward(const model *m, const float *hidden, size_t n, const size_t *rows, const float *dlogits, float *dhidden, float *grads);

#endif
