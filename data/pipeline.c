/* prepare --format wildchat: four passes. (1) rows -> spill, annotated levels, term counts; (2) mining, refusals,
 * filters; (3) tokenizer on the train users' text; (4) tokens, shards, turns.jsonl.zst. Text is only ever held for one
 * conversation; what stays in memory is four bytes a follow-up. */
#include "data/filters.h"
#include "data/lexicon.h"
#include "data/mining.h"
#include "data/pattern.h"
#include "data/prepare_job.h"
#include "data/refusal.h"
#include "data/wildchat.h"

#include "base/hash.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { SHORT_QUERY_WORDS = 12 }; /* a query so short may refer to the one before it */

typedef enum how { HOW_NONE, HOW_LEXICON, HOW_MINED, HOW_REFUSAL } how;
static const char *const how_names[] = {NULL, "lexicon", "mined", "refusal"};

typedef struct turn_state {
    int8_t level, final;
    uint8_t how, dropped;
} turn_state;

typedef struct pipeline {
    prepare_job *job;
    arena *arena;
    lexicon *lexicon;
    mining *mining;
    refusal *refusal;
    filters *filters;
    turn_state *turns;
    size_t n_turns, turn_capacity;
    size_t next; /* first turn of the conversation at hand, in passes 2 and 4 */
    int8_t *levels, *final;
    size_t level_capacity, final_capacity; /* of the conversation at hand */
    const conversation *conversation;
    size_t *at;
    size_t at_capacity, n_at; /* its follow-ups */
    bpe_trainer *trainer;
    uint64_t instances, template_weight;
    shard_set reward[2], chats[2]; /* train, test */
    outstream *turns_out;
    strbuf line;
    token_ids ids;
    token_spans spans;
} pipeline;

/* Positions of the follow-ups of c into p->at. */
static wr_status find_turns(pipeline *p, const conversation *c) {
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

static turn_text text_of(const conversation *c, size_t at) {
    const chat_message *q = NULL, *f = &c->messages[at];
    turn_text t = {"", 0, f->content, f->length};
    if (conversation_query(c, at, &q)) t.query = q->content, t.query_length = q->length;
    return t;
}

/* --- pass 1
 * ----------------------------------------------------------------------------------------------------------- */

static const char *const level_names[] = {"none",      "1 rejection",           "2 correction",
                                          "3 neutral", "4 positive engagement", "5 explicit satisfaction"};

/* The table's lines in their order, before anything is counted. */
static wr_status begin_table(funnel *f) {
    wr_status status = WR_OK;
    static const char *const rows[] = {"read", "good", "messages", "follow-ups"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) TRY(funnel_count(f, "rows", rows[i], 0));
    for (int i = ROW_GOOD + 1; i < ROW_FAULTS; i++) TRY(funnel_count(f, "rows", row_fault_name((row_fault)i), 0));
    for (int i = 0; i < 6; i++) TRY(funnel_count(f, "level", level_names[i], 0));
    TRY(funnel_count(f, "mining", "neutral -> 4", 0));
    TRY(funnel_count(f, "mining", "neutral -> 5", 0));
    TRY(funnel_count(f, "mining", "mined", 0));
    TRY(funnel_count(f, "refusal", "false refusal -> 1", 0));
    TRY(funnel_count(f, "refusal", "justified refusal -> 5", 0));
    for (int i = FILTER_KEEP + 1; i < FILTERS; i++) TRY(funnel_count(f, "dropped", filter_name((filter)i), 0));
cleanup:
    return status;
}

static wr_status annotate(pipeline *p, const conversation *c) {
    wr_status status = WR_OK;
    uint32_t user;
    TRY(job_user(p->job, c->user, &user));
    TRY(find_turns(p, c));
    for (size_t k = 0; k < p->n_at; k++) {
        size_t at = p->at[k];
        turn_text t = text_of(c, at);
        const chat_message *reply = &c->messages[at - 1];
        const chat_message *next = k + 1 < p->n_at ? &c->messages[p->at[k + 1]] : NULL;
        verdict v;
        TRY(lexicon_judge(p->lexicon, t.query, t.query_length, reply->content, reply->length, t.followup,
                          t.followup_length, &v));
        TRY(mining_observe(p->mining, hash64(c->id, strlen(c->id), 3), &t, next ? next->content : NULL,
                           next ? next->length : 0));
        VEC_PUSH(p->turns, p->n_turns, p->turn_capacity,
                 ((turn_state){.level = (int8_t)v.level, .how = v.level ? HOW_LEXICON : HOW_NONE}));
        TRY(funnel_count(&p->job->funnel, "level", level_names[v.level], 1));
        p->job->user_turns[user]++;
    }
    TRY(funnel_count(&p->job->funnel, "rows", "messages", c->n));
    TRY(funnel_count(&p->job->funnel, "rows", "follow-ups", p->n_at));
cleanup:
    return status;
}

static wr_status read_row(void *context, const char *line, size_t n, const char *where) {
    wr_status status = WR_OK;
    pipeline *p = context;
    conversation c;
    row_fault fault;
    bool seen = false;
    size_t k = 0;
    while (k < n && (line[k] == ' ' || line[k] == '\t')) k++;
    if (k == n) return WR_OK; /* an empty line is no row */
    arena_reset(p->arena);
    TRY(funnel_count(&p->job->funnel, "rows", "read", 1));
    TRY(wildchat_parse(p->arena, line, n, p->job->o->user_key_header, &c, &fault));
    if (fault == ROW_GOOD && job_excluded(p->job, c.user)) fault = ROW_EXCLUDED;
    if (fault == ROW_GOOD) {
        TRY(job_seen(p->job, c.id, &seen));
        if (seen) fault = ROW_DUPLICATE;
    }
    if (fault != ROW_GOOD) {
        TRY(job_fault(p->job, row_fault_name(fault), where));
        return WR_OK;
    }
    TRY(funnel_count(&p->job->funnel, "rows", "good", 1));
    strbuf_clear(&p->line);
    conversation_write(&c, &p->line);
    TRY(job_spill(p->job, &p->line));
    TRY(annotate(p, &c));
cleanup:
    return status;
}

/* --- pass 2
 * ----------------------------------------------------------------------------------------------------------- */

static wr_status similarity(void *context, size_t i, size_t j, double *out) {
    pipeline *p = context;
    turn_text a = text_of(p->conversation, p->at[i]), b = text_of(p->conversation, p->at[j]);
    return mining_similarity(p->mining, &a, &b, out);
}

static wr_status judge_turn(pipeline *p, const conversation *c, size_t k, turn_state *t) {
    wr_status status = WR_OK;
    funnel *f = &p->job->funnel;
    const chat_message *query = NULL, *reply = &c->messages[p->at[k] - 1];
    conversation_query(c, p->at[k], &query);
    t->final = p->final[k];
    if (t->final != t->level) {
        t->how = HOW_MINED;
        TRY(funnel_count(f, "mining", t->final == 5 ? "neutral -> 5" : "neutral -> 4", 1));
    }
    refusal_kind kind = REFUSAL_NONE;
    if (query && t->level)
        kind = refusal_judge(p->refusal, query->content, query->length, reply->content, reply->length);
    if (kind == REFUSAL_FALSE && p->at[k] >= 4 && text_words(query->content, query->length) <= SHORT_QUERY_WORDS) {
        /* "No, answer my question." asks what the message before it asked. */
        const chat_message *earlier = &c->messages[p->at[k] - 4];
        kind = refusal_judge(p->refusal, earlier->content, earlier->length, reply->content, reply->length);
    }
    if (kind != REFUSAL_NONE) {
        t->final = kind == REFUSAL_FALSE ? 1 : 5;
        t->how = HOW_REFUSAL;
        TRY(funnel_count(f, "refusal", kind == REFUSAL_FALSE ? "false refusal -> 1" : "justified refusal -> 5", 1));
    }
    filter_turn turn = {.level = t->final,
                        .language = c->language,
                        .query = query ? query->content : NULL,
                        .query_length = query ? query->length : 0,
                        .reply = reply->content,
                        .reply_length = reply->length,
                        .history = query ? p->at[k] - 2 : 0};
    t->dropped = (uint8_t)filters_judge(p->filters, &turn);
cleanup:
    return status;
}

static wr_status decide_row(void *context, const char *line, size_t n, const char *where) {
    (void)where;
    wr_status status = WR_OK;
    pipeline *p = context;
    conversation c;
    uint32_t user;
    arena_reset(p->arena);
    TRY(conversation_read(p->arena, line, n, &c));
    TRY(job_user(p->job, c.user, &user));
    TRY(find_turns(p, &c));
    TRY(mem_reserve((void **)&p->levels, &p->level_capacity, p->n_at + 1, 1));
    TRY(mem_reserve((void **)&p->final, &p->final_capacity, p->n_at + 1, 1));
    for (size_t k = 0; k < p->n_at; k++) p->levels[k] = p->turns[p->next + k].level;
    TRY(mining_apply(p->mining, p->levels, p->n_at, similarity, p, p->final));
    for (size_t k = 0; k < p->n_at; k++) {
        turn_state *t = &p->turns[p->next + k];
        TRY(judge_turn(p, &c, k, t));
        if (t->dropped == FILTER_KEEP) p->job->users[user].instances++, p->instances++;
    }
    p->next += p->n_at;
cleanup:
    return status;
}

/* --- pass 3
 * ----------------------------------------------------------------------------------------------------------- */

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

/* --- pass 4
 * ----------------------------------------------------------------------------------------------------------- */

static wr_status write_instance(pipeline *p, const conversation *c, size_t k, turn_state *t, bool test) {
    static const int class_of[] = {0, 1, 2, 0, 3, 4};
    wr_status status = WR_OK;
    size_t at = p->at[k];
    const chat_message *query = &c->messages[at - 2], *reply = &c->messages[at - 1];
    char id[300];
    snprintf(id, sizeof id, "%s:%lld", c->id, (long long)c->turns[at]);
    instance x = {.id = id,
                  .user = c->user,
                  .language = c->language,
                  .model = c->model,
                  .how = how_names[t->how],
                  .turn = c->turns[at],
                  .label = class_of[t->final],
                  .history = c->messages,
                  .n_history = at - 2,
                  .query = query->content,
                  .query_length = query->length,
                  .response = reply->content,
                  .response_length = reply->length};
    if (p->job->tok) {
        size_t left_out = 0;
        p->ids.n = 0;
        wr_status s =
            reward_template_encode(p->job->template, p->job->tok, x.history, x.n_history, x.query, x.query_length,
                                   x.response, x.response_length, p->job->o->max_length, &p->ids, &left_out);
        if (s == WR_E_FORMAT) {
            t->dropped = FILTER_TOO_LONG;
            return WR_OK;
        }
        TRY(s);
        x.ids = p->ids.ids;
        x.n_ids = p->ids.n;
        if (left_out) TRY(funnel_count(&p->job->funnel, "tokens", "histories shortened", 1));
    }
    TRY(shard_set_add(p->job, &p->reward[test], &x, NULL));
cleanup:
    return status;
}

static wr_status write_turn(pipeline *p, const conversation *c, size_t at, const turn_state *t) {
    strbuf_clear(&p->line);
    json_writer w = json_writer_make(&p->line);
    json_begin_object(&w);
    json_key(&w, "conversation_hash"), json_string(&w, c->id);
    json_key(&w, "turn_identifier"), json_int(&w, c->turns[at]);
    json_key(&w, "user"), json_string(&w, c->user);
    json_key(&w, "level");
    if (t->level)
        json_int(&w, t->level);
    else
        json_null(&w);
    json_key(&w, "how"), json_string(&w, how_names[t->how]);
    json_key(&w, "final_level");
    if (t->final)
        json_int(&w, t->final);
    else
        json_null(&w);
    json_key(&w, "dropped"), json_string(&w, filter_name((filter)t->dropped));
    json_end_object(&w);
    return outstream_line(p->turns_out, &p->line);
}

/* The part of a conversation a language model can learn from: an optional system message, then user and assistant in
 * turn, ending with a reply. */
static size_t trainable(const conversation *c, size_t *first) {
    size_t i = 0, end = 0;
    while (i < c->n && strcmp(c->messages[i].role, "user") != 0) i++;
    *first = i && strcmp(c->messages[i - 1].role, "system") == 0 ? i - 1 : i;
    for (bool user = true; i < c->n && strcmp(c->messages[i].role, user ? "user" : "assistant") == 0;
         i++, user = !user) {
        if (!user) end = i + 1;
    }
    return end;
}

static wr_status write_chat(pipeline *p, const conversation *c, bool test) {
    wr_status status = WR_OK;
    prepare_job *job = p->job;
    size_t first, end = trainable(c, &first), limit = job->o->max_length;
    if (!end) return funnel_count(&job->funnel, "chats", "no reply", 1);
    chat_record x = {.id = c->id, .user = c->user, .messages = c->messages + first, .n_messages = end - first};
    if (job->tok) {
        for (int round = 0;; round++) {
            p->ids.n = 0;
            p->spans.n = 0;
            TRY(chat_render_training(job->chat, job->tok, x.messages, x.n_messages, &p->ids, &p->spans));
            if (!limit || p->ids.n <= limit) break;
            /* The last replies go, as many as do not fit. What follows a reply's end token (a line break) may go over
             * the limit: then one more. */
            size_t fit = 0;
            while (fit < p->spans.n && p->spans.bounds[2 * fit + 1] + 1 <= limit) fit++;
            size_t replies = p->spans.n;
            if (fit >= replies) fit = replies - 1;
            if (fit == 0) return funnel_count(&job->funnel, "chats", "too long", 1);
            x.n_messages -= 2 * (replies - fit);
            if (round == 0) TRY(funnel_count(&job->funnel, "chats", "shortened", 1));
        }
        x.ids = p->ids.ids, x.n_ids = p->ids.n;
        x.spans = p->spans.bounds, x.n_spans = p->spans.n;
    }
    TRY(shard_set_add(job, &p->chats[test], NULL, &x));
cleanup:
    return status;
}

static wr_status write_row(void *context, const char *line, size_t n, const char *where) {
    (void)where;
    wr_status status = WR_OK;
    pipeline *p = context;
    conversation c;
    uint32_t user;
    arena_reset(p->arena);
    TRY(conversation_read(p->arena, line, n, &c));
    TRY(job_user(p->job, c.user, &user));
    TRY(find_turns(p, &c));
    bool test = p->job->users[user].test;
    for (size_t k = 0; k < p->n_at; k++) {
        turn_state *t = &p->turns[p->next + k];
        if (t->dropped == FILTER_KEEP) {
            TRY(write_instance(p, &c, k, t, test));
            if (t->dropped) p->job->users[user].instances--;
        }
        if (t->dropped) TRY(funnel_count(&p->job->funnel, "dropped", filter_name((filter)t->dropped), 1));
        TRY(write_turn(p, &c, p->at[k], t));
    }
    p->next += p->n_at;
    if (p->job->chat || !p->job->tok) TRY(write_chat(p, &c, test));
cleanup:
    return status;
}

/* --- all of it
 * -------------------------------------------------------------------------------------------------------- */

static wr_status put_mining(pipeline *p) {
    wr_status status = WR_OK;
    strbuf *out = &p->job->extra;
    funnel *f = &p->job->funnel;
    char note[160];
    uint64_t mined = funnel_get(f, "mining", "neutral -> 4") + funnel_get(f, "mining", "neutral -> 5"),
             neutral = funnel_get(f, "level", "3 neutral");
    double share = neutral ? (double)mined / (double)neutral : 0;
    snprintf(note, sizeof note, "%.2f %% of the neutral; thresholds %.3f (next turn), %.3f (2 ahead), from %zu pairs",
             100 * share, mining_threshold(p->mining, 1), mining_threshold(p->mining, 2), mining_pairs(p->mining));
    TRY(funnel_count(f, "mining", "mined", mined));
    TRY(funnel_note(f, "mining", "mined", note));
    strbuf_printf(out, "\"mining\":{\"thresholds\":[%.9g,%.9g],\"pairs\":%zu,\"mined\":%llu,\"share_of_neutral\":%.9g}",
                  mining_threshold(p->mining, 1), mining_threshold(p->mining, 2), mining_pairs(p->mining),
                  (unsigned long long)mined, share);
    TRY(strbuf_status(out));
cleanup:
    return status;
}

static wr_status put_outcome(pipeline *p) {
    wr_status status = WR_OK;
    static const char *const names[] = {"train users", "test users"};
    funnel *f = &p->job->funnel;
    uint64_t users[2] = {0, 0};
    for (size_t i = 0; i < p->job->n_users; i++) users[p->job->users[i].test]++;
    for (int s = 0; s < 2; s++) TRY(funnel_count(f, "split", names[s], users[s]));
    TRY(funnel_count(f, "kept", "instances, train", p->reward[0].records));
    TRY(funnel_count(f, "kept", "instances, test", p->reward[1].records));
    TRY(funnel_count(f, "kept", "instance tokens", p->reward[0].tokens + p->reward[1].tokens));
    TRY(funnel_count(f, "kept", "chats, train", p->chats[0].records));
    TRY(funnel_count(f, "kept", "chats, test", p->chats[1].records));
    TRY(funnel_count(f, "kept", "chat tokens", p->chats[0].tokens + p->chats[1].tokens));
cleanup:
    return status;
}

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
    free(p->final);
    free(p->at);
    strbuf_free(&p->line);
    token_ids_free(&p->ids);
    token_spans_free(&p->spans);
    arena_free(p->arena);
}

wr_status prepare_wildchat(prepare_job *job) {
    wr_status status = WR_OK;
    char path[PATH_CAP];
    pipeline p = {
        .job = job,
        .reward = {{.prefix = "reward-train", .kind = SHARD_REWARD}, {.prefix = "reward-test", .kind = SHARD_REWARD}},
        .chats = {{.prefix = "chats-train", .kind = SHARD_CHAT}, {.prefix = "chats-test", .kind = SHARD_CHAT}}};
    job->classes = 4;
    TRY_ALLOC(p.arena = arena_create());
    TRY(lexicon_create(&p.lexicon));
    TRY(mining_create(job->o->seed, &p.mining));
    TRY(refusal_create(&p.refusal));
    TRY(filters_create(job->o->min_reply_words, job->o->min_query_words, &p.filters));

    TRY(begin_table(&job->funnel));
    TRY(job_read_sources(job, read_row, &p));
    TRY(job_spill_done(job));
    if (!p.n_turns) {
        funnel_print(&job->funnel);
        TRY(wr_fail(WR_E_FORMAT, "%s: no follow-up in the %llu rows read; is it WildChat JSONL?", job->sources[0],
                    (unsigned long long)funnel_get(&job->funnel, "rows", "read")));
    }
    TRY(mining_calibrate(p.mining));
    TRY(job_each_spilled(job, "labels", decide_row, &p));
    TRY(put_mining(&p));
    TRY(job_split(job, p.instances));
    TRY(job_trainer(job, &p.trainer));
    if (p.trainer) {
        TRY(job_each_spilled(job, "tokenizer", train_row, &p));
        TRY(train_fixed_text(&p));
    }
    bpe_trainer *trained = p.trainer;
    p.trainer = NULL;
    TRY(job_tokenizer_ready(job, trained));
    TRY(path_join(path, job->tmp, "turns.jsonl.zst"));
    TRY(outstream_create(path, &p.turns_out));
    p.next = 0;
    TRY(job_each_spilled(job, "shards", write_row, &p));
    for (int s = 0; s < 2; s++) {
        TRY(shard_set_finish(job, &p.reward[s]));
        if (job->chat || !job->tok) TRY(shard_set_finish(job, &p.chats[s]));
    }
    TRY(outstream_commit(&p.turns_out));
    TRY(put_outcome(&p));
cleanup:
    pipeline_free(&p);
    return status;
}
