/* Where a folder keeps its chat templates, and which of them counts, as in transformers 5.24: chat_template.jinja and
 * additional_chat_templates/NAME.jinja, else "chat_template" in tokenizer_config.json (a text, or named ones). Of
 * several the one named "default" counts, and "tool_use" for chats with tools. LOCAL. */
#ifndef WR_TEXT_CHAT_CHAT_SOURCE_H
#define WR_TEXT_CHAT_CHAT_SOURCE_H

#include "base/file.h"
#include "base/strbuf.h"
#include "text/chat/jinja.h"

enum { CHAT_VARIABLES = 7 }; /* bos_token, eos_token, … */

typedef struct chat_source {
    strbuf text;  /* in Jinja */
    strbuf tools; /* for chats with tools, where there is one */
    bool has_tools;
    char from[PATH_CAP]; /* the file it is from */
    jinja_variable variables[CHAT_VARIABLES];
    size_t n_variables;
} chat_source;

/* file (may be NULL): used instead of the folder's template; slots (chat_slots.h) unless its name ends in .jinja. Names
 * and values of variables are the arena's. WR_E_FORMAT: there is none, or none is the default: the message offers
 * --chat-template. Free *out in any case. */
wr_status chat_source_load(arena *memory, const char *dir, const char *file, chat_source *out);
void chat_source_free(chat_source *s);
/* Makes text the only chat template of a folder, whatever it holds. */
wr_status chat_source_write(const char *dir, const char *text);

#endif
