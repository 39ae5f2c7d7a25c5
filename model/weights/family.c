#include "model/weights/family.h"

#include <stdio.h>
#include <string.h>

/* Defaults are those of transformers' configuration classes. */
static const model_family families[] = {
    {.model_type = "llama",
     .prefix = "Llama",
     .max_positions = 2048,
     .norm_eps = 1e-6,
     .bos_id = 1,
     .eos_id = 2,
     .pad_id = -1,
     .activation = "silu",
     .mlp_bias = true,
     .attention_norm = "input_layernorm",
     .mlp_norm = "post_attention_layernorm"},
    {.model_type = "qwen2",
     .prefix = "Qwen2",
     .G = 32,
     .max_positions = 32768,
     .norm_eps = 1e-6,
     .bos_id = -1,
     .eos_id = -1,
     .pad_id = -1,
     .activation = "silu",
     .qkv_bias = true,
     .attention_norm = "input_layernorm",
     .mlp_norm = "post_attention_layernorm",
     .window = WINDOW_SWITCH},
    {.model_type = "qwen3",
     .prefix = "Qwen3",
     .G = 32,
     .D = 128,
     .max_positions = 32768,
     .norm_eps = 1e-6,
     .bos_id = -1,
     .eos_id = -1,
     .pad_id = -1,
     .activation = "silu",
     .qk_norm = QK_NORM_HEAD,
     .attention_norm = "input_layernorm",
     .mlp_norm = "post_attention_layernorm",
     .window = WINDOW_SWITCH},
    {.model_type = "mistral",
     .prefix = "Mistral",
     .G = 8,
     .max_positions = 131072,
     .norm_eps = 1e-6,
     .bos_id = 1,
     .eos_id = 2,
     .pad_id = -1,
     .activation = "silu",
     .attention_norm = "input_layernorm",
     .mlp_norm = "post_attention_layernorm",
     .window = WINDOW_NULL},
};
enum { FAMILIES = sizeof families / sizeof families[0] };

const model_family *family_of(const char *model_type) {
    for (size_t i = 0; i < FAMILIES; i++)
        if (strcmp(families[i].model_type, model_type) == 0) return &families[i];
    return NULL;
}

const model_family *config_family(const model_config *c) {
    const model_family *f = family_of(c->model_type);
    return f ? f : &families[0];
}

wr_status model_config_set_type(model_config *c, const char *model_type) {
    const model_family *f = family_of(model_type);
    if (!f) {
        char known[256] = "";
        for (size_t i = 0, at = 0; i < FAMILIES && at < sizeof known; i++)
            at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", families[i].model_type);
        return wr_fail(WR_E_FORMAT, "field \"model_type\": \"%.40s\" is not supported (%s)", model_type, known);
    }
    memset(c->model_type, 0, sizeof c->model_type);
    snprintf(c->model_type, sizeof c->model_type, "%s", f->model_type);
    c->qkv_bias = f->qkv_bias;
    c->qk_norm = f->qk_norm;
    c->norm_place = f->norm_place;
    return WR_OK;
}

static const char *const head_names[] = {
    [HEAD_LM] = "ForCausalLM", [HEAD_SCORE] = "ForSequenceClassification", [HEAD_NONE] = "Model"};

void model_config_set_head(model_config *c, model_head head, size_t n_outputs) {
    c->head = head;
    c->n_outputs = head == HEAD_SCORE ? n_outputs : 0;
    memset(c->architecture, 0, sizeof c->architecture); /* configurations are compared and sent as bytes */
    snprintf(c->architecture, sizeof c->architecture, "%s%s", config_family(c)->prefix, head_names[head]);
}
