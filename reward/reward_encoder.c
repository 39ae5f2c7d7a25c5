/* Inputs joined from pieces (reward/reward_encoder.h): first part | "User:" | " content\n" | … | "Query:" |
 * " content\n" | "Reply:" | " content\n" | last part. A cut lies between a line break and a letter, or between a colon
 * and a space. Under a head: the break behind a line of the history may be the line's own; what is trimmed is the first
 * part's beginning and the last part's end; a reply without its thoughts is a piece of its own. */
#include "reward/reward_encoder.h"

#include "reward/template_head.h"
#include "text/chat/white_space.h"

#include <stdlib.h>
#include <string.h>

#define LETTER "A"

/* ids[from … from+n) of the encoder */
typedef struct id_span {
    size_t from, n;
} id_span;

typedef struct message_ids {
    bool known, reply_known;
    id_span role, content;
    id_span reply; /* the content as it is written behind "Reply:" */
} message_ids;

struct reward_encoder {
    const reward_template *t;
    const template_head *head;
    const tokenizer *tok;
    bool joins, none_joins; /* … a history without messages */
    token_ids ids;          /* of the template; behind fixed_end those of the conversation */
    size_t fixed_end;
    size_t n_letter; /* ids of the letter that stands behind a line while it is tokenized */
    id_span first, query, response, last, none;
    message_ids *messages; /* (n_messages) */
    size_t n_messages, capacity;
    strbuf text;
};

void reward_encoder_free(reward_encoder *e) {
    if (!e) return;
    token_ids_free(&e->ids);
    strbuf_free(&e->text);
    free(e->messages);
    free(e);
}

bool reward_encoder_joins(const reward_encoder *e) { return e->joins; }

static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

static wr_status piece(reward_encoder *e, const char *text, size_t n, id_span *out) {
    out->from = e->ids.n;
    wr_status status = tokenizer_encode(e->tok, text, n, 0, &e->ids);
    out->n = e->ids.n - out->from;
    return status;
}

/* e->text, which ends in a line break and has a letter behind it. */
static wr_status line_piece(reward_encoder *e, id_span *out) {
    wr_status status = WR_OK;
    strbuf_putc(&e->text, LETTER[0]);
    TRY(strbuf_status(&e->text));
    TRY(piece(e, e->text.data, e->text.len, out));
    out->n -= e->n_letter;
    e->ids.n -= e->n_letter;
cleanup:
    return status;
}

static bool is_label(const char *text, size_t n, bool after_break) { /* "\nQuery: ", behind a break "Query: " */
    const size_t from = after_break ? 0 : 1;
    return n > from + 2 && (after_break || text[0] == '\n') && is_letter(text[from]) && text[n - 2] == ':' &&
           text[n - 1] == ' ';
}

/* What stands for a history without messages lies between line breaks, too. */
static wr_status learn_none(reward_encoder *e) {
    wr_status status = WR_OK;
    const template_head *h = e->head;
    const size_t n = strlen(h->empty);
    e->none_joins = n ? is_letter(h->empty[0]) && (!h->own_lines || h->empty[n - 1] == '\n') : h->own_lines;
    if (!n || !e->none_joins) return WR_OK;
    strbuf_clear(&e->text);
    strbuf_puts(&e->text, h->empty);
    if (!h->own_lines) strbuf_putc(&e->text, '\n');
    TRY(line_piece(e, &e->none));
cleanup:
    return status;
}

static wr_status load_parts(reward_encoder *e) {
    wr_status status = WR_OK;
    const template_head *h = e->head;
    const char *text[4];
    size_t n[4];
    id_span letter;
    if (!tokenizer_cuts_lines(e->tok) || !reward_template_parts(e->t, text, n)) return WR_OK;
    if (h->own_lines && strcmp(h->line, "{role}: {content}\n") != 0) return WR_OK;
    if (h->trim) white_space_strip(&text[0], &n[0], true, false);
    if (h->trim) white_space_strip(&text[3], &n[3], false, true);
    if (!n[0] || text[0][n[0] - 1] != '\n' || !is_label(text[1], n[1], h->own_lines) ||
        !is_label(text[2], n[2], false) || n[3] < 2 || text[3][0] != '\n' || !is_letter(text[3][1]))
        return WR_OK;
    const size_t before = h->own_lines ? 0 : 1; /* the line break before "Query:" */
    TRY(piece(e, LETTER, 1, &letter));
    e->n_letter = letter.n;
    strbuf_append(&e->text, text[0], n[0]);
    TRY(line_piece(e, &e->first));
    TRY(learn_none(e));
    TRY(piece(e, text[1] + before, n[1] - before - 1, &e->query));
    TRY(piece(e, text[2] + 1, n[2] - 2, &e->response));
    TRY(piece(e, text[3] + 1, n[3] - 1, &e->last));
    e->fixed_end = e->ids.n;
    e->joins = true;
cleanup:
    return status;
}

wr_status reward_encoder_create(const reward_template *t, const tokenizer *tok, reward_encoder **out) {
    wr_status status = WR_OK;
    reward_encoder *e = mem_calloc(1, sizeof *e);
    TRY_ALLOC(e);
    e->t = t;
    e->head = reward_template_head(t);
    e->tok = tok;
    TRY(load_parts(e));
    *out = e;
    e = NULL;
cleanup:
    reward_encoder_free(e);
    return status;
}

void reward_encoder_begin(reward_encoder *e) {
    e->ids.n = e->fixed_end;
    e->n_messages = 0;
}

static wr_status learn_content(reward_encoder *e, const char *content, size_t n, id_span *out) {
    strbuf_clear(&e->text);
    strbuf_putc(&e->text, ' ');
    strbuf_append(&e->text, content, n);
    strbuf_putc(&e->text, '\n');
    return line_piece(e, out);
}

static wr_status learn_message(reward_encoder *e, const chat_message *m, message_ids *out) {
    wr_status status = WR_OK;
    strbuf_clear(&e->text);
    strbuf_puts(&e->text, template_head_role(e->head, m->role));
    strbuf_putc(&e->text, ':');
    TRY(strbuf_status(&e->text));
    TRY(piece(e, e->text.data, e->text.len, &out->role));
    TRY(learn_content(e, m->content, m->length, &out->content));
    out->known = true;
    out->reply_known = false;
cleanup:
    return status;
}

static wr_status learn_reply(reward_encoder *e, const chat_message *m, message_ids *out) {
    wr_status status = WR_OK;
    const char *text = m->content;
    size_t n = m->length;
    if (out->reply_known) return WR_OK;
    reward_template_reply(e->t, &text, &n);
    if (n == m->length)
        out->reply = out->content;
    else
        TRY(learn_content(e, text, n, &out->reply));
    out->reply_known = true;
cleanup:
    return status;
}

static wr_status learn_messages(reward_encoder *e, const chat_message *messages, size_t n) {
    wr_status status = WR_OK;
    TRY(mem_reserve((void **)&e->messages, &e->capacity, n, sizeof *e->messages));
    for (; e->n_messages < n; e->n_messages++) e->messages[e->n_messages].known = false;
    for (size_t i = 0; i < n; i++)
        if (!e->messages[i].known) TRY(learn_message(e, &messages[i], &e->messages[i]));
cleanup:
    return status;
}

static void put_ids(const int32_t *ids, size_t n, token_ids *out) {
    if (n) memcpy(out->ids + out->n, ids, n * sizeof *ids);
    out->n += n;
}
static void put(const reward_encoder *e, id_span s, token_ids *out) { put_ids(e->ids.ids + s.from, s.n, out); }

/* Of the joined text: how many messages are left out, and how many ids there are. */
static size_t fit(const reward_encoder *e, size_t n_history, size_t rest, size_t most, size_t *skipped) {
    const message_ids *m = e->messages;
    size_t history = 0, skip = 0;
    for (size_t i = 0; i < n_history; i++) history += m[i].role.n + m[i].content.n;
    for (; most && !e->head->cut_right && skip < n_history && rest + history > most; skip++)
        history -= m[skip].role.n + m[skip].content.n;
    *skipped = skip;
    return rest + (skip == n_history ? e->none.n : history);
}

static wr_status join(reward_encoder *e, size_t n_history, size_t skip, size_t total, token_ids *out) {
    wr_status status = WR_OK;
    const int32_t *before, *after;
    size_t n_before, n_after;
    const message_ids *m = e->messages;
    tokenizer_post(e->tok, &before, &n_before, &after, &n_after);
    TRY(mem_reserve((void **)&out->ids, &out->capacity, out->n + total, sizeof *out->ids));
    put_ids(before, n_before, out);
    put(e, e->first, out);
    if (skip == n_history) put(e, e->none, out);
    for (size_t i = skip; i < n_history; i++) put(e, m[i].role, out), put(e, m[i].content, out);
    put(e, e->query, out), put(e, m[n_history].content, out);
    put(e, e->response, out), put(e, m[n_history + 1].reply, out);
    put(e, e->last, out);
    put_ids(after, n_after, out);
cleanup:
    return status;
}

wr_status reward_encoder_encode(reward_encoder *e, const chat_message *messages, size_t n_history, size_t max_length,
                                token_ids *out, size_t *dropped) {
    wr_status status = WR_OK;
    const chat_message *query = &messages[n_history], *response = query + 1;
    const template_limit most = template_limit_of(e->t, max_length);
    const size_t start = out->n;
    size_t skip = 0, cut = 0, total = 0;
    bool joins = e->joins;
    for (size_t i = 0; i < n_history && joins; i++) joins = is_letter(template_head_role(e->head, messages[i].role)[0]);
    if (joins) {
        const int32_t *before, *after;
        size_t n_before, n_after;
        TRY(learn_messages(e, messages, n_history + 2));
        TRY(learn_reply(e, response, &e->messages[n_history + 1]));
        tokenizer_post(e->tok, &before, &n_before, &after, &n_after);
        const size_t rest = n_before + e->first.n + e->query.n + e->messages[n_history].content.n + e->response.n +
                            e->messages[n_history + 1].reply.n + e->last.n + n_after;
        total = fit(e, n_history, rest, most.tokens, &skip);
        joins = skip < n_history || e->none_joins;
    }
    if (!joins)
        return reward_template_encode(e->t, e->tok, messages, n_history, query->content, query->length,
                                      response->content, response->length, max_length, out, dropped);
    if (most.tokens && total > most.tokens && !e->head->cut_right) TRY(template_too_long(total, most));
    TRY(join(e, n_history, skip, total, out));
    if (e->head->cut_right) TRY(template_cut_right(e->tok, most.tokens, start, out, &cut));
    if (dropped) *dropped = e->head->cut_right ? cut : skip;
cleanup:
    if (status < 0) out->n = start;
    return status;
}
