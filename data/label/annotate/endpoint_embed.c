/* Topic similarity from /v1/embeddings: the cosine of the embeddings of [query + follow-up] of two turns. A text is
 * embedded once, whatever number of pairs it is in; embeddings are read back from the cache, so that memory does not
 * grow with them. */
#include "data/label/annotate/endpoint_internal.h"

#include "base/log.h"
#include "mpi/world.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = 16 }; /* texts of a request */

typedef struct embed_round {
    endpoint *e;
    const turn_text *x, *y; /* (n) pairs; text 2i is x[i], text 2i+1 is y[i] */
    char (*keys)[HASH_HEX]; /* (2n) of the request for that text alone */
    uint32_t *missing;      /* texts to embed */
    size_t n_missing, missing_capacity, at;
    uint32_t *again; /* texts of a refused request: one of them may be the cause, so each gets a request of its own */
    size_t n_again, again_capacity;
    size_t inputs;
    strbuf members;
} embed_round;

static void put_text(embed_round *r, size_t i, strbuf *out) {
    endpoint *e = r->e;
    const turn_text *t = i % 2 ? &r->y[i / 2] : &r->x[i / 2];
    strbuf_clear(&e->prompt);
    annotation_clip(&e->prompt, t->query, t->query_length, e->limits.characters);
    strbuf_putc(&e->prompt, '\n');
    annotation_clip(&e->prompt, t->followup, t->followup_length, e->limits.characters);
    json_writer w = json_writer_make(out);
    json_string_n(&w, e->prompt.data, e->prompt.len);
}

static wr_status write_body(embed_round *r, const uint32_t *texts, size_t n, strbuf *out) {
    strbuf_append(out, r->e->embed_head.data, r->e->embed_head.len);
    for (size_t k = 0; k < n; k++) {
        if (k) strbuf_putc(out, ',');
        put_text(r, texts[k], out);
    }
    strbuf_puts(out, "]}");
    wr_status status = strbuf_status(&r->e->prompt);
    return status < 0 ? status : strbuf_status(out);
}

static size_t batch_length(const embed_round *r, size_t from) {
    return r->n_missing - from < r->inputs ? r->n_missing - from : r->inputs;
}

static wr_status next_batch(void *context, strbuf *body, uint64_t *tag) {
    embed_round *r = context;
    if (r->at == r->n_missing) return WR_END;
    *tag = r->at;
    r->at += batch_length(r, r->at);
    return write_body(r, r->missing + *tag, r->at - *tag, body);
}

/* One embedding into the cache, as float32 values that read back as they are. */
static wr_status keep(embed_round *r, size_t text, const json_value *embedding) {
    wr_status status = WR_OK;
    endpoint *e = r->e;
    strbuf_clear(&r->members);
    strbuf_puts(&r->members, "\"model\":");
    json_writer w = json_writer_make(&r->members);
    json_string(&w, e->embedding_model);
    strbuf_puts(&r->members, ",\"embedding\":[");
    for (const json_value *v = embedding->first; v; v = v->next) {
        double value;
        if (!json_to_double(v, &value) || !isfinite((float)value))
            TRY(wr_fail(WR_E_FORMAT, "an embedding holds something that is no number"));
        strbuf_printf(&r->members, "%s%.9g", v == embedding->first ? "" : ",", (double)(float)value);
    }
    strbuf_putc(&r->members, ']');
    TRY(strbuf_status(&r->members));
    TRY(answer_cache_add(e->cache, r->keys[text], r->members.data, r->members.len));
    e->answers++;
cleanup:
    return status;
}

static wr_status take_embeddings(void *context, uint64_t tag, char *body, size_t n) {
    wr_status status = WR_OK;
    embed_round *r = context;
    size_t count = batch_length(r, tag), i = 0;
    const json_value *response, *found[INPUTS] = {NULL};
    int64_t prompt, completion;
    arena_reset(r->e->arena);
    TRY(json_parse(r->e->arena, body, n, &response));
    for (const json_value *v = json_is(json_get(response, "data"), JSON_ARRAY) ? json_get(response, "data")->first
                                                                               : NULL;
         v; v = v->next, i++) {
        int64_t index = (int64_t)i;
        const json_value *embedding = json_get(v, "embedding");
        json_get_int(v, "index", &index);
        if (index < 0 || index >= (int64_t)count || found[index] || !json_is(embedding, JSON_ARRAY) ||
            embedding->length == 0)
            TRY(wr_fail(WR_E_FORMAT, "data[%zu] is no embedding of an input", i));
        if (json_is(embedding->first, JSON_ARRAY)) /* no accident: it will not be another time */
            TRY(wr_fail(WR_E_FAILED,
                        "the endpoint gives an embedding for each token, not for the text: serve %s with pooling "
                        "(llama.cpp: --pooling mean)",
                        r->e->embedding_model));
        found[index] = embedding;
    }
    for (size_t k = 0; k < count; k++)
        if (!found[k] || found[k]->length != found[0]->length)
            TRY(wr_fail(WR_E_FORMAT, "%zu inputs did not give as many embeddings of one length", count));
    for (size_t k = 0; k < count; k++) TRY(keep(r, r->missing[tag + k], found[k]));
    endpoint_usage(r->e, response, &prompt, &completion);
cleanup:
    return status;
}

static wr_status batch_failed(void *context, uint64_t tag, long code, const char *why) {
    wr_status status = WR_OK;
    embed_round *r = context;
    size_t count = batch_length(r, tag);
    if (count > 1 && (code == 400 || code == 413 || code == 422)) {
        for (size_t k = 0; k < count; k++) {
            VEC_PUSH(r->again, r->n_again, r->again_capacity, r->missing[tag + k]);
        }
        return WR_OK;
    }
    if (!r->e->warned) log_warn("%zu texts get no embedding: %s; further ones are only counted", count, why);
    r->e->warned = true;
cleanup:
    return status;
}

static wr_status tick(void *context) { return answer_cache_tick(((embed_round *)context)->e->cache); }

/* Keys of all texts, and the list of those that are not in the cache. */
static wr_status list_missing(embed_round *r, size_t n) {
    wr_status status = WR_OK;
    string_map seen = {0};
    strbuf body = {0};
    for (size_t i = 0; i < 2 * n; i++) {
        uint32_t text = (uint32_t)i;
        string_entry *entry;
        int fresh;
        if (world_stop_requested()) TRY(wr_fail(WR_E_INTERRUPTED, "stopped by a signal"));
        strbuf_clear(&body);
        TRY(write_body(r, &text, 1, &body));
        hash_hex(body.data, body.len, r->keys[i]);
        TRY(string_map_put(&seen, r->keys[i], HASH_HEX - 1, 0, &entry, &fresh));
        if (!fresh) continue;
        const json_value *record;
        arena_reset(r->e->arena);
        wr_status got = answer_cache_find(r->e->cache, r->keys[i], r->e->arena, &record);
        TRY(got);
        if (got == WR_END) {
            VEC_PUSH(r->missing, r->n_missing, r->missing_capacity, text);
        } else {
            r->e->cached++;
        }
    }
cleanup:
    string_map_free(&seen);
    strbuf_free(&body);
    return status;
}

static const json_value *load(embed_round *r, size_t text, wr_status *status) {
    const json_value *record = NULL;
    wr_status got = answer_cache_find(r->e->cache, r->keys[text], r->e->arena, &record);
    if (got < 0) *status = got;
    return got == WR_OK ? json_get(record, "embedding") : NULL;
}

static double cosine_of(const json_value *x, const json_value *y) {
    double xy = 0, xx = 0, yy = 0;
    if (!json_is(x, JSON_ARRAY) || !json_is(y, JSON_ARRAY) || x->length != y->length) return NAN;
    for (const json_value *a = x->first, *b = y->first; a && b; a = a->next, b = b->next) {
        double u, v;
        if (!json_to_double(a, &u) || !json_to_double(b, &v)) return NAN;
        xy += u * v, xx += u * u, yy += v * v;
    }
    double c = xy / sqrt(xx * yy);
    return !isfinite(c) ? NAN : c > 1 ? 1 : c < -1 ? -1 : c;
}

wr_status endpoint_cosines(annotator *a, const turn_text *x, const turn_text *y, size_t n, double *cosine) {
    wr_status status = WR_OK;
    endpoint *e = (endpoint *)a;
    embed_round r = {.e = e, .x = x, .y = y, .inputs = INPUTS};
    http_job job = {.path = "/embeddings",
                    .context = &r,
                    .next = next_batch,
                    .answer = take_embeddings,
                    .failed = batch_failed,
                    .tick = tick};
    if (n == 0) return WR_OK;
    if (n > INT32_MAX / 2) TRY(wr_fail(WR_E_USAGE, "%zu pairs at once are too many", n));
    TRY_ALLOC(r.keys = mem_calloc(2 * n, sizeof *r.keys));
    TRY(list_missing(&r, n));
    TRY(http_pool_run(e->pool, &job));
    if (r.n_again) {
        uint32_t *swap = r.missing;
        r.missing = r.again, r.again = swap;
        r.n_missing = r.n_again, r.n_again = 0;
        r.missing_capacity = r.again_capacity, r.again_capacity = 0;
        free(r.again), r.again = NULL;
        r.at = 0, r.inputs = 1;
        TRY(http_pool_run(e->pool, &job));
    }
    for (size_t i = 0; i < n; i++) {
        if (world_stop_requested()) TRY(wr_fail(WR_E_INTERRUPTED, "stopped by a signal"));
        arena_reset(e->arena);
        const json_value *u = load(&r, 2 * i, &status), *v = load(&r, 2 * i + 1, &status);
        TRY(status);
        cosine[i] = cosine_of(u, v);
        if (isnan(cosine[i])) e->no_similarity++;
    }
cleanup:
    status = endpoint_settle(e, status);
    free(r.keys);
    free(r.missing);
    free(r.again);
    strbuf_free(&r.members);
    return status;
}
