/* Hugging Face config.json -> model_config, of transformers 4 and 5. The rule: a field that would change the numbers
 * and is not computed here is an error that names it. Fields that are not there have the values that transformers' own
 * class of the family gives them. */
#include "model/weights/config_fields.h"

#include "base/file.h"
#include "model/weights/family.h"
#include "model/weights/objective_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_BYTES_MAX ((size_t)16 << 20)

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* eos_token_id is an id, a list of ids or null. */
static wr_status add_eos(model_config *c, const json_value *v, bool in_list) {
    int64_t x = 0;
    if (field_is_absent(v)) return WR_OK;
    if (v->kind == JSON_ARRAY && !in_list) {
        for (const json_value *e = v->first; e; e = e->next) {
            wr_status s = add_eos(c, e, true);
            if (s < 0) return s;
        }
        return WR_OK;
    }
    if (!json_to_int(v, &x) || x < 0 || x > INT32_MAX)
        return wr_fail(WR_E_FORMAT, "field \"eos_token_id\" is not a token id or a list of them");
    for (size_t i = 0; i < c->n_eos; i++)
        if (c->eos_ids[i] == (int32_t)x) return WR_OK;
    if (c->n_eos == sizeof c->eos_ids / sizeof c->eos_ids[0])
        return wr_fail(WR_E_FORMAT, "field \"eos_token_id\" lists more than 8 end tokens");
    c->eos_ids[c->n_eos++] = (int32_t)x;
    return WR_OK;
}

/* transformers writes id2label, and leaves it out when it is the default of 2; num_labels beats it where both are there
 * (transformers 5; 4.57: the reverse). */
static wr_status read_labels(const json_value *o, size_t *n_outputs) {
    const json_value *map = json_get(o, "id2label");
    if (!field_is_absent(map) && map->kind != JSON_OBJECT)
        return wr_fail(WR_E_FORMAT, "field \"id2label\" is not an object");
    if (field_is_absent(map) || !field_is_absent(json_get(o, "num_labels")))
        return field_size(o, "num_labels", 2, n_outputs);
    if (map->length == 0) return wr_fail(WR_E_FORMAT, "field \"id2label\" has no members");
    *n_outputs = map->length;
    return WR_OK;
}

/* OpenRLHF's class, of any family: one output, read at the last token by the attention mask, whatever its id is. */
static wr_status read_reward_model(const json_value *o, model_config *c) {
    const char *head = "score";
    size_t n = 0;
    const bool given = !field_is_absent(json_get(o, "value_head_prefix"));
    model_config_set_head(c, HEAD_SCORE, 1);
    if (given && !json_get_string(o, "value_head_prefix", &head, &n))
        return wr_fail(WR_E_FORMAT, "field \"value_head_prefix\" is not a name");
    if (strcmp(head, "score") != 0 && strcmp(head, "value_head") != 0)
        return wr_fail(WR_E_FORMAT,
                       "field \"value_head_prefix\": \"%.40s\" is not supported (score, value_head): rename the tensor "
                       "\"%.40s.weight\" to \"score.weight\"",
                       head, head);
    return field_must_be_bool(o, "normalize_reward", false);
}

static bool is_reward_model(const json_value *o) {
    const json_value *name = json_at(json_get(o, "architectures"), 0);
    return json_is(name, JSON_STRING) && strcmp(name->text, "RewardModel") == 0;
}

static wr_status read_type(const json_value *o, model_config *c, const model_family **out) {
    const char *type = NULL, *act = "";
    size_t n = 0;
    const json_value *archs = json_get(o, "architectures");
    const char *field = "hidden_act";
    if (!json_get_string(o, "model_type", &type, &n))
        return wr_fail(WR_E_FORMAT, "field \"model_type\" is missing (is this a Hugging Face model directory?)");
    wr_status s = model_config_set_type(c, type);
    if (s < 0) return s;
    *out = family_of(type);
    if ((*out)->activation_field) field = (*out)->activation_field;
    const bool given = !field_is_absent(json_get(o, field));
    if (given && !json_get_string(o, field, &act, &n)) return wr_fail(WR_E_FORMAT, "field \"%s\" is not a name", field);
    if (given && strcmp(act, (*out)->activation) != 0)
        return wr_fail(WR_E_FORMAT, "field \"%s\": \"%.40s\" is not supported (%s)", field, act, (*out)->activation);
    model_config_set_head(c, HEAD_LM, 0);
    if (field_is_absent(archs) || (archs->kind == JSON_ARRAY && archs->length == 0)) return WR_OK;
    const json_value *name = json_at(archs, 0);
    if (archs->kind != JSON_ARRAY || !json_is(name, JSON_STRING))
        return wr_fail(WR_E_FORMAT, "field \"architectures\" is not a list of names");
    for (model_head head = HEAD_LM; head <= HEAD_NONE; head++) {
        model_config_set_head(c, head, 0);
        if (strcmp(c->architecture, name->text) == 0) return WR_OK;
    }
    if (is_reward_model(o)) return read_reward_model(o, c);
    return wr_fail(
        WR_E_FORMAT,
        "field \"architectures\": \"%.80s\" is not supported (%s with ForCausalLM, ForSequenceClassification or Model; "
        "RewardModel)",
        name->text, (*out)->prefix);
}

static wr_status check_unsupported(const json_value *o, const model_family *f) {
    wr_status status = WR_OK;
    if (!f->qkv_bias) TRY(field_must_be_bool(o, "attention_bias", false));
    TRY(field_must_be_bool(o, "mlp_bias", false));
    TRY(field_must_be_bool(o, "use_mrope", false));
    TRY(field_must_be_bool(o, "is_causal", true));
    TRY(field_must_be_bool(o, "is_encoder_decoder", false));
    TRY(field_must_be_bool(o, "add_cross_attention", false));
    /* Llama's class alone has it; published SmolLM3 says 2, which changes nothing there */
    if (strcmp(f->model_type, "llama") == 0) TRY(field_must_be_number(o, "pretraining_tp", 1));
    TRY(field_must_be_number(o, "attention_dropout", 0));
    if (f->fused) TRY(field_must_be_number(o, "resid_pdrop", 0));
    if (f->fused) TRY(field_must_be_number(o, "embd_pdrop", 0));
    TRY(field_must_be_absent(o, "quantization_config", false));
    TRY(field_must_be_absent(o, "per_layer_config", true));
cleanup:
    return status;
}

/* A cap above 0, 0 for null. */
static wr_status read_cap(const json_value *o, const char *key, double fallback, double *out) {
    const json_value *v = json_get(o, key);
    *out = v ? 0 : fallback;
    return field_is_absent(v) ? WR_OK : field_double(o, key, 0, out);
}

/* What attention and the head make of scores and logits. */
static wr_status read_scores(const json_value *o, const model_family *f, model_config *c) {
    wr_status status = WR_OK;
    size_t scale = 0;
    if (f->query_scale == 0) return WR_OK;
    TRY(field_must_be_bool(o, "use_bidirectional_attention", false));
    TRY(field_size(o, "query_pre_attn_scalar", (size_t)f->query_scale, &scale));
    c->query_scale = (double)scale;
    if (f->attention_caps)
        TRY(read_cap(o, "attn_logit_softcapping", f->attention_cap, &c->attention_cap));
    else /* the class has the field and does nothing with it */
        TRY(field_must_be_absent(o, "attn_logit_softcapping", false));
    TRY(read_cap(o, "final_logit_softcapping", f->final_cap, &c->final_cap));
cleanup:
    return status;
}

static wr_status read_fields(const json_value *o, model_config *c) {
    wr_status status = WR_OK;
    const model_family *f = NULL;
    if (!json_is(o, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "not a JSON object");
    TRY(read_type(o, c, &f));
    TRY(check_unsupported(o, f));
    TRY(field_size(o, "hidden_size", 0, &c->C));
    TRY(field_size(o, "num_hidden_layers", 0, &c->L));
    TRY(field_size(o, "num_attention_heads", 0, &c->H));
    /* Absent and null differ: null is as many as query heads in every family, and hidden_size / heads. */
    TRY(field_size(o, "num_key_value_heads", f->G && !json_get(o, "num_key_value_heads") ? f->G : c->H, &c->G));
    TRY(field_size(o, "head_dim", f->D && !json_get(o, "head_dim") ? f->D : c->C / c->H > 0 ? c->C / c->H : 1, &c->D));
    TRY(field_size(o, "intermediate_size", 0, &c->F));
    TRY(field_size(o, "vocab_size", 0, &c->V));
    TRY(field_size(o, "max_position_embeddings", f->max_positions, &c->max_positions));
    TRY(field_double(o, "rms_norm_eps", f->norm_eps, &c->norm_eps));
    TRY(field_double(o, "initializer_range", 0.02, &c->init_std));
    TRY(config_read_layers(o, c));
    TRY(config_read_rope(o, c));
    TRY(read_scores(o, f, c));
    TRY(field_bool(o, "tie_word_embeddings", f->tied, &c->tied));
    if (c->head == HEAD_SCORE && !c->n_outputs) TRY(read_labels(o, &c->n_outputs));
    if (c->head == HEAD_SCORE) TRY(objective_record_parse(json_get(o, "wildreward"), c));
    TRY(field_id(o, "bos_token_id", f->bos_id, &c->bos_id));
    TRY(field_id(o, "pad_token_id", f->pad_id, &c->pad_id));
    if (is_reward_model(o)) c->pad_id = -1;
    TRY(add_eos(c, json_get(o, "eos_token_id"), false));
    if (!json_get(o, "eos_token_id") && f->eos_id >= 0) c->eos_ids[c->n_eos++] = f->eos_id;
cleanup:
    return status;
}

static wr_status read_json(const char *path, arena *a, const json_value **out, char **bytes) {
    size_t n = 0;
    wr_status s = file_read(path, CONFIG_BYTES_MAX, bytes, &n);
    if (s < 0) return s;
    return wr_context(json_parse(a, *bytes, n, out), "%s", path);
}

wr_status model_config_load(const char *dir, model_config *out) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    char *bytes = NULL, *generation = NULL;
    const json_value *o = NULL;
    model_config c;
    arena *a = arena_create();
    memset(&c, 0, sizeof c);
    c.bos_id = c.eos_id = c.pad_id = -1;
    TRY_ALLOC(a);
    TRY(path_join(path, dir, "config.json"));
    TRY(read_json(path, a, &o, &bytes));
    TRY(wr_context(read_fields(o, &c), "%s", path));
    TRY(wr_context(model_config_check(&c), "%s", path));
    TRY(path_join(path, dir, "generation_config.json"));
    if (file_exists(path)) {
        TRY(read_json(path, a, &o, &generation));
        TRY(wr_context(add_eos(&c, json_get(o, "eos_token_id"), false), "%s", path));
    }
    c.eos_id = c.n_eos > 0 ? c.eos_ids[0] : -1;
    *out = c;
cleanup:
    free(bytes);
    free(generation);
    arena_free(a);
    return status;
}

/* --- checking ----------------------------------------------------------------------------------------------------- */

wr_status model_config_check(const model_config *c) {
    const size_t top = (size_t)1 << 24;
    const struct {
        const char *name;
        size_t value;
    } dims[] = {{"hidden_size", c->C},      {"num_attention_heads", c->H}, {"num_key_value_heads", c->G},
                {"head_dim", c->D},         {"intermediate_size", c->F},   {"vocab_size", c->V},
                {"num_hidden_layers", c->L}};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++)
        if (dims[i].value == 0 || dims[i].value > top)
            return wr_fail(WR_E_FORMAT, "field \"%s\" is %zu, outside 1 … %zu", dims[i].name, dims[i].value, top);
    if (c->L > LAYERS_MAX)
        return wr_fail(WR_E_FORMAT, "field \"num_hidden_layers\" is %zu, above %d", c->L, LAYERS_MAX);
    if (c->D > HEAD_DIM_MAX) return wr_fail(WR_E_FORMAT, "field \"head_dim\" is %zu, above %d", c->D, HEAD_DIM_MAX);
    if (c->D % 2) return wr_fail(WR_E_FORMAT, "field \"head_dim\" is %zu, but must be even", c->D);
    if (c->H % c->G)
        return wr_fail(WR_E_FORMAT,
                       "field \"num_attention_heads\" (%zu) is not a multiple of \"num_key_value_heads\" (%zu)", c->H,
                       c->G);
    if (c->head == HEAD_SCORE && (c->n_outputs == 0 || c->n_outputs > 4096))
        return wr_fail(WR_E_FORMAT, "field \"num_labels\" is %zu, outside 1 … 4096", c->n_outputs);
    if (c->head == HEAD_SCORE && c->own.kind && c->n_outputs != 1)
        return wr_fail(
            WR_E_FORMAT,
            "field \"num_labels\" is %zu, but with the biases or thresholds of \"wildreward\" the head has 1",
            c->n_outputs);
    /* In double: every dimension is at most 2^24, so nothing here overflows, and the sum bounds the parameter count. */
    double C = (double)c->C, HD = (double)c->H * (double)c->D, GD = (double)c->G * (double)c->D;
    double layer = 2 * C * HD + 2 * C * GD + 3 * C * (double)c->F + 2 * C + HD + 2 * GD + 2 * (double)c->D;
    double total = (double)c->L * layer + 2 * C * (double)c->V + C * (1.0 + (double)c->n_outputs);
    if (total > 1e12) return wr_fail(WR_E_FORMAT, "the shapes give %.3g parameters, more than can be held", total);
    if (!(c->norm_eps > 0) || !(c->rope_theta > 0))
        return wr_fail(WR_E_FORMAT, "rms_norm_eps and rope_theta must be above 0");
    return WR_OK;
}
