/* Inputs joined from pieces (reward/reward_encoder.h): first part | "User:" | " content\n" | … | "Query:" |
 * " content\n" | "Reply:" | " content\n" | last part. A cut lies between a line break and a letter, or between a colon
 * and a space. Whatever else the template has between a slot and the line of the next one belongs to the piece before:
 * a message is written with other words behind it as a line of the history, as its last line, as query and as reply,
 * and tokenized once for each that differs. What is trimmed is the first part's beginning and the last part's end. */
#include "reward/reward_encoder.h"

#include "reward/template_head.h"
#include "text/chat/white_space.h"

#include <stdlib.h>
#include <string.h>

#define LETTER "A"

/* What a message is in an input. */
enum { AS_LINE, AS_LAST_LINE, AS_QUERY, AS_REPLY, USES };

/* ids[from … from+n) of the encoder */
typedef struct id_span {
    size_t from, n;
} id_span;

typedef struct message_ids {
    bool role_known, known[USES];
    id_span role, content[USES];
} message_ids;

struct reward_encoder {
    const reward_template *t;
    const template_head *head;
    const tokenizer *tok;
    bool joins, none_joins; /* … a history without messages */
    token_ids ids;          /* of the template; behind fixed_end those of the conversation */
    size_t fixed_end;
    size_t n_letter; /* ids of the letter that stands behind a line while it is tokenized */
    id_span first, query, response, last;
    id_span none;          /* first, what stands for no history, and what is between it and the query's line */
    strbuf behind[USES];   /* a message's content; ends in a line break */
    int as[USES];          /* the first use with the same behind it */
    message_ids *messages; /* (n_messages) */
    size_t n_messages, capacity;
    strbuf text;
};

void reward_encoder_free(reward_encoder *e) {
    if (!e) return;
    token_ids_free(&e->ids);
    strbuf_free(&e->text);
    for (int u = 0; u < USES; u++) strbuf_free(&e->behind[u]);
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

/* Where the line "Query: " begins, with which a part must end: behind its last line break; at its beginning only behind
 * a line of the history that brings its own. n: there is none. */
static size_t label_at(const char *text, size_t n, bool after_break) {
    const char *found = memrchr(text, '\n', n);
    const size_t at = found ? (size_t)(found - text) + 1 : 0;
    const bool label = n - at > 2 && is_letter(text[at]) && text[n - 2] == ':' && text[n - 1] == ' ';
    return label && (at || after_break) ? at : n;
}

/* Where a letter follows a line break for the first time; n: nowhere. */
static size_t letter_at(const char *text, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (text[i - 1] == '\n' && is_letter(text[i])) return i;
    return n;
}

static void find_uses(reward_encoder *e) {
    for (int u = 0; u < USES; u++) {
        const strbuf *b = &e->behind[u];
        e->as[u] = 0;
        while (strcmp(strbuf_str(&e->behind[e->as[u]]), strbuf_str(b)) != 0) e->as[u]++; /* a template has no NUL */
    }
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
    const size_t query = label_at(text[1], n[1], h->own_lines), reply = label_at(text[2], n[2], false),
                 end = letter_at(text[3], n[3]);
    if (!n[0] || text[0][n[0] - 1] != '\n' || query == n[1] || reply == n[2] || end == n[3]) return WR_OK;
    TRY(piece(e, LETTER, 1, &letter));
    e->n_letter = letter.n;
    strbuf_puts(&e->behind[AS_LINE], "\n");
    if (h->own_lines) strbuf_puts(&e->behind[AS_LAST_LINE], "\n");
    strbuf_append(&e->behind[AS_LAST_LINE], text[1], query);
    strbuf_append(&e->behind[AS_QUERY], text[2], reply);
    strbuf_append(&e->behind[AS_REPLY], text[3], end);
    for (int u = 0; u < USES; u++) TRY(strbuf_status(&e->behind[u]));
    find_uses(e);
    strbuf_append(&e->text, text[0], n[0]);
    TRY(line_piece(e, &e->first));
    strbuf_clear(&e->text);
    strbuf_append(&e->text, text[0], n[0]);
    strbuf_puts(&e->text, h->empty);
    strbuf_append(&e->text, text[1], query);
    TRY(strbuf_status(&e->text));
    e->none_joins = e->text.data[e->text.len - 1] == '\n';
    if (e->none_joins) TRY(line_piece(e, &e->none));
    TRY(piece(e, text[1] + query, n[1] - query - 1, &e->query));
    TRY(piece(e, text[2] + reply, n[2] - reply - 1, &e->response));
    TRY(piece(e, text[3] + end, n[3] - end, &e->last));
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

static wr_status learn_role(reward_encoder *e, const chat_message *m, message_ids *out) {
    wr_status status = WR_OK;
    if (out->role_known) return WR_OK;
    strbuf_clear(&e->text);
    strbuf_puts(&e->text, template_head_role(e->head, m->role));
    strbuf_putc(&e->text, ':');
    TRY(strbuf_status(&e->text));
    TRY(piece(e, e->text.data, e->text.len, &out->role));
    out->role_known = true;
cleanup:
    return status;
}

static wr_status learn_content(reward_encoder *e, const chat_message *m, int use, message_ids *out) {
    wr_status status = WR_OK;
    const char *text = m->content;
    size_t n = m->length;
    int as = e->as[use];
    if (use == AS_REPLY) reward_template_reply(e->t, &text, &n);
    if (n != m->length) as = AS_REPLY;
    if (out->known[use]) return WR_OK;
    if (as == use || !out->known[as]) {
        strbuf_clear(&e->text);
        strbuf_putc(&e->text, ' ');
        strbuf_append(&e->text, text, n);
        strbuf_append(&e->text, e->behind[use].data, e->behind[use].len);
        TRY(line_piece(e, &out->content[as]));
        out->known[as] = true;
    }
    out->content[use] = out->content[as];
    out->known[use] = true;
cleanup:
    return status;
}

static wr_status learn_messages(reward_encoder *e, const chat_message *messages, size_t n_history) {
    wr_status status = WR_OK;
    const size_t n = n_history + 2;
    TRY(mem_reserve((void **)&e->messages, &e->capacity, n, sizeof *e->messages));
    for (; e->n_messages < n; e->n_messages++) e->messages[e->n_messages] = (message_ids){.role_known = false};
    for (size_t i = 0; i < n; i++) {
        const int use = i == n - 1 ? AS_REPLY : i == n - 2 ? AS_QUERY : i == n - 3 ? AS_LAST_LINE : AS_LINE;
        if (i < n_history) TRY(learn_role(e, &messages[i], &e->messages[i]));
        TRY(learn_content(e, &messages[i], use, &e->messages[i]));
    }
cleanup:
    return status;
}

static void put_ids(const int32_t *ids, size_t n, token_ids *out) {
    if (n) memcpy(out->ids + out->n, ids, n * sizeof *ids);
    out->n += n;
}
static void put(const reward_encoder *e, id_span s, token_ids *out) { put_ids(e->ids.ids + s.from, s.n, out); }

/* Of an input's messages: how many of the oldest are left out, and the ids of the whole, what the post-processor puts
 * around it included. */
static size_t fit(const reward_encoder *e, size_t n_history, size_t most, size_t around, size_t *skipped) {
    const message_ids *m = e->messages;
    const size_t rest = around + e->query.n + m[n_history].content[AS_QUERY].n + e->response.n +
                        m[n_history + 1].content[AS_REPLY].n + e->last.n;
    size_t history = 0, skip = 0;
    for (size_t i = 0; i < n_history; i++)
        history += m[i].role.n + m[i].content[i + 1 < n_history ? AS_LINE : AS_LAST_LINE].n;
    for (; most && !e->head->cut_right && skip < n_history && e->first.n + rest + history > most; skip++)
        history -= m[skip].role.n + m[skip].content[skip + 1 < n_history ? AS_LINE : AS_LAST_LINE].n;
    *skipped = skip;
    return rest + (skip == n_history ? e->none.n : e->first.n + history);
}

static void join(const reward_encoder *e, size_t n_history, size_t skip, token_ids *out) {
    const message_ids *m = e->messages;
    put(e, skip == n_history ? e->none : e->first, out);
    for (size_t i = skip; i < n_history; i++)
        put(e, m[i].role, out), put(e, m[i].content[i + 1 < n_history ? AS_LINE : AS_LAST_LINE], out);
    put(e, e->query, out), put(e, m[n_history].content[AS_QUERY], out);
    put(e, e->response, out), put(e, m[n_history + 1].content[AS_REPLY], out);
    put(e, e->last, out);
}

wr_status reward_encoder_encode(reward_encoder *e, const chat_message *messages, size_t n_history, size_t max_length,
                                token_ids *out, size_t *dropped) {
    wr_status status = WR_OK;
    const chat_message *query = &messages[n_history], *response = query + 1;
    const template_limit most = template_limit_of(e->t, max_length);
    const size_t start = out->n;
    size_t n_before, n_after, skip = 0, cut = 0, total = 0;
    const int32_t *before, *after;
    bool joins = e->joins;
    for (size_t i = 0; i < n_history && joins; i++) joins = is_letter(template_head_role(e->head, messages[i].role)[0]);
    if (joins) {
        TRY(learn_messages(e, messages, n_history));
        tokenizer_post(e->tok, &before, &n_before, &after, &n_after);
        total = fit(e, n_history, most.tokens, n_before + n_after, &skip);
        joins = skip < n_history || e->none_joins;
    }
    if (!joins)
        return reward_template_encode(e->t, e->tok, messages, n_history, query->content, query->length,
                                      response->content, response->length, max_length, out, dropped);
    if (most.tokens && total > most.tokens && !e->head->cut_right) TRY(template_too_long(total, most));
    TRY(mem_reserve((void **)&out->ids, &out->capacity, out->n + total, sizeof *out->ids));
    put_ids(before, n_before, out);
    join(e, n_history, skip, out);
    put_ids(after, n_after, out);
    if (e->head->cut_right) TRY(template_cut_right(e->tok, most.tokens, start, out, &cut));
    if (dropped) *dropped = e->head->cut_right ? cut : skip;
cleanup:
    if (status < 0) out->n = start;
    return status;
}
