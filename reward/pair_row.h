/* A preference pair as rows in TRL's format hold it: {"chosen", "rejected"} and maybe the "prompt" that both answer.
 * Two texts, which are taken as they stand, the prompt before each; or two lists of messages, which are chats that end
 * with the assistant's reply, the prompt's messages before each. The one reader for who trains on pairs and who is
 * measured on them. LOCAL. */
#ifndef WR_REWARD_PAIR_ROW_H
#define WR_REWARD_PAIR_ROW_H

#include "text/chat/chat_message.h"

typedef struct pair_side {
    chat_message *chat; /* (n); NULL: a text */
    size_t n;
    const char *text;
    size_t length;
} pair_side;

typedef struct pair_row {
    pair_side side[2];           /* chosen, rejected */
    const json_value *variables; /* what a chat template sees beside the messages; NULL: nothing */
} pair_row;

/* whole: messages keep all their members, for a chat template; else their texts alone. A prompt that is a text may
 * stand beside chats that begin with it. Null is absent. WR_E_FORMAT names the field. *out is the arena's or the row's. */
wr_status pair_row_read(arena *a, const json_value *row, bool whole, pair_row *out);

#endif
