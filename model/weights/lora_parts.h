/* What lora.c (life, initial values), lora_merge.c and lora_file.c (PEFT's files) share. Internal to model/. LOCAL. */
#ifndef WR_MODEL_WEIGHTS_LORA_PARTS_H
#define WR_MODEL_WEIGHTS_LORA_PARTS_H

#include "model/weights/lora.h"
#include "model/weights/params.h"

/* The linear layers that may have an adapter, in models that have them. X(kind, path of the module inside its
 * layer). */
#define LORA_MODULES(X)                                                                                                \
    X(LAYER_QKV, "self_attn.qkv_proj")                                                                                 \
    X(LAYER_Q, "self_attn.q_proj")                                                                                     \
    X(LAYER_K, "self_attn.k_proj")                                                                                     \
    X(LAYER_V, "self_attn.v_proj")                                                                                     \
    X(LAYER_O, "self_attn.o_proj")                                                                                     \
    X(LAYER_GATE_UP, "mlp.gate_up_proj")                                                                               \
    X(LAYER_GATE, "mlp.gate_proj")                                                                                     \
    X(LAYER_UP, "mlp.up_proj")                                                                                         \
    X(LAYER_DOWN, "mlp.down_proj")

#define X(kind, path) +1
enum { LORA_MODULE_COUNT = 0 LORA_MODULES(X) };
#undef X
typedef struct lora_module {
    int kind;
    const char *path;
} lora_module;
extern const lora_module lora_modules[LORA_MODULE_COUNT];

#define LORA_MODULE_BIT(kind) (1u << (kind))

/* Has m the module k of lora_modules? (q_proj or qkv_proj, gate_proj or gate_up_proj) */
bool lora_module_there(const model *m, size_t k);

/* The table of m's adapters, without values; layer_targets (L): bits of kinds. Does not touch m. */
wr_status lora_create(const model *m, size_t rank, double alpha, const unsigned *layer_targets, struct lora **out);
/* Values: zero but for the score head, which is the model's. */
wr_status lora_alloc(const model *m, struct lora *a);

#endif
