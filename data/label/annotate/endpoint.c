#include "data/label/annotate/endpoint_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 4096, RESPONSE_LIMIT = 4 << 20, IN_FLIGHT = 64 };
#define TIMEOUT_S 120.0
#define BACKOFF_S 0.5
#define BACKOFF_LIMIT_S 60.0
#define KEY_ENV "WILDREWARD_API_KEY"

/* --- levels and refusals ------------------------------------------------------------------------------------------ */

typedef struct asking {
    endpoint *e;
    const annotated_turn *turns;
    prompt_kind kind;
    int8_t *level;
    refusal_kind *refusal;
} asking;

static wr_status write_body(void *context, size_t i, strbuf *out) {
    const asking *k = context;
    endpoint *e = k->e;
    strbuf_clear(&e->prompt);
    annotation_prompt_render(e->prompts[k->kind], &k->turns[i], &e->limits, &e->prompt);
    wr_status status = strbuf_status(&e->prompt);
    if (status < 0) return status;
    strbuf_append(out, e->head.data, e->head.len);
    json_writer w = json_writer_make(out);
    json_string_n(&w, e->prompt.data, e->prompt.len);
    strbuf_puts(out, "}]}");
    return strbuf_status(out);
}

static wr_status read_answer(void *context, size_t i, const char *text, size_t n) {
    const asking *k = context;
    if (k->kind == PROMPT_LEVEL) {
        int level = annotation_answer(text, n, 1, 5);
        k->level[i] = level > 0 ? (int8_t)level : 0;
        if (level < 0) k->e->no_label++;
        return WR_OK;
    }
    static const refusal_kind kinds[] = {REFUSAL_FALSE, REFUSAL_JUSTIFIED, REFUSAL_NONE};
    int which = annotation_answer(text, n, 0, 2);
    k->refusal[i] = which >= 0 ? kinds[which] : REFUSAL_NONE;
    if (which < 0) k->e->refusal_no_answer++;
    return WR_OK;
}

static const char *turn_name(void *context, size_t i, char *buffer, size_t capacity) {
    const annotated_turn *t = &((const asking *)context)->turns[i];
    snprintf(buffer, capacity, "conversation %.80s, turn %" PRId64, t->id ? t->id : "?", t->turn);
    return buffer;
}

static wr_status ask(asking *k, size_t n) {
    question_set q = {.n = n, .context = k, .body = write_body, .answered = read_answer, .name = turn_name};
    return endpoint_ask(k->e, &q);
}

static wr_status levels(annotator *a, const annotated_turn *turns, size_t n, int8_t *level) {
    asking k = {.e = (endpoint *)a, .turns = turns, .kind = PROMPT_LEVEL, .level = level};
    memset(level, 0, n);
    return ask(&k, n);
}

static wr_status refusals(annotator *a, const annotated_turn *turns, size_t n, refusal_kind *kind) {
    asking k = {.e = (endpoint *)a, .turns = turns, .kind = PROMPT_REFUSAL, .refusal = kind};
    for (size_t i = 0; i < n; i++) kind[i] = REFUSAL_NONE;
    return ask(&k, n);
}

/* --- counts ------------------------------------------------------------------------------------------------------- */

static void counts(const annotator *a, json_writer *w) {
    const endpoint *e = (const endpoint *)a;
    http_counts h = http_pool_counts(e->pool);
    const struct {
        const char *name;
        uint64_t value;
    } list[] = {{"requests", h.requests},
                {"retries", h.retries},
                {"failed", h.failed},
                {"answers", e->answers},
                {"cached", e->cached},
                {"no_label", e->no_label},
                {"refusal_no_answer", e->refusal_no_answer},
                {"no_similarity", e->no_similarity},
                {"prompt_tokens", e->prompt_tokens},
                {"completion_tokens", e->completion_tokens},
                {"odd_usage", e->odd_usage}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) json_member_int(w, list[i].name, (int64_t)list[i].value);
    if (e->price_in > 0 || e->price_out > 0)
        json_member_double(
            w, "cost", ((double)e->prompt_tokens * e->price_in + (double)e->completion_tokens * e->price_out) / 1e6);
}

/* --- creation ----------------------------------------------------------------------------------------------------- */

static void endpoint_free(annotator *a) {
    endpoint *e = (endpoint *)a;
    http_pool_free(e->pool);
    answer_cache_close(e->cache);
    annotation_prompt_free(e->prompts[PROMPT_LEVEL]);
    annotation_prompt_free(e->prompts[PROMPT_REFUSAL]);
    free(e->model);
    free(e->embedding_model);
    strbuf_free(&e->head);
    strbuf_free(&e->embed_head);
    strbuf_free(&e->prompt);
    arena_free(e->arena);
    free(e);
}

/* {"model":…,"temperature":…,"max_tokens":…,EXTRA,"messages":[{"role":"user","content": */
static wr_status write_head(endpoint *e, const endpoint_options *o) {
    static const char *const ours[] = {"model", "messages", "stream", "n", NULL};
    wr_status status = WR_OK;
    const json_value *extra = NULL;
    if (o->extra) {
        TRY(wr_context(json_parse(e->arena, o->extra, strlen(o->extra), &extra), "--endpoint-extra"));
        if (!json_is(extra, JSON_OBJECT))
            TRY(wr_fail(WR_E_USAGE, "--endpoint-extra is no JSON object, such as {\"top_p\":0.9}"));
        for (size_t i = 0; ours[i]; i++)
            if (json_get(extra, ours[i]))
                TRY(wr_fail(WR_E_USAGE, "--endpoint-extra: \"%s\" is not for you to set", ours[i]));
    }
    json_writer w = json_writer_make(&e->head);
    json_begin_object(&w);
    json_member_string(&w, "model", o->model);
    if (!json_get(extra, "temperature")) json_member_double(&w, "temperature", o->temperature);
    if (o->max_tokens > 0 && !json_get(extra, "max_tokens") && !json_get(extra, "max_completion_tokens"))
        json_member_int(&w, "max_tokens", o->max_tokens);
    for (const json_value *m = extra ? extra->first : NULL; m; m = m->next)
        json_key_n(&w, m->key, m->key_length), json_copy(&w, m);
    json_member_array(&w, "messages");
    json_begin_object(&w);
    json_member_string(&w, "role", "user");
    json_key(&w, "content");
    TRY(strbuf_status(&e->head));
cleanup:
    return status == WR_E_FORMAT ? WR_E_USAGE : status;
}

static wr_status open_pool(endpoint *e, const endpoint_options *o) {
    const char *name = o->key_env ? o->key_env : KEY_ENV, *key = getenv(name);
    if (o->key_needed && (!key || !*key))
        return wr_fail(WR_E_USAGE, "the environment variable %s, which --endpoint-key-env names, is not set", name);
    http_options h = {.url = o->url,
                      .in_flight = o->in_flight ? o->in_flight : IN_FLIGHT,
                      .timeout_s = o->timeout_s > 0 ? o->timeout_s : TIMEOUT_S,
                      .retries = o->retries,
                      .backoff_s = o->backoff_s > 0 ? o->backoff_s : BACKOFF_S,
                      .backoff_limit_s = BACKOFF_LIMIT_S,
                      .response_limit = RESPONSE_LIMIT,
                      .key = key && *key ? key : NULL,
                      .key_name = name,
                      .ca_file = o->ca_file,
                      .seed = o->seed ^ (uint64_t)o->rank << 32};
    return http_pool_create(&h, &e->pool);
}

/* Of what an answer depends on: the requests' fixed parts hold model, temperature and the like. */
static uint64_t fingerprint(const endpoint *e) {
    uint64_t parts[] = {annotation_prompt_hash(e->prompts[PROMPT_LEVEL]),
                        annotation_prompt_hash(e->prompts[PROMPT_REFUSAL]),
                        e->limits.history,
                        e->limits.characters,
                        hash64(strbuf_str(&e->head), e->head.len, 0),
                        hash64(strbuf_str(&e->embed_head), e->embed_head.len, 0)};
    return hash64(parts, sizeof parts, 0);
}

wr_status annotator_endpoint_create(const endpoint_options *o, annotator **out) {
    wr_status status = WR_OK;
    endpoint *e = mem_calloc(1, sizeof *e);
    TRY_ALLOC(e);
    e->base = (annotator){.name = "endpoint", .batch = BATCH, .counts = counts, .free = endpoint_free};
    TRY_ALLOC(e->arena = arena_create());
    e->limits = (prompt_limits){.history = o->history, .characters = o->characters};
    e->price_in = o->price_in;
    e->price_out = o->price_out;
    TRY(annotation_prompt_load(o->prompts_dir, PROMPT_LEVEL, &e->prompts[PROMPT_LEVEL]));
    TRY(annotation_prompt_load(o->prompts_dir, PROMPT_REFUSAL, &e->prompts[PROMPT_REFUSAL]));
    if (o->model) {
        TRY_ALLOC(e->model = mem_strdup(o->model));
        TRY(write_head(e, o));
        e->base.levels = levels;
        e->base.refusals = refusals;
    }
    if (o->embedding_model) {
        TRY_ALLOC(e->embedding_model = mem_strdup(o->embedding_model));
        json_writer w = json_writer_make(&e->embed_head);
        json_begin_object(&w);
        json_member_string(&w, "model", o->embedding_model);
        json_member_string(&w, "encoding_format", "float");
        json_member_array(&w, "input");
        TRY(strbuf_status(&e->embed_head));
        e->base.cosines = endpoint_cosines;
    }
    e->base.fingerprint = fingerprint(e);
    TRY(open_pool(e, o));
    TRY(answer_cache_open(o->cache_dir, o->rank, &e->cache));
    *out = &e->base;
    e = NULL;
cleanup:
    if (e) endpoint_free(&e->base);
    return status;
}
