#include "text/tokenizer/pretokenize_steps.h"

#include "base/utf8.h"
#include "text/tokenizer/text_bytes.h"
#include <stdlib.h>
#include <string.h>

void pretokenize_scratch_free(pretokenize_scratch *s) {
    free(s->a.items);
    free(s->b.items);
    regex_subject_free(&s->subject);
    arena_free(s->arena);
    *s = (pretokenize_scratch){0};
}

/* --- splitting ---------------------------------------------------------------------------------------------------- */

/* Collects the pieces of one text from the stream of (match | gap) spans, merging them as the behaviour asks. */
typedef struct splitter {
    split_behavior behavior;
    bool invert;
    piece_list *out;
    size_t first;       /* index in out of this text's first piece */
    bool last_is_match; /* of the span before */
    bool pending;       /* SPLIT_WITH_NEXT: a match waits for its gap */
} splitter;

static wr_status add_span(splitter *s, const char *text, size_t n, bool is_match) {
    wr_status status = WR_OK;
    bool match = is_match != s->invert, join = false, any = s->out->n > s->first;
    switch (s->behavior) {
    case SPLIT_REMOVED:
        if (match) return WR_OK;
        break;
    case SPLIT_ISOLATED:
        break;
    case SPLIT_CONTIGUOUS:
        join = any && match == s->last_is_match;
        break;
    case SPLIT_WITH_PREVIOUS:
        join = any && match && !s->last_is_match;
        break;
    case SPLIT_WITH_NEXT:
        join = any && !match && s->pending;
        break;
    }
    s->pending = match;
    s->last_is_match = match;
    if (join) {
        s->out->items[s->out->n - 1].n += n;
    } else {
        VEC_PUSH(s->out->items, s->out->n, s->out->capacity, ((piece){text, n}));
    }
cleanup:
    return status;
}

/* An empty match leaves a piece that others join, and which goes when nothing did. */
static void drop_empty(splitter *s) {
    size_t n = s->first;
    for (size_t i = s->first; i < s->out->n; i++)
        if (s->out->items[i].n > 0) s->out->items[n++] = s->out->items[i];
    s->out->n = n;
}

static wr_status split_digits(splitter *s, const unicode_table *table, const char *text, size_t n) {
    wr_status status = WR_OK;
    size_t begin = 0;
    for (size_t i = 0; i < n;) {
        uint32_t code = (uint8_t)text[i];
        size_t width = 1;
        if (code < 0x80 ? code - '0' < 10
                        : (width = utf8_next(text + i, &code),
                           table ? unicode_bits(table, code) & UC_NUMERIC : unicode_is_numeric(code))) {
            if (i > begin) TRY(add_span(s, text + begin, i - begin, false));
            TRY(add_span(s, text + i, width, true));
            begin = i + width;
        }
        i += width;
    }
    if (n > begin) TRY(add_span(s, text + begin, n - begin, false));
cleanup:
    return status;
}

static wr_status split_words(const pretokenizer *p, word_pattern words, piece_list *out, const char *text, size_t n) {
    wr_status status = WR_OK;
    for (size_t at = 0, end; at < n; at = end) {
        end = words_next(words, p->table, text, n, at);
        VEC_PUSH(out->items, out->n, out->capacity, ((piece){text + at, end - at}));
    }
cleanup:
    return status;
}

static wr_status split_regex(splitter *s, const step *st, regex_subject *subject, const char *text, size_t n) {
    wr_status status = WR_OK;
    size_t begin = 0, from, to;
    bool found;
    TRY(regex_begin(st->regex, subject, text, n));
    for (;;) {
        TRY(regex_next(st->regex, subject, &from, &to, &found));
        if (!found) break;
        if (from > begin) TRY(add_span(s, text + begin, from - begin, false));
        TRY(add_span(s, text + from, to - from, true));
        begin = to;
    }
    if (n > begin) TRY(add_span(s, text + begin, n - begin, false));
    drop_empty(s);
cleanup:
    return status;
}

static wr_status split_string(splitter *s, const step *st, const char *text, size_t n) {
    wr_status status = WR_OK;
    const char *end = text + n;
    for (const char *hit; (hit = memmem(text, (size_t)(end - text), st->string, st->n_string));
         text = hit + st->n_string) {
        if (hit > text) TRY(add_span(s, text, (size_t)(hit - text), false));
        TRY(add_span(s, hit, st->n_string, true));
    }
    if (end > text) TRY(add_span(s, text, (size_t)(end - text), false));
cleanup:
    return status;
}

static wr_status add_prefix_space(pretokenize_scratch *s, piece *p) {
    if (p->text[0] == ' ') return WR_OK;
    char *copy = arena_alloc(s->arena, p->n + 1);
    if (!copy) return wr_fail(WR_E_NOMEM, "out of memory in %s", __func__);
    copy[0] = ' ';
    memcpy(copy + 1, p->text, p->n);
    *p = (piece){copy, p->n + 1};
    return WR_OK;
}

/* The bytes as the characters that stand for them in byte-level vocabularies: what steps behind ByteLevel see. */
static wr_status put_bytes(pretokenize_scratch *s, piece *p) {
    char *copy = arena_alloc(s->arena, 2 * p->n);
    size_t n = 0;
    if (!copy) return wr_fail(WR_E_NOMEM, "out of memory in %s", __func__);
    for (size_t i = 0; i < p->n; i++) n += utf8_encode(byte_to_char((uint8_t)p->text[i]), copy + n);
    *p = (piece){copy, n};
    return WR_OK;
}

/* Spaces become the mark, and one comes in front where none is and the scheme asks for it. */
static wr_status put_marks(const step *st, pretokenize_scratch *s, piece *p, bool first) {
    size_t spaces = 0, n = 0;
    for (size_t i = 0; i < p->n; i++) spaces += p->text[i] == ' ';
    bool marked = p->text[0] == ' ' || (p->n >= st->n_mark && memcmp(p->text, st->mark, st->n_mark) == 0);
    bool prepend = !marked && (st->prepend == PREPEND_ALWAYS || (st->prepend == PREPEND_FIRST && first));
    if (!spaces && !prepend) return WR_OK;
    char *copy = arena_alloc(s->arena, p->n + (spaces + 1) * st->n_mark);
    if (!copy) return wr_fail(WR_E_NOMEM, "out of memory in %s", __func__);
    if (prepend) {
        memcpy(copy, st->mark, st->n_mark);
        n = st->n_mark;
    }
    for (size_t i = 0; i < p->n; i++) {
        if (p->text[i] != ' ') {
            copy[n++] = p->text[i];
            continue;
        }
        memcpy(copy + n, st->mark, st->n_mark);
        n += st->n_mark;
    }
    *p = (piece){copy, n};
    return WR_OK;
}

/* Each mark begins a piece. */
static wr_status split_marks(const step *st, piece_list *out, const char *text, size_t n) {
    wr_status status = WR_OK;
    while (n > 0) {
        const char *next = memmem(text + 1, n - 1, st->mark, st->n_mark);
        size_t length = next ? (size_t)(next - text) : n;
        VEC_PUSH(out->items, out->n, out->capacity, ((piece){text, length}));
        text += length;
        n -= length;
    }
cleanup:
    return status;
}

static wr_status run_step(const pretokenizer *p, const step *st, pretokenize_scratch *s, const piece_list *in,
                          piece_list *out) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < in->n; i++) {
        const char *text = in->items[i].text;
        size_t n = in->items[i].n;
        splitter split = {.behavior = st->behavior, .invert = st->invert, .out = out, .first = out->n};
        if (st->kind == STEP_WORDS)
            TRY(split_words(p, st->words, out, text, n));
        else if (st->kind == STEP_DIGITS)
            TRY(split_digits(&split, p->table, text, n));
        else if (st->kind == STEP_METASPACE)
            TRY(split_marks(st, out, text, n));
        else if (st->kind == STEP_STRING)
            TRY(split_string(&split, st, text, n));
        else
            TRY(split_regex(&split, st, &s->subject, text, n));
    }
cleanup:
    return status;
}

wr_status pretokenize(const pretokenizer *p, pretokenize_scratch *s, const char *text, size_t n,
                      const piece_list **words) {
    wr_status status = WR_OK;
    piece_list *in = &s->a, *out = &s->b;
    if (!s->arena) TRY_ALLOC(s->arena = arena_create());
    arena_reset(s->arena);
    in->n = 0;
    VEC_PUSH(in->items, in->n, in->capacity, ((piece){text, n}));
    for (size_t k = 0; k < p->n; k++) {
        const step *st = &p->steps[k];
        for (size_t i = 0; i < in->n; i++) {
            if (st->kind == STEP_PREFIX_SPACE) TRY(add_prefix_space(s, &in->items[i]));
            if (st->kind == STEP_BYTES) TRY(put_bytes(s, &in->items[i]));
            if (st->kind == STEP_METASPACE)
                TRY(put_marks(st, s, &in->items[i], s->at_start && in->items[i].text == text));
        }
        if (st->kind == STEP_PREFIX_SPACE || st->kind == STEP_BYTES || (st->kind == STEP_METASPACE && !st->split))
            continue;
        out->n = 0;
        TRY(run_step(p, st, s, in, out));
        piece_list *swap = in;
        in = out;
        out = swap;
    }
    *words = in;
cleanup:
    return status;
}
