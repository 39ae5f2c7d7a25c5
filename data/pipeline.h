/* What the passes of prepare --format wildchat share: the tools they use, what is known of every follow-up, and the
 * conversation at hand. Only data/pipeline.c and data/pass_*.c include this. LOCAL. */
#ifndef WR_DATA_PIPELINE_H
#define WR_DATA_PIPELINE_H

#include "data/filters.h"
#include "data/lexicon.h"
#include "data/mining.h"
#include "data/prepare_job.h"
#include "data/refusal.h"
#include "data/wildchat.h"

typedef enum how { HOW_NONE, HOW_LEXICON, HOW_MINED, HOW_REFUSAL } how;

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
    turn_text *texts;
    size_t text_capacity;
    size_t level_capacity, final_capacity; /* of the conversation at hand */
    const conversation *conversation;
    size_t *at;
    size_t at_capacity, n_at; /* its follow-ups */
    bpe_trainer *trainer;
    uint64_t instances;
    shard_set reward[2], chats[2]; /* train, test */
    outstream *turns_out;
    strbuf line;
    token_ids ids;
    token_spans spans;
} pipeline;

/* Positions of the follow-ups of c into p->at. */
wr_status pipeline_turns(pipeline *p, const conversation *c);
/* The query that the follow-up at answers to, and the follow-up. */
turn_text pipeline_text(const conversation *c, size_t at);

/* Pass 1: the sources' good rows into the spill file, their follow-ups into p->turns, their terms into p->mining. */
wr_status pass_read(pipeline *p);
/* Pass 2: final levels, by mining and refusals, and what the filters drop; instances are counted for the split. */
wr_status pass_label(pipeline *p);
/* Pass 4: instances and chats into the shards, every follow-up into turns.jsonl.zst. */
wr_status pass_write(pipeline *p);

#endif
