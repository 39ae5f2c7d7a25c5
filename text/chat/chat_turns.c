#include "text/chat/chat_turns.h"

#include <string.h>

void find_contents(const jinja_text *x, size_t n, text_span *spans) {
    memset(spans, 0, n * sizeof *spans);
    for (size_t i = 0, end; i < x->n; i = end) {
        const uint16_t origin = x->origin[i];
        for (end = i + 1; end < x->n && x->origin[end] == origin; end++) {
        }
        if (origin == 0 || origin > n) continue;
        text_span *s = &spans[origin - 1];
        if (!s->end) s->first = i;
        s->end = end;
    }
}

/* Behind the last (or first) occurrence of a mark in [from, to); 0: none. */
static size_t behind_mark(const jinja_text *x, const char *mark, size_t n, size_t from, size_t to, bool last) {
    size_t found = 0;
    while (n && from + n <= to) {
        const char *at = memmem(x->bytes + from, to - from, mark, n);
        if (!at) break;
        found = (size_t)(at - x->bytes) + n;
        if (!last) break;
        from = found - n + 1;
    }
    return found;
}

/* Behind the generation prompt in [from, to), or behind as much of it as stands there, down to whom it names: a
 * template may begin an earlier turn, or one without thoughts, otherwise than it asks for a reply. Parts end behind a
 * line or a tag. 0: none. */
static size_t behind_generation(const turn_marks *m, const jinja_text *x, size_t from, size_t to, bool last) {
    size_t at = behind_mark(x, m->generation, m->n_generation, from, to, last);
    for (size_t n = m->n_generation; !at && m->n_header && n > m->n_header; n--) {
        const char before = m->generation[n - 2];
        if (n - 1 == m->n_header || before == '\n' || before == '>')
            at = behind_mark(x, m->generation, n - 1, from, to, last);
    }
    return at;
}

/* Behind the first end token in [from, to); 0: none. */
static size_t behind_end(const turn_marks *m, const tokenizer *t, const jinja_text *x, size_t from, size_t to) {
    size_t length;
    for (size_t at; (at = behind_mark(x, m->end, m->n_end, from, to, false)); from = at - m->n_end + 1)
        if (tokenizer_added_at(t, x->bytes, x->n, x->origin, at - m->n_end, &length) >= 0 && length == m->n_end)
            return at;
    return 0;
}

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/* First byte from `at` on that others wrote, but for what message i holds. */
static size_t others_from(const jinja_text *x, size_t at, size_t i) {
    while (at < x->n && (x->origin[at] == 0 || x->origin[at] == i + 1)) at++;
    return at;
}

/* A template may name what a message holds once more further on (a tool's name beside its result): the turn ends where
 * the text does without that, and before the next message's text. */
static size_t content_end(const jinja_text *x, const text_span *contents, size_t n, size_t i, size_t alone) {
    size_t end = contents[i].end, next = alone > contents[i].first ? alone : x->n;
    for (size_t k = i + 1; k < n; k++)
        if (contents[k].end && contents[k].first > contents[i].first && contents[k].first < next)
            next = contents[k].first;
    if (end <= next) return end;
    for (end = next; x->origin[end - 1] != i + 1; end--) {
    }
    return end;
}

static void turn_of(const turn_marks *m, const tokenizer *t, const jinja_text *x, const chat_message *messages,
                    size_t n, const text_span *contents, size_t i, size_t alone, size_t from, text_span *out) {
    const text_span *s = &contents[i], *before = i ? &contents[i - 1] : NULL;
    size_t end = 0, length;
    if (!s->end) { /* nothing said: the turn must be there as a whole */
        const size_t begin = behind_generation(m, x, from, others_from(x, from, i), false);
        const size_t whole = begin ? behind_end(m, t, x, begin, others_from(x, begin, i)) : 0;
        if (whole) *out = (text_span){begin, whole};
        return;
    }
    out->first = s->first;
    const bool user = before && before->end && before->end >= from && strcmp(messages[i - 1].role, "user") == 0;
    if (user && m->n_after_user && before->end + m->n_after_user <= s->first &&
        memcmp(x->bytes + before->end, m->after_user, m->n_after_user) == 0) {
        out->first = before->end + m->n_after_user;
    } else {
        const size_t begin = behind_generation(m, x, from, s->first, true);
        if (begin) out->first = begin;
    }
    out->end = content_end(x, contents, n, i, alone);
    end = behind_end(m, t, x, out->end, alone > out->end ? alone : others_from(x, out->end, i));
    if (!end && tokenizer_added_at(t, x->bytes, x->n, x->origin, out->end, &length) >= 0) end = out->end + length;
    /* no token ends it, as where the next role's does: to the end of what the template writes of it (a closing tag) */
    if (!end && alone > out->end)
        for (end = alone; end > out->end && is_space(x->bytes[end - 1]); end--) {
        }
    if (end) out->end = end;
}

void find_turns(const turn_marks *marks, const tokenizer *t, const jinja_text *x, const chat_message *messages,
                size_t n, const text_span *contents, const size_t *alone, text_span *spans) {
    size_t from = 0; /* behind all that is settled */
    memset(spans, 0, n * sizeof *spans);
    for (size_t i = 0; i < n; i++) {
        const bool assistant = strcmp(messages[i].role, "assistant") == 0;
        if (assistant && (!contents[i].end || contents[i].first >= from))
            turn_of(marks, t, x, messages, n, contents, i, alone[i], from, &spans[i]);
        if (spans[i].end > from) from = spans[i].end;
        if (!assistant && contents[i].end > from) from = contents[i].end;
    }
}

/* --- tokens ------------------------------------------------------------------------------------------------------- */

/* at (2n) of text cut at the bounds (ids cut) in the same text uncut (ids whole): tokens that both have at both ends
 * are the same ones; what is between lies over the bound. */
static void move_bound(const token_ids *cut, const token_ids *whole, bool begins, size_t *at) {
    size_t head = 0, tail = 0, shorter = cut->n < whole->n ? cut->n : whole->n;
    while (head < shorter && cut->ids[head] == whole->ids[head]) head++;
    while (tail < shorter - head && cut->ids[cut->n - 1 - tail] == whole->ids[whole->n - 1 - tail]) tail++;
    if (head == shorter && cut->n == whole->n) return;
    *at = begins ? head : whole->n - tail;
}

wr_status encode_spans(const tokenizer *t, const jinja_text *x, const size_t *bounds, size_t n, bool cut, size_t *at,
                       token_ids *ids) {
    wr_status status = WR_OK;
    const size_t before = ids->n;
    token_ids whole = {0}, one = {0};
    TRY(tokenizer_encode_marked(t, x->bytes, x->n, x->origin, bounds, 2 * n, at, ids));
    if (cut || n == 0) goto cleanup;
    TRY(tokenizer_encode_marked(t, x->bytes, x->n, x->origin, NULL, 0, NULL, &whole));
    if (whole.n == ids->n - before && memcmp(whole.ids, ids->ids + before, whole.n * sizeof *whole.ids) == 0)
        goto cleanup;
    for (size_t i = 0; i < 2 * n; i++) { /* rare: each bound by itself */
        one.n = 0;
        TRY(tokenizer_encode_marked(t, x->bytes, x->n, x->origin, bounds + i, 1, at + i, &one));
        move_bound(&one, &whole, i % 2 == 0, &at[i]);
        at[i] += before;
    }
    ids->n = before;
    for (size_t i = 0; i < whole.n; i++) TRY(token_ids_push(ids, whole.ids[i]));
cleanup:
    token_ids_free(&whole);
    token_ids_free(&one);
    return status;
}
