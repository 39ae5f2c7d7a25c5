/* Chats as a checkpoint's own template writes them: the Jinja template of chat_template.jinja or tokenizer_config.json
 * (text/chat/jinja.h), or a file in the slot format below. LOCAL; immutable once loaded, except that strftime_now in a
 * template follows the clock (SOURCE_DATE_EPOCH fixes it).
 *
 * Slot format (--chat-template FILE, any name that does not end in .jinja): lines of KEY: "TEXT" in JSON's spelling, #
 * begins a comment. begin       before the first message        system, user, assistant   a message; {content} stands
 * for its content, once generation  where a reply is to follow      default_system            content of the system
 * message of chats that have none user, assistant and generation are needed; {bos} and {eos} in a text stand for the
 * tokenizer's tokens. Example: user: "<|user|>\n{content}<|end|>\n" assistant: "<|assistant|>\n{content}<|end|>\n"
 *   generation: "<|assistant|>\n" */
#ifndef WR_TEXT_CHAT_CHAT_TEMPLATE_H
#define WR_TEXT_CHAT_CHAT_TEMPLATE_H

#include "text/chat/chat_message.h"
#include "text/chat/chat_names.h"
#include "text/tokenizer/tokenizer.h"

typedef struct chat_template chat_template;
/* dir: model or tokenizer directory; which of its templates counts: text/chat/chat_source.h. file (may be NULL): used
 * instead. A template is taken when it can write some kind of chat (with a system message or without, ending with a
 * question or an answer, with tools); what it cannot write is an error of that chat. WR_E_FORMAT: there is none, it
 * does what text/chat/jinja.h does not know, or it writes no chat at all; the message names file, line and construct,
 * and offers --chat-template. */
wr_status chat_template_load(const char *dir, const char *file, const tokenizer *t, chat_template **out);
void chat_template_free(chat_template *c);
/* Which members of messages it may show, beside role and content. Lives as long as c. */
const chat_names *chat_template_names(const chat_template *c);
/* The template in Jinja, for a chat_template.jinja beside a model that was trained with it. Lives as long as c. */
const char *chat_template_source(const chat_template *c);

typedef struct chat_request {
    const chat_message *messages;
    size_t n;
    /* an object: what the template sees beside the messages (chat_read_variables); NULL: nothing */
    const json_value *row;
    bool add_generation_prompt; /* as transformers' argument */
} chat_request;

/* Appends the chat as text (NULL: not wanted; for logs and tests) and as ids (NULL likewise; then t may be NULL, too).
 * Special tokens are matched in what the template writes, never in what messages hold. The ids of transformers'
 * apply_chat_template when nothing in the chat contains special-token strings: all members of a message reach the
 * template, what is null is absent, and thinking, reasoning and reasoning_content stand for one another. A list of
 * parts goes to the template as it is; where that knows texts alone, a list of text parts is their text. WR_E_FORMAT:
 * the template refuses the chat (its own words). */
wr_status chat_render(const chat_template *c, const tokenizer *t, const chat_request *r, strbuf *text, token_ids *ids);
/* The same without variables. */
wr_status chat_render_prompt(const chat_template *c, const tokenizer *t, const chat_message *messages, size_t n,
                             bool add_generation_prompt, token_ids *out);
wr_status chat_render_text(const chat_template *c, const chat_message *messages, size_t n, bool add_generation_prompt,
                           strbuf *out);

/* For training: ids of a whole chat, and the token spans [2*i], [2*i+1]) that the model must write itself. Where the
 * template says so by generation blocks, these are the tokens of their texts, as transformers'
 * return_assistant_tokens_mask. Else each assistant's turn: from behind the generation prompt (what it does not hold,
 * such as an empty <think> block, is learned) to behind the token that ends it, cut off from what is before, as when it
 * is sampled. Messages that the template leaves out have no span; an empty one has where its turn shows: its end
 * token. */
typedef struct token_spans {
    size_t *bounds;
    size_t n, capacity; /* n spans, 2n bounds */
} token_spans;
void token_spans_free(token_spans *s);
wr_status chat_render_training(const chat_template *c, const tokenizer *t, const chat_request *r, token_ids *ids,
                               token_spans *assistant);
/* Id of the token that ends a reply: the one the template writes behind an assistant's message, else eos_token. */
int32_t chat_end_id(const chat_template *c);

#endif
