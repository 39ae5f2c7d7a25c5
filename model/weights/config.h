/* Shape and hyper-parameters of a decoder of one of the families of model/weights/family.c, read from and
 * written to a Hugging Face config.json. Letters used everywhere: B sequences, T tokens of a packed batch, C channels
 * (hidden_size), H query heads, G key/value heads, D head_dim, F feed-forward width (intermediate_size), V vocabulary,
 * L layers. */
#ifndef WR_MODEL_WEIGHTS_CONFIG_H
#define WR_MODEL_WEIGHTS_CONFIG_H

#include "base/json.h"
#include "base/status.h"
#include "model/kernels/precision.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_DIM_MAX 512 /* what attention has room for (model/kernels/kernels.h) */

enum { OBJECTIVE_NAME_CAP = 32, OBJECTIVE_SETTINGS = 8, ROPE_FACTORS_MAX = HEAD_DIM_MAX / 2, HEAD_OWN_MAX = 64 };

typedef enum model_head { HEAD_LM, HEAD_SCORE, HEAD_NONE } model_head;

/* Parameters a_1 … a_n that an objective has beside score.weight. The head has one row then, s = h . w, and the logits
 * are made of s and them. They are trained with the weights, and recorded in config.json (objective_record.h), so that
 * the folder holds no tensor that transformers does not expect. */
typedef enum head_own_kind {
    HEAD_OWN_NONE,      /* z = h W^T, a row of W for each logit */
    HEAD_OWN_BIASES,    /* z_k = s + a_k */
    HEAD_OWN_THRESHOLDS /* z_k = s - theta_k, theta_1 = a_1, theta_k = theta_(k-1) + softplus(a_k): always in order */
} head_own_kind;
typedef struct head_own {
    head_own_kind kind;
    unsigned n;
    float values[HEAD_OWN_MAX]; /* zeros behind the last */
} head_own;

/* An option of the objective, as the model was trained with it. */
typedef struct objective_setting {
    char name[OBJECTIVE_NAME_CAP]; /* zeros behind it */
    double value;
} objective_setting;

/* How rotary frequencies f_i = theta^(-2i/D) are stretched beyond the length a model was trained on. */
typedef enum rope_type {
    ROPE_DEFAULT, /* not */
    ROPE_LINEAR,  /* f_i / factor */
    /* by wave length: long ones / factor, short ones as they are, between them interpolated (Llama 3.1) */
    ROPE_LLAMA3,
    /* f_i / short_i in rows of at most `original` tokens, f_i / long_i in longer ones; cos and sin times a factor
     * (Phi-3) */
    ROPE_LONGROPE
} rope_type;

/* RMSNorm of queries and keys before RoPE. */
typedef enum qk_norm {
    QK_NORM_NONE,
    QK_NORM_HEAD, /* over each head, one weight of D for all (Qwen3) */
    QK_NORM_ALL   /* over the whole projection, weights of H D and G D (OLMo2) */
} qk_norm;

/* Where the norms of attention and MLP stand, f being either of them. */
typedef enum norm_place {
    NORM_BEFORE, /* x + f(norm(x)) */
    NORM_AFTER,  /* x + norm(f(x)) (OLMo2) */
    NORM_BOTH    /* x + norm(f(another norm(x))) (Gemma) */
} norm_place;

/* What a gate of the MLP goes through. */
typedef enum mlp_gate {
    GATE_SILU,
    GATE_GELU /* x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2 */
} mlp_gate;

/* What differs between the layers of a model. All zeros: attention to everything before, the first rotary table. */
typedef struct layer_kind {
    bool windowed; /* a query sees the last `window` positions of its path alone, its own included */
    int8_t rope;   /* rotary table; LAYER_ROPE_NONE: queries and keys are not rotated */
} layer_kind;
enum { LAYERS_MAX = 4096, ROPE_TABLES = 2, LAYER_ROPE_NONE = -1 };

typedef struct model_config {
    size_t C, H, G, D, F, V, L;
    size_t max_positions;
    double rope_theta;
    rope_type rope;
    double rope_share;  /* of a head's elements, the first ones, that RoPE turns (partial_rotary_factor); 0: all */
    double rope_factor; /* LINEAR, LLAMA3; LONGROPE: 0: it follows from the positions */
    double rope_low_freq_factor, rope_high_freq_factor;               /* LLAMA3 */
    double rope_original_positions;                                   /* LLAMA3, LONGROPE */
    double rope_attention_factor;                                     /* LONGROPE, 0: it follows from rope_factor */
    double rope_short[ROPE_FACTORS_MAX], rope_long[ROPE_FACTORS_MAX]; /* LONGROPE, zeros behind the last pair */
    double rope_local_theta; /* of the second rotary table, which is not stretched; 0: there is none */
    size_t window;           /* of the layers that have one; 0: none has */
    bool fused;              /* q_proj, k_proj, v_proj are stored as one matrix, and gate_proj and up_proj (Phi-3) */
    bool qkv_bias;           /* q_proj, k_proj, v_proj add a bias (Qwen2) */
    qk_norm qk_norm;
    norm_place norm_place;
    bool norm_from_one;    /* norms multiply with 1 + weight */
    bool scaled_embedding; /* embeddings are multiplied with sqrt(C) */
    mlp_gate gate;
    double query_scale;              /* scores are divided by its root; 0: D */
    double attention_cap, final_cap; /* scores, logits s become cap tanh(s / cap); 0: as they are */
    double norm_eps;
    bool tied; /* lm_head shares embed_tokens */
    model_head head;
    size_t n_outputs; /* HEAD_SCORE: rows of the score head. Not classes: K of those have K-1 ordinal outputs */
    float score_bias; /* HEAD_SCORE: added to the one output of a value head; 0 elsewhere. Not trained, not saved */
    char objective
        /* HEAD_SCORE: what the outputs were trained by, as this program records it; "": not recorded */
        [OBJECTIVE_NAME_CAP];
    objective_setting settings[OBJECTIVE_SETTINGS]; /* HEAD_SCORE: those that are not the defaults; "" behind them */
    head_own own;                   /* HEAD_SCORE: as read, or as a new head begins; model_own has them as trained */
    double init_std;                /* initializer_range */
    int32_t bos_id, eos_id, pad_id; /* -1 = null */
    int32_t eos_ids[8];             /* all end tokens: config.json's and generation_config.json's */
    size_t n_eos;
    char architecture[64];         /* "LlamaForCausalLM", "Qwen3ForSequenceClassification" */
    char model_type[32];           /* a row of model/weights/family.c: "llama", "qwen3", … */
    layer_kind layers[LAYERS_MAX]; /* (L), zeros behind them */
} model_config;

/* Logits that a score head gives. */
static inline size_t config_logits(const model_config *c) { return c->own.kind ? c->own.n : c->n_outputs; }

/* Positions that a query of layer l sees, its own included; 0: all before it. */
static inline size_t layer_window(const model_config *c, size_t l) { return c->layers[l].windowed ? c->window : 0; }

/* Reads DIR/config.json (+ generation_config.json's end tokens), of transformers 4 or 5. Any field that changes the
 * numbers and is not supported here (another model_type, hidden_act, rope type, a sliding window …) is WR_E_FORMAT and
 * names the field. */
wr_status model_config_load(const char *dir, model_config *out);
/* config.json text for saving weights of type `stored` (readable by transformers 4 and 5); `extra` (may be NULL) is a
 * JSON object whose members are added. */
wr_status model_config_json(const model_config *c, precision stored, const json_value *extra, strbuf *out);
/* Family: sets model_type, what follows from it (qkv_bias, norms, gate, fused …) and what its class has for scores,
 * caps and windows. WR_E_FORMAT lists those there are. */
wr_status model_config_set_type(model_config *c, const char *model_type);
/* Head: sets head, n_outputs and the architecture's name in the family of model_type. */
void model_config_set_head(model_config *c, model_head head, size_t n_outputs);
/* Parses a --new SPEC: "layers=4,hidden=128,heads=4,kv-heads=2,ffn=384,max-positions=1024,tied=1" (every key optional;
 * defaults are those of this example; also head-dim=N (hidden/heads), type=NAME, a row of model/weights/family.c,
 * rope-theta=X, window=N: of the layers that have one in the family). V, ids of special tokens come from the tokenizer,
 * set by the caller. */
wr_status model_config_from_spec(const char *spec, model_config *out);
/* Checks that the shapes make sense and do not overflow. */
wr_status model_config_check(const model_config *c);
/* Elements of a head that RoPE turns, its first ones: even. */
size_t model_config_rotary(const model_config *c);
/* Inverse frequencies (model_config_rotary / 2) of the first rotary table, scaling included, in f32 as transformers
 * computes them. */
void model_config_rope(const model_config *c, float *inverse_frequency);
/* Those of a table of ROPE_TABLES. */
void model_config_rope_of(const model_config *c, int table, float *inverse_frequency);
/* LONGROPE: those of rows of more than model_config_rope_switch tokens, SIZE_MAX in models of other types. */
void model_config_rope_long(const model_config *c, float *inverse_frequency);
size_t model_config_rope_switch(const model_config *c);
/* What cos and sin are multiplied by. */
float model_config_rope_scale(const model_config *c);

#endif
