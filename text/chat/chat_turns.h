/* Which part of a rendered chat the assistant wrote: what training learns. Inside of text/chat/. LOCAL. */
#ifndef WR_TEXT_CHAT_CHAT_TURNS_H
#define WR_TEXT_CHAT_CHAT_TURNS_H

#include "text/chat/jinja.h"
#include "text/tokenizer/tokenizer.h"

/* From its first byte to behind its last. */
typedef struct text_span {
    size_t first, end; /* end 0: none */
} text_span;

/* What a template writes around every reply; texts may be empty. */
typedef struct turn_marks {
    const char *after_user; /* behind what the user says, up to where the reply begins */
    size_t n_after_user;
    const char *generation; /* what add_generation_prompt appends */
    size_t n_generation;
    size_t n_header; /* so much of it at least, whom it names, begins every turn; 0: unknown */
    const char *end; /* the token that ends a reply */
    size_t n_end;
} turn_marks;

/* spans (n): where what message i holds stands in the text. */
void find_contents(const jinja_text *x, size_t n, text_span *spans);
/* spans (n): the turns of the assistant's messages, none of others: from where a reply begins (behind the generation
 * prompt, where the text has it) to behind the token that ends it. A message that the template leaves out has none.
 * contents: of find_contents. alone (n): how far the text goes when the chat ends with message i, 0 where that is
 * unknown: no more of the text is of that message, whatever is named once more behind it. */
void find_turns(const turn_marks *marks, const tokenizer *t, const jinja_text *x, const chat_message *messages,
                size_t n, const text_span *contents, const size_t *alone, text_span *spans);
/* Encodes x with the spans (n, ascending) as token spans [at[2i], at[2i + 1]). cut: no token reaches over the beginning
 * or end of a span, as none does when a reply is sampled. Else the ids are those of the whole text, and a token that
 * lies partly in a span counts as inside, as transformers counts. */
wr_status encode_spans(const tokenizer *t, const jinja_text *x, const size_t *bounds, size_t n, bool cut, size_t *at,
                       token_ids *ids);

#endif
