/* The families of decoders that are computed here, one row of a table each: what transformers' class of the family does
 * where a config.json says nothing, and what its layers are made of. A new family is a new row (and what it alone needs
 * of the layer's code). Internal to model/. LOCAL. */
#ifndef WR_MODEL_WEIGHTS_FAMILY_H
#define WR_MODEL_WEIGHTS_FAMILY_H

#include "model/weights/config.h"

/* What a config.json of the family may say about a sliding window (model/weights/config_layers.c). */
typedef enum window_rule {
    WINDOW_NONE,     /* the class has none; set, it would be one */
    WINDOW_ALL,      /* "sliding_window" is one of all layers unless it is null */
    WINDOW_SWITCH,   /* only with "use_sliding_window", from layer "max_window_layers" on or by layer */
    WINDOW_UNTURNED, /* by layer, else with "use_sliding_window" of the layers without rotary embedding */
    WINDOW_OTHERS    /* of all layers but every n-th, or by layer */
} window_rule;

typedef struct model_family {
    const char *model_type;
    const char *prefix; /* of its architectures' names */
    /* defaults */
    size_t G; /* num_key_value_heads when it is not there; 0: as many as query heads */
    size_t D; /* head_dim likewise; 0: hidden_size / heads */
    size_t max_positions;
    double norm_eps;
    int32_t bos_id, eos_id, pad_id; /* -1: none */
    /* layers */
    const char *activation; /* hidden_act */
    bool qkv_bias;          /* whatever attention_bias says, which is not read then; false: it must be false */
    bool mlp_bias;          /* the class has the field, which must be false */
    qk_norm qk_norm;
    norm_place norm_place;
    /* modules of a layer that hold its two norms. The same name is not the same norm in all families:
     * post_attention_layernorm lies before the MLP in Llama's, behind attention where norms come after */
    const char *attention_norm, *mlp_norm;
    window_rule window;
    size_t window_width; /* sliding_window when it is not there; 0: none */
    /* what few families have: false and 0 where a row does not say */
    bool tied;         /* tie_word_embeddings */
    double rope_theta; /* 0: 10,000 */
    /* the class reads "no_rope_layers", layers without rotary embedding: each so many-th where that is missing, if
     * "no_rope_layer_interval" does not say otherwise. 0: all layers have one */
    size_t unturned_every;
    bool fused; /* q, k and v are one module, qkv_proj, and gate and up are gate_up_proj */
    /* the class reads partial_rotary_factor, and stretches by longrope alone (also named su, yarn) */
    bool partial_rope;
    size_t full_every;                             /* WINDOW_OTHERS: n */
    const char *full_every_field;                  /* NULL: it is always that */
    const char *lm_prefix;                         /* of ...ForCausalLM's name; NULL: prefix */
    const char *activation_field;                  /* NULL: hidden_act */
    const char *attention_out_norm, *mlp_out_norm; /* NORM_BOTH */
    bool norm_from_one, scaled_embedding;
    double query_scale; /* query_pre_attn_scalar; 0: there is no such field */
    /* attn_logit_softcapping, final_logit_softcapping where they are not there; 0: none */
    double attention_cap, final_cap;
    bool attention_caps; /* the field has an effect */
    double local_theta;  /* layers with a window have a rotary table of their own, of this base; 0: not */
} model_family;

/* NULL: there is no such family. */
const model_family *family_of(const char *model_type);
/* That of a configuration; llama where it names none. */
const model_family *config_family(const model_config *c);

#endif
