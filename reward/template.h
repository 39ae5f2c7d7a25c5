/* The reward model's input text: one template with the slots {history}, {query} and {response}, used by training,
 * scoring and DPO. Its hash is stored in shards and reward-model checkpoints and compared at load. Slot contents are
 * plain text (special-token strings in them are not matched). No chat markup, no end token appended. LOCAL; immutable
 * once loaded. */
#ifndef WR_REWARD_TEMPLATE_H
#define WR_REWARD_TEMPLATE_H

#include "reward/instance.h"

typedef struct reward_template reward_template;
/* file NULL: the built-in default. Each slot must occur exactly once and {response} last of the three; else
 * WR_E_FORMAT. */
wr_status reward_template_load(const char *file, reward_template **out);
wr_status reward_template_from_text(const char *text, reward_template **out);
void reward_template_free(reward_template *t);
const char *reward_template_text(const reward_template *t);
const char *reward_template_hash(const reward_template *t); /* 32 hex digits */

/* Renders and tokenizes (TOK_POST, no special matching). Longer than max_length tokens (0 = no limit): the oldest
 * history messages are left out, one by one; if query and reply still do not fit, WR_E_FORMAT. *dropped: messages left
 * out (may be NULL). Appends to out. */
wr_status reward_template_encode(const reward_template *t, const tokenizer *tok, const chat_message *history,
                                 size_t n_history, const char *query, size_t query_length, const char *response,
                                 size_t response_length, size_t max_length, token_ids *out, size_t *dropped);
/* The text before {history}, before {query}, before {response} and behind it; false where {query} comes before
 * {history}. */
bool reward_template_parts(const reward_template *t, const char *text[4], size_t n[4]);
const char *reward_template_role(const char *role); /* as a line of the history names it; role may be NULL */
#define REWARD_NO_HISTORY "none"                    /* what {history} becomes without messages */
wr_status reward_template_render(const reward_template *t, const chat_message *history, size_t n_history,
                                 const char *query, size_t query_length, const char *response, size_t response_length,
                                 strbuf *out);

/* The same as a Jinja chat template: a chat's last two messages are query and response, those before them the history
 * (nothing is left out of it). Appends. */
wr_status reward_template_jinja(const reward_template *t, strbuf *out);

#endif
