/* Chat rendering in the ChatML family (<|im_start|>role\n…<|im_end|>\n): recognised from the model directory's chat_template
 * (tokenizer_config.json or chat_template.jinja), including a default system message written into the template. Anything else is an
 * error that says so. LOCAL; immutable once loaded. */
#ifndef WR_MODEL_CHAT_TEMPLATE_H
#define WR_MODEL_CHAT_TEMPLATE_H

#include "model/tokenizer.h"

typedef struct chat_message {
    const char *role;     /* "system", "user", "assistant" */
    const char *content;  /* UTF-8 */
    size_t length;
} chat_message;

typedef struct chat_template chat_template;
/* dir: model or tokenizer directory. A directory without any chat_template, but whose tokenizer has the ChatML tokens, gets plain ChatML. */
wr_status chat_template_load(const char *dir, const tokenizer *t, chat_template **out);
void chat_template_free(chat_template *c);

/* Appends ids. Message contents are plain text: special-token strings inside them are not matched.
 * add_generation_prompt: ends with "<|im_start|>assistant\n". Equal to encoding transformers' apply_chat_template text when no content
 * contains special-token strings. */
wr_status chat_render_prompt(const chat_template *c, const tokenizer *t, const chat_message *messages, size_t n,
                             bool add_generation_prompt, token_ids *out);

/* For training: ids of a whole chat, and the token spans [2*i], [2*i+1]) that the assistant produced (content and end token).
 * Each assistant content is tokenized on its own, after its generation prompt, as it will be when sampled. */
typedef struct token_spans { size_t *bounds; size_t n, capacity; /* n spans, 2n bounds */ } token_spans;
void token_spans_free(token_spans *s);
wr_status chat_render_training(const chat_template *c, const tokenizer *t, const chat_message *messages, size_t n,
                               token_ids *ids, token_spans *assistant);
/* Renders as text (for logs and tests). */
wr_status chat_render_text(const chat_template *c, const chat_message *messages, size_t n, bool add_generation_prompt, strbuf *out);
/* Id of the token that ends a reply (<|im_end|>). */
int32_t chat_end_id(const chat_template *c);

#endif
