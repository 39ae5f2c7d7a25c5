/* A chat that asks for a reply, cut to a length: the oldest messages go first. The one rule for all who sample.
 * LOCAL. */
#ifndef WR_TEXT_CHAT_CHAT_FIT_H
#define WR_TEXT_CHAT_CHAT_FIT_H

#include "text/chat/chat_template.h"

/* chat_render into *ids (which are replaced) without as many of the oldest messages as `limit` tokens ask for. A
 * leading system message and the last turn stay: the last user's message and what follows it (in a chat without a
 * user's, the last message). What is kept begins with a user's message: no answer stands there without its question, no
 * tool's result without its call. Where even the last turn is too long, *ids is its rendering, and has more than
 * `limit` tokens. *dropped (may be NULL): messages left out. */
wr_status chat_fit(const chat_template *c, const tokenizer *t, const chat_request *r, size_t limit, token_ids *ids,
                   size_t *dropped);

#endif
