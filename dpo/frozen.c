#include "dpo/frozen.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* What rank 0 tells the others about a model: plain bytes, followed by the template's text. */
typedef struct description { model_config config; char parent_hash[33]; } description;

typedef struct source { const char *dir; model_head head; const model *ready; const description *expected; } source;

static wr_status fill(void *context, void *memory) {
    wr_status status = WR_OK;
    source *s = context;
    model *loaded = NULL;
    const model *m = s->ready;
    if (!m) {
        TRY(model_load(s->dir, &(model_load_options){.head = s->head, .quiet = true}, &loaded));
        m = loaded;
        if (strcmp(m->parent_hash, s->expected->parent_hash) != 0) {
            TRY(wr_fail(WR_E_MISMATCH, "%s: this host has another model there than rank 0's host (hash %.8s, not %.8s)", s->dir, m->parent_hash,
                        s->expected->parent_hash));
        }
    }
    memcpy(memory, m->params, m->n_params * sizeof *m->params);
cleanup:
    model_free(loaded);
    return status;
}

static wr_status share(world *w, source *s, const description *d, const char *template_text, size_t template_n, frozen_model *out) {
    wr_status status = model_create(&d->config, &out->m);
    if (status >= 0) {
        memcpy(out->m->parent_hash, d->parent_hash, sizeof out->m->parent_hash);
        if (template_n && !(out->m->template_text = mem_strndup(template_text, template_n))) status = WR_E_NOMEM;
    }
    TRY(world_agree(w, status));
    TRY(shared_block_create(w, out->m->n_params * sizeof(float), fill, s, &out->block));
    out->m->params = shared_block_data(out->block);
    out->m->params_shared = true;
cleanup:
    return status;
}

wr_status frozen_load(world *w, const char *dir, model_head head, frozen_model *out) {
    wr_status status = WR_OK;
    strbuf bytes = {0};
    model *loaded = NULL;
    *out = (frozen_model){0};
    if (world_rank(w) == 0) {
        status = model_load(dir, &(model_load_options){.head = head}, &loaded);
        if (status >= 0) {
            description d;
            memset(&d, 0, sizeof d);
            d.config = loaded->config;
            memcpy(d.parent_hash, loaded->parent_hash, sizeof d.parent_hash);
            strbuf_append(&bytes, &d, sizeof d);
            if (loaded->template_text) strbuf_puts(&bytes, loaded->template_text);
            status = strbuf_status(&bytes);
        }
    }
    TRY(world_agree(w, status));
    TRY(world_bcast(w, 0, &bytes));
    description d;
    memcpy(&d, bytes.data, sizeof d);
    source s = {dir, head, loaded, &d};
    TRY(share(w, &s, &d, bytes.data + sizeof d, bytes.len - sizeof d, out));
cleanup:
    model_free(loaded);
    strbuf_free(&bytes);
    if (status < 0) frozen_free(out);
    return status;
}

wr_status frozen_copy(world *w, const model *m, frozen_model *out) {
    description d;
    memset(&d, 0, sizeof d);
    d.config = m->config;
    memcpy(d.parent_hash, m->parent_hash, sizeof d.parent_hash);
    *out = (frozen_model){0};
    source s = {.ready = m};
    wr_status status = share(w, &s, &d, NULL, 0, out);
    if (status < 0) frozen_free(out);
    return status;
}

void frozen_free(frozen_model *f) {
    model_free(f->m); /* leaves shared parameters alone */
    shared_block_free(f->block);
    *f = (frozen_model){0};
}
