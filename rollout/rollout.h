/* Sampling and scoring as pulled work: SAMPLE tasks of a fixed group of prompts -> replies -> rewards, results to rank
 * 0. */
#ifndef WR_ROLLOUT_ROLLOUT_H
#define WR_ROLLOUT_ROLLOUT_H

#include "data/practice/practice.h"
#include "text/chat/chat_template.h"
#include "mpi/work.h"
#include "sampler/sampler.h"
#include "reward/score.h"

/* A prompt for the policy: chat messages (last one the query) or raw text. */
typedef struct prompt {
    chat_message *messages;
    size_t n_messages;     /* NULL for raw text: then text */
    const json_value *row; /* what the chat template sees beside them, or NULL */
    const char *text;
    size_t text_length;
    const char *task_json; /* practice task, NULL elsewhere */
} prompt;
typedef struct prompt_set {
    prompt *items;
    size_t n;
    arena *memory;
    char hash[33];
} prompt_set;
/* COLLECTIVE. FILE: JSONL with {"messages"}, or {"prompt"}: a text or a list of messages; DIR: a prepared folder (its
 * training instances' history and query, duplicates once). Every rank gets the set (rank 0 reads, msgpack broadcast).
 * limit 0 = all. WR_E_FORMAT names file and line. */
wr_status prompts_load(world *w, const char *path, size_t limit, prompt_set *out);
void prompts_free(prompt_set *p);
/* Rank 0's part of DIR: every distinct prompt of the folder's reward-train shards, in their order, as one packed prompt
 * each. LOCAL. */
wr_status prompts_read_dir(const char *dir, size_t limit, wr_status (*take)(void *context, const prompt *p),
                           void *context);

/* Why a reply may have no reward, and what to look at, for messages of a run in which none has one: the argument is the
 * reward model. */
#define ROLLOUT_NO_REWARD                                                                                              \
    "(not a number, too long for the reward model, or refused by its chat template); look at %s with "                 \
    "--check-weights, "                                                                                                \
    "or give --reward-text template --template FILE"

/* --- what comes back ---------------------------------------------------------------------------------------------- */
/* A draw is one use of a prompt: its number is unique in a run, keys the randomness and tells replies to different
 * prompts apart. */
typedef struct rollout_reply {
    uint64_t draw; /* of the prompt this reply answers */
    const int32_t *ids;
    size_t n;
    const char *text;
    size_t text_length; /* without special tokens */
    double reward;      /* NaN: missing */
    double quality;     /* practice_check; NaN where the prompt has no task */
    double logprob;     /* the sampler's, sum over ids */
    bool stopped;       /* ended itself */
} rollout_reply;
typedef struct rollout_group {
    uint64_t draw;
    uint32_t prompt; /* index into the prompt set */
    bool skipped;    /* too long even without history: no replies */
    const int32_t *prompt_ids;
    size_t n_prompt;
    rollout_reply *replies;
    size_t n_replies;
} rollout_group;

/* Task body: draws first_draw … first_draw + n - 1 of these prompts. Appends msgpack. */
void rollout_task_pack(uint64_t step, uint64_t first_draw, const uint32_t *prompts, size_t n, strbuf *out);
/* Result body <-> groups. Arrays and strings of unpacked groups live in a. */
void rollout_groups_pack(const rollout_group *groups, size_t n, strbuf *out);
wr_status rollout_groups_unpack(const void *bytes, size_t n, arena *a, rollout_group **groups, size_t *n_groups);

/* --- doing it ----------------------------------------------------------------------------------------------------- */
typedef struct rollout_options {
    const char *policy_dir; /* tokenizer and chat template of the policy */
    const char *reward_dir; /* NULL: no reward model */
    /* what the command was given, for the reward functions' own options; NULL: nothing */
    const struct options *given;
    reward_reading reading;    /* how that model reads replies */
    const char *chat_template; /* file instead of the policy's own, or NULL */
    bool check_weights;        /* of the reward model */
    sampling_options sampling; /* its step is each task's */
    size_t max_prompt_tokens, score_tokens;
    bool (*should_stop)(void *); /* polled between decode steps, may be NULL */
    void *stop_context;
} rollout_options;

typedef struct rollout rollout;
/* COLLECTIVE: the reward model's parameters are held once a host. policy and prompts must outlive it. */
wr_status rollout_create(world *w, const model *policy, const prompt_set *prompts, const rollout_options *o,
                         rollout **out);
void rollout_free(rollout *r); /* COLLECTIVE; NULL is fine */
/* The chat template in use as Jinja; NULL when no prompt is a chat. */
const char *rollout_chat_source(const rollout *r);
/* Hashes of what the reward functions read (the reward model's folder …), one behind another; "" without any. */
const char *rollout_reward_hash(const rollout *r);
/* A work_fn (context: the rollout): samples, decodes, checks and scores the prompts of one task. LOCAL. */
wr_status rollout_task(void *context, const void *task, size_t n, strbuf *out);

#endif
