/* wildreward sample: replies of a language model to prompts and chats. */
#include "cli/command.h"
#include "cli/lm_tool.h"
#include "sampler/sampler.h"
#include "text/chat/chat_fit.h"
#include "text/chat/chat_read.h"

#include <stdlib.h>

typedef struct sample_call {
    lm_options lm;
    sampling_options sampling;
    jsonl_options files;
} sample_call;
static const option_spec sample_rows[] = {
    OPTION_INT(sampling_options, n, "n", "1", "N", 1, 65536, "replies to each prompt"),
    OPTION_INT(sampling_options, max_tokens, "max-tokens", "256", "N", 1, 1e7, "longest reply in tokens"),
    OPTION_INT(sampling_options, seed, "seed", "0", "S", 0, 9e15, "same seed and line: same replies"),
    {0},
};
static const option_group sample_groups[] = {
    OPTION_GROUP(lm_rows, sample_call, lm),
    OPTION_GROUP(chat_rows, sample_call, lm.chat),
    OPTION_GROUP(sample_rows, sample_call, sampling),
    OPTION_GROUP(sampling_rows, sample_call, sampling),
    OPTION_GROUP(arithmetic_rows, sample_call, lm.model.arithmetic),
    OPTION_GROUP(adapter_rows, sample_call, lm.model),
    OPTION_GROUP(jsonl_rows, sample_call, files),
    {0},
};

typedef struct sample_job {
    lm_tool lm;
    sampler *s;
    sampling_options o;
    stop_tokens stops[2]; /* [0] of raw prompts, [1] of chats */
} sample_job;

typedef struct request {
    token_ids ids;
    bool bad, chat;
} request;

/* --- prompts ------------------------------------------------------------------------------------------------------ */

static wr_status read_request(const sample_job *job, const json_value *input, request *r) {
    wr_status status = WR_OK;
    const lm_tool *lm = &job->lm;
    row_prompt asked;
    size_t positions = lm->m->config.max_positions, limit = lm->max_length;
    arena *a = arena_create();
    TRY_ALLOC(a);
    if (limit == 0 || limit >= positions) limit = positions - 1;
    TRY(chat_read_row(a, input, &asked));
    if (asked.messages) {
        r->chat = true;
        if (!lm->chat) TRY(wr_fail(WR_E_FORMAT, "%s", lm->chat_error));
        const chat_request chat = {asked.messages, asked.n_messages, asked.variables, true};
        /* Without a stated limit, history makes room for the whole reply where that can be. */
        size_t room = lm->max_length == 0 && job->o.max_tokens < positions ? positions - job->o.max_tokens : limit;
        TRY(chat_fit(lm->chat, lm->t, &chat, room, &r->ids, NULL));
    } else {
        TRY(tokenizer_encode(lm->t, asked.text, asked.length, TOK_DEFAULT, &r->ids));
    }
    if (r->ids.n == 0) TRY(wr_fail(WR_E_FORMAT, "the prompt has no tokens"));
    if (r->ids.n > limit)
        TRY(wr_fail(WR_E_FORMAT, "the prompt has %zu tokens%s, more than the %zu allowed", r->ids.n,
                    asked.messages ? " without its history" : "", limit));
cleanup:
    arena_free(a);
    return status;
}

/* --- replies ------------------------------------------------------------------------------------------------------ */

static wr_status write_samples(const tokenizer *t, jsonl_item *item, const sample_reply *replies, size_t n) {
    wr_status status = WR_OK;
    strbuf text = {0};
    json_writer w = jsonl_fields(item);
    json_member_array(&w, "samples");
    for (size_t j = 0; j < n; j++) {
        const sample_reply *r = &replies[j];
        strbuf_clear(&text);
        TRY(tokenizer_decode(t, r->ids, r->n, true, &text));
        json_begin_object(&w);
        json_member_string_n(&w, "text", strbuf_str(&text), text.len);
        json_key(&w, "ids");
        write_ids(&w, r->ids, r->n);
        json_member_double(&w, "logprob", r->logprob);
        json_member_string(&w, "finish", r->finish == FINISH_STOP ? "stop" : "length");
        json_end_object(&w);
    }
    json_end_array(&w);
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status sample_all(sample_job *job, jsonl_item *items, const request *requests, size_t n) {
    wr_status status = WR_OK;
    size_t count = 0, each = job->o.n;
    size_t *index = mem_calloc(n, sizeof *index);
    sample_prompt *prompts = mem_calloc(n, sizeof *prompts);
    sample_reply *replies = mem_calloc(n * each, sizeof *replies);
    TRY_ALLOC(index && prompts && replies);
    for (size_t i = 0; i < n; i++) {
        if (requests[i].bad) continue;
        index[count] = i;
        prompts[count++] =
            (sample_prompt){requests[i].ids.ids, requests[i].ids.n, items[i].line, &job->stops[requests[i].chat]};
    }
    if (count == 0) goto cleanup;
    TRY(sampler_generate(job->s, count, prompts, &job->o, NULL, NULL, replies));
    for (size_t i = 0; i < count; i++) TRY(write_samples(job->lm.t, &items[index[i]], replies + i * each, each));
cleanup:
    if (replies) sample_replies_free(replies, n * each);
    free(index);
    free(prompts);
    free(replies);
    return status;
}

static wr_status handle(void *context, jsonl_item *items, size_t n) {
    wr_status status = WR_OK;
    sample_job *job = context;
    request *requests = mem_calloc(n, sizeof *requests);
    TRY_ALLOC(requests);
    for (size_t i = 0; i < n; i++) {
        wr_status one = read_request(job, items[i].input, &requests[i]);
        if (one == WR_E_NOMEM) TRY(one);
        requests[i].bad = one < 0;
        if (one < 0) jsonl_fail(&items[i]);
    }
    TRY(sample_all(job, items, requests, n));
cleanup:
    for (size_t i = 0; requests && i < n; i++) token_ids_free(&requests[i].ids);
    free(requests);
    return status;
}

static wr_status run_sample(const options *o, world *w) {
    static const char *const names[] = {"samples", NULL};
    wr_status status = WR_OK;
    sample_job job = {0};
    sample_call c = {0};
    (void)w;
    TRY(options_fill(o, &c, sizeof c));
    TRY(sampling_options_check(&c.sampling));
    job.o = c.sampling;
    c.lm.model.sampled = true;
    TRY(lm_tool_load(&c.lm, true, &job.lm));
    job.stops[0] = job.stops[1] = stop_tokens_of(&job.lm.m->config);
    if (job.lm.chat) stop_tokens_add(&job.stops[1], chat_end_id(job.lm.chat));
    TRY(sampler_create(job.lm.m, &job.s));
    TRY(jsonl_run(&c.files, 64, names, handle, &job));
cleanup:
    sampler_free(job.s);
    lm_tool_free(&job.lm);
    return status;
}

const command cmd_sample = {
    .name = "sample",
    .usage = "sample --model DIR [--n N] [--max-tokens N] [--temperature T] [--top-k K] [--top-p P] [--seed S] [--in "
             "FILE] [--out FILE]",
    .summary = "sample replies to prompts and chats (JSONL)",
    .groups = sample_groups,
    .run = run_sample,
    .no_positionals = true,
};
