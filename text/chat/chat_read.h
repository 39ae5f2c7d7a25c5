/* Chats as JSON rows hold them: the one reader of lists of messages. LOCAL. */
#ifndef WR_TEXT_CHAT_CHAT_READ_H
#define WR_TEXT_CHAT_CHAT_READ_H

#include "text/chat/chat_message.h"

/* The text of a content: of a string itself, of a list of text parts ({"type": "text", "text": …}) their texts joined,
 * of null none. *text is the arena's, or v's own. WR_E_FORMAT names what is no text, without saying where it stands. */
wr_status chat_read_content(arena *a, const json_value *v, const char **text, size_t *n);
/* Messages for a chat template: each is an object with a role. Whatever else it holds stays with it as `fields`.
 * Contents may be absent or null, and lists with parts that are no text (their `content` holds the text parts alone).
 * name: of the list, for messages: "messages", "history", … WR_E_FORMAT says which message is wrong and how, also for
 * an empty list. *out is the arena's and points into list, which must outlive it. */
wr_status chat_read_messages(arena *a, const json_value *list, const char *name, chat_message **out, size_t *n);
/* What a row of prompts asks: {"messages"}, or {"prompt"} with a text or a list of messages. */
typedef struct row_prompt {
    chat_message *messages; /* of a chat; NULL: `text` is the prompt */
    size_t n_messages;
    const json_value *variables; /* of a chat, what its template sees beside them */
    const char *text;
    size_t length;
    const char *field; /* "messages" or "prompt" */
} row_prompt;
/* The one rule for who answers prompts. A member that is null is absent. WR_E_FORMAT where there is none of them, or
 * both, or a chat that ends with the assistant: whether its last message is to be continued or answered is not said.
 * What *out points to is the arena's or the row's. */
wr_status chat_read_row(arena *a, const json_value *row, row_prompt *out);
/* Messages whose text alone counts (a reward template's history): list absent or null is none; what is no text is
 * WR_E_FORMAT; null only beside tool_calls, function_call or a reasoning. fields is NULL. */
wr_status chat_read_texts(arena *a, const json_value *list, const char *name, chat_message **out, size_t *n);
/* May the content be absent? Something else is said then. */
bool chat_says_otherwise(const json_value *message);
bool chat_is_otherwise(const char *name); /* a member that can say so */
/* What a row's chat template sees beside the messages: "tools", "documents" (lists of objects; tools also as JSON
 * text), the members of "chat_template_kwargs" and every other member that is not null, but for those that are the
 * tools' own (text, prompt, ids, …). *out: an object in the arena, NULL for none. */
wr_status chat_read_variables(arena *a, const json_value *row, const json_value **out);

#endif
