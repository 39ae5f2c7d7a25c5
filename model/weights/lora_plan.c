#include "model/weights/lora_plan.h"

#include "base/log.h"
#include "base/mem.h"
#include "model/weights/family.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_CAP = 112 };

static bool is_text(const json_value *v, const char *text) {
    return json_is(v, JSON_STRING) && strcmp(v->text, text) == 0;
}

static bool is_unset(const json_value *v) {
    return v == NULL || v->kind == JSON_NULL || (v->kind == JSON_BOOL && !v->boolean) ||
           (v->kind != JSON_NUMBER && v->kind != JSON_BOOL && v->length == 0);
}

/* --- members -------------------------------------------------------------------------------------------------------
 */

/* Members that do not change the numbers, or that are read here. Any other one must be unset: null, false, or empty. */
static bool may_be_set(const char *key) {
    static const char *const known[] = {
        "alpha_pattern",       "auto_mapping",      "base_model_name_or_path", "bias",
        "ensure_weight_tying", "eva_config",        "exclude_modules",         "fan_in_fan_out",
        "inference_mode",      "init_lora_weights", "layers_pattern",          "layers_to_transform",
        "lora_alpha",          "lora_dropout",      "megatron_core",           "modules_to_save",
        "peft_type",           "peft_version",      "qalora_group_size",       "r",
        "rank_pattern",        "revision",          "runtime_config",          "target_modules",
        "task_type",           "use_rslora"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(key, known[i]) == 0) return true;
    return false;
}

/* PiSSA, OLoRA, CorDA, LoftQ … start by changing the base weights, which the file does not hold; the others only choose
 * first values. */
static bool keeps_base(const json_value *v) {
    return !v || v->kind == JSON_NULL || v->kind == JSON_BOOL || is_text(v, "gaussian") || is_text(v, "eva") ||
           is_text(v, "orthogonal");
}

static wr_status check_members(const json_value *root) {
    if (!json_is(root, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "not a JSON object");
    if (!is_text(json_get(root, "peft_type"), "LORA"))
        return wr_fail(WR_E_FORMAT, "peft_type is not \"LORA\": only LoRA adapters are supported");
    const json_value *bias = json_get(root, "bias");
    if (bias && !is_text(bias, "none"))
        return wr_fail(WR_E_FORMAT, "bias: adapters that train biases are not supported; it must be \"none\"");
    if (!keeps_base(json_get(root, "init_lora_weights")))
        return wr_fail(WR_E_FORMAT, "init_lora_weights: this initialisation changes the base model; save the adapter "
                                    "converted to LoRA (PEFT: path_initial_model_for_weight_conversion)");
    for (const json_value *v = root->first; v; v = v->next)
        if (!may_be_set(v->key) && !is_unset(v))
            return wr_fail(WR_E_FORMAT, "%.80s is set; it may change what the adapter computes and is not supported",
                           v->key);
    return WR_OK;
}

static wr_status check_strings(const json_value *root, const char *key, bool or_text) {
    const json_value *list = json_get(root, key);
    if (is_unset(list) || (or_text && list->kind == JSON_STRING)) return WR_OK;
    if (list->kind != JSON_ARRAY) return wr_fail(WR_E_FORMAT, "%s is not a list of names", key);
    for (const json_value *v = list->first; v; v = v->next)
        if (v->kind != JSON_STRING) return wr_fail(WR_E_FORMAT, "%s is not a list of names", key);
    return WR_OK;
}

/* --- matching ------------------------------------------------------------------------------------------------------
 */

/* `name` is the whole of `key`, or its end after a dot. */
static bool ends_as(const char *key, const char *name) {
    const size_t n = strlen(key), k = strlen(name);
    return k > 0 && k <= n && strcmp(key + n - k, name) == 0 && (k == n || key[n - k - 1] == '.');
}

static wr_status excluded(const json_value *list, const char *key, bool *out) {
    *out = false;
    if (is_unset(list)) return WR_OK;
    if (list->kind == JSON_STRING)
        return wr_context(lora_pattern_matches(list->text, false, key, out), "exclude_modules");
    for (const json_value *v = list->first; v && !*out; v = v->next) *out = ends_as(key, v->text);
    return WR_OK;
}

/* As re.match(r".*?\.[^.]*\.(?P<idx>\d+)\.", key), or with a name instead of [^.]*: of these models' modules, only
 * those of a layer have such a part. */
static bool layer_of(const json_value *pattern, const char *key, size_t *layer) {
    static const char in[] = "model.layers.";
    if (strncmp(key, in, strlen(in)) != 0 || sscanf(key + strlen(in), "%zu.", layer) != 1) return false;
    if (is_unset(pattern)) return true;
    if (pattern->kind == JSON_STRING) return strcmp(pattern->text, "layers") == 0;
    for (const json_value *v = pattern->first; v; v = v->next)
        if (is_text(v, "layers")) return true;
    return false;
}

static bool in_layers(const json_value *root, const char *key) {
    const json_value *indexes = json_get(root, "layers_to_transform");
    size_t layer = 0;
    int64_t x = 0;
    if (!indexes || indexes->kind == JSON_NULL || (indexes->kind == JSON_ARRAY && indexes->length == 0)) return true;
    if (!layer_of(json_get(root, "layers_pattern"), key, &layer)) return false;
    if (indexes->kind == JSON_NUMBER) return json_to_int(indexes, &x) && x == (int64_t)layer;
    for (const json_value *v = indexes->first; v; v = v->next)
        if (json_to_int(v, &x) && x == (int64_t)layer) return true;
    return false;
}

static bool is_saved(const json_value *root, const char *name) {
    const json_value *saved = json_get(root, "modules_to_save");
    for (const json_value *v = json_is(saved, JSON_ARRAY) ? saved->first : NULL; v; v = v->next)
        if (is_text(v, name)) return true;
    return false;
}

/* Does the adapter have the module `key`? linear: it is one of those that "all-linear" means. */
static wr_status targeted(const json_value *root, const char *key, bool linear, bool *out) {
    wr_status status = WR_OK;
    const json_value *targets = json_get(root, "target_modules");
    bool found = false;
    *out = false;
    TRY(excluded(json_get(root, "exclude_modules"), key, &found));
    if (found) return WR_OK;
    if (targets->kind == JSON_STRING && strcasecmp(targets->text, "all-linear") != 0) {
        TRY(wr_context(lora_pattern_matches(targets->text, false, key, out), "target_modules"));
        return WR_OK;
    }
    if (targets->kind == JSON_STRING) { /* PEFT puts full names into the list */
        *out = linear;
        return WR_OK;
    }
    for (const json_value *v = targets->first; v; v = v->next) {
        if (strcmp(v->text, key) == 0) { /* a full name is taken in any layer */
            *out = true;
            return WR_OK;
        }
        found = found || ends_as(key, v->text);
    }
    *out = found && in_layers(root, key);
cleanup:
    return status;
}

/* The value of the first pattern that matches; NULL: none does. */
static wr_status pattern_value(const json_value *root, const char *member, const char *key, const json_value **out) {
    wr_status status = WR_OK;
    const json_value *patterns = json_get(root, member);
    bool found = false;
    *out = NULL;
    if (is_unset(patterns)) return WR_OK;
    if (patterns->kind != JSON_OBJECT) return wr_fail(WR_E_FORMAT, "%s is not an object", member);
    for (const json_value *v = patterns->first; v && !found; v = v->next) {
        TRY(wr_context(lora_pattern_matches(v->key, true, key, &found), "%s", member));
        if (found) *out = v;
    }
cleanup:
    return status;
}

static wr_status share_of(const json_value *root, const char *key, lora_share *out) {
    wr_status status = WR_OK;
    int64_t r = 0;
    double alpha = 0;
    bool rslora = false;
    const json_value *rank = NULL, *weight = NULL;
    if (key) TRY(pattern_value(root, "rank_pattern", key, &rank));
    if (key) TRY(pattern_value(root, "alpha_pattern", key, &weight));
    if (!json_to_int(rank ? rank : json_get(root, "r"), &r) || r < 1 || r > INT32_MAX)
        TRY(wr_fail(WR_E_FORMAT, "%s is not a positive integer", rank ? "a rank of rank_pattern" : "r"));
    if (!json_to_double(weight ? weight : json_get(root, "lora_alpha"), &alpha) || !isfinite(alpha))
        TRY(wr_fail(WR_E_FORMAT, "%s is not a number", weight ? "an alpha of alpha_pattern" : "lora_alpha"));
    const json_value *v = json_get(root, "use_rslora");
    if (v && v->kind != JSON_NULL && !json_get_bool(root, "use_rslora", &rslora))
        TRY(wr_fail(WR_E_FORMAT, "use_rslora is not true or false"));
    *out = (lora_share){(size_t)r, alpha / (rslora ? sqrt((double)r) : (double)r)};
cleanup:
    return status;
}

/* --- the model's modules -------------------------------------------------------------------------------------------
 */

static wr_status add_module(const json_value *root, const char *key, bool linear, lora_share *share) {
    bool found = false;
    wr_status status = targeted(root, key, linear, &found);
    *share = (lora_share){0};
    return status < 0 || !found ? status : share_of(root, key, share);
}

/* Modules that PEFT finds by name and then refuses, because they are no matrix: asked for, they are an error here, too.
 */
static wr_status check_others(const model *m, const json_value *root) {
    wr_status status = WR_OK;
    const model_family *f = config_family(&m->config);
    const bool norms = m->config.qk_norm, fused = m->config.fused;
    const char *const of_layer[] = {"",
                                    "self_attn",
                                    "mlp",
                                    fused ? "mlp.activation_fn" : "mlp.act_fn",
                                    f->attention_norm,
                                    f->mlp_norm,
                                    norms   ? "self_attn.q_norm"
                                    : fused ? "resid_attn_dropout"
                                            : NULL,
                                    norms   ? "self_attn.k_norm"
                                    : fused ? "resid_mlp_dropout"
                                            : NULL};
    static const char *const of_model[] = {"model", "model.layers", "model.norm", "model.rotary_emb"};
    char key[NAME_CAP];
    bool found = false;
    for (size_t i = 0; i < sizeof of_model / sizeof *of_model; i++) {
        TRY(targeted(root, of_model[i], false, &found));
        if (found) TRY(wr_fail(WR_E_FORMAT, "target_modules: it takes in %s, which can have no adapter", of_model[i]));
    }
    for (size_t l = 0; l < m->config.L; l++)
        for (size_t i = 0; i < sizeof of_layer / sizeof *of_layer && of_layer[i]; i++) {
            snprintf(key, sizeof key, "model.layers.%zu%s%s", l, *of_layer[i] ? "." : "", of_layer[i]);
            TRY(targeted(root, key, false, &found));
            if (found) TRY(wr_fail(WR_E_FORMAT, "target_modules: it takes in %s, which can have no adapter", key));
        }
cleanup:
    return status;
}

/* PEFT wraps every module whose name ends (in letters) in one of modules_to_save; names of which there is none are
 * passed over. */
static wr_status read_saved(const model *m, const json_value *root, lora_plan *p) {
    wr_status status = WR_OK;
    const model_family *f = config_family(&m->config);
    const char *const others[] = {"model",
                                  "layers",
                                  "norm",
                                  "rotary_emb",
                                  "self_attn",
                                  "mlp",
                                  "act_fn",
                                  f->attention_norm,
                                  f->mlp_norm,
                                  "q_norm",
                                  "k_norm",
                                  "activation_fn",
                                  "resid_attn_dropout",
                                  "resid_mlp_dropout"};
    const size_t n_others = sizeof others / sizeof *others - (m->config.fused ? 0 : 3);
    TRY(check_strings(root, "modules_to_save", false));
    const json_value *saved = json_get(root, "modules_to_save");
    /* PEFT adds it for the task, whatever the list says. */
    p->score_saved =
        m->config.head == HEAD_SCORE && (is_saved(root, "score") || is_text(json_get(root, "task_type"), "SEQ_CLS"));
    p->head_saved = m->config.head == HEAD_LM && is_saved(root, "lm_head");
    p->embedding_saved = is_saved(root, "embed_tokens") || is_saved(root, "model.embed_tokens");
    for (const json_value *v = json_is(saved, JSON_ARRAY) ? saved->first : NULL; v; v = v->next) {
        bool ours = false;
        if (is_text(v, "score") || is_text(v, "classifier") || is_text(v, "lm_head") || is_text(v, "embed_tokens") ||
            is_text(v, "model.embed_tokens"))
            continue;
        for (size_t i = 0; i < n_others; i++) ours = ours || strstr(others[i], v->text) || strstr(v->text, others[i]);
        for (size_t k = 0; k < LORA_MODULE_COUNT; k++)
            ours = ours || (lora_module_there(m, k) &&
                            (strstr(lora_modules[k].path, v->text) || strstr(v->text, lora_modules[k].path)));
        if (ours || strstr("lm_head", v->text) || strstr("embed_tokens", v->text) || strstr("score", v->text))
            TRY(wr_fail(WR_E_FORMAT, "modules_to_save: \"%.80s\" is not supported; score, lm_head and embed_tokens are",
                        v->text));
    }
cleanup:
    return status;
}

/* Names of target_modules that this model has nowhere: worth a line, since the adapter may be another model's. */
static void tell_absent(const model *m, const json_value *root) {
    const json_value *targets = json_get(root, "target_modules");
    char key[NAME_CAP];
    for (const json_value *v = json_is(targets, JSON_ARRAY) ? targets->first : NULL; v; v = v->next) {
        bool found = ends_as("lm_head", v->text) || ends_as("model.embed_tokens", v->text) || ends_as("score", v->text);
        for (size_t l = 0; l < m->config.L && !found; l++)
            for (size_t k = 0; k < LORA_MODULE_COUNT && !found; k++) {
                if (!lora_module_there(m, k)) continue;
                snprintf(key, sizeof key, "model.layers.%zu.%s", l, lora_modules[k].path);
                found = ends_as(key, v->text);
            }
        if (!found)
            log_info("adapter: target_modules names \"%.80s\", which this model does not have: passed over", v->text);
    }
}

static wr_status read_targets(const model *m, const json_value *root, lora_plan *p) {
    wr_status status = WR_OK;
    char key[NAME_CAP];
    size_t any = 0;
    lora_share score = {0};
    const json_value *targets = json_get(root, "target_modules");
    TRY(check_strings(root, "target_modules", true));
    TRY(check_strings(root, "exclude_modules", true));
    TRY(check_strings(root, "layers_pattern", true));
    if (is_unset(targets)) TRY(wr_fail(WR_E_FORMAT, "target_modules is missing or empty"));
    const json_value *layers = json_get(root, "layers_to_transform");
    if (!is_unset(layers) && targets->kind == JSON_STRING && strcasecmp(targets->text, "all-linear") != 0)
        TRY(wr_fail(
            WR_E_FORMAT,
            "layers_to_transform does nothing beside a regular expression in target_modules; one of them must go"));
    for (size_t l = 0; l < m->config.L; l++)
        for (size_t k = 0; k < LORA_MODULE_COUNT; k++) {
            lora_share *share = &p->layers[l * LORA_MODULE_COUNT + k];
            if (!lora_module_there(m, k)) continue;
            snprintf(key, sizeof key, "model.layers.%zu.%s", l, lora_modules[k].path);
            TRY(add_module(root, key, true, share));
            any += share->rank > 0;
        }
    if (!p->embedding_saved) TRY(add_module(root, "model.embed_tokens", false, &p->embedding));
    if (m->config.head == HEAD_LM && !p->head_saved) TRY(add_module(root, "lm_head", false, &p->head));
    if (m->config.head == HEAD_SCORE && !p->score_saved) TRY(add_module(root, "score", false, &score));
    if (score.rank)
        TRY(wr_fail(WR_E_FORMAT,
                    "target_modules: an adapter on \"score\" is not supported; modules_to_save may hold it"));
    TRY(check_others(m, root));
    if (any + p->embedding.rank + p->head.rank == 0)
        TRY(wr_fail(WR_E_FORMAT, "target_modules: this model (%s) has no module of these names%s",
                    m->config.architecture,
                    targets->kind == JSON_ARRAY ? "" : " (or none that exclude_modules leaves)"));
    const bool ends = p->embedding.rank || p->head.rank || p->embedding_saved || p->head_saved;
    if (ends && m->config.tied && !is_unset(json_get(root, "ensure_weight_tying")))
        TRY(wr_fail(WR_E_FORMAT, "ensure_weight_tying is not supported for adapters on a tied embedding or head"));
    if (p->embedding.rank && !is_unset(json_get(root, "fan_in_fan_out")))
        TRY(wr_fail(WR_E_FORMAT, "fan_in_fan_out is set beside an adapter on the embedding, which is not supported"));
    tell_absent(m, root);
cleanup:
    return status;
}

wr_status lora_plan_read(const model *m, const json_value *root, lora_plan *out) {
    wr_status status = WR_OK;
    *out = (lora_plan){0};
    TRY(check_members(root));
    TRY(share_of(root, NULL, &out->usual));
    out->layers = mem_calloc(m->config.L * LORA_MODULE_COUNT, sizeof *out->layers);
    TRY_ALLOC(out->layers);
    TRY(read_saved(m, root, out));
    TRY(read_targets(m, root, out));
cleanup:
    return status;
}

void lora_plan_free(lora_plan *p) {
    free(p->layers);
    *p = (lora_plan){0};
}
