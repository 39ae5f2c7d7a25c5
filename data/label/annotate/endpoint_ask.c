/* A round of questions to the chat model: those that the cache knows are answered from it, equal ones are asked once,
 * the others go through the pool. */
#include "data/label/annotate/endpoint_internal.h"

#include "base/log.h"
#include "mpi/world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct round {
    endpoint *e;
    const question_set *q;
    char (*keys)[HASH_HEX];
    string_map asked;  /* keys on their way */
    uint32_t *repeats; /* questions equal to one that is on its way */
    size_t n_repeats, repeats_capacity;
    size_t at;
    strbuf members;
} round_state;

static wr_status from_cache(round_state *r, size_t i, bool *found) {
    wr_status status = WR_OK;
    const json_value *record = NULL;
    const char *text;
    size_t length;
    *found = false;
    arena_reset(r->e->arena);
    wr_status got = answer_cache_find(r->e->cache, r->keys[i], r->e->arena, &record);
    TRY(got);
    if (got == WR_END || !json_get_string(record, "answer", &text, &length)) return WR_OK;
    *found = true;
    r->e->cached++;
    TRY(r->q->answered(r->q->context, i, text, length));
cleanup:
    return status;
}

static wr_status next_question(void *context, strbuf *body, uint64_t *tag) {
    wr_status status = WR_OK;
    round_state *r = context;
    for (; r->at < r->q->n; r->at++) {
        size_t i = r->at;
        bool found;
        string_entry *entry;
        int fresh;
        /* thousands of answers may come from the cache */
        if (world_stop_requested()) TRY(wr_fail(WR_E_INTERRUPTED, "stopped by a signal"));
        strbuf_clear(body);
        TRY(r->q->body(r->q->context, i, body));
        hash_hex(body->data, body->len, r->keys[i]);
        TRY(string_map_put(&r->asked, r->keys[i], HASH_HEX - 1, 0, &entry, &fresh));
        if (!fresh) {
            VEC_PUSH(r->repeats, r->n_repeats, r->repeats_capacity, (uint32_t)i);
            continue;
        }
        TRY(from_cache(r, i, &found));
        if (found) continue;
        *tag = i;
        r->at++;
        return WR_OK;
    }
    return WR_END;
cleanup:
    return status;
}

/* choices[0].message.content. A message without content (all thought, or a refusal to speak) is an empty answer. */
static wr_status find_content(const json_value *response, const char **text, size_t *length) {
    const json_value *message = json_get(json_at(json_get(response, "choices"), 0), "message"),
                     *content = json_get(message, "content");
    if (!json_is(message, JSON_OBJECT) || (content && !json_is(content, JSON_STRING) && !json_is(content, JSON_NULL)))
        return wr_fail(WR_E_FORMAT, "it has no choices[0].message.content");
    *text = json_is(content, JSON_STRING) ? content->text : "";
    *length = json_is(content, JSON_STRING) ? content->length : 0;
    return WR_OK;
}

static wr_status take_answer(void *context, uint64_t tag, char *body, size_t n) {
    wr_status status = WR_OK;
    round_state *r = context;
    endpoint *e = r->e;
    const json_value *response;
    const char *content = "";
    size_t length = 0;
    int64_t prompt, completion;
    arena_reset(e->arena);
    TRY(json_parse(e->arena, body, n, &response));
    TRY(find_content(response, &content, &length));
    endpoint_usage(e, response, &prompt, &completion);
    char *text = arena_strndup(e->arena, content, length);
    TRY_ALLOC(text);
    http_pool_scrub(e->pool, text, length);
    strbuf_clear(&r->members);
    strbuf_puts(&r->members, "\"model\":");
    json_writer model = json_writer_make(&r->members), answer = model;
    json_string(&model, e->model);
    strbuf_puts(&r->members, ",\"answer\":");
    json_string_n(&answer, text, length);
    if (prompt >= 0) strbuf_printf(&r->members, ",\"prompt_tokens\":%" PRId64, prompt);
    if (completion >= 0) strbuf_printf(&r->members, ",\"completion_tokens\":%" PRId64, completion);
    TRY(strbuf_status(&r->members));
    TRY(answer_cache_add(e->cache, r->keys[tag], r->members.data, r->members.len));
    e->answers++;
    TRY(r->q->answered(r->q->context, tag, text, length));
cleanup:
    return status;
}

static wr_status question_failed(void *context, uint64_t tag, long code, const char *why) {
    round_state *r = context;
    char name[160];
    (void)code;
    if (!r->e->warned)
        log_warn("%s gets no label: %s; further ones like it are only counted",
                 r->q->name(r->q->context, tag, name, sizeof name), why);
    r->e->warned = true;
    return WR_OK;
}

static wr_status tick(void *context) { return answer_cache_tick(((round_state *)context)->e->cache); }

wr_status endpoint_ask(endpoint *e, const question_set *q) {
    wr_status status = WR_OK;
    round_state r = {.e = e, .q = q};
    http_job job = {.path = "/chat/completions",
                    .context = &r,
                    .next = next_question,
                    .answer = take_answer,
                    .failed = question_failed,
                    .tick = tick};
    if (q->n == 0) return WR_OK;
    if (q->n > INT32_MAX) TRY(wr_fail(WR_E_USAGE, "%zu questions at once are too many", q->n));
    TRY_ALLOC(r.keys = mem_calloc(q->n, sizeof *r.keys));
    TRY(http_pool_run(e->pool, &job));
    for (size_t i = 0; i < r.n_repeats; i++) {
        bool found;
        TRY(from_cache(&r, r.repeats[i], &found));
    }
cleanup:
    status = endpoint_settle(e, status);
    free(r.keys);
    free(r.repeats);
    string_map_free(&r.asked);
    strbuf_free(&r.members);
    return status;
}
