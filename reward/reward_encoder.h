/* The reward model's inputs of one conversation after another. The instances of a conversation share their history, and
 * a reply is history to the next one: each message is tokenized once, and inputs are joined from what was kept, where
 * template and tokenizer allow it (each slot on a line of its own behind "Word: ", history lines "Role: text",
 * something on a line behind the reply; and tokenizer_cuts_lines). Elsewhere each input is tokenized whole. The same
 * ids either way. LOCAL; one thread. */
#ifndef WR_REWARD_REWARD_ENCODER_H
#define WR_REWARD_REWARD_ENCODER_H

#include "reward/template.h"

typedef struct reward_encoder reward_encoder;
/* Template and tokenizer must outlive it. */
wr_status reward_encoder_create(const reward_template *t, const tokenizer *tok, reward_encoder **out);
void reward_encoder_free(reward_encoder *e);        /* NULL is fine */
bool reward_encoder_joins(const reward_encoder *e); /* in pieces, not whole */
/* Forgets the messages of the conversation before. */
void reward_encoder_begin(reward_encoder *e);
/* reward_template_encode of messages[n_history] as query, messages[n_history + 1] as response and those before as
 * history. `messages` is the same conversation at every call until reward_encoder_begin. */
wr_status reward_encoder_encode(reward_encoder *e, const chat_message *messages, size_t n_history, size_t max_length,
                                token_ids *out, size_t *dropped);

#endif
