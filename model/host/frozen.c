#include "model/host/frozen.h"

#include "base/mem.h"
#include "model/weights/weight_mapping.h"

#include <stdlib.h>
#include <string.h>

/* What rank 0 tells the others about a model: plain bytes, followed by the template's text. */
typedef struct description {
    model_config config;
    char parent_hash[33];
    precision precision;
    bool mapped;
} description;

typedef struct source {
    const char *dir;
    model_head head;
    const model *ready; /* NULL: to be loaded from dir */
    bool known;         /* this rank is the one that has said what dir holds */
    const description *expected;
} source;

static description describe(const model *m) {
    description d;
    memset(&d, 0, sizeof d);
    d.config = m->config;
    memcpy(d.parent_hash, m->parent_hash, sizeof d.parent_hash);
    d.precision = m->precision;
    d.mapped = m->mapping && m->mapping->n_files > 0;
    return d;
}

/* By one rank of each host: checks that it has rank 0's model and, where there is memory for them, puts the weights
 * there: from the files into that memory, without a copy between. */
static wr_status fill(void *context, void *memory) {
    wr_status status = WR_OK;
    const source *s = context;
    const description *d = s->expected;
    model *loaded = NULL;
    if (s->ready) {
        weight_image_fill(s->ready, memory);
        return WR_OK;
    }
    if (s->known && d->mapped) return WR_OK;
    TRY(model_load(s->dir,
                   &(model_load_options){.head = s->head,
                                         .quiet = true,
                                         .frozen = true,
                                         .precision = d->precision,
                                         .image = d->mapped ? NULL : memory,
                                         .hash = s->known ? d->parent_hash : NULL},
                   &loaded));
    if (strcmp(loaded->parent_hash, d->parent_hash) != 0)
        TRY(wr_fail(WR_E_MISMATCH, "%s: this host has another model there than rank 0's host (hash %.8s, not %.8s)",
                    s->dir, loaded->parent_hash, d->parent_hash));
cleanup:
    model_free(loaded);
    return status;
}

static wr_status share_image(world *w, source *s, const char *template_text, size_t template_n, frozen_model *out) {
    const description *d = s->expected;
    wr_status status = model_create(&d->config, &out->m);
    if (status >= 0) {
        memcpy(out->m->parent_hash, d->parent_hash, sizeof out->m->parent_hash);
        if (template_n && !(out->m->template_text = mem_strndup(template_text, template_n))) status = WR_E_NOMEM;
    }
    TRY(world_agree(w, status));
    TRY(shared_block_create(w, weight_image_bytes(out->m, d->precision), fill, s, &out->block));
    weight_image_use(out->m, d->precision, shared_block_data(out->block));
cleanup:
    return status;
}

static wr_status map_each(world *w, source *s, frozen_model *out) {
    wr_status status = WR_OK;
    const description *d = s->expected;
    TRY(shared_block_create(w, 0, fill, s, &out->block)); /* the check, once a host */
    const model_load_options o = {
        .head = s->head, .quiet = true, .frozen = true, .precision = d->precision, .hash = d->parent_hash};
    TRY(world_agree(w, model_load(s->dir, &o, &out->m)));
cleanup:
    return status;
}

wr_status frozen_load(world *w, const char *dir, model_head head, precision p, bool check_weights, frozen_model *out) {
    wr_status status = WR_OK;
    strbuf bytes = {0};
    model *loaded = NULL;
    *out = (frozen_model){0};
    if (world_rank(w) == 0) {
        status = model_load(dir,
                            &(model_load_options){.head = head,
                                                  .frozen = true,
                                                  .without_converted = true,
                                                  .precision = p,
                                                  .check_weights = check_weights},
                            &loaded);
        if (status >= 0) {
            const description d = describe(loaded);
            strbuf_append(&bytes, &d, sizeof d);
            if (loaded->template_text) strbuf_puts(&bytes, loaded->template_text);
            status = strbuf_status(&bytes);
        }
    }
    TRY(world_agree(w, status));
    TRY(world_bcast(w, 0, &bytes));
    description d;
    memcpy(&d, bytes.data, sizeof d);
    source s = {.dir = dir, .head = head, .known = loaded != NULL, .expected = &d};
    TRY(d.mapped ? map_each(w, &s, out) : share_image(w, &s, bytes.data + sizeof d, bytes.len - sizeof d, out));
cleanup:
    model_free(loaded);
    strbuf_free(&bytes);
    if (status < 0) frozen_free(out);
    return status;
}

wr_status frozen_copy(world *w, const model *m, frozen_model *out) {
    description d = describe(m);
    d.mapped = false;
    *out = (frozen_model){0};
    source s = {.ready = m, .expected = &d};
    wr_status status = share_image(w, &s, NULL, 0, out);
    if (status < 0) frozen_free(out);
    return status;
}

void frozen_free(frozen_model *f) {
    model_free(f->m); /* leaves shared parameters alone */
    shared_block_free(f->block);
    *f = (frozen_model){0};
}
