/* The practice world: simulated people ask small tasks whose answer a program can check; a noisy assistant answers; the
 * next message of each person follows from the reply's true quality and from the person. Used to measure *true* policy
 * quality, not only reward. LOCAL. */
#ifndef WR_DATA_PRACTICE_PRACTICE_H
#define WR_DATA_PRACTICE_PRACTICE_H

#include "base/json.h"
#include "base/rng.h"
#include <stdbool.h>

/* A task and all that is needed to check an answer to it. Serialised as a small JSON object beside prompts and in the
 * truth file. */
typedef struct practice_task practice_task;
wr_status practice_task_from_json(const json_value *v, practice_task **out);
void practice_task_json(const practice_task *t, json_writer *w);
void practice_task_free(practice_task *t);
const char *practice_task_prompt(const practice_task *t); /* the user's message */
/* "arithmetic", "list", "spelling", "format", "rewrite", "refusal", … */
const char *practice_task_kind(const practice_task *t);

/* True quality of a reply: 1 right and complete … 0 worthless, in steps that the task kind defines (e.g. 0.5: a list
 * with an item missing). Pure function of (task, reply). WR_E_NOMEM is the only error. */
wr_status practice_check(const practice_task *t, const char *reply, size_t length, double *quality);

/* Writes into out_dir:
 *   chats.jsonl.zst        WildChat-1M row schema
 *   truth.jsonl.zst        one line a reply: conversation_hash, turn_identifier (of the reply), user, history, query,
 *                          response, kind, quality, followup_level
 *   prompts-train.jsonl    {"messages":[…],"task":{…}}: fresh tasks that occur in no chat
 *   prompts-heldout.jsonl  the same, disjoint from the tasks of prompts-train.jsonl
 *   summary.json           shares of levels, kinds, languages */
typedef struct practice_options {
    uint64_t users, conversations, seed, train_prompts, heldout_prompts;
} practice_options;
wr_status practice_synth(const practice_options *o, const char *out_dir);

#endif
