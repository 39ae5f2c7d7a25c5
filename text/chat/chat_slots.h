/* The slot format of text/chat/chat_template.h. LOCAL. */
#ifndef WR_TEXT_CHAT_CHAT_SLOTS_H
#define WR_TEXT_CHAT_CHAT_SLOTS_H

#include "base/strbuf.h"

/* Appends the Jinja template that the slots mean. WR_E_FORMAT names line and key. */
wr_status chat_slots_to_jinja(const char *text, size_t n, strbuf *jinja);

#endif
