/* The reward model's input text (reward/template.h). */
#include "reward/template.h"

#include "base/file.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

static const char default_text[] =
    "Is the user content with the reply? 1 rejects it, 2 corrects it, 3 goes on, 4 praises it.\n"
    "History:\n{history}\nQuery: {query}\nReply: {response}\nSatisfaction:";

enum { SLOTS = 3, HISTORY = 0, QUERY = 1, RESPONSE = 2 };
static const char *const slot_names[SLOTS] = {"{history}", "{query}", "{response}"};

struct reward_template {
    char *text;
    char hash[HASH_HEX];
    /* The text is fixed[0] slot order[0] fixed[1] slot order[1] fixed[2] slot order[2] fixed[3]. */
    struct {
        size_t start, length;
    } fixed[SLOTS + 1];
    int order[SLOTS];
};

void reward_template_free(reward_template *t) {
    if (!t) return;
    free(t->text);
    free(t);
}

wr_status reward_template_from_text(const char *text, reward_template **out) {
    wr_status status = WR_OK;
    const char *at[SLOTS];
    reward_template *t = mem_calloc(1, sizeof *t);
    TRY_ALLOC(t);
    TRY_ALLOC(t->text = mem_strdup(text));
    hash_hex(text, strlen(text), t->hash);
    for (int s = 0; s < SLOTS; s++) {
        at[s] = strstr(t->text, slot_names[s]);
        if (!at[s] || strstr(at[s] + 1, slot_names[s])) {
            TRY(wr_fail(WR_E_FORMAT, "reward template: the slot %s must occur exactly once", slot_names[s]));
        }
    }
    if (at[RESPONSE] < at[HISTORY] || at[RESPONSE] < at[QUERY]) {
        TRY(wr_fail(WR_E_FORMAT, "reward template: {response} must be the last of the three slots"));
    }
    t->order[0] = at[HISTORY] < at[QUERY] ? HISTORY : QUERY;
    t->order[1] = t->order[0] == HISTORY ? QUERY : HISTORY;
    t->order[2] = RESPONSE;
    size_t start = 0;
    for (int i = 0; i < SLOTS; i++) {
        t->fixed[i].start = start;
        t->fixed[i].length = (size_t)(at[t->order[i]] - t->text) - start;
        start += t->fixed[i].length + strlen(slot_names[t->order[i]]);
    }
    t->fixed[SLOTS].start = start;
    t->fixed[SLOTS].length = strlen(t->text) - start;
    *out = t;
    t = NULL;
cleanup:
    reward_template_free(t);
    return status;
}

wr_status reward_template_load(const char *file, reward_template **out) {
    wr_status status = WR_OK;
    char *text = NULL;
    size_t n;
    if (!file) return reward_template_from_text(default_text, out);
    TRY(file_read(file, 1 << 20, &text, &n));
    if (strlen(text) != n) TRY(wr_fail(WR_E_FORMAT, "%s: a template must not hold NUL bytes", file));
    TRY(wr_context(reward_template_from_text(text, out), "%s", file));
cleanup:
    free(text);
    return status;
}

const char *reward_template_text(const reward_template *t) { return t->text; }
const char *reward_template_hash(const reward_template *t) { return t->hash; }

bool reward_template_parts(const reward_template *t, const char *text[4], size_t n[4]) {
    for (int i = 0; i <= SLOTS; i++) {
        text[i] = t->text + t->fixed[i].start;
        n[i] = t->fixed[i].length;
    }
    return t->order[0] == HISTORY;
}

const char *reward_template_role(const char *role) {
    if (!role) return "";
    return strcmp(role, "user") == 0        ? "User"
           : strcmp(role, "assistant") == 0 ? "Assistant"
           : strcmp(role, "system") == 0    ? "System"
                                            : role;
}

static void put_message(strbuf *out, const chat_message *m) {
    strbuf_puts(out, reward_template_role(m->role));
    strbuf_puts(out, ": ");
    strbuf_append(out, m->content, m->length);
}

wr_status reward_template_render(const reward_template *t, const chat_message *history, size_t n_history,
                                 const char *query, size_t query_length, const char *response, size_t response_length,
                                 strbuf *out) {
    for (int i = 0; i <= SLOTS; i++) {
        strbuf_append(out, t->text + t->fixed[i].start, t->fixed[i].length);
        if (i == SLOTS) break;
        if (t->order[i] == QUERY)
            strbuf_append(out, query, query_length);
        else if (t->order[i] == RESPONSE)
            strbuf_append(out, response, response_length);
        else if (n_history == 0)
            strbuf_puts(out, REWARD_NO_HISTORY);
        else {
            for (size_t k = 0; k < n_history; k++) {
                if (k) strbuf_putc(out, '\n');
                put_message(out, &history[k]);
            }
        }
    }
    return strbuf_status(out);
}

wr_status reward_template_encode(const reward_template *t, const tokenizer *tok, const chat_message *history,
                                 size_t n_history, const char *query, size_t query_length, const char *response,
                                 size_t response_length, size_t max_length, token_ids *out, size_t *dropped) {
    wr_status status = WR_OK;
    strbuf text = {0};
    size_t start = out->n, skip = 0;
    for (;;) {
        strbuf_clear(&text);
        out->n = start;
        TRY(reward_template_render(t, history + skip, n_history - skip, query, query_length, response, response_length,
                                   &text));
        TRY(tokenizer_encode(tok, text.data, text.len, TOK_POST, out));
        size_t n = out->n - start;
        if (!max_length || n <= max_length) break;
        if (skip == n_history) {
            out->n = start;
            TRY(wr_fail(WR_E_FORMAT, "query and reply take %zu tokens, the limit is %zu (--max-length)", n,
                        max_length));
        }
        /* A message gives at most one token a byte, so as long as the bytes left out are fewer than the tokens too
         * many, the next message must go as well: same result as one by one, in a few rounds. */
        for (size_t over = n - max_length, bytes = 0; skip < n_history && bytes < over; skip++)
            bytes += history[skip].length + 16 + (history[skip].role ? strlen(history[skip].role) : 0);
    }
    if (dropped) *dropped = skip;
cleanup:
    strbuf_free(&text);
    return status;
}
