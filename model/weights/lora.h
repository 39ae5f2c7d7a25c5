/* Low-rank adapters (LoRA, Hu et al. 2021, eq. 3): y = x W^T + s (x A^T) B^T with s = alpha / rank, A (rank, K) and B
 * (N, rank), on linear layers of a frozen model; in the file format of PEFT (adapter_config.json,
 * adapter_model.safetensors). LOCAL.
 *
 * With adapters, gradients and optimizer see the adapters alone (model_trainables), and the same model without them is
 * the DPO reference. A score head (HEAD_SCORE) is trained whole beside the adapters and saved with them, as PEFT does
 * for sequence classification. */
#ifndef WR_MODEL_WEIGHTS_LORA_H
#define WR_MODEL_WEIGHTS_LORA_H

#include "model/model.h"

typedef struct lora_options {
    size_t rank;
    double alpha;
    const char *targets; /* "q_proj,v_proj", or "all-linear": q, k, v, o, gate, up, down */
    uint64_t seed;       /* A ~ U(-1/sqrt(K), 1/sqrt(K)) (Kaiming with a = sqrt 5, as PEFT), B = 0 */
} lora_options;

/* A and B of one linear layer: offsets in `values`; SIZE_MAX where the layer has no adapter. */
typedef struct lora_pair {
    size_t a, b;
} lora_pair;

struct lora {
    size_t rank;
    double alpha;
    bool on;          /* false: the model computes as if there were no adapters (the DPO reference) */
    unsigned targets; /* bit (1 << kind) of model/weights/params.h's LAYER_… */
    lora_pair *pairs; /* (L, LAYER_KINDS) */
    /* (L + 1): layer l's values are those from layer_begin[l] up to layer_begin[l + 1]; the score head lies behind */
    size_t *layer_begin;
    tensor_info *tensors;
    size_t n_tensors; /* names as in PEFT's file, offsets into values */
    size_t n;
    float *values;  /* (n): A and B of every target, then the score head if there is one */
    bf16 *values16; /* the same rounded, when the model computes in bf16 */
    size_t score;   /* offset of score.weight in values; SIZE_MAX if there is none */
    size_t own;     /* and of what its objective has beside it, behind it: in wildreward.json, not PEFT's files */
    bool folded;    /* lora_load changed the embedding or the head: always on, and not among the tensors */
    /* embedding and head of a frozen model that were changed so, which its weights[] point to. Owned */
    void *ends[2];
};

/* Gives m fresh adapters. m must have none. A target that is not a linear layer is WR_E_USAGE and names it. */
wr_status lora_attach(model *m, const lora_options *o);
/* The same without values, of an m that has no weights: what they are, not what they hold. */
wr_status lora_attach_shape(model *m, const lora_options *o);
void lora_free(struct lora *a);
/* Rounds values into values16 (allocating them) when m computes in bf16: part of model_round_weights and
 * model_set_precision. */
wr_status lora_round(model *m);
/* Writes adapter_config.json and adapter_model.safetensors (F32) into an existing dir, and beside a score head the
 * record of its objective and data_hash (NULL: none); base: what base_model_name_or_path says. */
wr_status lora_save(const model *m, const char *dir, const char *base, const char *data_hash);
/* Attaches what PEFT or lora_save wrote. Modules are found as PEFT 0.21.2 finds them; names that m does not have are
 * passed over, and none at all is an error. Anything that changes the numbers and is not supported (bias, DoRA, …) is
 * WR_E_FORMAT naming it. Adapters on lm_head and embed_tokens, and whole matrices saved for them, become part of m's
 * weights at once (a copy of its own where m is frozen); a tied m is untied for that, since PEFT's two differ then,
 * too. A failure may leave m untied, with the same numbers. */
wr_status lora_load(model *m, const char *dir);
/* Rows of the score head in an adapter directory, 0: it has none. To load its base with
 * (model_load_options.n_outputs). */
wr_status lora_score_rows(const char *dir, size_t *rows);
/* What such a directory records of the objective's own beside its score head (model_load_options.own). */
wr_status lora_score_own(const char *dir, head_own *own);
/* W += s B A (and the score head); the adapters are gone afterwards. Needs master weights. */
wr_status lora_merge(model *m);

#endif
