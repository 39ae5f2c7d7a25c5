/* Shape and hyper-parameters of a Llama-style decoder, read from and written to a Hugging Face config.json.
 * Letters used everywhere: B sequences, T tokens of a packed batch, C channels (hidden_size), H query heads, G key/value
 * heads, D head_dim, F feed-forward width (intermediate_size), V vocabulary, L layers. */
#ifndef WR_MODEL_CONFIG_H
#define WR_MODEL_CONFIG_H

#include "base/json.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum model_head { HEAD_LM, HEAD_SCORE, HEAD_NONE } model_head;

typedef struct model_config {
    size_t C, H, G, D, F, V, L;
    size_t max_positions;
    double rope_theta;
    double norm_eps;
    bool tied;               /* lm_head shares embed_tokens */
    model_head head;
    size_t n_labels;         /* HEAD_SCORE: K-1 outputs */
    double init_std;         /* initializer_range */
    int32_t bos_id, eos_id, pad_id; /* -1 = null */
    int32_t eos_ids[8];      /* all end tokens: config.json's and generation_config.json's */
    size_t n_eos;
    char architecture[64];   /* "LlamaForCausalLM", "LlamaForSequenceClassification" */
    char model_type[32];     /* "llama" */
} model_config;

/* Reads DIR/config.json (+ generation_config.json's end tokens), of transformers 4 or 5. Any field that changes the numbers and is not supported here (another
 * model_type, hidden_act, attention_bias, rope scaling, sliding window …) is WR_E_FORMAT and names the field. */
wr_status model_config_load(const char *dir, model_config *out);
/* config.json text for saving (readable by transformers 4 and 5); `extra` (may be NULL) is a JSON object whose members are added. */
wr_status model_config_json(const model_config *c, const json_value *extra, strbuf *out);
/* Parses a --new SPEC: "layers=4,hidden=128,heads=4,kv-heads=2,ffn=384,max-positions=1024,tied=1" (every key optional; head_dim =
 * hidden/heads; defaults are those of this example). V, ids of special tokens come from the tokenizer, set by the caller. */
wr_status model_config_from_spec(const char *spec, model_config *out);
/* Checks that the shapes make sense and do not overflow. */
wr_status model_config_check(const model_config *c);

#endif
