/* Loading a Hugging Face model directory: as masters to train, or frozen, used where the files hold it or converted
 * once. */
#include "model/weights/params.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/weights/lora.h"
#include "model/weights/weight_files.h"
#include "model/weights/weight_mapping.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX ((size_t)16 << 20)

/* Turns the directory's head into the one asked for. */
static wr_status choose_head(const char *dir, const model_load_options *o, model_config *c, bool *fresh_score) {
    *fresh_score = false;
    if (o->head == HEAD_NONE) return WR_OK;
    if (o->head == HEAD_LM) {
        if (c->head == HEAD_SCORE)
            return wr_fail(WR_E_MISMATCH,
                           "%s: this is a reward model (%s), but a language model (...ForCausalLM) is needed here; "
                           "reward models are for score, "
                           "evaluate --data and --reward",
                           dir, c->architecture);
        if (c->head != HEAD_LM && !c->tied)
            return wr_fail(WR_E_MISMATCH, "%s: %s has no language-model head; give a ...ForCausalLM model", dir,
                           c->architecture);
        model_config_set_head(c, HEAD_LM, 0);
        return WR_OK;
    }
    *fresh_score = c->head != HEAD_SCORE;
    if (*fresh_score) c->own = o->own;
    const size_t n_outputs = *fresh_score ? o->n_outputs : c->n_outputs;
    if (!*fresh_score && o->n_outputs != 0 && o->n_outputs != n_outputs)
        return wr_fail(WR_E_MISMATCH, "%s: the score head has %zu outputs, but %zu are needed", dir, n_outputs,
                       o->n_outputs);
    if (n_outputs == 0)
        return wr_fail(WR_E_MISMATCH,
                       "%s: this is no reward model (%s has no score head), but one (...ForSequenceClassification) is "
                       "needed here; "
                       "make one of it with train reward --model %s",
                       dir, c->architecture, dir);
    model_config_set_head(c, HEAD_SCORE, n_outputs);
    return WR_OK;
}

/* --- weights ------------------------------------------------------------------------------------------------------ */

static wr_status fill_f32(const model *m, size_t i, const st_tensor *from, uint64_t seed, float *out) {
    if (from) return st_tensor_to_f32(from, out);
    init_tensor(m, i, seed, out);
    return WR_OK;
}

static wr_status load_masters(model *m, const st_tensor *const *found, const model_load_options *o) {
    wr_status status = WR_OK;
    TRY(model_alloc_params(m));
    for (size_t i = 0; i < m->n_tensors; i++) TRY(fill_f32(m, i, found[i], o->seed, m->params + m->tensors[i].offset));
    TRY(model_set_precision(m, o->precision));
cleanup:
    return status;
}

static bool usable_in_place(const st_tensor *t, precision p) {
    return t->dtype == (p == PRECISION_BF16 ? ST_BF16 : ST_F32) && (uintptr_t)t->data % precision_bytes(p) == 0;
}

/* Can every matrix be used where it lies? */
static bool can_map(const model *m, const st_tensor *const *found, precision p) {
    for (size_t i = 0; i < m->n_tensors; i++)
        if (!weight_always_f32(m, i) && !usable_in_place(found[i], p)) return false;
    return true;
}

/* The files move into the mapping. */
static wr_status map_weights(model *m, weight_files *w, const st_tensor *const *found, uint64_t seed) {
    wr_status status = WR_OK;
    size_t n = 0;
    float *to = NULL;
    for (size_t i = 0; i < m->n_tensors; i++)
        if (weight_always_f32(m, i)) n += m->tensors[i].count;
    to = m->mapping->vectors = mem_aligned(n, sizeof *to);
    TRY_ALLOC(to);
    for (size_t i = 0; i < m->n_tensors; i++) {
        m->weights[i] = weight_always_f32(m, i) ? to : found[i]->data;
        if (!weight_always_f32(m, i)) continue;
        TRY(fill_f32(m, i, found[i], seed, to));
        to += m->tensors[i].count;
    }
    m->mapping->files = w->files;
    m->mapping->n_files = w->n;
    w->files = NULL;
cleanup:
    return status;
}

/* One image of all weights in m's precision, in the memory given, or in memory of m's own. */
static wr_status convert_weights(model *m, const st_tensor *const *found, uint64_t seed, void *image) {
    wr_status status = WR_OK;
    const precision p = m->precision;
    const size_t bytes = weight_image_bytes(m, p);
    if (!image) image = m->mapping->image = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!image) return wr_fail(WR_E_NOMEM, "out of memory: the model's weights need %zu MiB", bytes >> 20);
    for (size_t i = 0; i < m->n_tensors; i++) {
        void *to = weight_image_at(m, p, image, i);
        TRY(weight_precision(m, i) == PRECISION_BF16 ? st_tensor_to_bf16(found[i], to)
                                                     : fill_f32(m, i, found[i], seed, to));
    }
    weight_image_use(m, p, image);
cleanup:
    return status;
}

static wr_status load_frozen(model *m, weight_files *w, const st_tensor *const *found, const model_load_options *o) {
    m->precision = o->precision;
    const bool map = can_map(m, found, o->precision);
    if (!map && o->without_converted) return WR_OK;
    if (!map && o->precision == PRECISION_F32 && !o->image) return load_masters(m, found, o);
    m->mapping = mem_calloc(1, sizeof *m->mapping);
    if (!m->mapping) return WR_E_NOMEM;
    return map ? map_weights(m, w, found, o->seed) : convert_weights(m, found, o->seed, o->image);
}

/* --- what it will take -------------------------------------------------------------------------------------------- */

/* The head that model_load gives the model, where it takes this directory at all. */
static bool expected_head(const model_load_options *o, model_config *c) {
    const bool fresh_score = o->head == HEAD_SCORE && c->head != HEAD_SCORE;
    if (fresh_score) {
        model_config_set_head(c, HEAD_SCORE, o->n_outputs ? o->n_outputs : 1);
        c->own = o->own;
    } else if (o->head == HEAD_LM)
        model_config_set_head(c, HEAD_LM, 0);
    return fresh_score;
}

uint64_t model_weights_bytes(const model *m) {
    const size_t each = sizeof(float) + (m->precision == PRECISION_BF16 ? sizeof(bf16) : 0);
    return ((uint64_t)m->n_params + (m->lora ? m->lora->n : 0)) * each;
}

static void measure(const model *m, const st_tensor *const *found, const model_load_options *o, model_memory *out) {
    const precision p = m->precision;
    uint64_t vectors = 0, products = 0;
    for (size_t i = 0; i < m->n_tensors; i++) {
        if (weight_always_f32(m, i))
            vectors += m->tensors[i].count * sizeof(float);
        else if (i != index_embedding(m) || m->config.tied)
            products += m->tensors[i].count;
    }
    out->image = weight_image_bytes(m, p);
    out->parameters = m->n_params;
    if (p == PRECISION_BF16) out->packed = products * sizeof(bf16);
    if (!o->frozen)
        out->loaded = model_weights_bytes(m);
    else
        out->loaded = can_map(m, found, p) ? vectors : out->image;
}

/* The model that model_load would make, without values. out: what it takes; NULL: not wanted, and what model_load refuses
 * of the head is refused. */
static wr_status expect_model(const char *dir, const model_load_options *o, model_memory *out, model **made) {
    wr_status status = WR_OK;
    model *m = NULL;
    weight_files w = {0};
    const st_tensor **found = NULL;
    model_config c;
    bool fresh_score = false;
    *made = NULL;
    TRY(model_config_load(dir, &c));
    TRY(weight_files_open(dir, c.head == HEAD_SCORE, &w));
    if (c.head == HEAD_SCORE || (o->head == HEAD_SCORE && !o->n_outputs)) TRY(weight_files_value_head(&w, dir, &c));
    if (out)
        fresh_score = expected_head(o, &c);
    else
        TRY(choose_head(dir, o, &c, &fresh_score));
    TRY(model_create(&c, &m));
    m->precision = o->precision;
    found = mem_calloc(m->n_tensors, sizeof *found);
    TRY_ALLOC(found);
    TRY(weight_files_match(&w, dir, m, fresh_score, found));
    if (out) measure(m, found, o, out);
    *made = m;
    m = NULL;
cleanup:
    free(found);
    weight_files_close(&w);
    model_free(m);
    return status;
}

wr_status model_memory_of(const char *dir, const model_load_options *o, model_memory *out) {
    model *m;
    *out = (model_memory){0};
    const wr_status status = expect_model(dir, o, out, &m);
    model_free(m);
    return status;
}

/* --- the rest of the directory ------------------------------------------------------------------------------------ */

/* One hash for the directory: of the hashes of config.json and of each weight file. */
static wr_status hash_dir(const char *dir, char *const *names, size_t n, char out[HASH_HEX]) {
    wr_status status = WR_OK;
    char path[PATH_CAP], hex[HASH_HEX];
    strbuf all = {0};
    TRY(path_join(path, dir, "config.json"));
    TRY(hash_file_hex(path, hex));
    strbuf_puts(&all, hex);
    for (size_t i = 0; i < n; i++) {
        TRY(path_join(path, dir, names[i]));
        TRY(hash_file_hex(path, hex));
        strbuf_puts(&all, hex);
    }
    TRY(strbuf_status(&all));
    hash_hex(all.data, all.len, out);
cleanup:
    strbuf_free(&all);
    return status;
}

static wr_status read_text(const char *dir, const char *name, char **out) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    size_t n = 0;
    TRY(path_join(path, dir, name));
    if (file_exists(path)) TRY(file_read(path, TEXT_MAX, out, &n));
cleanup:
    return status;
}

wr_status model_load(const char *dir, const model_load_options *o, model **out) {
    wr_status status = WR_OK;
    model *m = NULL;
    weight_files w = {0};
    const st_tensor **found = NULL;
    model_config c;
    bool fresh_score = false;
    *out = NULL;
    TRY(model_config_load(dir, &c));
    TRY(weight_files_open(dir, c.head == HEAD_SCORE, &w));
    if (c.head == HEAD_SCORE || (o->head == HEAD_SCORE && !o->n_outputs)) TRY(weight_files_value_head(&w, dir, &c));
    TRY(choose_head(dir, o, &c, &fresh_score));
    const bool tied = c.tied;
    TRY(weight_files_head(&w, dir, o->head, &c));
    TRY(model_create(&c, &m));
    found = mem_calloc(m->n_tensors, sizeof *found);
    TRY_ALLOC(found);
    TRY(weight_files_match(&w, dir, m, fresh_score, found));
    if (o->check_weights) TRY(weight_files_check(&w, dir));
    TRY(wr_context(o->frozen ? load_frozen(m, &w, found, o) : load_masters(m, found, o), "%s", dir));
    if (o->hash)
        memcpy(m->parent_hash, o->hash, strnlen(o->hash, sizeof m->parent_hash - 1));
    else
        TRY(hash_dir(dir, w.names, w.n, m->parent_hash));
    TRY(read_text(dir, "template.txt", &m->template_text));
    TRY(read_text(dir, "generation_config.json", &m->generation_text));
    if (!o->quiet)
        log_info("%s: %s%s, %.1f M parameters, %zu layers x %zu, %s%s%s", dir, c.architecture,
                 tied && !c.tied ? " (tie_word_embeddings, but its lm_head.weight is another matrix: not tied)" : "",
                 (double)m->n_params * 1e-6, c.L, c.C, precision_name(m->precision),
                 m->mapping && m->mapping->n_files ? ", mapped" : "", fresh_score ? ", fresh score head" : "");
    *out = m;
    m = NULL;
cleanup:
    free(found);
    weight_files_close(&w);
    model_free(m);
    return status;
}

wr_status model_load_shape(const char *dir, const model_load_options *o, model **out) {
    wr_status status = WR_OK;
    TRY(expect_model(dir, o, NULL, out));
    TRY(read_text(dir, "template.txt", &(*out)->template_text));
cleanup:
    if (status < 0) {
        model_free(*out);
        *out = NULL;
    }
    return status;
}
