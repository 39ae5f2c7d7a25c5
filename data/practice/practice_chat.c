/* One conversation: requests, replies and feedback in turn, and how they are written down. */
#include "data/practice/practice_chat.h"
#include <string.h>

void chat_free(chat *c) {
    for (size_t i = 0; i < MAX_MESSAGES; i++) strbuf_free(&c->messages[i]);
    for (size_t i = 0; i < MAX_REPLIES; i++) practice_task_free(c->replies[i].task);
}

/* The message after a reply: feedback, then the next request. */
static wr_status next_request(const person *p, const said *last, rng *r, said *next, bool *retry, bool *topical,
                              strbuf *out) {
    static const char *const again_en[] = {"Please try again.", "Try again: ", "Once more: ", "", NULL};
    static const char *const again_zh[] = {"请再试一次。", "请重新回答：", "", NULL};
    static const char *const on_en[] = {"", "", "Next: ", "Another one: ", "Okay, next one: ", NULL};
    static const char *const on_zh[] = {"", "", "下一个：", NULL};
    wr_status status = WR_OK;
    bool negative = last->level == 1 || last->level == 2;
    double x = rng_uniform(r);
    *retry = negative && x < 0.65;
    /* Who goes on to something else does not say "try again". */
    for (int i = 0; i < 8; i++) {
        strbuf_clear(out);
        practice_feedback(p, last->task, last->mode, last->level, false, r, out);
        if (*retry || !(strstr(strbuf_str(out), "again") || strstr(strbuf_str(out), "请"))) break;
    }
    if (out->len && !p->chinese) strbuf_putc(out, ' ');
    *topical = *retry || (negative ? x < 0.8 : x < 0.45);
    if (*retry) {
        TRY(practice_task_copy(last->task, &next->task));
        const char *again = text_pick(p->chinese ? again_zh : again_en, r);
        strbuf_puts(out, again);
        bool whole = strcmp(again, "Please try again.") == 0 || strcmp(again, "请再试一次。") == 0;
        if (!whole) strbuf_puts(out, next->task->prompt);
    } else {
        int tries = 0;
        do { /* nobody asks the same thing twice in a row unasked */
            practice_task_free(next->task);
            next->task = NULL;
            TRY(practice_task_make(r, PLACE_CHAT, p->chinese, p->habit, *topical ? last->task : NULL, &next->task));
        } while (strcmp(next->task->prompt, last->task->prompt) == 0 && ++tries < 20);
        if (!practice_has_opening(next->task)) strbuf_puts(out, text_pick(p->chinese ? on_zh : on_en, r));
        strbuf_puts(out, next->task->prompt);
    }
    status = strbuf_status(out);
cleanup:
    return status;
}

wr_status chat_hold(const practice_options *o, uint64_t index, chat *c) {
    wr_status status = WR_OK;
    rng r = rng_make(o->seed, RNG_WORLD, 2, index, 0);
    /* Everybody talks once; after that some talk far more than others. */
    double u = rng_uniform(&r);
    c->user = index < o->users ? index : (uint64_t)((double)o->users * u * u);
    person p = practice_person(o->seed, c->user);
    c->start = (time_t)(1680307200 + index * 977);
    uint64_t key[3] = {o->seed, index, 99};
    hash_hex(key, sizeof key, c->hash);
    size_t replies = 2 + rng_below(&r, MAX_REPLIES - 1);
    bool retry = false, topical = false;
    for (size_t k = 0; k < replies; k++) {
        said *s = &c->replies[k];
        c->n_replies = k + 1;
        strbuf *request = &c->messages[c->n_messages++];
        if (k == 0) {
            TRY(practice_task_make(&r, PLACE_CHAT, p.chinese, p.habit, NULL, &s->task));
            strbuf_puts(request, s->task->prompt);
        } else {
            TRY(next_request(&p, s - 1, &r, s, &retry, &topical, request));
        }
        s->mode = practice_reply_mode(s->task, retry, &r);
        strbuf *reply = &c->messages[c->n_messages++];
        TRY(practice_reply(s->task, s->mode, &r, reply));
        TRY(strbuf_status(reply));
        TRY(practice_check(s->task, strbuf_str(reply), reply->len, &s->quality));
        s->level = practice_level(&p, s->task, s->mode, s->quality, retry, topical, &r);
    }
    /* A last word is mostly feedback; who has nothing to say just leaves. */
    said *s = &c->replies[replies - 1];
    if (rng_uniform(&r) < (s->level == 3 ? 0.3 : 0.55))
        practice_feedback(&p, s->task, s->mode, s->level, true, &r, &c->messages[c->n_messages++]);
    else
        s->level = 0;
    for (size_t i = 0; i < c->n_messages; i++) TRY(strbuf_status(&c->messages[i]));
cleanup:
    return status;
}

static void key_time(json_writer *w, const char *key, time_t t) {
    char text[40];
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S+00:00", &tm);
    json_member_string(w, key, text);
}

static void key_header(json_writer *w, const person *p) {
    json_member_object(w, "header");
    json_member_string(w, "accept-language", p->chinese ? "zh-CN,zh;q=0.9" : "en-US,en;q=0.9");
    json_member_string(w, "user-agent", p->agent);
    json_end_object(w);
}

void chat_json(const chat *c, const person *p, strbuf *out) {
    json_writer w = json_writer_make(out);
    const char *language = p->chinese ? "Chinese" : "English";
    json_begin_object(&w);
    json_member_string(&w, "conversation_hash", c->hash);
    json_member_string(&w, "model", "practice-assistant");
    key_time(&w, "timestamp", c->start + 40 * (time_t)c->n_messages);
    json_member_array(&w, "conversation");
    for (size_t i = 0; i < c->n_messages; i++) {
        bool user = i % 2 == 0;
        json_begin_object(&w);
        json_member_string_n(&w, "content", strbuf_str(&c->messages[i]), c->messages[i].len);
        json_member_string(&w, "country", user ? p->country : NULL);
        json_member_string(&w, "hashed_ip", user ? p->ip : NULL);
        if (user) key_header(&w, p);
        json_member_string(&w, "language", language);
        json_member_bool(&w, "redacted", false);
        json_member_string(&w, "role", user ? "user" : "assistant");
        json_member_string(&w, "state", user ? p->state : NULL);
        key_time(&w, "timestamp", c->start + 40 * (time_t)i);
        json_member_bool(&w, "toxic", false);
        json_member_int(&w, "turn_identifier", (int64_t)i);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_member_int(&w, "turn", (int64_t)((c->n_messages + 1) / 2));
    json_member_string(&w, "language", language);
    json_member_array(&w, "openai_moderation");
    json_end_array(&w);
    json_member_array(&w, "detoxify_moderation");
    json_end_array(&w);
    json_member_bool(&w, "toxic", false);
    json_member_bool(&w, "redacted", false);
    json_member_string(&w, "state", p->state);
    json_member_string(&w, "country", p->country);
    json_member_string(&w, "hashed_ip", p->ip);
    key_header(&w, p);
    json_end_object(&w);
}

void message_json(json_writer *w, const char *role, const strbuf *text) {
    json_begin_object(w);
    json_member_string(w, "role", role);
    json_member_string_n(w, "content", strbuf_str(text), text->len);
    json_end_object(w);
}

void chat_truth_json(const chat *c, const person *p, size_t reply, strbuf *out) {
    const said *s = &c->replies[reply];
    json_writer w = json_writer_make(out);
    json_begin_object(&w);
    json_member_string(&w, "conversation_hash", c->hash);
    json_member_int(&w, "turn_identifier", (int64_t)(2 * reply + 1));
    json_member_string(&w, "user", p->ip);
    json_member_string(&w, "language", p->chinese ? "Chinese" : "English");
    json_member_array(&w, "history");
    for (size_t i = 0; i < 2 * reply; i++) message_json(&w, i % 2 ? "assistant" : "user", &c->messages[i]);
    json_end_array(&w);
    json_member_string(&w, "query", strbuf_str(&c->messages[2 * reply]));
    json_member_string(&w, "response", strbuf_str(&c->messages[2 * reply + 1]));
    json_member_string(&w, "kind", practice_task_kind(s->task));
    json_member_double(&w, "quality", s->quality);
    json_key(&w, "followup_level");
    if (s->level)
        json_int(&w, s->level);
    else
        json_null(&w);
    json_key(&w, "task");
    practice_task_json(s->task, &w);
    json_end_object(&w);
}
