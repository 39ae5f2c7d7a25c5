/* Writing a Hugging Face model directory that transformers loads as it is. */
#include "model/params.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "model/safetensors.h"

#include <stdlib.h>
#include <string.h>

static void write_string_member(json_writer *w, const char *key, const char *value) {
    if (!value || !value[0]) return;
    json_key(w, key);
    json_string(w, value);
}

static wr_status write_config(const model *m, const char *dir, const model_provenance *p) {
    wr_status status = WR_OK;
    char path[PATH_CAP], template_hash[HASH_HEX] = "";
    strbuf provenance = {0}, text = {0};
    const json_value *extra = NULL;
    arena *a = arena_create();
    TRY_ALLOC(a);
    if (p) {
        json_writer w = json_writer_make(&provenance);
        if (p->template_text) hash_hex(p->template_text, strlen(p->template_text), template_hash);
        json_begin_object(&w);
        json_key(&w, "wildreward");
        json_begin_object(&w);
        write_string_member(&w, "config_hash", p->config_hash);
        write_string_member(&w, "data_hash", p->data_hash);
        write_string_member(&w, "parent_hash", p->parent_hash);
        write_string_member(&w, "template_hash", template_hash);
        json_end_object(&w);
        json_end_object(&w);
        TRY(strbuf_status(&provenance));
        TRY(json_parse(a, provenance.data, provenance.len, &extra));
    }
    TRY(model_config_json(&m->config, extra, &text));
    TRY(path_join(path, dir, "config.json"));
    TRY(file_write_atomic(path, text.data, text.len));
cleanup:
    strbuf_free(&provenance);
    strbuf_free(&text);
    arena_free(a);
    return status;
}

static wr_status write_weights(const model *m, const char *dir) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    static const char *const metadata[] = {"format", "pt", NULL}; /* transformers refuses files without it */
    st_tensor *t = mem_calloc(m->n_tensors, sizeof *t);
    TRY_ALLOC(t);
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor_info *info = &m->tensors[i];
        t[i] = (st_tensor){.name = info->name,
                           .dtype = ST_F32,
                           .n_dims = info->n_dims,
                           .dims = {info->dims[0], info->dims[1]},
                           .data = m->params + info->offset,
                           .bytes = info->count * sizeof(float)};
    }
    TRY(path_join(path, dir, "model.safetensors"));
    TRY(safetensors_write(path, t, m->n_tensors, metadata));
cleanup:
    free(t);
    return status;
}

static wr_status write_generation_config(const model *m, const char *dir) {
    wr_status status = WR_OK;
    const model_config *c = &m->config;
    char path[PATH_CAP];
    strbuf text = {0};
    json_writer w = json_writer_make(&text);
    json_begin_object(&w);
    if (c->bos_id >= 0) json_key(&w, "bos_token_id"), json_int(&w, c->bos_id);
    if (c->n_eos > 0) {
        json_key(&w, "eos_token_id");
        json_begin_array(&w);
        for (size_t i = 0; i < c->n_eos; i++) json_int(&w, c->eos_ids[i]);
        json_end_array(&w);
    }
    if (c->pad_id >= 0) json_key(&w, "pad_token_id"), json_int(&w, c->pad_id);
    json_end_object(&w);
    strbuf_putc(&text, '\n');
    TRY(strbuf_status(&text));
    TRY(path_join(path, dir, "generation_config.json"));
    TRY(file_write_atomic(path, text.data, text.len));
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status copy_tokenizer(const char *from_dir, const char *dir) {
    wr_status status = WR_OK;
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                        "chat_template.jinja"};
    char from[PATH_CAP], to[PATH_CAP];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        TRY(path_join(from, from_dir, names[i]));
        TRY(path_join(to, dir, names[i]));
        if (file_exists(from) && strcmp(from, to) != 0) TRY(file_copy(from, to));
    }
cleanup:
    return status;
}

wr_status model_save(const model *m, const char *dir, const char *tokenizer_dir, const model_provenance *p) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    TRY(write_config(m, dir, p));
    TRY(write_weights(m, dir));
    if (m->config.head == HEAD_LM) TRY(write_generation_config(m, dir));
    if (p && p->template_text) {
        TRY(path_join(path, dir, "template.txt"));
        TRY(file_write_atomic(path, p->template_text, strlen(p->template_text)));
    }
    if (tokenizer_dir) TRY(copy_tokenizer(tokenizer_dir, dir));
cleanup:
    return status;
}
