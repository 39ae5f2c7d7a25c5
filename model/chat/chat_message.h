/* One message of a chat. */
#ifndef WR_MODEL_CHAT_MESSAGE_H
#define WR_MODEL_CHAT_MESSAGE_H

#include <stddef.h>

typedef struct chat_message {
    const char *role;    /* "system", "user", "assistant" */
    const char *content; /* UTF-8 */
    size_t length;
} chat_message;

#endif
