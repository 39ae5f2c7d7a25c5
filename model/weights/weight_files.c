#include "model/weights/weight_files.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/weights/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_MAX ((size_t)64 << 20)
#define VALUES_BLOCK ((size_t)1 << 16) /* elements compared at a time */

/* --- opening ------------------------------------------------------------------------------------------------------ */

void weight_files_close(weight_files *w) {
    for (size_t i = 0; w->files && i < w->n; i++) safetensors_close(w->files[i]);
    free(w->files);
    names_free(w->names, w->n);
    *w = (weight_files){0};
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The distinct file names of "weight_map", sorted. */
static wr_status index_names(const char *path, weight_files *out) {
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

static bool holds_pickle(const char *dir) {
    static const char *const names[] = {"pytorch_model.bin", "pytorch_model.bin.index.json"};
    char path[PATH_CAP];
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++)
        found = path_join(path, dir, names[i]) >= 0 && file_exists(path);
    return found;
}

wr_status weight_files_open(const char *dir, bool score, weight_files *out) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    *out = (weight_files){0};
    TRY(path_join(path, dir, "model.safetensors"));
    if (file_exists(path)) {
        out->names = mem_calloc(1, sizeof *out->names);
        TRY_ALLOC(out->names);
        out->names[0] = mem_strdup("model.safetensors");
        TRY_ALLOC(out->names[0]);
        out->n = 1;
    } else {
        TRY(path_join(path, dir, "model.safetensors.index.json"));
        if (!file_exists(path) && holds_pickle(dir))
            TRY(wr_fail(WR_E_FORMAT,
                        "%s: pytorch_model.bin is a pickle, which this program does not read; write it as safetensors: "
                        "python -c \"from transformers import AutoModel%s as M; M.from_pretrained('%s', "
                        "torch_dtype='auto').save_pretrained('%s')\"",
                        dir, score ? "ForSequenceClassification" : "ForCausalLM", dir, dir));
        if (!file_exists(path))
            TRY(wr_fail(WR_E_IO,
                        "%s: no model.safetensors and no model.safetensors.index.json (is this a model directory?)",
                        dir));
        TRY(index_names(path, out));
    }
    out->files = mem_calloc(out->n, sizeof *out->files);
    TRY_ALLOC(out->files);
    for (size_t i = 0; i < out->n; i++) {
        TRY(path_join(path, dir, out->names[i]));
        TRY(safetensors_open(path, &out->files[i]));
    }
cleanup:
    return status;
}

/* --- matching ----------------------------------------------------------------------------------------------------- */

static const char base_prefix[] = "model."; /* not in the files of a ...Model, which are those of its base alone */

static const char *without_prefix(const char *name) {
    const size_t n = sizeof base_prefix - 1;
    return strncmp(name, base_prefix, n) == 0 ? name + n : name;
}

static const st_tensor *find_tensor(const weight_files *w, const char *name, size_t *file) {
    for (size_t i = 0; i < w->n; i++) {
        const st_tensor *t = safetensors_find(w->files[i], name);
        if (!t) t = safetensors_find(w->files[i], without_prefix(name));
        if (t) {
            *file = i;
            return t;
        }
    }
    return NULL;
}

static const char embedding_name[] = "model.embed_tokens.weight", head_name[] = "lm_head.weight",
                  score_name[] = "score.weight";
/* Score heads by their names: of transformers and most of OpenRLHF's; of OpenRLHF's older ones; of TRL's value models;
 * of others. The first is score_name. Heads of the first two have no bias: both make a linear layer without one. */
static const struct {
    const char *weight, *bias;
} score_heads[] = {{"score.weight", NULL},
                   {"value_head.weight", NULL},
                   {"v_head.summary.weight", "v_head.summary.bias"},
                   {"v_head.weight", "v_head.bias"}};
enum { SCORE_HEADS = sizeof score_heads / sizeof *score_heads };

/* The score head under any of its names; *which (may be NULL): the place of that name. */
static const st_tensor *find_score(const weight_files *w, size_t *file, size_t *which) {
    for (size_t i = 0; i < SCORE_HEADS; i++) {
        const st_tensor *t = find_tensor(w, score_heads[i].weight, file);
        if (t && which) *which = i;
        if (t) return t;
    }
    return NULL;
}

static bool is_score_part(const char *name) {
    for (size_t i = 0; i < SCORE_HEADS; i++)
        if (strcmp(name, score_heads[i].weight) == 0 || (score_heads[i].bias && strcmp(name, score_heads[i].bias) == 0))
            return true;
    return false;
}

wr_status weight_files_value_head(const weight_files *w, const char *dir, model_config *c) {
    wr_status status = WR_OK;
    size_t file = 0, which = 0;
    const st_tensor *t = find_score(w, &file, &which), *bias;
    if (!t) return WR_OK;
    if (c->head == HEAD_LM && which > 0) {
        model_config_set_head(c, HEAD_SCORE, 1);
        c->pad_id = -1; /* a value model's reward is its value at the last token, whichever that is */
    }
    bias = score_heads[which].bias ? find_tensor(w, score_heads[which].bias, &file) : NULL;
    if (c->head != HEAD_SCORE || !bias) return WR_OK;
    if (bias->n_dims != 1 || bias->dims[0] != 1 || c->n_outputs != 1)
        TRY(wr_fail(WR_E_FORMAT, "%s/%s: tensor \"%s\": a bias is read of a head of one output alone", dir,
                    w->names[file], bias->name));
    TRY(wr_context(st_tensor_to_f32(bias, &c->score_bias), "%s/%s", dir, w->names[file]));
cleanup:
    return status;
}

static bool is_float(const st_tensor *t) { return t->dtype == ST_F32 || t->dtype == ST_F16 || t->dtype == ST_BF16; }

static bool same_shape(const st_tensor *a, const st_tensor *b) {
    return a->n_dims == b->n_dims && memcmp(a->dims, b->dims, (size_t)a->n_dims * sizeof a->dims[0]) == 0;
}

/* Are these the same numbers? What is stored twice is nearly always stored alike, so bytes are looked at first; they
 * may still differ in type or in the sign of a zero. */
static wr_status same_values(const st_tensor *a, const st_tensor *b, bool *same) {
    wr_status status = WR_OK;
    float *x = NULL, *y = NULL;
    size_t n = 1;
    *same = false;
    if (!same_shape(a, b) || !is_float(a) || !is_float(b)) return WR_OK;
    if (a->dtype == b->dtype && memcmp(a->data, b->data, a->bytes) == 0) {
        *same = true;
        return WR_OK;
    }
    for (int d = 0; d < a->n_dims; d++) n *= a->dims[d];
    x = mem_aligned(VALUES_BLOCK, sizeof *x);
    y = mem_aligned(VALUES_BLOCK, sizeof *y);
    TRY_ALLOC(x);
    TRY_ALLOC(y);
    *same = true;
    for (size_t at = 0; at < n && *same; at += VALUES_BLOCK) {
        const size_t count = n - at < VALUES_BLOCK ? n - at : VALUES_BLOCK, size_a = a->bytes / n,
                     size_b = b->bytes / n;
        st_tensor part_a = *a, part_b = *b;
        part_a.data = (const char *)a->data + at * size_a, part_a.bytes = count * size_a;
        part_b.data = (const char *)b->data + at * size_b, part_b.bytes = count * size_b;
        part_a.n_dims = part_b.n_dims = 1, part_a.dims[0] = part_b.dims[0] = count;
        TRY(st_tensor_to_f32(&part_a, x));
        TRY(st_tensor_to_f32(&part_b, y));
        for (size_t k = 0; k < count && *same; k++) *same = x[k] == y[k];
    }
cleanup:
    free(x);
    free(y);
    return status;
}

wr_status weight_files_head(const weight_files *w, const char *dir, model_head wanted, model_config *c) {
    size_t file = 0;
    const st_tensor *embedding = find_tensor(w, embedding_name, &file), *head = find_tensor(w, head_name, &file),
                    *score = find_tensor(w, score_name, &file);
    if (c->head != HEAD_LM) return WR_OK;
    if (score && !head)
        return wr_fail(
            WR_E_MISMATCH,
            "%s/%s: it holds a score head and no lm_head.weight: this is a reward model, though config.json says %s%s; "
            "set "
            "\"architectures\" to its ...ForSequenceClassification to use it with score, evaluate --data or --reward",
            dir, w->names[file], c->architecture, wanted == HEAD_LM ? ", and a language model is needed here" : "");
    if (!c->tied || !embedding || !head) return WR_OK;
    return same_values(embedding, head, &c->tied);
}

static bool ends_with(const char *s, const char *end) {
    const size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

/* Tensors that a checkpoint may hold without being part of this model. */
static bool may_ignore(const model *m, const char *name) {
    if (ends_with(name, "rotary_emb.inv_freq")) return true; /* a buffer of old checkpoints, recomputed */
    if (strcmp(name, head_name) == 0) return m->config.tied || m->config.head != HEAD_LM;
    /* of a score head that is used, the bias stands in the configuration */
    return is_score_part(name) && (m->config.head != HEAD_SCORE || ends_with(name, ".bias"));
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

/* Each stored tensor must be the one that was found for one of m's: of another name, or the same name in a second file,
 * it is none. */
static wr_status check_unexpected(const weight_files *w, const char *dir, const model *m,
                                  const st_tensor *const *found) {
    for (size_t f = 0; f < w->n; f++)
        for (size_t i = 0; i < safetensors_count(w->files[f]); i++) {
            const st_tensor *t = safetensors_at(w->files[f], i);
            bool used = false;
            for (size_t k = 0; k < m->n_tensors && !used; k++) {
                used = found[k] == t;
                if (!used && found[k] && strcmp(without_prefix(found[k]->name), without_prefix(t->name)) == 0)
                    return wr_fail(WR_E_FORMAT, "%s/%s: tensor \"%.200s\" is there twice", dir, w->names[f], t->name);
            }
            if (!used && !may_ignore(m, t->name))
                return wr_fail(WR_E_FORMAT, "%s/%s: unexpected tensor \"%.200s\" (config.json describes no such part)",
                               dir, w->names[f], t->name);
        }
    return WR_OK;
}

wr_status weight_files_match(const weight_files *w, const char *dir, const model *m, bool fresh_score,
                             const st_tensor **found) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < m->n_tensors; i++) {
        size_t file = 0;
        const tensor_info *want = &m->tensors[i];
        found[i] = NULL;
        if (i == index_own(m) || (fresh_score && strcmp(want->name, score_name) == 0)) continue;
        found[i] = strcmp(want->name, score_name) == 0 ? find_score(w, &file, NULL) : find_tensor(w, want->name, &file);
        if (!found[i] && i == index_embedding(m) && m->config.tied && m->config.head == HEAD_LM)
            found[i] = find_tensor(w, head_name, &file);
        if (!found[i])
            return wr_fail(WR_E_FORMAT, "%s/%s: tensor \"%s\" is missing", dir,
                           w->n == 1 ? w->names[0] : "model.safetensors.index.json", want->name);
        TRY(wr_context(check_shape(want, found[i]), "%s/%s", dir, w->names[file]));
        if (found[i]->dtype == ST_I64 || found[i]->dtype == ST_OTHER)
            TRY(wr_fail(WR_E_FORMAT, "%s/%s: tensor \"%s\": its dtype is not F32, F16 or BF16", dir, w->names[file],
                        want->name));
    }
    TRY(check_unexpected(w, dir, m, found));
cleanup:
    return status;
}

wr_status weight_files_check(const weight_files *w, const char *dir) {
    for (size_t f = 0; f < w->n; f++)
        for (size_t i = 0; i < safetensors_count(w->files[f]); i++) {
            const st_tensor *t = safetensors_at(w->files[f], i);
            size_t at = 0;
            if (st_tensor_has_nonfinite(t, &at))
                return wr_fail(WR_E_FORMAT, "%s/%s: tensor \"%.200s\": element %zu is NaN or infinite", dir,
                               w->names[f], t->name, at);
        }
    return WR_OK;
}
