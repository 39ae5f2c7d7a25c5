/* Hugging Face config.json -> model_config, of transformers 4 (torch_dtype, rope_theta, rope_scaling) and 5 (dtype,
 * rope_parameters). The rule: a field that would change the numbers and is not computed here is an error that names it.
 */
#include "model/config.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_BYTES_MAX ((size_t)16 << 20)

/* --- reading fields ------------------------------------------------------------------------------------------------
 */

static bool is_absent(const json_value *v) { return v == NULL || v->kind == JSON_NULL; }

static wr_status read_size(const json_value *o, const char *key, size_t fallback, size_t *out) {
    const json_value *v = json_get(o, key);
    int64_t x = 0;
    if (is_absent(v)) {
        if (fallback == 0) return wr_fail(WR_E_FORMAT, "field \"%s\" is missing", key);
        *out = fallback;
        return WR_OK;
    }
    if (!json_get_int(o, key, &x) || x <= 0 || x > INT32_MAX)
        return wr_fail(WR_E_FORMAT, "field \"%s\" is not a positive integer below 2^31", key);
    *out = (size_t)x;
    return WR_OK;
}

static wr_status read_double(const json_value *o, const char *key, double fallback, double *out) {
    *out = fallback;
    if (is_absent(json_get(o, key))) return WR_OK;
    if (!json_get_double(o, key, out) || !isfinite(*out) || *out <= 0)
        return wr_fail(WR_E_FORMAT, "field \"%s\" is not a positive number", key);
    return WR_OK;
}

static wr_status read_id(const json_value *o, const char *key, int32_t *out) {
    int64_t x = 0;
    *out = -1;
    if (is_absent(json_get(o, key))) return WR_OK;
    if (!json_get_int(o, key, &x) || x < -1 || x > INT32_MAX)
        return wr_fail(WR_E_FORMAT, "field \"%s\" is not a token id", key);
    *out = (int32_t)x;
    return WR_OK;
}

/* A flag that must have its harmless value (false, or absent). */
static wr_status must_be_false(const json_value *o, const char *key) {
    const json_value *v = json_get(o, key);
    if (is_absent(v) || (v->kind == JSON_BOOL && !v->boolean)) return WR_OK;
    return wr_fail(WR_E_FORMAT, "field \"%s\" is set, which is not supported", key);
}

static wr_status must_be_absent(const json_value *o, const char *key) {
    if (is_absent(json_get(o, key))) return WR_OK;
    return wr_fail(WR_E_FORMAT, "field \"%s\" is set, which is not supported", key);
}

static wr_status must_be_one(const json_value *o, const char *key) {
    double x = 0;
    if (is_absent(json_get(o, key)) || (json_get_double(o, key, &x) && x == 1.0)) return WR_OK;
    return wr_fail(WR_E_FORMAT, "field \"%s\" is not 1, which is not supported", key);
}

/* eos_token_id is an id, a list of ids or null. */
static wr_status add_eos(model_config *c, const json_value *v) {
    int64_t x = 0;
    if (is_absent(v)) return WR_OK;
    if (v->kind == JSON_ARRAY) {
        for (const json_value *e = v->first; e; e = e->next) {
            if (e->kind == JSON_ARRAY)
                return wr_fail(WR_E_FORMAT, "field \"eos_token_id\" is not a token id or a list of them");
            wr_status s = add_eos(c, e);
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

/* rope_parameters (5) or rope_theta + rope_scaling (4). Only the plain rotation is computed here. */
static wr_status read_rope_object(const json_value *o, const char *name, double *theta) {
    const json_value *r = json_get(o, name);
    const char *type = NULL;
    size_t n = 0;
    wr_status status = WR_OK;
    if (is_absent(r)) return WR_OK;
    if (r->kind != JSON_OBJECT) return wr_fail(WR_E_FORMAT, "field \"%s\" is not an object", name);
    if (json_get_string(r, "rope_type", &type, &n) || json_get_string(r, "type", &type, &n)) {
        if (strcmp(type, "default") != 0)
            return wr_fail(WR_E_FORMAT, "field \"%s\": rope_type \"%s\" is not supported (only \"default\")", name,
                           type);
    } else if (json_get(r, "factor")) {
        return wr_fail(WR_E_FORMAT, "field \"%s\": rope scaling is not supported", name);
    }
    TRY(must_be_one(r, "partial_rotary_factor"));
    TRY(read_double(r, "rope_theta", *theta, theta));
cleanup:
    return status;
}

static wr_status read_rope(const json_value *o, double *theta) {
    wr_status status = WR_OK;
    TRY(read_double(o, "rope_theta", 10000.0, theta));
    TRY(read_rope_object(o, "rope_scaling", theta));
    TRY(read_rope_object(o, "rope_parameters", theta));
    TRY(must_be_one(o, "partial_rotary_factor"));
cleanup:
    return status;
}

static void copy_text(char *out, size_t cap, const char *text) { snprintf(out, cap, "%s", text); }

/* num_labels is written by this program; transformers writes id2label, and leaves it out when it is the default of 2.
 */
static wr_status read_labels(const json_value *o, size_t *n_labels) {
    const json_value *map = json_get(o, "id2label");
    if (!is_absent(map)) {
        if (map->kind != JSON_OBJECT || map->length == 0)
            return wr_fail(WR_E_FORMAT, "field \"id2label\" is not an object with members");
        *n_labels = map->length;
        return WR_OK;
    }
    return read_size(o, "num_labels", 2, n_labels);
}

static wr_status read_type(const json_value *o, model_config *c) {
    const char *type = NULL, *act = "silu", *arch = NULL;
    size_t n = 0;
    const json_value *archs = json_get(o, "architectures");
    if (!json_get_string(o, "model_type", &type, &n))
        return wr_fail(WR_E_FORMAT, "field \"model_type\" is missing (is this a Hugging Face model directory?)");
    if (strcmp(type, "llama") != 0 && strcmp(type, "mistral") != 0)
        return wr_fail(WR_E_FORMAT, "field \"model_type\": \"%s\" is not supported (llama, mistral)", type);
    copy_text(c->model_type, sizeof c->model_type, type);
    if (json_get_string(o, "hidden_act", &act, &n) && strcmp(act, "silu") != 0)
        return wr_fail(WR_E_FORMAT, "field \"hidden_act\": \"%s\" is not supported (silu)", act);

    if (!is_absent(archs)) {
        const json_value *first = json_at(archs, 0);
        if (archs->kind != JSON_ARRAY || !json_is(first, JSON_STRING))
            return wr_fail(WR_E_FORMAT, "field \"architectures\" is not a list of names");
        arch = first->text;
    } else {
        arch = strcmp(type, "llama") == 0 ? "LlamaForCausalLM" : "MistralForCausalLM";
    }
    const char *prefix = strcmp(type, "llama") == 0 ? "Llama" : "Mistral";
    const char *rest = strncmp(arch, prefix, strlen(prefix)) == 0 ? arch + strlen(prefix) : "";
    if (strcmp(rest, "ForCausalLM") == 0)
        c->head = HEAD_LM;
    else if (strcmp(rest, "ForSequenceClassification") == 0)
        c->head = HEAD_SCORE;
    else if (strcmp(rest, "Model") == 0)
        c->head = HEAD_NONE;
    else
        return wr_fail(WR_E_FORMAT, "field \"architectures\": \"%.80s\" is not supported", arch);
    copy_text(c->architecture, sizeof c->architecture, arch);
    return WR_OK;
}

static wr_status read_fields(const json_value *o, model_config *c) {
    wr_status status = WR_OK;
    if (!json_is(o, JSON_OBJECT)) return wr_fail(WR_E_FORMAT, "not a JSON object");
    TRY(read_type(o, c));
    TRY(must_be_false(o, "attention_bias"));
    TRY(must_be_false(o, "mlp_bias"));
    TRY(must_be_absent(o, "sliding_window"));
    /* transformers takes 4096 for Mistral when the field is not there, so only an explicit null means full attention.
     */
    if (strcmp(c->model_type, "mistral") == 0 && !json_get(o, "sliding_window"))
        return wr_fail(WR_E_FORMAT,
                       "field \"sliding_window\" is missing; null is needed, since its default is not supported");
    TRY(must_be_absent(o, "quantization_config"));
    TRY(must_be_one(o, "pretraining_tp"));
    TRY(read_size(o, "hidden_size", 0, &c->C));
    TRY(read_size(o, "num_hidden_layers", 0, &c->L));
    TRY(read_size(o, "num_attention_heads", 0, &c->H));
    TRY(read_size(o, "num_key_value_heads", c->H, &c->G));
    TRY(read_size(o, "head_dim", c->C / c->H > 0 ? c->C / c->H : 1, &c->D));
    TRY(read_size(o, "intermediate_size", 0, &c->F));
    TRY(read_size(o, "vocab_size", 0, &c->V));
    TRY(read_size(o, "max_position_embeddings", 2048, &c->max_positions));
    TRY(read_double(o, "rms_norm_eps", 1e-6, &c->norm_eps));
    TRY(read_double(o, "initializer_range", 0.02, &c->init_std));
    TRY(read_rope(o, &c->rope_theta));
    c->tied = false;
    if (!is_absent(json_get(o, "tie_word_embeddings")) && !json_get_bool(o, "tie_word_embeddings", &c->tied))
        return wr_fail(WR_E_FORMAT, "field \"tie_word_embeddings\" is not true or false");
    if (c->head == HEAD_SCORE) TRY(read_labels(o, &c->n_labels));
    TRY(read_id(o, "bos_token_id", &c->bos_id));
    TRY(read_id(o, "pad_token_id", &c->pad_id));
    TRY(add_eos(c, json_get(o, "eos_token_id")));
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
    model_config c = {.bos_id = -1, .eos_id = -1, .pad_id = -1};
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(path_join(path, dir, "config.json"));
    TRY(read_json(path, a, &o, &bytes));
    TRY(wr_context(read_fields(o, &c), "%s", path));
    TRY(wr_context(model_config_check(&c), "%s", path));
    TRY(path_join(path, dir, "generation_config.json"));
    if (file_exists(path)) {
        TRY(read_json(path, a, &o, &generation));
        TRY(wr_context(add_eos(&c, json_get(o, "eos_token_id")), "%s", path));
    }
    c.eos_id = c.n_eos > 0 ? c.eos_ids[0] : -1;
    *out = c;
cleanup:
    free(bytes);
    free(generation);
    arena_free(a);
    return status;
}

/* --- checking ------------------------------------------------------------------------------------------------------
 */

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
    if (c->L > 4096) return wr_fail(WR_E_FORMAT, "field \"num_hidden_layers\" is %zu, above 4096", c->L);
    if (c->D > 1024) return wr_fail(WR_E_FORMAT, "field \"head_dim\" is %zu, above 1024", c->D);
    if (c->D % 2) return wr_fail(WR_E_FORMAT, "field \"head_dim\" is %zu, but must be even", c->D);
    if (c->H % c->G)
        return wr_fail(WR_E_FORMAT,
                       "field \"num_attention_heads\" (%zu) is not a multiple of \"num_key_value_heads\" (%zu)", c->H,
                       c->G);
    if (c->head == HEAD_SCORE && (c->n_labels == 0 || c->n_labels > 4096))
        return wr_fail(WR_E_FORMAT, "field \"num_labels\" is %zu, outside 1 … 4096", c->n_labels);
    /* In double: every dimension is at most 2^24, so nothing here overflows, and the sum bounds the parameter count. */
    double C = (double)c->C, HD = (double)c->H * (double)c->D, GD = (double)c->G * (double)c->D;
    double layer = 2 * C * HD + 2 * C * GD + 3 * C * (double)c->F + 2 * C;
    double total = (double)c->L * layer + 2 * C * (double)c->V + C * (1.0 + (double)c->n_labels);
    if (total > 1e12) return wr_fail(WR_E_FORMAT, "the shapes give %.3g parameters, more than can be held", total);
    if (!(c->norm_eps > 0) || !(c->rope_theta > 0))
        return wr_fail(WR_E_FORMAT, "rms_norm_eps and rope_theta must be above 0");
    return WR_OK;
}

/* --- writing -------------------------------------------------------------------------------------------------------
 */

static void write_id(json_writer *w, const char *key, int32_t id) {
    json_key(w, key);
    if (id < 0)
        json_null(w);
    else
        json_int(w, id);
}

static void write_exact(json_writer *w, double x) {
    /* 17 digits, so that rms_norm_eps and rope_theta come back as the same doubles; shorter where that is exact. */
    char text[32];
    json_value v = {.kind = JSON_NUMBER, .text = text};
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    if (!strpbrk(text, ".e")) memcpy(text + strlen(text), ".0", sizeof ".0"); /* at most 17 digits: there is room */
    v.length = strlen(text);
    json_copy(w, &v);
}

static void write_labels(json_writer *w, size_t n) {
    char key[32], name[32];
    json_key(w, "id2label");
    json_begin_object(w);
    for (size_t i = 0; i < n; i++) {
        snprintf(key, sizeof key, "%zu", i);
        snprintf(name, sizeof name, "LABEL_%zu", i);
        json_key(w, key);
        json_string(w, name);
    }
    json_end_object(w);
    json_key(w, "label2id");
    json_begin_object(w);
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "LABEL_%zu", i);
        json_key(w, name);
        json_int(w, (int64_t)i);
    }
    json_end_object(w);
}

wr_status model_config_json(const model_config *c, const json_value *extra, strbuf *out) {
    json_writer w = json_writer_make(out);
    const char *type = c->model_type[0] ? c->model_type : "llama";
    char arch[64];
    snprintf(arch, sizeof arch, "%s%s", strcmp(type, "mistral") == 0 ? "Mistral" : "Llama",
             c->head == HEAD_LM      ? "ForCausalLM"
             : c->head == HEAD_SCORE ? "ForSequenceClassification"
                                     : "Model");
    json_begin_object(&w);
    json_key(&w, "architectures");
    json_begin_array(&w);
    json_string(&w, arch);
    json_end_array(&w);
    json_key(&w, "model_type"), json_string(&w, type);
    json_key(&w, "hidden_size"), json_int(&w, (int64_t)c->C);
    json_key(&w, "intermediate_size"), json_int(&w, (int64_t)c->F);
    json_key(&w, "num_hidden_layers"), json_int(&w, (int64_t)c->L);
    json_key(&w, "num_attention_heads"), json_int(&w, (int64_t)c->H);
    json_key(&w, "num_key_value_heads"), json_int(&w, (int64_t)c->G);
    json_key(&w, "head_dim"), json_int(&w, (int64_t)c->D);
    json_key(&w, "vocab_size"), json_int(&w, (int64_t)c->V);
    json_key(&w, "max_position_embeddings"), json_int(&w, (int64_t)c->max_positions);
    json_key(&w, "hidden_act"), json_string(&w, "silu");
    json_key(&w, "rms_norm_eps"), write_exact(&w, c->norm_eps);
    json_key(&w, "initializer_range"), write_exact(&w, c->init_std);
    /* transformers 4 reads rope_theta, 5 reads rope_parameters; each ignores the other. */
    json_key(&w, "rope_theta"), write_exact(&w, c->rope_theta);
    json_key(&w, "rope_parameters");
    json_begin_object(&w);
    json_key(&w, "rope_theta"), write_exact(&w, c->rope_theta);
    json_key(&w, "rope_type"), json_string(&w, "default");
    json_end_object(&w);
    if (strcmp(type, "mistral") == 0) json_key(&w, "sliding_window"), json_null(&w);
    json_key(&w, "attention_bias"), json_bool(&w, false);
    json_key(&w, "attention_dropout"), json_double(&w, 0.0);
    json_key(&w, "mlp_bias"), json_bool(&w, false);
    json_key(&w, "tie_word_embeddings"), json_bool(&w, c->tied);
    write_id(&w, "bos_token_id", c->bos_id);
    json_key(&w, "eos_token_id");
    if (c->n_eos > 1) {
        json_begin_array(&w);
        for (size_t i = 0; i < c->n_eos; i++) json_int(&w, c->eos_ids[i]);
        json_end_array(&w);
    } else if (c->eos_id >= 0) {
        json_int(&w, c->eos_id);
    } else {
        json_null(&w);
    }
    write_id(&w, "pad_token_id", c->pad_id);
    if (c->head == HEAD_SCORE) write_labels(&w, c->n_labels);
    json_key(&w, "dtype"), json_string(&w, "float32");
    json_key(&w, "torch_dtype"), json_string(&w, "float32");
    json_key(&w, "use_cache"), json_bool(&w, true);
    for (const json_value *e = extra ? extra->first : NULL; e; e = e->next) {
        json_key_n(&w, e->key, e->key_length);
        json_copy(&w, e);
    }
    json_end_object(&w);
    strbuf_putc(out, '\n');
    return strbuf_status(out);
}

/* --- --new SPEC ----------------------------------------------------------------------------------------------------
 */

static wr_status spec_value(const char *key, const char *text, size_t *out) {
    char *end = NULL;
    unsigned long x = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || x > ((unsigned long)1 << 24))
        return wr_fail(WR_E_USAGE, "model spec: %s=%s is not a number between 0 and 2^24", key, text);
    *out = (size_t)x;
    return WR_OK;
}

wr_status model_config_from_spec(const char *spec, model_config *out) {
    wr_status status = WR_OK;
    size_t layers = 4, hidden = 128, heads = 4, kv_heads = 0, ffn = 0, positions = 1024, tied = 1;
    const struct {
        const char *name;
        size_t *value;
    } keys[] = {{"layers", &layers}, {"hidden", &hidden},           {"heads", &heads}, {"kv-heads", &kv_heads},
                {"ffn", &ffn},       {"max-positions", &positions}, {"tied", &tied}};
    char text[256];
    if (strlen(spec) >= sizeof text) return wr_fail(WR_E_USAGE, "model spec is longer than 255 characters");
    snprintf(text, sizeof text, "%s", spec);
    for (char *save = NULL, *item = strtok_r(text, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(item, '=');
        size_t i = 0;
        if (!equals) return wr_fail(WR_E_USAGE, "model spec: \"%s\" is not key=value", item);
        *equals = '\0';
        while (i < sizeof keys / sizeof keys[0] && strcmp(keys[i].name, item) != 0) i++;
        if (i == sizeof keys / sizeof keys[0])
            return wr_fail(WR_E_USAGE,
                           "model spec: unknown key \"%s\" (layers, hidden, heads, kv-heads, ffn, max-positions, tied)",
                           item);
        TRY(spec_value(item, equals + 1, keys[i].value));
    }
    if (heads == 0 || hidden == 0 || hidden % heads)
        return wr_fail(WR_E_USAGE, "model spec: hidden=%zu is not a multiple of heads=%zu", hidden, heads);
    /* Unset widths follow the given ones in the proportions of the default (kv-heads 2 of 4, ffn 3 x hidden). */
    if (kv_heads == 0) kv_heads = heads % 2 ? heads : heads / 2;
    if (ffn == 0) ffn = 3 * hidden;
    if (positions == 0) return wr_fail(WR_E_USAGE, "model spec: max-positions must be at least 1");
    *out = (model_config){.C = hidden,
                          .H = heads,
                          .G = kv_heads,
                          .D = hidden / heads,
                          .F = ffn,
                          .L = layers,
                          .V = 1,
                          .max_positions = positions,
                          .rope_theta = 10000.0,
                          .norm_eps = 1e-5,
                          .tied = tied != 0,
                          .head = HEAD_LM,
                          /* sqrt(2/(5C)) (Nguyen & Salazar 2019): 0.02 at C = 1000, and not too small for narrow models. */
                          .init_std = sqrt(0.4 / (double)hidden),
                          .bos_id = -1,
                          .eos_id = -1,
                          .pad_id = -1};
    snprintf(out->architecture, sizeof out->architecture, "LlamaForCausalLM");
    snprintf(out->model_type, sizeof out->model_type, "llama");
    if (model_config_check(out) < 0) return wr_context(WR_E_USAGE, "model spec \"%s\"", spec);
    out->V = 0;
cleanup:
    return status;
}
