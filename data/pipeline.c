/* prepare --format wildchat: four passes. (1) rows -> spill, annotated levels, term counts (data/pass_read.c); (2)
 * mining, refusals, filters (data/pass_label.c); (3) tokenizer on the train users' text; (4) tokens, shards,
 * turns.jsonl.zst (data/pass_write.c). Text is only ever held for one conversation; what stays in memory is four bytes
 * a follow-up. */
#include "data/pipeline.h"

#include <stdlib.h>

wr_status pipeline_turns(pipeline *p, const conversation *c) {
    wr_status status = WR_OK;
    size_t at;
    p->conversation = c;
    p->n_at = 0;
    for (size_t from = 0; conversation_followup(c, from, &at); from = at + 1) {
        VEC_PUSH(p->at, p->n_at, p->at_capacity, at);
    }
cleanup:
    return status;
}

turn_text pipeline_text(const conversation *c, size_t at) {
    const chat_message *q = NULL, *f = &c->messages[at];
    turn_text t = {"", 0, f->content, f->length};
    if (conversation_query(c, at, &q)) t.query = q->content, t.query_length = q->length;
    return t;
}

/* --- pass 3 --- */

static wr_status train_row(void *context, const char *line, size_t n, const char *where) {
    (void)where;
    wr_status status = WR_OK;
    pipeline *p = context;
    conversation c;
    uint32_t user;
    arena_reset(p->arena);
    TRY(conversation_read(p->arena, line, n, &c));
    TRY(job_user(p->job, c.user, &user));
    if (p->job->users[user].test) return WR_OK;
    for (size_t i = 0; i < c.n; i++) TRY(bpe_trainer_add(p->trainer, c.messages[i].content, c.messages[i].length));
cleanup:
    return status;
}

/* The fixed words of both templates occur once a record, so the tokenizer should know them. */
static wr_status train_fixed_text(pipeline *p) {
    wr_status status = WR_OK;
    strbuf text = {0};
    chat_message turn[2] = {{"user", "", 0}, {"assistant", "", 0}};
    TRY(reward_template_render(p->job->template, turn, 2, "", 0, "", 0, &text));
    uint64_t times = p->instances / 10 + 1;
    for (uint64_t i = 0; i < times && i < 20000; i++) {
        TRY(bpe_trainer_add(p->trainer, text.data, text.len));
        TRY(bpe_trainer_add(p->trainer, "user\nassistant\n", 15));
    }
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status train_tokenizer(pipeline *p) {
    wr_status status = WR_OK;
    prepare_job *job = p->job;
    TRY(job_trainer(job, &p->trainer));
    if (p->trainer) {
        TRY(job_each_spilled(job, "tokenizer", train_row, p));
        TRY(train_fixed_text(p));
    }
    bpe_trainer *trained = p->trainer;
    p->trainer = NULL;
    TRY(job_tokenizer_ready(job, trained));
cleanup:
    return status;
}

/* --- all of it --- */

static void pipeline_free(pipeline *p) {
    for (int s = 0; s < 2; s++) {
        shard_set_discard(&p->reward[s]);
        shard_set_discard(&p->chats[s]);
    }
    outstream_discard(p->turns_out);
    bpe_trainer_free(p->trainer);
    lexicon_free(p->lexicon);
    mining_free(p->mining);
    refusal_free(p->refusal);
    filters_free(p->filters);
    free(p->turns);
    free(p->levels);
    free(p->texts);
    free(p->final);
    free(p->at);
    strbuf_free(&p->line);
    token_ids_free(&p->ids);
    token_spans_free(&p->spans);
    arena_free(p->arena);
}

wr_status prepare_wildchat(prepare_job *job) {
    wr_status status = WR_OK;
    pipeline p = {
        .job = job,
        .reward = {{.prefix = "reward-train", .kind = SHARD_REWARD}, {.prefix = "reward-test", .kind = SHARD_REWARD}},
        .chats = {{.prefix = "chats-train", .kind = SHARD_CHAT}, {.prefix = "chats-test", .kind = SHARD_CHAT}}};
    job->classes = 4;
    TRY_ALLOC(p.arena = arena_create());
    TRY(lexicon_create(NULL, &p.lexicon));
    TRY(mining_create(job->o->seed, &p.mining));
    TRY(refusal_create(NULL, &p.refusal));
    filter_options o = filter_options_default();
    o.min_reply_words = job->o->min_reply_words, o.min_query_words = job->o->min_query_words;
    TRY(filters_create(&o, &p.filters));

    TRY(pass_read(&p));
    TRY(pass_label(&p));
    TRY(job_split(job, p.instances));
    TRY(train_tokenizer(&p));
    TRY(pass_write(&p));
cleanup:
    pipeline_free(&p);
    return status;
}
