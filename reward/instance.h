/* The records that shards hold. */
#ifndef WR_REWARD_INSTANCE_H
#define WR_REWARD_INSTANCE_H

#include "base/mem.h"
#include "mpi/wire.h"
#include "text/chat/chat_template.h"

/* One rated reply: the reward model's training and test record. Strings live in the arena given at decoding. */
typedef struct instance {
    const char *id; /* "conversation_hash:turn_identifier of the follow-up", or the labelled row's id */
    const char *user;
    const char *language, *model;
    const char *timestamp; /* of the conversation, as the source has it; "" = unknown */
    const char *how;       /* how the label came: the annotator's name, "consensus", "mined", "refusal", "given" */
    /* how sure the label is: the consensus' posterior; 1 with one annotator. Writing 0 means 1 */
    double weight;
    int64_t turn; /* turn identifier of the reply's follow-up; -1 when unknown */
    int label;    /* 1 … K */
    const chat_message *history;
    size_t n_history; /* before the query, oldest first */
    const char *query;
    size_t query_length;
    const char *response;
    size_t response_length;
    const char *text; /* ready made: what the ids are of, whatever a template would make of the rest; NULL: none */
    size_t text_length;
    const int32_t *ids;
    /* of a preference pair: the first n_chosen ids are the better reply's text, the rest the other's, which it must beat
     * by margin; 0: one text */
    size_t n_chosen;
    double margin;
    size_t n_ids; /* the text, or the rendered reward template; n_ids = 0 in shards made with --no-tokens */
} instance;

/* One chat for language-model training. */
typedef struct chat_record {
    const char *id, *user;
    const chat_message *messages;
    size_t n_messages;
    const int32_t *ids;
    size_t n_ids; /* chat_render_training; n_ids = 0 with --no-tokens */
    const size_t *spans;
    size_t n_spans; /* 2*n_spans bounds of assistant tokens */
} chat_record;

/* msgpack map <-> struct. Decoding checks types and ranges; WR_E_FORMAT names the field. */
wr_status instance_pack(const instance *x, msgpack_packer *pk);
wr_status instance_unpack(const msgpack_object *o, arena *a, instance *out);
wr_status chat_pack(const chat_record *x, msgpack_packer *pk);
wr_status chat_unpack(const msgpack_object *o, arena *a, chat_record *out);

#endif
