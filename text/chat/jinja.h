/* Chat templates as checkpoints carry them: Jinja 2, rendered as jinja2 3.1 renders it in transformers (immutable
 * sandbox, trim_blocks, lstrip_blocks, loop controls, generation blocks, its own tojson, raise_exception,
 * strftime_now). What is not supported is an error that names it and its line, never a guess; a branch that is not
 * reached may hold anything that parses.
 *
 * Every byte of the result knows where it comes from: the template, or the content of a message. So special-token
 * strings that a person typed stay plain text, and training finds what the assistant wrote. LOCAL; a compiled template
 * is immutable and may be used by several threads. */
#ifndef WR_TEXT_CHAT_JINJA_H
#define WR_TEXT_CHAT_JINJA_H

#include "base/mem.h"
#include "base/strbuf.h"
#include "text/chat/chat_message.h"

enum {
    JINJA_DATA = 65535 /* an origin, see jinja_text */,
    JINJA_MESSAGES_MAX = 65533,
    JINJA_OUTPUT_MAX = 1 << 28,
    JINJA_STEPS_MAX = 4000000,
    JINJA_MEMORY_MAX = 1 << 30 /* bytes of a rendering's arena */
};

typedef struct jinja jinja;
/* WR_E_FORMAT: "line 12: …". text is copied. */
wr_status jinja_compile(const char *text, size_t n, jinja **out);
void jinja_free(jinja *t); /* NULL is fine */
/* It says itself, by generation blocks, what an assistant writes. */
bool jinja_has_generation(const jinja *t);

/* A string variable of the template: bos_token, eos_token, … */
typedef struct jinja_variable {
    const char *name, *value;
} jinja_variable;

typedef struct jinja_chat {
    const chat_message *messages; /* content in UTF-8 */
    size_t n;                     /* <= JINJA_MESSAGES_MAX */
    bool add_generation_prompt;
    const jinja_variable *variables;
    size_t n_variables;
    /* an object: further variables (tools, documents, enable_thinking, …), which win over those above; NULL: none */
    const json_value *row;
    bool texts; /* lists of parts as their text */
} jinja_chat;

/* origin: (n) 0 = the template, i + 1 = what message i holds, JINJA_DATA = names and whatever else others wrote.
 * blocks: where the texts of generation blocks begin and end, as transformers tells it. All live in the arena given. */
typedef struct jinja_text {
    const char *bytes;
    const uint16_t *origin;
    size_t n;
    const size_t *blocks; /* (2 n_blocks) */
    size_t n_blocks;
} jinja_text;

/* WR_E_FORMAT: the template refuses the chat (raise_exception: its own words), or does what is not supported or allowed
 * ("line 12: …"). */
wr_status jinja_render(const jinja *t, const jinja_chat *chat, arena *a, jinja_text *out);

#endif
