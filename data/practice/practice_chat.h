/* One conversation of the practice world: who says what, and its JSON. Only data/practice/practice_*.c include this.
 * LOCAL. */
#ifndef WR_DATA_PRACTICE_PRACTICE_CHAT_H
#define WR_DATA_PRACTICE_PRACTICE_CHAT_H

#include "base/hash.h"
#include "data/practice/practice_world.h"
#include <time.h>

enum { MAX_REPLIES = 6, MAX_MESSAGES = 2 * MAX_REPLIES + 1 };

/* One reply and all that is known about it. */
typedef struct said {
    practice_task *task;
    reply_mode mode;
    double quality;
    int level; /* of the follow-up; 0: none came */
} said;

typedef struct chat {
    strbuf messages[MAX_MESSAGES]; /* user, assistant, user, … */
    said replies[MAX_REPLIES];
    size_t n_messages, n_replies;
    char hash[HASH_HEX];
    uint64_t user;
    time_t start;
} chat;

/* Conversation `index`, a pure function of (seed, users, index). c is zeroed before; free it also after an error. */
wr_status chat_hold(const practice_options *o, uint64_t index, chat *c);
void chat_free(chat *c);
/* A row of WildChat-1M's schema. */
void chat_json(const chat *c, const person *p, strbuf *out);
/* What is known about reply number `reply`: one line of truth.jsonl.zst. */
void chat_truth_json(const chat *c, const person *p, size_t reply, strbuf *out);
void message_json(json_writer *w, const char *role, const strbuf *text);

#endif
