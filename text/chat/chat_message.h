/* One message of a chat. */
#ifndef WR_TEXT_CHAT_CHAT_MESSAGE_H
#define WR_TEXT_CHAT_CHAT_MESSAGE_H

#include "base/json.h"

typedef struct chat_message {
    const char *role;    /* "system", "user", "assistant", "tool", or whatever else the template knows */
    const char *content; /* UTF-8; of a list of parts: its texts, joined; "" where there is none */
    size_t length;
    /* What a chat template may see beside these two: an object with the message's further members (tool_calls,
     * reasoning_content, name, …) in their order; NULL: nothing. A "content" in it that is no string stands for
     * `content` in the template (a list of parts), null for none at all; a "role" or a text there only says at which
     * place the member is. Lives as long as the message. */
    const json_value *fields;
} chat_message;

#endif
