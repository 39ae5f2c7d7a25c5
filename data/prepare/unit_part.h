/* A .part file: what a unit contributes to each file of the result, ready to be joined. Only data/prepare/phase_write.c
 * and data/prepare/phase_assemble.c include this. LOCAL. */
#ifndef WR_DATA_PREPARE_UNIT_PART_H
#define WR_DATA_PREPARE_UNIT_PART_H

#include "data/label/match/filters.h"
#include "data/prepare/turns.h"
#include "data/shard/bytes.h"
#include "data/shard/frame_builder.h"

/* Two shard streams (train, test) of each kind, then the two of text. */
typedef enum part_stream {
    PART_REWARD,
    PART_REWARD_TEST,
    PART_CHATS,
    PART_CHATS_TEST,
    PART_TURNS,
    PART_AUDIT,
    PART_STREAMS
} part_stream;
static inline int part_classes(part_stream s) { return s <= PART_REWARD_TEST ? CLASSES : 0; }

typedef struct part_counts {
    uint64_t dropped[FILTERS];
    /* by the chat template */
    uint64_t histories_shortened, chats_no_reply, chats_too_long, chats_shortened, chats_refused;
} part_counts;

/* Table: the counts (all u64), the first refused chat and why ("": none), u64 n and n users (name, u32 stratum) who
 * lost an instance to FILTER_TOO_LONG, then for each stream u64 n and n frames: u64 offset in the body, and
 * built_frame_pack (shards) or u64 bytes (text). */

#endif
