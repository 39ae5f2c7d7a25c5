/* Writing a Hugging Face model directory that transformers loads as it is. */
#include "model/weights/params.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "model/weights/objective_record.h"
#include "model/weights/safetensors.h"
#include "model/weights/weight_mapping.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHARD_BYTES ((size_t)5000000000)

static void write_string_member(json_writer *w, const char *key, const char *value) {
    if (!value || !value[0]) return;
    json_member_string(w, key, value);
}

static wr_status write_config(const model *m, const char *dir, const model_provenance *p, precision stored) {
    wr_status status = WR_OK;
    char path[PATH_CAP], template_hash[HASH_HEX] = "";
    strbuf provenance = {0}, text = {0};
    const json_value *extra = NULL;
    arena *a = arena_create();
    TRY_ALLOC(a);
    const char *objective = m->config.head == HEAD_SCORE ? m->config.objective : "";
    if (p || objective[0]) {
        const model_provenance none = {0};
        json_writer w = json_writer_make(&provenance);
        if (!p) p = &none;
        if (p->template_text) hash_hex(p->template_text, strlen(p->template_text), template_hash);
        json_begin_object(&w);
        json_member_object(&w, "wildreward");
        write_string_member(&w, "config_hash", p->config_hash);
        write_string_member(&w, "data_hash", p->data_hash);
        write_string_member(&w, "parent_hash", p->parent_hash);
        write_string_member(&w, "template_hash", template_hash);
        if (objective[0]) {
            const head_own own = model_own(m);
            objective_record_members(&w, &m->config, &own);
        }
        json_end_object(&w);
        json_end_object(&w);
        TRY(strbuf_status(&provenance));
        TRY(json_parse(a, provenance.data, provenance.len, &extra));
    }
    TRY(model_config_json(&m->config, stored, extra, &text));
    TRY(path_join(path, dir, "config.json"));
    TRY(file_write_atomic(path, text.data, text.len));
cleanup:
    strbuf_free(&provenance);
    strbuf_free(&text);
    arena_free(a);
    return status;
}

/* --- weights ------------------------------------------------------------------------------------------------------ */

static st_tensor stored_tensor(const model *m, size_t i) {
    const tensor_info *info = &m->tensors[i];
    const precision p = m->params ? PRECISION_F32 : weight_precision(m, i);
    /* transformers names the tensors of a ...Model without "model." */
    const bool base_alone = m->config.head == HEAD_NONE;
    return (st_tensor){.name = info->name + (base_alone ? strlen("model.") : 0),
                       .dtype = p == PRECISION_BF16 ? ST_BF16 : ST_F32,
                       .n_dims = info->n_dims,
                       .dims = {info->dims[0], info->dims[1]},
                       .data = m->params ? m->params + info->offset : m->weights[i],
                       .bytes = info->count * precision_bytes(p)};
}

/* The tensors that go into weight files: all but what the objective has of its own, the last. */
static size_t stored_tensors(const model *m) { return m->n_tensors - (index_own(m) != SIZE_MAX); }

/* How many tensors from `first` on go into one file. */
static size_t shard_length(const model *m, size_t first, precision stored, size_t shard_bytes) {
    size_t n = 0, bytes = 0;
    for (const size_t all = stored_tensors(m); first + n < all; n++) {
        bytes += m->tensors[first + n].count * precision_bytes(stored);
        if (n > 0 && bytes > shard_bytes) break;
    }
    return n;
}

static wr_status write_index(const model *m, const char *path, precision stored, size_t shards, size_t shard_bytes) {
    wr_status status = WR_OK;
    strbuf text = {0};
    char name[64];
    const size_t n = m->n_params - m->config.own.n, all = stored_tensors(m);
    json_writer w = json_writer_make(&text);
    json_begin_object(&w);
    json_member_object(&w, "metadata");
    json_member_int(&w, "total_parameters", (int64_t)n);
    json_member_int(&w, "total_size", (int64_t)(n * precision_bytes(stored)));
    json_end_object(&w);
    json_member_object(&w, "weight_map");
    for (size_t i = 0, shard = 1; i < all; shard++) {
        snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", shard, shards);
        for (size_t end = i + shard_length(m, i, stored, shard_bytes); i < end; i++)
            json_member_string(&w, stored_tensor(m, i).name, name);
    }
    json_end_object(&w);
    json_end_object(&w);
    strbuf_putc(&text, '\n');
    TRY(strbuf_status(&text));
    TRY(file_write_atomic(path, text.data, text.len));
cleanup:
    strbuf_free(&text);
    return status;
}

wr_status write_weights(const model *m, const char *dir, precision stored, size_t shard_bytes) {
    wr_status status = WR_OK;
    char path[PATH_CAP], index[PATH_CAP], name[64] = "model.safetensors";
    static const char *const metadata[] = {"format", "pt", NULL}; /* transformers refuses files without it */
    const size_t all = stored_tensors(m);
    size_t shards = 0;
    st_tensor *t = mem_calloc(all, sizeof *t);
    TRY_ALLOC(t);
    for (size_t i = 0; i < all; i++) t[i] = stored_tensor(m, i);
    for (size_t i = 0; i < all; i += shard_length(m, i, stored, shard_bytes)) shards++;
    TRY(path_join(index, dir, "model.safetensors.index.json"));
    TRY(path_join(path, dir, name));
    /* What an earlier save left here in the other form would be taken for this model. */
    unlink(shards > 1 ? path : index);
    for (size_t i = 0, shard = 1; i < all; shard++) {
        const size_t n = shard_length(m, i, stored, shard_bytes);
        if (shards > 1) snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", shard, shards);
        TRY(path_join(path, dir, name));
        TRY(safetensors_write_as(path, t + i, n, stored == PRECISION_BF16 ? ST_BF16 : ST_F32, metadata));
        i += n;
    }
    if (shards > 1) TRY(write_index(m, index, stored, shards, shard_bytes));
cleanup:
    free(t);
    return status;
}

/* --- beside them -------------------------------------------------------------------------------------------------- */

/* Ids that the model has; what else the directory it came from said (sampling defaults …) stays. */
static void write_generation_ids(json_writer *w, const model_config *c) {
    if (c->bos_id >= 0) json_member_int(w, "bos_token_id", c->bos_id);
    if (c->n_eos > 0) {
        json_member_array(w, "eos_token_id");
        for (size_t i = 0; i < c->n_eos; i++) json_int(w, c->eos_ids[i]);
        json_end_array(w);
    }
    if (c->pad_id >= 0) json_member_int(w, "pad_token_id", c->pad_id);
}

static bool is_own_id(const model_config *c, const char *key) {
    return (strcmp(key, "bos_token_id") == 0 && c->bos_id >= 0) || (strcmp(key, "eos_token_id") == 0 && c->n_eos > 0) ||
           (strcmp(key, "pad_token_id") == 0 && c->pad_id >= 0);
}

static wr_status write_generation_config(const model *m, const char *dir) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    strbuf text = {0};
    const json_value *old = NULL;
    arena *a = arena_create();
    TRY_ALLOC(a);
    if (m->generation_text)
        TRY(wr_context(json_parse(a, m->generation_text, strlen(m->generation_text), &old), "generation_config.json"));
    json_writer w = json_writer_make(&text);
    json_begin_object(&w);
    write_generation_ids(&w, &m->config);
    for (const json_value *e = json_is(old, JSON_OBJECT) ? old->first : NULL; e; e = e->next)
        if (!is_own_id(&m->config, e->key)) json_key_n(&w, e->key, e->key_length), json_copy(&w, e);
    json_end_object(&w);
    strbuf_putc(&text, '\n');
    TRY(strbuf_status(&text));
    TRY(path_join(path, dir, "generation_config.json"));
    TRY(file_write_atomic(path, text.data, text.len));
cleanup:
    strbuf_free(&text);
    arena_free(a);
    return status;
}

static wr_status copy_tokenizer(const char *from_dir, const char *dir) {
    wr_status status = WR_OK;
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                        "added_tokens.json", "chat_template.jinja"};
    char from[PATH_CAP], to[PATH_CAP];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        TRY(path_join(from, from_dir, names[i]));
        TRY(path_join(to, dir, names[i]));
        if (file_exists(from) && strcmp(from, to) != 0) TRY(file_copy(from, to));
    }
    TRY(dir_copy_part(from_dir, dir, "additional_chat_templates", ".jinja"));
cleanup:
    return status;
}

wr_status model_save(const model *m, const char *dir, const char *tokenizer_dir, const model_provenance *p,
                     precision stored) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    if (m->config.score_bias != 0)
        TRY(wr_fail(WR_E_MISMATCH, "%s: the model's value head has a bias, which has no place in a saved reward model",
                    dir));
    TRY(write_config(m, dir, p, stored));
    TRY(write_weights(m, dir, stored, SHARD_BYTES));
    if (m->config.head == HEAD_LM) TRY(write_generation_config(m, dir));
    if (p && p->template_text) {
        TRY(path_join(path, dir, "template.txt"));
        TRY(file_write_atomic(path, p->template_text, strlen(p->template_text)));
    }
    if (tokenizer_dir) TRY(copy_tokenizer(tokenizer_dir, dir));
cleanup:
    return status;
}
