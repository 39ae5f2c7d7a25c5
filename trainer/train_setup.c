#include "trainer/train_setup.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/host/model_share.h"
#include "reward/template.h"
#include "text/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* COLLECTIVE. The text of a file as the lowest rank that can read it has it; empty when none can. */
static wr_status text_share(world *w, const char *path, strbuf *out) {
    enum { TEXT_LIMIT = 1 << 20 };
    wr_status status = WR_OK;
    int ranks = world_size(w);
    strbuf mine = {0}, *all = mem_calloc((size_t)ranks, sizeof *all);
    char *bytes = NULL;
    size_t n = 0;
    strbuf_clear(out);
    if (all && file_exists(path) && file_read(path, TEXT_LIMIT, &bytes, &n) >= 0) strbuf_append(&mine, bytes, n);
    TRY(world_agree(w, all ? strbuf_status(&mine) : wr_fail(WR_E_NOMEM, "out of memory reading %s", path)));
    TRY(world_allgather(w, &mine, all));
    for (int r = 0; r < ranks; r++)
        if (all[r].len) {
            strbuf_append(out, all[r].data, all[r].len);
            break;
        }
    TRY(world_agree(w, strbuf_status(out)));
cleanup:
    for (int r = 0; all && r < ranks; r++) strbuf_free(&all[r]);
    free(all);
    free(bytes);
    strbuf_free(&mine);
    return status;
}

static bool states_positions(const char *spec) { return strstr(spec, "max-positions=") != NULL; }

/* Positions cost nothing with rotary embeddings, and records that find none are lost: as many as the longest record has
 * tokens, within --max-length. */
static void fit_positions(const train_options *o, const dataset_index *d, model_config *c) {
    size_t longest = 0;
    if (states_positions(o->spec)) return;
    for (size_t i = 0; i < d->n_records; i++)
        if (d->lengths[i] > longest) longest = d->lengths[i];
    if (longest > o->max_length) longest = o->max_length;
    if (longest <= c->max_positions) return;
    c->max_positions = longest;
    log_info("--new: max-positions=%zu, as the longest record (within --max-length %zu)", longest, o->max_length);
}

static size_t rows_of(const train_options *o, model_head head, const dataset_index *d) {
    return head == HEAD_SCORE ? objective_rows(o->objective.kind, d->meta.classes) : 0;
}

static wr_status make_new(const train_options *o, model_head head, const tokenizer *t, const dataset_index *d,
                          model **out) {
    model_config c;
    wr_status status = model_config_from_spec(o->spec, &c);
    if (status < 0) return wr_context(status, "--new");
    fit_positions(o, d, &c);
    c.V = tokenizer_vocab(t);
    c.bos_id = -1;
    c.eos_id = tokenizer_id(t, "<|im_end|>");
    c.pad_id = tokenizer_id(t, "<|endoftext|>");
    c.n_eos = 0;
    if (c.eos_id >= 0) c.eos_ids[c.n_eos++] = c.eos_id;
    model_config_set_head(&c, head, rows_of(o, head, d));
    if (head == HEAD_SCORE) c.own = objective_own(o->objective.kind, d->meta.classes);
    TRY(model_config_check(&c));
    TRY(model_create(&c, out));
    if (o->dry) goto cleanup;
    TRY(model_alloc_params(*out));
    model_init_params(*out, o->run.seed);
cleanup:
    return status;
}

static wr_status check_tokenizer(const train_options *o, const dataset_index *d, const tokenizer *t, const model *m,
                                 const char *dir) {
    if (!d->meta.tokenizer_hash[0])
        return wr_fail(WR_E_MISMATCH, "%s: prepared with --no-tokens; prepare it with --tokenizer %s to train on it",
                       o->data, dir);
    if (strcmp(d->meta.tokenizer_hash, tokenizer_hash(t)) != 0)
        return wr_fail(WR_E_MISMATCH,
                       "%s: its shards were tokenized with another tokenizer (hash %.8s) than %s has (hash %.8s, %zu "
                       "ids); prepare the data again with "
                       "--tokenizer %s",
                       o->data, d->meta.tokenizer_hash, dir, tokenizer_hash(t), tokenizer_vocab(t), dir);
    if (m && tokenizer_vocab(t) > m->config.V)
        return wr_fail(WR_E_MISMATCH, "%s: the tokenizer has %zu ids, the model's vocabulary %zu", dir,
                       tokenizer_vocab(t), m->config.V);
    return WR_OK;
}

/* A head that was trained by another objective would be trained on as if its outputs meant what this one's do. */
static wr_status check_objective(const train_options *o) {
    wr_status status = WR_OK;
    char template[PATH_CAP];
    model_config c;
    objective_use was;
    TRY(model_config_load(o->model, &c));
    if (c.head != HEAD_SCORE) goto cleanup;
    TRY(path_join(template, o->model, "template.txt"));
    if (!c.objective[0] && c.n_outputs == 1) {
        /* a head of one output that says nothing of itself is taken for one of preference pairs; but this program's
         * early versions had only the ordinal objective, and a template */
        if (o->objective.kind->pairs) goto cleanup;
        if (!file_exists(template))
            TRY(wr_fail(WR_E_MISMATCH,
                        "%s: its score head has one output and does not record how it was trained, which is by "
                        "preference pairs as a rule (--objective bt --pairs FILE); to train another one, start from "
                        "the model below it",
                        o->model));
    }
    TRY(objective_of_model(&c, o->model, &was));
    if (was.kind != o->objective.kind && !c.objective[0])
        TRY(wr_fail(WR_E_MISMATCH,
                    "%s: its score head does not record how it was trained, and is taken for the objective %s; give "
                    "--objective %s, or start from the model below it",
                    o->model, was.kind->name, was.kind->name));
    if (was.kind != o->objective.kind)
        TRY(wr_fail(WR_E_MISMATCH,
                    "%s: its score head was trained by the objective %s; give --objective %s, or start from the model "
                    "below it",
                    o->model, was.kind->name, was.kind->name));
cleanup:
    return status;
}

/* A head of the objective's kind may have been trained for another number of classes. */
static wr_status check_outputs(const train_options *o, const dataset_index *d, const model_config *c) {
    const size_t have = config_logits(c), need = o->objective.kind->outputs(d->meta.classes);
    if (c->n_outputs == objective_rows(o->objective.kind, d->meta.classes) && have == need) return WR_OK;
    return wr_fail(WR_E_MISMATCH, "%s: its score head has %zu outputs, the %d classes of %s need %zu", o->model, have,
                   d->meta.classes, o->data, need);
}

static wr_status start_root(const train_options *o, model_head head, const dataset_index *d, train_start *s) {
    wr_status status = WR_OK;
    tokenizer *t = NULL;
    const char *dir = o->model ? o->model : o->data;
    TRY(tokenizer_load(dir, &t));
    TRY(check_tokenizer(o, d, t, NULL, dir));
    snprintf(s->tokenizer_dir, sizeof s->tokenizer_dir, "%s", tokenizer_dir(t));
    if (o->model) {
        const size_t n_outputs = rows_of(o, head, d);
        if (head == HEAD_SCORE) TRY(check_objective(o));
        model_load_options load = {
            .head = head, .n_outputs = n_outputs, .seed = o->run.seed, .check_weights = o->check_weights};
        if (head == HEAD_SCORE) load.own = objective_own(o->objective.kind, d->meta.classes);
        TRY(o->dry ? model_load_shape(o->model, &load, &s->m) : model_load(o->model, &load, &s->m));
        TRY(check_tokenizer(o, d, t, s->m, dir));
        if (head == HEAD_SCORE) TRY(check_outputs(o, d, &s->m->config));
        if (head == HEAD_SCORE && s->m->config.score_bias != 0)
            TRY(wr_fail(WR_E_MISMATCH,
                        "%s: its value head has a bias, which is not trained here; start from the model "
                        "below it",
                        o->model));
    } else
        TRY(make_new(o, head, t, d, &s->m));
    if (head == HEAD_SCORE) objective_note(&o->objective, &s->m->config);
cleanup:
    tokenizer_free(t);
    return status;
}

static wr_status check_template(const char *text, const char *from, const dataset_index *d, const char *data) {
    reward_template *t = NULL;
    wr_status status = wr_context(reward_template_from_text(text, &t), "%s", from);
    if (status >= 0 && strcmp(reward_template_hash(t), d->meta.template_hash) != 0)
        status = wr_fail(WR_E_MISMATCH,
                         "%s: its template (hash %.8s) is not the one the shards of %s were made with (hash %.8s)",
                         from, reward_template_hash(t), data, d->meta.template_hash);
    reward_template_free(t);
    return status;
}

static wr_status to_jinja(const char *text, char **out) {
    wr_status status = WR_OK;
    reward_template *t = NULL;
    strbuf jinja = {0};
    TRY(reward_template_from_text(text, &t));
    TRY(reward_template_jinja(t, &jinja));
    *out = mem_strdup(strbuf_str(&jinja));
    TRY_ALLOC(*out);
cleanup:
    reward_template_free(t);
    strbuf_free(&jinja);
    return status;
}

/* Shards of ready-made texts may record no template; then their reward model records none, and scores ready texts. The
 * tokenizer's chat template, which would be copied beside it, writes others. */
static wr_status start_ready(const train_options *o, train_start *s) {
    static const char refusal[] = "{{- raise_exception('this reward model was trained on ready-made texts; no template "
                                  "is known that writes them') -}}\n";
    const bool before = !o->template_file && s->m && s->m->template_text;
    if (!o->template_file && !before)
        return (s->chat_template = mem_strdup(refusal)) ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory");
    return wr_fail(WR_E_MISMATCH,
                   "%s: %s a template, but the shards of %s hold ready-made texts without one; give it to prepare "
                   "(--template FILE) if it is the one they were written with",
                   before ? o->model : o->template_file, before ? "was trained with" : "is", o->data);
}

/* The template that saved reward models record: the one the shards were rendered with. */
static wr_status find_template(world *w, const train_options *o, const dataset_index *d, train_start *s) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    strbuf text = {0};
    if (!d->meta.template_hash[0]) return world_agree(w, o->pairs ? WR_OK : start_ready(o, s));
    if (o->template_file)
        snprintf(path, sizeof path, "%s", o->template_file);
    else
        TRY(path_join(path, o->data, "template.txt"));
    TRY(text_share(w, path, &text));
    if (!text.len)
        status = wr_fail(WR_E_IO, "%s: no rank can read it", path);
    else
        status = check_template(strbuf_str(&text), path, d, o->data);
    if (status >= 0 && world_rank(w) == 0 && s->m->template_text)
        status = check_template(s->m->template_text, o->model, d, o->data);
    if (status >= 0 && !(s->template_text = mem_strdup(strbuf_str(&text)))) status = WR_E_NOMEM;
    if (status >= 0) status = to_jinja(s->template_text, &s->chat_template);
    TRY(world_agree(w, status));
cleanup:
    strbuf_free(&text);
    return status;
}

wr_status train_start_open(world *w, const train_options *o, model_head head, const dataset_index *d,
                           train_start *out) {
    wr_status status = WR_OK;
    *out = (train_start){0};
    if (head == HEAD_SCORE && d->meta.classes < 2)
        return wr_fail(WR_E_MISMATCH, "%s: the shards have %d classes, at least 2 are needed", o->data,
                       d->meta.classes);
    const size_t most = head == HEAD_SCORE ? o->objective.kind->most_classes : 0;
    if (most && (size_t)d->meta.classes > most)
        return wr_fail(WR_E_MISMATCH,
                       "%s: the shards have %d classes; --objective %s is trained for %zu at most: join "
                       "levels before prepare --format labelled",
                       o->data, d->meta.classes, o->objective.kind->name, most);
    if (world_rank(w) == 0) status = start_root(o, head, d, out);
    TRY(world_agree(w, status));
    if (head == HEAD_SCORE) TRY(find_template(w, o, d, out));
    TRY(o->dry ? model_share_shape(w, o->precision, &out->m) : model_share(w, o->precision, &out->m));
    lora_options adapters = o->run.lora;
    adapters.seed = o->run.seed;
    if (adapters.rank) status = o->dry ? lora_attach_shape(out->m, &adapters) : lora_attach(out->m, &adapters);
    TRY(world_agree(w, status));
cleanup:
    if (status < 0) train_start_close(out);
    return status;
}

void train_start_close(train_start *s) {
    model_free(s->m);
    free(s->template_text);
    free(s->chat_template);
    s->m = NULL;
    s->template_text = s->chat_template = NULL;
}

wr_status train_longest(const train_options *o, size_t *longest) {
    wr_status status = WR_OK;
    model_config c;
    *longest = o->max_length;
    if (o->spec && !states_positions(o->spec)) return WR_OK; /* as many as the longest record needs */
    TRY(o->model ? model_config_load(o->model, &c) : wr_context(model_config_from_spec(o->spec, &c), "--new"));
    if (c.max_positions && c.max_positions < *longest) *longest = c.max_positions;
cleanup:
    return status;
}

void train_data_hash(const dataset_index *d, const uint8_t *only, char out[33]) {
    char parts[2][HASH_HEX];
    snprintf(out, 33, "%s", d->hash);
    if (!only) return;
    snprintf(parts[0], sizeof parts[0], "%s", d->hash);
    hash_hex(only, d->n_records, parts[1]);
    hash_hex(parts, sizeof parts, out);
}
