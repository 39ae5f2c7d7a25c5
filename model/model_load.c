/* Loading a Hugging Face model directory: config.json, then model.safetensors or the shards that
 * model.safetensors.index.json lists. Every tensor of the table must be there with its shape, and nothing else may. */
#include "model/params.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEMPLATE_MAX ((size_t)16 << 20)
#define INDEX_MAX ((size_t)64 << 20)

typedef struct shards {
    safetensors **files;
    char **names; /* file names inside the directory */
    size_t n;
} shards;

static void shards_close(shards *s) {
    for (size_t i = 0; s->files && i < s->n; i++) safetensors_close(s->files[i]);
    free(s->files);
    names_free(s->names, s->n);
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The distinct file names of "weight_map", sorted. */
static wr_status index_names(const char *path, shards *out) {
    wr_status status = WR_OK;
    char *bytes = NULL;
    const json_value *root = NULL;
    size_t n = 0, count = 0;
    arena *a = arena_create();
    TRY_ALLOC(a);
    TRY(file_read(path, INDEX_MAX, &bytes, &n));
    TRY(wr_context(json_parse(a, bytes, n, &root), "%s", path));
    const json_value *map = json_get(root, "weight_map");
    if (!json_is(map, JSON_OBJECT) || map->length == 0)
        TRY(wr_fail(WR_E_FORMAT, "%s: \"weight_map\" is missing or empty", path));
    const char **all = arena_alloc(a, map->length * sizeof *all);
    TRY_ALLOC(all);
    for (const json_value *v = map->first; v; v = v->next) {
        if (v->kind != JSON_STRING || v->length == 0 || strchr(v->text, '/') || strlen(v->text) != v->length)
            TRY(wr_fail(WR_E_FORMAT, "%s: \"weight_map\" entry \"%.200s\" is not a file name", path, v->key));
        all[count++] = v->text;
    }
    qsort(all, count, sizeof *all, by_text);
    out->names = mem_calloc(count, sizeof *out->names);
    TRY_ALLOC(out->names);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(all[i], all[i - 1]) == 0) continue;
        out->names[out->n] = mem_strdup(all[i]);
        TRY_ALLOC(out->names[out->n]);
        out->n++;
    }
cleanup:
    free(bytes);
    arena_free(a);
    return status;
}

static wr_status shards_open(const char *dir, shards *out) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    size_t opened = 0;
    *out = (shards){0};
    TRY(path_join(path, dir, "model.safetensors"));
    if (file_exists(path)) {
        out->names = mem_calloc(1, sizeof *out->names);
        TRY_ALLOC(out->names);
        out->names[0] = mem_strdup("model.safetensors");
        TRY_ALLOC(out->names[0]);
        out->n = 1;
    } else {
        TRY(path_join(path, dir, "model.safetensors.index.json"));
        if (!file_exists(path))
            TRY(wr_fail(WR_E_IO,
                        "%s: no model.safetensors and no model.safetensors.index.json (is this a model directory?)",
                        dir));
        TRY(index_names(path, out));
    }
    out->files = mem_calloc(out->n, sizeof *out->files);
    TRY_ALLOC(out->files);
    for (; opened < out->n; opened++) {
        TRY(path_join(path, dir, out->names[opened]));
        TRY(safetensors_open(path, &out->files[opened]));
    }
cleanup:
    return status;
}

static const st_tensor *find_tensor(const shards *s, const char *name, size_t *file) {
    for (size_t i = 0; i < s->n; i++) {
        const st_tensor *t = safetensors_find(s->files[i], name);
        if (t) {
            *file = i;
            return t;
        }
    }
    return NULL;
}

static bool ends_with(const char *s, const char *end) {
    const size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

/* Tensors that a checkpoint may hold without being part of this model. */
static bool may_ignore(const model *m, const char *name) {
    if (ends_with(name, "rotary_emb.inv_freq")) return true; /* a buffer of old checkpoints, recomputed */
    if (strcmp(name, "lm_head.weight") == 0) return m->config.tied || m->config.head != HEAD_LM;
    if (strcmp(name, "score.weight") == 0) return m->config.head != HEAD_SCORE;
    return false;
}

static bool in_table(const model *m, const char *name) {
    for (size_t i = 0; i < m->n_tensors; i++)
        if (strcmp(m->tensors[i].name, name) == 0) return true;
    return false;
}

static wr_status check_unexpected(const model *m, const char *dir, const shards *s) {
    for (size_t f = 0; f < s->n; f++)
        for (size_t i = 0; i < safetensors_count(s->files[f]); i++) {
            const char *name = safetensors_at(s->files[f], i)->name;
            if (!in_table(m, name) && !may_ignore(m, name))
                return wr_fail(WR_E_FORMAT, "%s/%s: unexpected tensor \"%.200s\" (config.json describes no such part)",
                               dir, s->names[f], name);
        }
    return WR_OK;
}

static wr_status check_shape(const tensor_info *want, const st_tensor *have) {
    if (have->n_dims == want->n_dims && have->dims[0] == want->dims[0] &&
        (want->n_dims == 1 || have->dims[1] == want->dims[1]))
        return WR_OK;
    char shape[128] = "";
    for (int d = 0, at = 0; d < have->n_dims && at < 100; d++)
        at += snprintf(shape + at, sizeof shape - (size_t)at, "%s%zu", d ? ", " : "", have->dims[d]);
    if (want->n_dims == 1)
        return wr_fail(WR_E_FORMAT, "tensor \"%s\" has shape (%s), but config.json asks for (%zu)", want->name, shape,
                       want->dims[0]);
    return wr_fail(WR_E_FORMAT, "tensor \"%s\" has shape (%s), but config.json asks for (%zu, %zu)", want->name, shape,
                   want->dims[0], want->dims[1]);
}

static wr_status load_tensors(model *m, const char *dir, const shards *s, bool fresh_score, uint64_t seed) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < m->n_tensors; i++) {
        size_t file = 0;
        const tensor_info *want = &m->tensors[i];
        if (fresh_score && strcmp(want->name, "score.weight") == 0) {
            init_tensor(m, i, seed);
            continue;
        }
        const st_tensor *have = find_tensor(s, want->name, &file);
        if (!have)
            return wr_fail(WR_E_FORMAT, "%s/%s: tensor \"%s\" is missing", dir,
                           s->n == 1 ? s->names[0] : "model.safetensors.index.json", want->name);
        TRY(wr_context(check_shape(want, have), "%s/%s", dir, s->names[file]));
        TRY(wr_context(st_tensor_to_f32(have, m->params + want->offset), "%s/%s", dir, s->names[file]));
    }
    TRY(check_unexpected(m, dir, s));
cleanup:
    return status;
}

/* Turns the directory's head into the one asked for. */
static wr_status choose_head(const char *dir, const model_load_options *o, model_config *c, bool *fresh_score) {
    *fresh_score = false;
    if (o->head == HEAD_NONE) return WR_OK;
    if (o->head == HEAD_LM) {
        if (c->head != HEAD_LM && !c->tied)
            return wr_fail(WR_E_MISMATCH, "%s: %s has no language-model head; give a ...ForCausalLM model", dir,
                           c->architecture);
        c->head = HEAD_LM;
        c->n_labels = 0;
    } else {
        *fresh_score = c->head != HEAD_SCORE;
        if (!*fresh_score && o->n_labels != 0 && o->n_labels != c->n_labels)
            return wr_fail(WR_E_MISMATCH, "%s: the score head has %zu outputs, but %zu are needed", dir, c->n_labels,
                           o->n_labels);
        if (*fresh_score) c->n_labels = o->n_labels;
        c->head = HEAD_SCORE;
        if (c->n_labels == 0)
            return wr_fail(WR_E_MISMATCH, "%s: %s has no score head; give a ...ForSequenceClassification model", dir,
                           c->architecture);
    }
    const char *family = strcmp(c->model_type, "mistral") == 0 ? "Mistral" : "Llama";
    snprintf(c->architecture, sizeof c->architecture, "%sFor%s", family,
             c->head == HEAD_LM ? "CausalLM" : "SequenceClassification");
    return WR_OK;
}

/* One hash for the directory: of the hashes of config.json and of each weight file. */
static wr_status hash_dir(const char *dir, const shards *s, char out[HASH_HEX]) {
    wr_status status = WR_OK;
    char path[PATH_CAP], hex[HASH_HEX];
    strbuf all = {0};
    TRY(path_join(path, dir, "config.json"));
    TRY(hash_file_hex(path, hex));
    strbuf_puts(&all, hex);
    for (size_t i = 0; i < s->n; i++) {
        TRY(path_join(path, dir, s->names[i]));
        TRY(hash_file_hex(path, hex));
        strbuf_puts(&all, hex);
    }
    TRY(strbuf_status(&all));
    hash_hex(all.data, all.len, out);
cleanup:
    strbuf_free(&all);
    return status;
}

wr_status model_load(const char *dir, const model_load_options *o, model **out) {
    wr_status status = WR_OK;
    model *m = NULL;
    shards s = {0};
    model_config c;
    bool fresh_score = false;
    char path[PATH_CAP];
    size_t n = 0;
    *out = NULL;
    TRY(model_config_load(dir, &c));
    TRY(choose_head(dir, o, &c, &fresh_score));
    TRY(model_create(&c, &m));
    TRY(shards_open(dir, &s));
    TRY(model_alloc_params(m));
    TRY(load_tensors(m, dir, &s, fresh_score, o->seed));
    TRY(hash_dir(dir, &s, m->parent_hash));
    TRY(path_join(path, dir, "template.txt"));
    if (file_exists(path)) TRY(file_read(path, TEMPLATE_MAX, &m->template_text, &n));
    if (!o->quiet)
        log_info("%s: %s, %.1f M parameters, %zu layers x %zu%s", dir, c.architecture, (double)m->n_params * 1e-6, c.L,
                 c.C, fresh_score ? ", fresh score head" : "");
    *out = m;
    m = NULL;
cleanup:
    shards_close(&s);
    model_free(m);
    return status;
}
