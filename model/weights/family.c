#include "model/weights/family.h"

#include <stdio.h>
#include <string.h>

/* Where norms stand, and their modules: of attention, of the MLP. */
#define PRE_NORM NORM_BEFORE, "input_layernorm", "post_attention_layernorm"
#define POST_NORM NORM_AFTER, "post_attention_layernorm", "post_feedforward_layernorm"
#define BOTH_NORMS NORM_BOTH, "input_layernorm", "pre_feedforward_layernorm"
#define GEMMA                                                                                                          \
    .activation_field = "hidden_activation", .attention_out_norm = "post_attention_layernorm",                         \
    .mlp_out_norm = "post_feedforward_layernorm", .norm_from_one = true, .scaled_embedding = true, .tied = true,       \
    .query_scale = 256

/* Defaults are those of transformers' configuration classes. */
/* clang-format off */
static const model_family families[] = {
/*   model_type prefix      G    D positions eps  bos eos pad  act.  biases: qkv, mlp  q and k       norms     window, its width */
    {"llama",   "Llama",    0,   0,   2048, 1e-6,  1,  2, -1, "silu", false, true,  QK_NORM_NONE, PRE_NORM, WINDOW_NONE, .window_width = 0},
    {"qwen2",   "Qwen2",   32,   0,  32768, 1e-6, -1, -1, -1, "silu", true,  false, QK_NORM_NONE, PRE_NORM, WINDOW_SWITCH, .window_width = 4096},
    {"qwen3",   "Qwen3",   32, 128,  32768, 1e-6, -1, -1, -1, "silu", false, false, QK_NORM_HEAD, PRE_NORM, WINDOW_SWITCH, .window_width = 4096},
    {"mistral", "Mistral",  8,   0, 131072, 1e-6,  1,  2, -1, "silu", false, false, QK_NORM_NONE, PRE_NORM, WINDOW_ALL, .window_width = 4096},
    {"olmo2",   "Olmo2",    0,   0,   2048, 1e-5, -1, 50279, 1, "silu", false, false, QK_NORM_ALL, POST_NORM, WINDOW_NONE, .window_width = 0},
    {"smollm3", "SmolLM3",  4,   0,  32768, 1e-6, 128000, 128001, 128004, "silu", false, true, QK_NORM_NONE, PRE_NORM, WINDOW_UNTURNED,
     .tied = true, .rope_theta = 2e6, .unturned_every = 4},
    {"phi3",    "Phi3",     0,   0,   4096, 1e-5,  1, 32000, 32000, "silu", false, false, QK_NORM_NONE, PRE_NORM, WINDOW_ALL,
     .fused = true, .partial_rope = true},
    {"gemma2",  "Gemma2",   4, 256,   8192, 1e-6,  2,  1,  0, "gelu_pytorch_tanh", false, false, QK_NORM_NONE, BOTH_NORMS, WINDOW_OTHERS, 4096,
        GEMMA, .full_every = 2, .attention_caps = true, .attention_cap = 50, .final_cap = 30},
    {"gemma3_text", "Gemma3Text", 4, 256, 131072, 1e-6, 2, 1, 0, "gelu_pytorch_tanh", false, false, QK_NORM_HEAD, BOTH_NORMS, WINDOW_OTHERS, 4096,
        GEMMA, .full_every = 6, .full_every_field = "sliding_window_pattern", .lm_prefix = "Gemma3", .local_theta = 1e4, .rope_theta = 1e6},
};
/* clang-format on */
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
    c->fused = f->fused;
    c->norm_from_one = f->norm_from_one;
    c->scaled_embedding = f->scaled_embedding;
    c->window = f->window == WINDOW_OTHERS ? f->window_width : 0;
    c->query_scale = f->query_scale;
    c->attention_cap = f->attention_cap;
    c->final_cap = f->final_cap;
    c->rope_local_theta = f->local_theta;
    c->gate = strcmp(f->activation, "silu") == 0 ? GATE_SILU : GATE_GELU;
    return WR_OK;
}

static const char *const head_names[] = {
    [HEAD_LM] = "ForCausalLM", [HEAD_SCORE] = "ForSequenceClassification", [HEAD_NONE] = "Model"};

void model_config_set_head(model_config *c, model_head head, size_t n_outputs) {
    c->head = head;
    c->n_outputs = head == HEAD_SCORE ? n_outputs : 0;
    memset(c->architecture, 0, sizeof c->architecture); /* configurations are compared and sent as bytes */
    const model_family *f = config_family(c);
    const char *prefix = head == HEAD_LM && f->lm_prefix ? f->lm_prefix : f->prefix;
    snprintf(c->architecture, sizeof c->architecture, "%s%s", prefix, head_names[head]);
}
