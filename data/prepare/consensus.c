#include "data/prepare/consensus.h"

#include "data/label/agree/dawid_skene.h"

#include <stdlib.h>

void consensus_free(consensus *c) {
    free(c->level);
    free(c->weight);
}

static void put_meta(const annotator_panel *p, const dawid_skene *d, strbuf *meta) {
    json_writer w = json_writer_make(meta);
    json_begin_object(&w);
    json_member_bool(&w, "converged", dawid_skene_converged(d) != 0);
    json_member_int(&w, "iterations", (int64_t)dawid_skene_iterations(d));
    json_member_array(&w, "prior");
    for (int k = 0; k < PATTERN_LEVELS; k++) json_double(&w, dawid_skene_prior(d)[k]);
    json_end_array(&w);
    json_member_object(&w, "confusion");
    for (size_t a = 0; a < p->n; a++) {
        json_member_array(&w, p->annotators[a]->name);
        for (int k = 0; k < PATTERN_LEVELS; k++) {
            json_begin_array(&w);
            for (int l = 0; l < PATTERN_LEVELS; l++)
                json_double(&w, dawid_skene_confusion(d, a)[k * PATTERN_LEVELS + l]);
            json_end_array(&w);
        }
        json_end_array(&w);
    }
    json_end_object(&w);
    json_end_object(&w);
}

wr_status consensus_fit(consensus *c, const annotator_panel *panel, const uint64_t *patterns, strbuf *meta) {
    wr_status status = WR_OK;
    dawid_skene *d = NULL;
    size_t n = pattern_count(c->n_annotators);
    TRY(dawid_skene_fit(c->n_annotators, patterns, NULL, &d));
    TRY_ALLOC(c->level = mem_calloc(n, 1));
    TRY_ALLOC(c->weight = mem_calloc(n, sizeof *c->weight));
    for (size_t i = 0; i < n; i++) c->level[i] = (uint8_t)dawid_skene_level(d, (uint32_t)i, &c->weight[i]);
    strbuf_puts(meta, "\"consensus\":");
    put_meta(panel, d, meta);
    strbuf_putc(meta, ',');
    TRY(strbuf_status(meta));
cleanup:
    dawid_skene_free(d);
    return status;
}

wr_status consensus_share(consensus *c, const prepare_context *context) {
    wr_status status = WR_OK;
    size_t n = pattern_count(c->n_annotators);
    strbuf bytes = {0};
    if (!context->w) return WR_OK;
    if (context->root) {
        strbuf_append(&bytes, c->level, n);
        strbuf_append(&bytes, c->weight, n * sizeof *c->weight);
    }
    TRY(world_bcast(context->w, 0, &bytes));
    if (!context->root) {
        c->level = mem_calloc(n, 1);
        c->weight = mem_calloc(n, sizeof *c->weight);
        if (!c->level || !c->weight) {
            status = wr_fail(WR_E_NOMEM, "out of memory for the consensus of %zu annotators", c->n_annotators);
        } else {
            memcpy(c->level, bytes.data, n);
            memcpy(c->weight, bytes.data + n, n * sizeof *c->weight);
        }
    }
    TRY(prepare_agree(context, status));
cleanup:
    strbuf_free(&bytes);
    return status;
}

int consensus_of(const consensus *c, const uint8_t *answers, double *weight) {
    *weight = 1;
    if (c->n_annotators == 1) return answers[0];
    uint32_t pattern = pattern_of(answers, c->n_annotators);
    if (c->level[pattern]) *weight = c->weight[pattern];
    return c->level[pattern];
}
