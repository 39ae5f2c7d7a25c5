/* A chat template as chat_template_load.c leaves it and chat_template.c uses it. LOCAL. */
#ifndef WR_TEXT_CHAT_CHAT_TEMPLATE_PARTS_H
#define WR_TEXT_CHAT_CHAT_TEMPLATE_PARTS_H

#include "text/chat/chat_source.h"
#include "text/chat/chat_template.h"
#include "text/chat/chat_turns.h"
#include "text/chat/jinja.h"

struct chat_template {
    arena *memory;
    chat_source source;
    jinja *compiled, *for_tools; /* for_tools: of chats with tools, where the folder has one for them; else NULL */
    int32_t end_id;
    turn_marks marks;
    chat_names names;
};

#endif
