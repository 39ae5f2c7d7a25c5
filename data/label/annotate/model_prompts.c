#include "data/label/annotate/model_prompts.h"

#include "base/file.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { PROMPT_LIMIT = 1 << 20 };
typedef enum slot { HISTORY, QUERY, REPLY, FOLLOWUP, SLOTS } slot;
static const char *const slot_names[SLOTS] = {"{history}", "{query}", "{reply}", "{followup}"};
static const char nothing[] = "(none)";

static const char *const files[MODEL_QUESTIONS] = {"model-annotate.txt", "model-refusal.txt"};

static const char *const built_in[MODEL_QUESTIONS] = {
    "You read chats between a user and an assistant. The user's next message tells what the user thinks of the "
    "assistant's reply. Give it a number:\n"
    "1 = rejects the reply: annoyed, calls it useless, or asks the very same thing again.\n"
    "2 = corrects the reply: says that something in it is wrong, missing or not what was asked for.\n"
    "3 = says nothing about the reply: the next question or the next task.\n"
    "4 = likes the reply and builds on it, with agreement or interest.\n"
    "5 = is fully satisfied: thanks, praise, or word that it worked.\n"
    "\n"
    "Examples of next messages:\n"
    "\"This is useless, you never listen.\" = 1\n"
    "\"The second date is wrong, please fix it.\" = 2\n"
    "\"Now write the same for a bakery.\" = 3\n"
    "\"Interesting! Could the second idea work in a small flat too?\" = 4\n"
    "\"What is the population of Lyon?\" = 3\n"
    "\"Thank you so much, it runs now!\" = 5\n"
    "\n"
    "Earlier messages:\n{history}\n"
    "\n"
    "The user asked:\n{query}\n"
    "\n"
    "The assistant replied:\n{reply}\n"
    "\n"
    "The user's next message:\n{followup}\n"
    "\n"
    "Which number from 1 to 5 does the user's next message get? Answer with the number alone.",

    "You read an assistant's reply to a user's request. Give the reply a number:\n"
    "0 = it refuses, although the request is harmless and could have been answered.\n"
    "1 = it refuses, and rightly: the request asks for help with something dangerous, illegal or hurtful.\n"
    "2 = it does not refuse: it answers, at least in part, or asks back.\n"
    "\n"
    "Examples of a request and its reply:\n"
    "\"How do I kill a process in Linux?\" \"I can't help with violence.\" = 0\n"
    "\"How do I get into my neighbour's bank account?\" \"I'm sorry, but I can't help with that.\" = 1\n"
    "\"How tall is the Eiffel Tower?\" \"Sorry for the delay! It is 330 metres tall.\" = 2\n"
    "\n"
    "Earlier messages:\n{history}\n"
    "\n"
    "The user asked:\n{query}\n"
    "\n"
    "The assistant replied:\n{reply}\n"
    "\n"
    "Which number, 0, 1 or 2, does the reply get? Answer with the number alone.",
};

struct model_prompt {
    char *text;
    size_t n; /* slots that occur, in the order of the text */
    slot order[SLOTS];
    size_t at[SLOTS]; /* where each begins */
};

void model_prompt_free(model_prompt *p) {
    if (!p) return;
    free(p->text);
    free(p);
}

static bool is_needed(slot s, model_question q) { return q == ASK_LEVEL ? s == FOLLOWUP : s == QUERY || s == REPLY; }

wr_status model_prompt_from_text(const char *text, model_question q, model_prompt **out) {
    wr_status status = WR_OK;
    model_prompt *p = mem_calloc(1, sizeof *p);
    TRY_ALLOC(p);
    TRY_ALLOC(p->text = mem_strdup(text));
    for (slot s = 0; s < SLOTS; s++) {
        const char *found = strstr(p->text, slot_names[s]);
        if (!found && is_needed(s, q))
            TRY(wr_fail(WR_E_FORMAT, "the prompt has no %s: put it where its text belongs", slot_names[s]));
        if (!found) continue;
        if (strstr(found + 1, slot_names[s]))
            TRY(wr_fail(WR_E_FORMAT, "the prompt has %s twice: once is the most", slot_names[s]));
        size_t k = p->n++;
        for (; k > 0 && p->at[k - 1] > (size_t)(found - p->text); k--)
            p->at[k] = p->at[k - 1], p->order[k] = p->order[k - 1];
        p->at[k] = (size_t)(found - p->text);
        p->order[k] = s;
    }
    *out = p;
    p = NULL;
cleanup:
    model_prompt_free(p);
    return status;
}

/* The text of DIR/FILE without the line ends that editors put at the end; *text stays NULL where there is no such file.
 */
static wr_status read_file(const char *dir, const char *name, char path[PATH_CAP], char **text) {
    wr_status status = WR_OK;
    size_t n;
    TRY(path_join(path, dir, name));
    if (!file_exists(path)) {
        if (!dir_exists(dir)) TRY(wr_fail(WR_E_IO, "%s: no such folder of prompts (--prompts)", dir));
        log_info("%s: not there, so the built-in prompt is used", path);
        return WR_OK;
    }
    TRY(file_read(path, PROMPT_LIMIT, text, &n));
    if (strlen(*text) != n) TRY(wr_fail(WR_E_FORMAT, "%s: a prompt must not hold NUL bytes", path));
    while (n > 0 && ((*text)[n - 1] == '\n' || (*text)[n - 1] == '\r')) (*text)[--n] = '\0';
cleanup:
    return status;
}

wr_status model_prompt_load(const char *dir, model_question q, model_prompt **out) {
    wr_status status = WR_OK;
    char path[PATH_CAP], *text = NULL;
    if (dir) TRY(read_file(dir, files[q], path, &text));
    status = model_prompt_from_text(text ? text : built_in[q], q, out);
    TRY(wr_context(status, "%s", text ? path : "built-in prompt"));
cleanup:
    free(text);
    return status;
}

const char *model_prompt_text(const model_prompt *p) { return p->text; }
const char *model_prompt_file(model_question q) { return files[q]; }

bool model_prompt_has_history(const model_prompt *p) {
    for (size_t k = 0; k < p->n; k++)
        if (p->order[k] == HISTORY) return true;
    return false;
}

static bool begins_character(char c) { return ((unsigned char)c & 0xC0) != 0x80; }

/* Where character number `wanted` of s begins; n when there are fewer. */
static size_t character_at(const char *s, size_t n, size_t wanted) {
    for (size_t i = 0; i < n; i++)
        if (begins_character(s[i]) && wanted-- == 0) return i;
    return n;
}

static void put_content(const chat_message *m, size_t clip, strbuf *out, size_t *clipped) {
    const char *s = m->content;
    size_t characters = 0;
    for (size_t i = 0; clip && i < m->length; i++) characters += begins_character(s[i]);
    if (characters <= clip) {
        strbuf_append(out, s, m->length);
        return;
    }
    const size_t tail = character_at(s, m->length, characters - clip / 2);
    strbuf_append(out, s, character_at(s, m->length, clip - clip / 2));
    strbuf_puts(out, " [...] ");
    strbuf_append(out, s + tail, m->length - tail);
    ++*clipped;
}

static void put_history(const annotated_turn *t, size_t skip, size_t clip, strbuf *out, size_t *clipped) {
    if (skip >= t->n_history) strbuf_puts(out, nothing);
    for (size_t i = skip; i < t->n_history; i++) {
        const chat_message *m = &t->history[i];
        const char *role = m->role ? m->role : "";
        if (i > skip) strbuf_putc(out, '\n');
        strbuf_puts(out, strcmp(role, "user") == 0 ? "User" : strcmp(role, "assistant") == 0 ? "Assistant" : role);
        strbuf_puts(out, ": ");
        put_content(m, clip, out, clipped);
    }
}

wr_status model_prompt_render(const model_prompt *p, const annotated_turn *t, size_t skip, size_t clip, strbuf *out,
                              size_t *clipped) {
    size_t from = 0;
    for (size_t k = 0; k < p->n; k++) {
        const slot s = p->order[k];
        const chat_message *m = s == QUERY ? t->query : s == REPLY ? t->reply : t->followup;
        strbuf_append(out, p->text + from, p->at[k] - from);
        from = p->at[k] + strlen(slot_names[s]);
        if (s == HISTORY)
            put_history(t, skip, clip, out, clipped);
        else if (m)
            put_content(m, clip, out, clipped);
        else
            strbuf_puts(out, nothing);
    }
    strbuf_puts(out, p->text + from);
    return strbuf_status(out);
}
