/* model_config -> config.json that transformers 4 and 5 read alike. */
#include "model/weights/config_fields.h"
#include "model/weights/family.h"

#include <stdio.h>
#include <string.h>

static void write_id(json_writer *w, const char *key, int32_t id) {
    json_key(w, key);
    if (id < 0)
        json_null(w);
    else
        json_int(w, id);
}

static void write_eos(json_writer *w, const model_config *c) {
    if (c->n_eos < 2) {
        write_id(w, "eos_token_id", c->eos_id);
        return;
    }
    json_member_array(w, "eos_token_id");
    for (size_t i = 0; i < c->n_eos; i++) json_int(w, c->eos_ids[i]);
    json_end_array(w);
}

static void write_labels(json_writer *w, size_t n) {
    char key[32], name[32];
    json_member_object(w, "id2label");
    for (size_t i = 0; i < n; i++) {
        snprintf(key, sizeof key, "%zu", i);
        snprintf(name, sizeof name, "LABEL_%zu", i);
        json_member_string(w, key, name);
    }
    json_end_object(w);
    json_member_object(w, "label2id");
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "LABEL_%zu", i);
        json_member_int(w, name, (int64_t)i);
    }
    json_end_object(w);
}

static void write_cap(json_writer *w, const char *key, double cap) {
    if (cap > 0)
        field_write_double(w, key, cap);
    else
        json_member_null(w, key);
}

static void write_family(json_writer *w, const model_config *c) {
    const model_family *f = config_family(c);
    if (f->mlp_bias) json_member_bool(w, "mlp_bias", false);
    if (!c->qkv_bias) json_member_bool(w, "attention_bias", false);
    config_write_layers(w, c);
    if (f->query_scale == 0) return;
    json_member_count(w, "query_pre_attn_scalar", (size_t)c->query_scale);
    write_cap(w, "attn_logit_softcapping", c->attention_cap);
    write_cap(w, "final_logit_softcapping", c->final_cap);
}

wr_status model_config_json(const model_config *c, precision stored, const json_value *extra, strbuf *out) {
    const char *dtype = stored == PRECISION_BF16 ? "bfloat16" : "float32";
    json_writer w = json_writer_make(out);
    model_config named = *c; /* the name of the architecture follows from family and head */
    model_config_set_head(&named, c->head, c->n_outputs);
    json_begin_object(&w);
    json_member_array(&w, "architectures");
    json_string(&w, named.architecture);
    json_end_array(&w);
    json_member_string(&w, "model_type", config_family(c)->model_type);
    json_member_count(&w, "hidden_size", c->C);
    json_member_count(&w, "intermediate_size", c->F);
    json_member_count(&w, "num_hidden_layers", c->L);
    json_member_count(&w, "num_attention_heads", c->H);
    json_member_count(&w, "num_key_value_heads", c->G);
    json_member_count(&w, "head_dim", c->D);
    json_member_count(&w, "vocab_size", c->V);
    json_member_count(&w, "max_position_embeddings", c->max_positions);
    const model_family *f = config_family(c);
    json_member_string(&w, f->activation_field ? f->activation_field : "hidden_act", f->activation);
    field_write_double(&w, "rms_norm_eps", c->norm_eps);
    field_write_double(&w, "initializer_range", c->init_std);
    config_write_rope(&w, c);
    json_member_double(&w, "attention_dropout", 0.0);
    write_family(&w, c);
    json_member_bool(&w, "tie_word_embeddings", c->tied);
    write_id(&w, "bos_token_id", c->bos_id);
    write_eos(&w, c);
    write_id(&w, "pad_token_id", c->pad_id);
    if (c->head == HEAD_SCORE) write_labels(&w, c->n_outputs);
    json_member_string(&w, "dtype", dtype);
    json_member_string(&w, "torch_dtype", dtype);
    json_member_bool(&w, "use_cache", true);
    for (const json_value *e = extra ? extra->first : NULL; e; e = e->next) {
        json_key_n(&w, e->key, e->key_length);
        json_copy(&w, e);
    }
    json_end_object(&w);
    strbuf_putc(out, '\n');
    return strbuf_status(out);
}
