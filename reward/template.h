/* The reward model's input text: one template with the slots {history}, {query} and {response}, used by training,
 * scoring and DPO. A head before its text may say how the history is written and what is cut (docs/templates.md). The
 * hash of the whole file is stored in shards and reward-model checkpoints and compared at load. Slot contents are plain
 * text (special-token strings in them are not matched). No chat markup, no end token appended. LOCAL; immutable once
 * loaded. */
#ifndef WR_REWARD_TEMPLATE_H
#define WR_REWARD_TEMPLATE_H

#include "reward/instance.h"

typedef struct reward_template reward_template;
/* file NULL: the built-in default. Each slot must occur exactly once and {response} last of the three; else, and where
 * the head is wrong, WR_E_FORMAT. */
wr_status reward_template_load(const char *file, reward_template **out);
wr_status reward_template_from_text(const char *text, reward_template **out);
void reward_template_free(reward_template *t);
const char *reward_template_text(const reward_template *t);
const char *reward_template_hash(const reward_template *t); /* 32 hex digits */

/* The template's own limit of tokens; 0: none. Wherever a limit is given the smaller of the two counts. */
size_t reward_template_max_length(const reward_template *t);
bool reward_template_cuts_right(const reward_template *t); /* truncate: right */

/* Renders and tokenizes (TOK_POST, no special matching). Longer than max_length tokens (0 = no limit): the oldest
 * history messages are left out, one by one; if query and reply still do not fit, WR_E_FORMAT. With `truncate: right`
 * tokens at the end of the text go instead, as Hugging Face cuts. *dropped: messages left out, or tokens cut (may be
 * NULL). Appends to out. */
wr_status reward_template_encode(const reward_template *t, const tokenizer *tok, const chat_message *history,
                                 size_t n_history, const char *query, size_t query_length, const char *response,
                                 size_t response_length, size_t max_length, token_ids *out, size_t *dropped);
/* Ready-made text under the template's rules (t may be NULL: no rules): tokenized as Tokenizer.encode does, special
 * tokens matched. Longer than the limit: cut on the right with `truncate: right`, else WR_E_FORMAT, which names the
 * limit. WR_E_FORMAT also for a text without tokens. Appends to out. */
wr_status reward_template_encode_text(const reward_template *t, const tokenizer *tok, const char *text, size_t n,
                                      size_t max_length, token_ids *out);
/* The same; *cut: tokens cut. */
wr_status reward_template_cut_text(const reward_template *t, const tokenizer *tok, const char *text, size_t n,
                                   size_t max_length, token_ids *out, size_t *cut);

/* The text before {history}, before {query}, before {response} and behind it; false where {query} comes before
 * {history}. */
bool reward_template_parts(const reward_template *t, const char *text[4], size_t n[4]);
/* Appends the whole text, nothing left out. */
wr_status reward_template_render(const reward_template *t, const chat_message *history, size_t n_history,
                                 const char *query, size_t query_length, const char *response, size_t response_length,
                                 strbuf *out);

/* The same as a Jinja chat template: a chat's last two messages are query and response, those before them the history
 * (nothing is left out of it). Appends. */
wr_status reward_template_jinja(const reward_template *t, strbuf *out);

#endif
