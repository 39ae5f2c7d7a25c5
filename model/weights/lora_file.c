/* Adapters in PEFT's files: adapter_config.json and adapter_model.safetensors (PEFT 0.5 to 0.21; facts from its source and from files it wrote). */
#include "model/weights/lora_parts.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/weights/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_NAME "adapter_config.json"
#define WEIGHTS_NAME "adapter_model.safetensors"
#define CONFIG_MAX ((size_t)4 << 20)

/* --- writing -------------------------------------------------------------------------------------------------------- */

static void write_strings(json_writer *w, const char *key, const char *const *items, size_t n) {
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) json_string(w, items[i]);
    json_end_array(w);
}

/* Module names of target_modules. Adapters that a loaded file had on some layers only are named one by one. */
static void write_targets(json_writer *w, const model *m) {
    const struct lora *a = m->lora;
    bool everywhere = true;
    for (size_t l = 0; l < m->config.L; l++)
        for (size_t k = 0; k < LORA_MODULE_COUNT; k++)
            if ((a->targets & LORA_MODULE_BIT(lora_modules[k].kind)) && a->pairs[l * LAYER_KINDS + (size_t)lora_modules[k].kind].a == SIZE_MAX)
                everywhere = false;
    json_key(w, "target_modules");
    json_begin_array(w);
    for (size_t l = 0; l < (everywhere ? 1 : m->config.L); l++)
        for (size_t k = 0; k < LORA_MODULE_COUNT; k++) {
            char name[96];
            if (a->pairs[l * LAYER_KINDS + (size_t)lora_modules[k].kind].a == SIZE_MAX) continue;
            if (everywhere)
                snprintf(name, sizeof name, "%s", strchr(lora_modules[k].path, '.') + 1);
            else
                snprintf(name, sizeof name, "model.layers.%zu.%s", l, lora_modules[k].path);
            json_string(w, name);
        }
    json_end_array(w);
}

static wr_status write_config(const model *m, const char *dir, const char *base) {
    wr_status status = WR_OK;
    const struct lora *a = m->lora;
    char path[PATH_CAP];
    strbuf text = {0};
    json_writer w = json_writer_make(&text);
    json_begin_object(&w);
    json_key(&w, "base_model_name_or_path"), json_string(&w, base);
    json_key(&w, "bias"), json_string(&w, "none");
    json_key(&w, "fan_in_fan_out"), json_bool(&w, false);
    json_key(&w, "inference_mode"), json_bool(&w, true);
    json_key(&w, "init_lora_weights"), json_bool(&w, true);
    json_key(&w, "layers_to_transform"), json_null(&w);
    json_key(&w, "lora_alpha");
    if (a->alpha == floor(a->alpha) && a->alpha < 1e15)
        json_int(&w, (int64_t)a->alpha);
    else { /* all digits: json_double's nine would change the scale */
        char number[40];
        snprintf(number, sizeof number, "%.17g", a->alpha);
        const json_value value = {.kind = JSON_NUMBER, .text = number, .length = strlen(number)};
        json_copy(&w, &value);
    }
    json_key(&w, "lora_dropout"), json_int(&w, 0);
    if (a->score != SIZE_MAX)
        write_strings(&w, "modules_to_save", (const char *const[]){"score"}, 1);
    else
        json_key(&w, "modules_to_save"), json_null(&w);
    json_key(&w, "peft_type"), json_string(&w, "LORA");
    json_key(&w, "r"), json_int(&w, (int64_t)a->rank);
    json_key(&w, "revision"), json_null(&w);
    write_targets(&w, m);
    json_key(&w, "task_type"), json_string(&w, a->score != SIZE_MAX ? "SEQ_CLS" : "CAUSAL_LM");
    json_key(&w, "use_dora"), json_bool(&w, false);
    json_key(&w, "use_rslora"), json_bool(&w, false);
    json_end_object(&w);
    strbuf_putc(&text, '\n');
    TRY(strbuf_status(&text));
    TRY(path_join(path, dir, CONFIG_NAME));
    TRY(file_write_atomic(path, text.data, text.len));
cleanup:
    strbuf_free(&text);
    return status;
}

wr_status lora_save(const model *m, const char *dir, const char *base) {
    wr_status status = WR_OK;
    static const char *const metadata[] = {"format", "pt", NULL};
    const struct lora *a = m->lora;
    char path[PATH_CAP];
    st_tensor *t = NULL;
    if (!a) return wr_fail(WR_E_USAGE, "%s: the model has no adapters to save", dir);
    t = mem_calloc(a->n_tensors, sizeof *t);
    TRY_ALLOC(t);
    for (size_t i = 0; i < a->n_tensors; i++)
        t[i] = (st_tensor){.name = a->tensors[i].name,
                           .dtype = ST_F32,
                           .n_dims = 2,
                           .dims = {a->tensors[i].dims[0], a->tensors[i].dims[1]},
                           .data = a->values + a->tensors[i].offset,
                           .bytes = a->tensors[i].count * sizeof *a->values};
    TRY(write_config(m, dir, base));
    TRY(path_join(path, dir, WEIGHTS_NAME));
    TRY(safetensors_write(path, t, a->n_tensors, metadata));
cleanup:
    free(t);
    return status;
}

/* --- adapter_config.json -------------------------------------------------------------------------------------------- */

/* Fields that do not change the numbers, or that are read here. Any other one must be unset: null, false, or empty. */
static bool may_be_set(const char *key) {
    static const char *const known[] = {
        "auto_mapping", "base_model_name_or_path", "bias", "ensure_weight_tying", "eva_config", "inference_mode", "init_lora_weights", "lora_alpha",
        "lora_dropout", "megatron_core", "modules_to_save", "peft_type", "peft_version", "qalora_group_size", "r", "revision", "runtime_config",
        "target_modules", "task_type", "use_rslora"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(key, known[i]) == 0) return true;
    return false;
}

static bool is_unset(const json_value *v) {
    return v->kind == JSON_NULL || (v->kind == JSON_BOOL && !v->boolean) || (v->kind != JSON_NUMBER && v->kind != JSON_BOOL && v->length == 0);
}

static bool is_text(const json_value *v, const char *text) { return json_is(v, JSON_STRING) && strcmp(v->text, text) == 0; }

/* PiSSA, OLoRA, CorDA, LoftQ … start by changing the base weights, which the file does not hold; the others only choose first values. */
static bool keeps_base(const json_value *v) {
    return !v || v->kind == JSON_NULL || v->kind == JSON_BOOL || is_text(v, "gaussian") || is_text(v, "eva") || is_text(v, "orthogonal");
}

static wr_status check_fields(const json_value *root) {
    if (!json_is(root, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "not a JSON object");
    if (!is_text(json_get(root, "peft_type"), "LORA")) return wr_fail(WR_E_FORMAT, "peft_type is not \"LORA\": only LoRA adapters are supported");
    const json_value *bias = json_get(root, "bias");
    if (bias && !is_text(bias, "none")) return wr_fail(WR_E_FORMAT, "bias: adapters that train biases are not supported; it must be \"none\"");
    if (!keeps_base(json_get(root, "init_lora_weights")))
        return wr_fail(WR_E_FORMAT, "init_lora_weights: this initialisation changes the base model; save the adapter converted to LoRA (PEFT: path_initial_model_for_weight_conversion)");
    const json_value *saved = json_get(root, "modules_to_save");
    if (saved && saved->kind != JSON_NULL && saved->kind != JSON_ARRAY) return wr_fail(WR_E_FORMAT, "modules_to_save is not a list");
    for (const json_value *v = saved ? saved->first : NULL; v; v = v->next)
        if (!is_text(v, "score") && !is_text(v, "classifier")) /* PEFT lists both; none of these models has a "classifier" */
            return wr_fail(WR_E_FORMAT, "modules_to_save: \"%.80s\" is not supported, only \"score\" is", v->kind == JSON_STRING ? v->text : "…");
    for (const json_value *v = root->first; v; v = v->next)
        if (!may_be_set(v->key) && !is_unset(v))
            return wr_fail(WR_E_FORMAT, "%.80s is set; it may change what the adapter computes and is not supported", v->key);
    return WR_OK;
}

/* One entry of target_modules (or "all-linear"): adds to the layers' bits. */
static wr_status add_target(const model *m, const char *target, size_t n, unsigned *layer_targets) {
    bool found = false;
    for (size_t l = 0; l < m->config.L; l++)
        for (size_t k = 0; k < LORA_MODULE_COUNT; k++)
            if (lora_target_matches(l, lora_modules[k].path, target, n)) {
                layer_targets[l] |= LORA_MODULE_BIT(lora_modules[k].kind);
                found = true;
            }
    if (found) return WR_OK;
    return wr_fail(WR_E_FORMAT, "target_modules: \"%.*s\" is not a linear layer of this model's decoder", (int)(n < 120 ? n : 120), target);
}

static wr_status read_targets(const model *m, const json_value *targets, unsigned *layer_targets) {
    wr_status status = WR_OK;
    if (is_text(targets, "all-linear")) {
        for (size_t k = 0; k < LORA_MODULE_COUNT; k++) TRY(add_target(m, lora_modules[k].path, strlen(lora_modules[k].path), layer_targets));
        return WR_OK;
    }
    if (json_is(targets, JSON_STRING))
        return wr_fail(WR_E_FORMAT, "target_modules: \"%.80s\" is a regular expression; only a list of module names and \"all-linear\" are supported", targets->text);
    if (!json_is(targets, JSON_ARRAY) || targets->length == 0) return wr_fail(WR_E_FORMAT, "target_modules is missing or empty");
    for (const json_value *v = targets->first; v; v = v->next) {
        if (v->kind != JSON_STRING) return wr_fail(WR_E_FORMAT, "target_modules is not a list of module names");
        TRY(add_target(m, v->text, v->length, layer_targets));
    }
cleanup:
    return status;
}

static wr_status read_config(const model *m, const json_value *root, size_t *rank, double *alpha, unsigned *layer_targets) {
    wr_status status = WR_OK;
    int64_t r;
    bool rslora = false;
    TRY(check_fields(root));
    if (!json_get_int(root, "r", &r) || r < 1 || r > INT32_MAX) return wr_fail(WR_E_FORMAT, "r is not a positive integer");
    if (!json_get_double(root, "lora_alpha", alpha) || !isfinite(*alpha)) return wr_fail(WR_E_FORMAT, "lora_alpha is not a number");
    const json_value *v = json_get(root, "use_rslora");
    if (v && v->kind != JSON_NULL && !json_get_bool(root, "use_rslora", &rslora)) return wr_fail(WR_E_FORMAT, "use_rslora is not true or false");
    *rank = (size_t)r;
    if (rslora) *alpha *= sqrt((double)r); /* its scale is alpha / sqrt(r) */
    TRY(read_targets(m, json_get(root, "target_modules"), layer_targets));
cleanup:
    return status;
}

/* --- adapter_model.safetensors -------------------------------------------------------------------------------------- */

/* All that is wanted is there in its shape, and nothing else. Done before memory is had for what the config announces. */
static wr_status check_tensors(const model *m, const struct lora *a, const safetensors *s, bool has_score) {
    size_t wanted = 0;
    for (size_t i = 0; i < a->n_tensors; i++) {
        const tensor_info *want = &a->tensors[i];
        if (want->offset == a->score && !has_score) continue;
        const st_tensor *t = safetensors_find(s, want->name);
        if (!t) return wr_fail(WR_E_FORMAT, "tensor \"%s\" is missing", want->name);
        if (t->n_dims != 2 || t->dims[0] != want->dims[0] || t->dims[1] != want->dims[1])
            return wr_fail(WR_E_MISMATCH, "tensor \"%s\" has shape (%zu, %zu), but with this model and " CONFIG_NAME " it must be (%zu, %zu)",
                           want->name, t->n_dims > 0 ? t->dims[0] : 0, t->n_dims > 1 ? t->dims[1] : 0, want->dims[0], want->dims[1]);
        wanted++;
    }
    for (size_t i = 0; wanted != safetensors_count(s) && i < safetensors_count(s); i++) {
        const char *name = safetensors_at(s, i)->name;
        bool known = false;
        for (size_t k = 0; k < a->n_tensors && !known; k++)
            known = strcmp(a->tensors[k].name, name) == 0 && (a->tensors[k].offset != a->score || has_score);
        if (!known)
            return wr_fail(WR_E_FORMAT, "tensor \"%.160s\" belongs to no adapter that " CONFIG_NAME " describes for this model (%s)", name,
                           m->config.architecture);
    }
    return WR_OK;
}

static wr_status read_values(struct lora *a, const safetensors *s, bool has_score) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < a->n_tensors; i++) {
        const tensor_info *t = &a->tensors[i];
        if (t->offset == a->score && !has_score) continue; /* the model's own, which lora_alloc has put there */
        TRY(st_tensor_to_f32(safetensors_find(s, t->name), a->values + t->offset));
        for (size_t k = 0; k < t->count; k++)
            if (!isfinite(a->values[t->offset + k])) return wr_fail(WR_E_FORMAT, "tensor \"%s\" holds NaN or infinity", t->name);
    }
cleanup:
    return status;
}

static bool saves_score(const json_value *root) {
    const json_value *saved = json_get(root, "modules_to_save");
    for (const json_value *v = saved ? saved->first : NULL; v; v = v->next)
        if (is_text(v, "score")) return true;
    return false;
}

wr_status lora_load(model *m, const char *dir) {
    wr_status status = WR_OK;
    char path[PATH_CAP], *bytes = NULL;
    const json_value *root = NULL;
    unsigned *layer_targets = NULL;
    struct lora *a = NULL;
    safetensors *s = NULL;
    size_t n, rank = 0;
    double alpha = 0;
    arena *memory = arena_create();
    TRY_ALLOC(memory);
    if (m->lora) TRY(wr_fail(WR_E_USAGE, "%s: the model has adapters already", dir));
    TRY(path_join(path, dir, CONFIG_NAME));
    TRY(file_read(path, CONFIG_MAX, &bytes, &n));
    TRY(wr_context(json_parse(memory, bytes, n, &root), "%s", path));
    layer_targets = mem_calloc(m->config.L, sizeof *layer_targets);
    TRY_ALLOC(layer_targets);
    TRY(wr_context(read_config(m, root, &rank, &alpha, layer_targets), "%s", path));
    TRY(path_join(path, dir, WEIGHTS_NAME));
    TRY(safetensors_open(path, &s));
    TRY(lora_create(m, rank, alpha, layer_targets, &a));
    TRY(wr_context(check_tensors(m, a, s, saves_score(root)), "%s", path));
    TRY(lora_alloc(m, a));
    TRY(wr_context(read_values(a, s, saves_score(root)), "%s", path));
    m->lora = a;
    status = lora_publish(m);
    if (status < 0) m->lora = NULL;
    else a = NULL;
cleanup:
    lora_free(a);
    safetensors_close(s);
    free(layer_targets);
    free(bytes);
    arena_free(memory);
    return status;
}

wr_status lora_score_rows(const char *dir, size_t *rows) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    safetensors *s = NULL;
    *rows = 0;
    TRY(path_join(path, dir, WEIGHTS_NAME));
    TRY(safetensors_open(path, &s));
    const st_tensor *t = safetensors_find(s, "base_model.model.score.weight");
    if (t && t->n_dims == 2) *rows = t->dims[0];
cleanup:
    safetensors_close(s);
    return status;
}
