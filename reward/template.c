/* The reward model's input text (reward/template.h). */
#include "reward/template.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "reward/template_head.h"
#include "text/chat/white_space.h"

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
    template_head head;
    /* The text behind the head is fixed[0] slot order[0] fixed[1] slot order[1] fixed[2] slot order[2] fixed[3]. */
    struct {
        size_t start, length;
    } fixed[SLOTS + 1];
    int order[SLOTS];
    bool apart; /* trimming ends at the template's own words on both sides of the history */
};

void reward_template_free(reward_template *t) {
    if (!t) return;
    template_head_free(&t->head);
    free(t->text);
    free(t);
}

/* Something other than white space in fixed[from … to]. */
static bool has_words(const reward_template *t, int from, int to) {
    size_t left = 0;
    for (int i = from; i <= to; i++) {
        const char *text = t->text + t->fixed[i].start;
        size_t n = t->fixed[i].length;
        white_space_strip(&text, &n, true, false);
        left += n;
    }
    return left > 0;
}

wr_status reward_template_from_text(const char *text, reward_template **out) {
    wr_status status = WR_OK;
    const char *at[SLOTS];
    reward_template *t = mem_calloc(1, sizeof *t);
    TRY_ALLOC(t);
    TRY_ALLOC(t->text = mem_strdup(text));
    hash_hex(text, strlen(text), t->hash);
    TRY(template_head_read(t->text, &t->head));
    for (int s = 0; s < SLOTS; s++) {
        at[s] = strstr(t->text + t->head.length, slot_names[s]);
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
    size_t start = t->head.length;
    for (int i = 0; i < SLOTS; i++) {
        t->fixed[i].start = start;
        t->fixed[i].length = (size_t)(at[t->order[i]] - t->text) - start;
        start += t->fixed[i].length + strlen(slot_names[t->order[i]]);
    }
    t->fixed[SLOTS].start = start;
    t->fixed[SLOTS].length = strlen(t->text) - start;
    t->apart = has_words(t, 0, t->order[0] == HISTORY ? 0 : 1) && has_words(t, t->order[0] == HISTORY ? 1 : 2, SLOTS);
    *out = t;
    t = NULL;
cleanup:
    reward_template_free(t);
    return status;
}

wr_status reward_template_load(const char *file, reward_template **out) {
    wr_status status = WR_OK;
    char *text = NULL;
    size_t n, valid;
    if (!file) return reward_template_from_text(default_text, out);
    TRY(file_read(file, 1 << 20, &text, &n));
    if (strlen(text) != n) TRY(wr_fail(WR_E_FORMAT, "%s: a template must not hold NUL bytes", file));
    valid = utf8_valid_prefix(text, n);
    if (valid < n) TRY(wr_fail(WR_E_FORMAT, "%s: byte %zu is not UTF-8; save the template as UTF-8", file, valid + 1));
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

const template_head *reward_template_head(const reward_template *t) { return &t->head; }
size_t reward_template_max_length(const reward_template *t) { return t->head.max_length; }
bool reward_template_cuts_right(const reward_template *t) { return t->head.cut_right; }

/* --- text --------------------------------------------------------------------------------------------------------- */

/* What a reasoning model thought before it answered is not what its user saw. */
void reward_template_reply(const reward_template *t, const char **response, size_t *n) {
    static const char mark[] = "</think>";
    const size_t length = sizeof mark - 1;
    if (!t->head.strip_thoughts) return;
    const char *found;
    while ((found = memmem(*response, *n, mark, length)) != NULL) {
        *n -= (size_t)(found - *response) + length;
        *response = found + length;
    }
    white_space_strip(response, n, true, true);
}

/* A line of the history is line[0 … a) slot line[b … c) slot line[d …), whichever slot comes first. */
static void put_message(const template_head *h, const chat_message *m, strbuf *out) {
    size_t at = 0;
    for (int k = 0; k < LINE_SLOTS; k++) {
        const int slot = template_line_slot(h, k);
        strbuf_append(out, h->line + at, h->slot_at[slot] - at);
        if (slot == LINE_ROLE)
            strbuf_puts(out, template_head_role(h, m->role));
        else
            strbuf_append(out, m->content, m->length);
        at = h->slot_at[slot] + strlen(template_line_slots[slot]);
    }
    strbuf_puts(out, h->line + at);
}

static void put_history(const template_head *h, const chat_message *history, size_t n, strbuf *out) {
    if (n == 0) strbuf_puts(out, h->empty);
    for (size_t k = 0; k < n; k++) {
        if (k && !h->own_lines) strbuf_putc(out, '\n');
        put_message(h, &history[k], out);
    }
}

/* Of what was appended behind `start`. */
static void trim(strbuf *out, size_t start) {
    if (out->failed || out->len == start) return;
    const char *text = out->data + start;
    size_t n = out->len - start;
    white_space_strip(&text, &n, true, true);
    memmove(out->data + start, text, n);
    out->len = start + n;
    out->data[out->len] = '\0';
}

wr_status reward_template_render(const reward_template *t, const chat_message *history, size_t n_history,
                                 const char *query, size_t query_length, const char *response, size_t response_length,
                                 strbuf *out) {
    const size_t start = out->len;
    reward_template_reply(t, &response, &response_length);
    for (int i = 0; i <= SLOTS; i++) {
        strbuf_append(out, t->text + t->fixed[i].start, t->fixed[i].length);
        if (i == SLOTS) break;
        if (t->order[i] == QUERY)
            strbuf_append(out, query, query_length);
        else if (t->order[i] == RESPONSE)
            strbuf_append(out, response, response_length);
        else
            put_history(&t->head, history, n_history, out);
    }
    if (t->head.trim) trim(out, start);
    return strbuf_status(out);
}

/* --- tokens ------------------------------------------------------------------------------------------------------- */

template_limit template_limit_of(const reward_template *t, size_t given) {
    const size_t own = t ? t->head.max_length : 0;
    if (own && (!given || own < given)) return (template_limit){own, "max_length of the template"};
    return (template_limit){given, "--max-length"};
}

wr_status template_too_long(size_t tokens, template_limit most) {
    return wr_fail(WR_E_FORMAT, "query and reply take %zu tokens, the limit is %zu (%s)", tokens, most.tokens,
                   most.from);
}

wr_status template_cut_right(const tokenizer *tok, size_t most, size_t from, token_ids *ids, size_t *cut) {
    const int32_t *before, *after;
    size_t n_before, n_after;
    *cut = 0;
    if (!most || ids->n - from <= most) return WR_OK;
    tokenizer_post(tok, &before, &n_before, &after, &n_after);
    if (most <= n_before + n_after)
        return wr_fail(WR_E_FORMAT, "a limit of %zu tokens leaves none to the text: the tokenizer adds %zu of its own",
                       most, n_before + n_after);
    *cut = ids->n - from - most;
    ids->n = from + most;
    if (n_after) memcpy(ids->ids + ids->n - n_after, after, n_after * sizeof *after);
    return WR_OK;
}

wr_status reward_template_cut_text(const reward_template *t, const tokenizer *tok, const char *text, size_t n,
                                   size_t max_length, token_ids *out, size_t *cut) {
    wr_status status = WR_OK;
    const template_limit most = template_limit_of(t, max_length);
    const size_t start = out->n;
    *cut = 0;
    TRY(tokenizer_encode(tok, text, n, TOK_DEFAULT, out));
    if (out->n == start) TRY(wr_fail(WR_E_FORMAT, "text has no tokens"));
    if (t && t->head.cut_right)
        TRY(template_cut_right(tok, most.tokens, start, out, cut));
    else if (most.tokens && out->n - start > most.tokens)
        TRY(wr_fail(WR_E_FORMAT, "text has %zu tokens, the limit is %zu (%s)", out->n - start, most.tokens, most.from));
cleanup:
    if (status < 0) out->n = start;
    return status;
}

wr_status reward_template_encode_text(const reward_template *t, const tokenizer *tok, const char *text, size_t n,
                                      size_t max_length, token_ids *out) {
    size_t cut;
    return reward_template_cut_text(t, tok, text, n, max_length, out, &cut);
}

/* The message to go on with where the text is `over` tokens too long: a message gives at most one token a byte, so as
 * long as the bytes left out are fewer than the tokens too many, the next message must go as well. The same result as
 * one by one, in a few rounds. Where trimming can reach the history, a message may take more with it than its own. */
static size_t next_oldest(const reward_template *t, const chat_message *history, size_t n, size_t skip, size_t over) {
    const template_head *h = &t->head;
    size_t bytes = 0;
    if (h->trim && !t->apart) return skip + 1;
    for (; skip < n && bytes < over; skip++)
        bytes += history[skip].length + 16 + strlen(h->line) + strlen(template_head_role(h, history[skip].role));
    return skip;
}

wr_status reward_template_encode(const reward_template *t, const tokenizer *tok, const chat_message *history,
                                 size_t n_history, const char *query, size_t query_length, const char *response,
                                 size_t response_length, size_t max_length, token_ids *out, size_t *dropped) {
    wr_status status = WR_OK;
    const template_limit most = template_limit_of(t, max_length);
    strbuf text = {0};
    size_t start = out->n, skip = 0, cut = 0;
    for (;;) {
        strbuf_clear(&text);
        out->n = start;
        TRY(reward_template_render(t, history + skip, n_history - skip, query, query_length, response, response_length,
                                   &text));
        TRY(tokenizer_encode(tok, text.data, text.len, TOK_POST, out));
        const size_t n = out->n - start;
        if (t->head.cut_right) TRY(template_cut_right(tok, most.tokens, start, out, &cut));
        if (t->head.cut_right || !most.tokens || n <= most.tokens) break;
        if (skip == n_history) TRY(template_too_long(n, most));
        skip = next_oldest(t, history, n_history, skip, n - most.tokens);
    }
    if (dropped) *dropped = t->head.cut_right ? cut : skip;
cleanup:
    if (status < 0) out->n = start;
    strbuf_free(&text);
    return status;
}
