#include "data/prepare/consensus.h"

#include "data/label/agree/dawid_skene.h"

static void put_meta(pipeline *p, const dawid_skene *d) {
    json_writer w = json_writer_make(&p->extra);
    json_begin_object(&w);
    json_key(&w, "converged"), json_bool(&w, dawid_skene_converged(d) != 0);
    json_key(&w, "iterations"), json_int(&w, (int64_t)dawid_skene_iterations(d));
    json_key(&w, "prior"), json_begin_array(&w);
    for (int k = 0; k < PATTERN_LEVELS; k++) json_double(&w, dawid_skene_prior(d)[k]);
    json_end_array(&w);
    json_key(&w, "confusion"), json_begin_object(&w);
    for (size_t a = 0; a < p->n_annotators; a++) {
        json_key(&w, p->annotators[a]->name), json_begin_array(&w);
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

wr_status consensus_fit(pipeline *p, const uint64_t *patterns) {
    wr_status status = WR_OK;
    dawid_skene *d = NULL;
    size_t n = pattern_count(p->n_annotators);
    TRY(dawid_skene_fit(p->n_annotators, patterns, NULL, &d));
    TRY_ALLOC(p->consensus_level = mem_calloc(n, 1));
    TRY_ALLOC(p->consensus_weight = mem_calloc(n, sizeof *p->consensus_weight));
    for (size_t i = 0; i < n; i++)
        p->consensus_level[i] = (uint8_t)dawid_skene_level(d, (uint32_t)i, &p->consensus_weight[i]);
    strbuf_puts(&p->extra, "\"consensus\":");
    put_meta(p, d);
    strbuf_putc(&p->extra, ',');
    TRY(strbuf_status(&p->extra));
cleanup:
    dawid_skene_free(d);
    return status;
}

wr_status consensus_share(pipeline *p) {
    wr_status status = WR_OK;
    size_t n = pattern_count(p->n_annotators);
    strbuf bytes = {0};
    if (!p->w) return WR_OK;
    if (p->root) {
        strbuf_append(&bytes, p->consensus_level, n);
        strbuf_append(&bytes, p->consensus_weight, n * sizeof *p->consensus_weight);
    }
    TRY(world_bcast(p->w, 0, &bytes));
    if (!p->root) {
        p->consensus_level = mem_calloc(n, 1);
        p->consensus_weight = mem_calloc(n, sizeof *p->consensus_weight);
        if (!p->consensus_level || !p->consensus_weight) {
            status = wr_fail(WR_E_NOMEM, "out of memory for the consensus of %zu annotators", p->n_annotators);
        } else {
            memcpy(p->consensus_level, bytes.data, n);
            memcpy(p->consensus_weight, bytes.data + n, n * sizeof *p->consensus_weight);
        }
    }
    TRY(pipeline_agree(p, status));
cleanup:
    strbuf_free(&bytes);
    return status;
}

int consensus_of(const pipeline *p, const uint8_t *answers, double *weight) {
    *weight = 1;
    if (p->n_annotators == 1) return answers[0];
    uint32_t pattern = pattern_of(answers, p->n_annotators);
    if (p->consensus_level[pattern]) *weight = p->consensus_weight[pattern];
    return p->consensus_level[pattern];
}
