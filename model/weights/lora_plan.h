/* What an adapter_config.json asks for on one model: which modules, of which rank, scaled how. The rules are PEFT's
 * (0.21.2: check_target_module_exists, get_pattern_key), on the module names that the model has in transformers.
 * Internal to model/. LOCAL. */
#ifndef WR_MODEL_WEIGHTS_LORA_PLAN_H
#define WR_MODEL_WEIGHTS_LORA_PLAN_H

#include "base/json.h"
#include "model/weights/lora_parts.h"

/* rank 0: no adapter. scale: alpha / rank, or alpha / sqrt(rank) (rslora). */
typedef struct lora_share {
    size_t rank;
    double scale;
} lora_share;

typedef struct lora_plan {
    lora_share *layers;                            /* (L, LORA_MODULE_COUNT) */
    lora_share embedding, head;                    /* of embed_tokens, lm_head */
    bool embedding_saved, head_saved, score_saved; /* modules_to_save: the adapter has its own whole matrix */
    lora_share usual;                              /* r and lora_alpha */
} lora_plan;

/* WR_E_FORMAT names the member that is wrong, or that may change what the adapter computes and is not supported. *out:
 * to be freed in any case. */
wr_status lora_plan_read(const model *m, const json_value *root, lora_plan *out);
void lora_plan_free(lora_plan *p);

/* Does Python's re match the whole name, or (tail) a last part of it that begins after a dot or at its start? Patterns
 * that Python and PCRE2 may read differently are WR_E_FORMAT. */
wr_status lora_pattern_matches(const char *pattern, bool tail, const char *name, bool *out);

#endif
