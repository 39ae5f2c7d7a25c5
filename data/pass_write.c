/* Pass 4 of prepare --format wildchat: with the tokenizer there and the users split, the kept follow-ups become
 * instances and the conversations chats, train and test apart; every follow-up's fate goes to turns.jsonl.zst. */
#include "data/pipeline.h"

#include <string.h>

static const char *const how_names[] = {NULL, "lexicon", "mined", "refusal"};

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
    TRY(pipeline_turns(p, &c));
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

wr_status pass_write(pipeline *p) {
    wr_status status = WR_OK;
    prepare_job *job = p->job;
    char path[PATH_CAP];
    TRY(path_join(path, job->tmp, "turns.jsonl.zst"));
    TRY(outstream_create(path, &p->turns_out));
    p->next = 0;
    TRY(job_each_spilled(job, "shards", write_row, p));
    for (int s = 0; s < 2; s++) {
        TRY(shard_set_finish(job, &p->reward[s]));
        if (job->chat || !job->tok) TRY(shard_set_finish(job, &p->chats[s]));
    }
    TRY(outstream_commit(&p->turns_out));
    TRY(put_outcome(p));
cleanup:
    return status;
}
