/* Adapters in PEFT's files: adapter_config.json and adapter_model.safetensors (PEFT 0.5 to 0.21; facts from its source
 * and from files it wrote). */
#include "model/weights/lora_ends.h"
#include "model/weights/lora_plan.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/weights/objective_record.h"
#include "model/weights/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_NAME "adapter_config.json"
#define WEIGHTS_NAME "adapter_model.safetensors"
#define SCORE_NAME "base_model.model.score.weight"
#define CONFIG_MAX ((size_t)4 << 20)

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void write_strings(json_writer *w, const char *key, const char *const *items, size_t n) {
    json_member_array(w, key);
    for (size_t i = 0; i < n; i++) json_string(w, items[i]);
    json_end_array(w);
}

/* Module names of target_modules. Adapters that a loaded file had on some layers only are named one by one. */
static void write_targets(json_writer *w, const model *m) {
    const struct lora *a = m->lora;
    bool everywhere = true;
    for (size_t l = 0; l < m->config.L; l++)
        for (size_t k = 0; k < LORA_MODULE_COUNT; k++)
            if ((a->targets & LORA_MODULE_BIT(lora_modules[k].kind)) &&
                a->pairs[l * LAYER_KINDS + (size_t)lora_modules[k].kind].a == SIZE_MAX)
                everywhere = false;
    json_member_array(w, "target_modules");
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
    json_member_string(&w, "base_model_name_or_path", base);
    json_member_string(&w, "bias", "none");
    json_member_bool(&w, "fan_in_fan_out", false);
    json_member_bool(&w, "inference_mode", true);
    json_member_bool(&w, "init_lora_weights", true);
    json_member_null(&w, "layers_to_transform");
    json_key(&w, "lora_alpha");
    if (a->alpha == floor(a->alpha) && a->alpha < 1e15)
        json_int(&w, (int64_t)a->alpha);
    else { /* all digits: json_double's nine would change the scale */
        char number[40];
        snprintf(number, sizeof number, "%.17g", a->alpha);
        const json_value value = {.kind = JSON_NUMBER, .text = number, .length = strlen(number)};
        json_copy(&w, &value);
    }
    json_member_int(&w, "lora_dropout", 0);
    if (a->score != SIZE_MAX)
        write_strings(&w, "modules_to_save", (const char *const[]){"score"}, 1);
    else
        json_member_null(&w, "modules_to_save");
    json_member_string(&w, "peft_type", "LORA");
    json_member_int(&w, "r", (int64_t)a->rank);
    json_member_null(&w, "revision");
    write_targets(&w, m);
    json_member_string(&w, "task_type", a->score != SIZE_MAX ? "SEQ_CLS" : "CAUSAL_LM");
    json_member_bool(&w, "use_dora", false);
    json_member_bool(&w, "use_rslora", false);
    json_end_object(&w);
    strbuf_putc(&text, '\n');
    TRY(strbuf_status(&text));
    TRY(path_join(path, dir, CONFIG_NAME));
    TRY(file_write_atomic(path, text.data, text.len));
cleanup:
    strbuf_free(&text);
    return status;
}

wr_status lora_save(const model *m, const char *dir, const char *base, const char *data_hash) {
    wr_status status = WR_OK;
    static const char *const metadata[] = {"format", "pt", NULL};
    const struct lora *a = m->lora;
    char path[PATH_CAP];
    st_tensor *t = NULL;
    if (!a) return wr_fail(WR_E_USAGE, "%s: the model has no adapters to save", dir);
    if (a->folded)
        return wr_fail(
            WR_E_USAGE,
            "%s: adapters on the embedding or the head have become part of the weights and cannot be saved apart", dir);
    const size_t stored = a->n_tensors - (a->own != SIZE_MAX);
    t = mem_calloc(stored + 1, sizeof *t);
    TRY_ALLOC(t);
    for (size_t i = 0; i < stored; i++)
        t[i] = (st_tensor){.name = a->tensors[i].name,
                           .dtype = ST_F32,
                           .n_dims = 2,
                           .dims = {a->tensors[i].dims[0], a->tensors[i].dims[1]},
                           .data = a->values + a->tensors[i].offset,
                           .bytes = a->tensors[i].count * sizeof *a->values};
    TRY(write_config(m, dir, base));
    TRY(path_join(path, dir, WEIGHTS_NAME));
    TRY(safetensors_write(path, t, stored, metadata));
    const head_own own = model_own(m);
    if (a->score != SIZE_MAX && m->config.objective[0]) TRY(objective_record_save(dir, &m->config, &own, data_hash));
cleanup:
    free(t);
    return status;
}

/* --- adapter_model.safetensors ------------------------------------------------------------------------------------ */

/* How the config's adapters lie in memory: all of the largest rank, with the usual scale. A smaller one has zeros
 * beyond its own rows and columns, and what its scale differs by goes into B. */
typedef struct layout {
    const lora_plan *plan;
    size_t rank;
    double alpha;
    unsigned *layers; /* (L): bits of kinds */
} layout;

static wr_status make_layout(const model *m, const lora_plan *plan, layout *out) {
    *out = (layout){.plan = plan};
    out->layers = mem_calloc(m->config.L, sizeof *out->layers);
    if (!out->layers) return WR_E_NOMEM;
    for (size_t l = 0; l < m->config.L; l++)
        for (size_t k = 0; k < LORA_MODULE_COUNT; k++) {
            const size_t rank = plan->layers[l * LORA_MODULE_COUNT + k].rank;
            if (rank) out->layers[l] |= LORA_MODULE_BIT(lora_modules[k].kind);
            if (rank > out->rank) out->rank = rank;
        }
    if (!out->rank) out->rank = plan->usual.rank;
    out->alpha = plan->usual.scale * (double)out->rank;
    return WR_OK;
}

/* The share that tensor i of a (A or B, in the order of lora_create) belongs to; NULL: the score head and what lies behind it. */
static const lora_share *share_at(const model *m, const layout *y, const struct lora *a, size_t i) {
    size_t at = 0;
    if (a->tensors[i].offset >= a->score) return NULL;
    for (size_t s = 0; s < m->config.L * LORA_MODULE_COUNT; s++)
        if (y->plan->layers[s].rank && at++ == i / 2) return &y->plan->layers[s];
    return NULL;
}

static wr_status check_shape(const st_tensor *t, const char *name, size_t rows, size_t cols) {
    if (t->n_dims == 2 && t->dims[0] == rows && t->dims[1] == cols) return WR_OK;
    return wr_fail(WR_E_MISMATCH,
                   "tensor \"%s\" has shape (%zu, %zu), but with this model and " CONFIG_NAME " it must be (%zu, %zu)",
                   name, t->n_dims > 0 ? t->dims[0] : 0, t->n_dims > 1 ? t->dims[1] : 0, rows, cols);
}

/* All that is wanted is there in its shape, and nothing else. Done before memory is had for what the config
 * announces. */
static wr_status check_tensors(const model *m, const layout *y, const struct lora *a, const safetensors *s,
                               const lora_ends *ends, bool has_score) {
    wr_status status = WR_OK;
    size_t wanted = ends->n_found;
    for (size_t i = 0; i < a->n_tensors; i++) {
        const tensor_info *want = &a->tensors[i];
        const lora_share *share = share_at(m, y, a, i);
        if (want->offset == a->own || (!share && !has_score)) continue;
        const st_tensor *t = safetensors_find(s, want->name);
        if (!t) TRY(wr_fail(WR_E_FORMAT, "tensor \"%s\" is missing", want->name));
        TRY(check_shape(t, want->name, share && i % 2 == 0 ? share->rank : want->dims[0],
                        share && i % 2 ? share->rank : want->dims[1]));
        wanted++;
    }
    for (size_t i = 0; wanted != safetensors_count(s) && i < safetensors_count(s); i++) {
        const char *name = safetensors_at(s, i)->name;
        bool known = lora_ends_know(ends, safetensors_at(s, i));
        for (size_t k = 0; k < a->n_tensors && !known; k++)
            known = strcmp(a->tensors[k].name, name) == 0 && a->tensors[k].offset != a->own &&
                    (a->tensors[k].offset != a->score || has_score);
        if (!known)
            TRY(wr_fail(WR_E_FORMAT,
                        "tensor \"%.160s\" belongs to no adapter that " CONFIG_NAME " describes for this model (%s)",
                        name, m->config.architecture));
    }
cleanup:
    return status;
}

/* (rows, cols) with `stride` elements from row to row, times scale. A factor of 1 changes no bit. */
static wr_status read_tensor(const st_tensor *t, const char *name, float scale, float *out, size_t stride) {
    wr_status status = WR_OK;
    const size_t rows = t->dims[0], cols = t->dims[1];
    float *packed = mem_calloc(rows * cols + 1, sizeof *packed);
    TRY_ALLOC(packed);
    TRY(st_tensor_to_f32(t, packed));
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            if (!isfinite(packed[r * cols + c])) TRY(wr_fail(WR_E_FORMAT, "tensor \"%s\" holds NaN or infinity", name));
            out[r * stride + c] = scale * packed[r * cols + c];
        }
cleanup:
    free(packed);
    return status;
}

static wr_status read_values(const model *m, const layout *y, struct lora *a, const safetensors *s, bool has_score) {
    wr_status status = WR_OK;
    const double usual = y->plan->usual.scale;
    for (size_t i = 0; i < a->n_tensors; i++) {
        const tensor_info *t = &a->tensors[i];
        const lora_share *share = share_at(m, y, a, i);
        /* the model's own, which lora_alloc has put there */
        if (t->offset == a->own || (!share && !has_score)) continue;
        const double own =
            share && i % 2 && share->scale != usual ? (usual != 0 ? share->scale / usual : share->scale) : 1;
        TRY(read_tensor(safetensors_find(s, t->name), t->name, (float)own, a->values + t->offset, t->dims[1]));
    }
cleanup:
    return status;
}

/* What the adapter's record says of the head that it brings takes the place of what m says of its own. */
static wr_status read_record(model *m, const char *dir, struct lora *a) {
    wr_status status = WR_OK;
    const head_own was = m->config.own;
    head_own own;
    TRY(objective_record_load(dir, &m->config));
    own = m->config.own;
    m->config.own = was; /* its values begin the model below; the adapter's are its own */
    if (own.kind != was.kind || own.n != was.n)
        TRY(wr_fail(WR_E_MISMATCH,
                    "%s: its record of the objective (%u numbers beside the score head) is not what the "
                    "model below it has (%u)",
                    dir, own.n, was.n));
    if (own.kind) memcpy(a->values + a->own, own.values, own.n * sizeof *own.values);
cleanup:
    return status;
}

wr_status lora_load(model *m, const char *dir) {
    wr_status status = WR_OK;
    char path[PATH_CAP], *bytes = NULL;
    const json_value *root = NULL;
    lora_plan plan = {0};
    layout y = {0};
    lora_ends ends = {0};
    struct lora *a = NULL;
    safetensors *s = NULL;
    size_t n;
    arena *memory = arena_create();
    TRY_ALLOC(memory);
    if (m->lora) TRY(wr_fail(WR_E_USAGE, "%s: the model has adapters already", dir));
    TRY(path_join(path, dir, CONFIG_NAME));
    TRY(file_read(path, CONFIG_MAX, &bytes, &n));
    TRY(wr_context(json_parse(memory, bytes, n, &root), "%s", path));
    TRY(wr_context(lora_plan_read(m, root, &plan), "%s", path));
    TRY(make_layout(m, &plan, &y));
    TRY(path_join(path, dir, WEIGHTS_NAME));
    TRY(safetensors_open(path, &s));
    TRY(lora_create(m, y.rank, plan.usual.scale != 0 ? y.alpha : (double)y.rank, y.layers, &a));
    TRY(wr_context(lora_ends_find(m, s, &plan, &ends), "%s", path));
    TRY(wr_context(check_tensors(m, &y, a, s, &ends, plan.score_saved), "%s", path));
    TRY(lora_alloc(m, a));
    TRY(wr_context(read_values(m, &y, a, s, plan.score_saved), "%s", path));
    if (plan.score_saved) TRY(read_record(m, dir, a));
    TRY(wr_context(lora_ends_fold(m, &plan, &ends, a), "%s", path));
    m->lora = a;
    status = lora_round(m);
    if (status < 0)
        m->lora = NULL;
    else
        a = NULL;
cleanup:
    lora_free(a);
    lora_plan_free(&plan);
    free(y.layers);
    safetensors_close(s);
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
    const st_tensor *t = safetensors_find(s, SCORE_NAME);
    if (t && t->n_dims == 2) *rows = t->dims[0];
cleanup:
    safetensors_close(s);
    return status;
}

wr_status lora_score_own(const char *dir, head_own *own) {
    model_config c;
    const wr_status status = objective_record_load(dir, &c);
    *own = c.own;
    return status;
}
